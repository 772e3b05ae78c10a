/* Looks like NCCL for one rank, whose device is the stand-in of src/device/testing/fake_cuda.c:
 * memory is the host's, and everything is over when it returns. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default"))) int

enum { kSystemError = 2, kInvalidArgument = 4, kInvalidUsage = 5 };

typedef struct {
  char bytes[128];
} Id;

static int async_error = 0;
static int aborted = 0;
static int calls = 0;

API ncclGetVersion(int* version) {
  *version = 22809;
  return 0;
}
API ncclGetUniqueId(Id* id) {
  memset(id, 7, sizeof(*id));
  return 0;
}
API ncclCommInitRank(void** comm, int size, Id id, int rank) {
  (void)id;
  if (size != 1 || rank != 0) return kInvalidUsage;
  *comm = malloc(1);
  return 0;
}
API ncclCommDestroy(void* comm) {
  free(comm);
  return 0;
}
API ncclCommAbort(void* comm) {
  free(comm);
  ++aborted;
  return 0;
}
API ncclCommGetAsyncError(void* comm, int* error) {
  (void)comm;
  *error = async_error;
  return 0;
}
__attribute__((visibility("default"))) const char* ncclGetErrorString(int error) {
  return error == kInvalidUsage ? "invalid usage" : "a fake error";
}
__attribute__((visibility("default"))) const char* ncclGetLastError(void* comm) {
  (void)comm;
  return "the stand-in says so";
}

static int Copy(const void* send, void* receive, size_t count, int type) {
  static const size_t kWidths[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  ++calls;
  if (type < 0 || type > 9) return kInvalidArgument;
  if (async_error != 0) return kSystemError;
  if (send != receive) memmove(receive, send, count * kWidths[type]);
  return 0;
}
API ncclAllReduce(const void* send, void* receive, size_t count, int type, int op, void* comm,
                  void* stream) {
  (void)op, (void)comm, (void)stream;
  return Copy(send, receive, count, type);
}
API ncclReduce(const void* send, void* receive, size_t count, int type, int op, int root,
               void* comm, void* stream) {
  (void)op, (void)root, (void)comm, (void)stream;
  return Copy(send, receive, count, type);
}
API ncclBroadcast(const void* send, void* receive, size_t count, int type, int root, void* comm,
                  void* stream) {
  (void)root, (void)comm, (void)stream;
  return Copy(send, receive, count, type);
}
API ncclAllGather(const void* send, void* receive, size_t count, int type, void* comm,
                  void* stream) {
  (void)comm, (void)stream;
  return Copy(send, receive, count, type);
}
API ncclReduceScatter(const void* send, void* receive, size_t count, int type, int op, void* comm,
                      void* stream) {
  (void)op, (void)comm, (void)stream;
  return Copy(send, receive, count, type);
}

/* For the test. */
API fakeNcclCalls(void) { return calls; }
API fakeNcclAborted(void) { return aborted; }
API fakeNcclBreak(int error) {
  async_error = error;
  return 0;
}
