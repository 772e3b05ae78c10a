#ifndef REGATTA_ECCL_H_
#define REGATTA_ECCL_H_

/* ECCL: collective communication between the ranks of one job. C API, shaped like NCCL's.
 *
 * Model
 *   A communicator joins `size` ranks, numbered 0 .. size-1; a rank is a process or a thread. Every
 *   rank calls the same collectives in the same order with matching arguments. A call returns when
 *   this rank's part is done, that is, when its send buffer may be reused and its receive buffer
 *   holds the result, in host memory or on a device. Asynchronous calls return at once and give a
 *   request to wait for.
 *
 * Threads
 *   All functions may be called from any thread. Calls on one communicator run one at a time, in
 *   the order in which they took its lock; since all ranks must agree on the order, use one thread
 *   a communicator, or order the calls yourself. ecclCommAbort is the exception: it may be called
 *   while another thread waits inside a collective, and wakes it. Each communicator of more than
 *   one rank has one background thread that watches its peers.
 *
 * Ownership
 *   ECCL keeps no pointer of yours after a call returns; after an asynchronous call, none but the
 *   buffers', until the request is over. Communicators are handles, not pointers: using one after
 *   ecclCommDestroy or ecclCommAbort gives ecclInvalidArgument.
 *
 * Buffers and counts
 *   Counts are numbers of elements, never bytes; 0 is allowed everywhere (pointers may then be
 *   NULL), and all ranks still have to make the call. Buffers need no alignment. Send and receive
 *   buffer may be the same where a function says "in place"; any other overlap is undefined.
 *
 * Devices
 *   Where ecclConfig_t or ECCL_DEVICE names a device, every buffer of this rank may be that
 *   device's memory or the host's, also send and receive buffer of one call; ranks may differ in
 *   all of that. A call waits for the work on its stream (ecclCommSetStream) and blocks as every
 *   other; when it returns, its result is in the device's memory. Where any rank has a device,
 *   large calls are cut into pieces of 4 MiB on all ranks, so that copies pass beside the exchange;
 *   last bits may therefore differ from those of a communicator without devices, but not by where
 *   the buffers are. Where every rank has a device of its own and the vendor's library is there
 *   (NCCL: libnccl.so.2), reductions, broadcasts and all-gathers go through it; ecclCommGetLastOp
 *   then says "nccl". Compressed calls bring the whole tensor to the host. Lists of counts are
 *   always host memory.
 *
 * Results
 *   All ranks receive bit-identical results, and the same inputs on the same number of ranks with
 *   the same algorithm give the same bits again. float16 and bfloat16 are combined in float and
 *   rounded to nearest even at each step. Integers wrap around. min and max give NaN when any input
 *   is NaN. avg is sum divided by the number of ranks, toward zero for integers. band, bor and bxor
 *   combine the bits of integers; with a floating-point type they give ecclInvalidArgument.
 *
 * Errors
 *   Every function returns an ecclResult_t, never throws and never ends the process. The text is in
 *   ecclGetLastError(). When a rank dies, hangs, leaves, or calls something else, every other
 *   rank's call fails with a text that names the rank, its host and process, the operation and its
 *   sequence number: a death within about a second, a hang after the time-out. A communicator that
 *   has failed stays failed: abort it and make a new one.
 *
 * Environment (read when a communicator is made; ecclConfig_t wins over it)
 *   ECCL_MASTER_ADDR, ECCL_MASTER_PORT   where rank 0 listens (else MASTER_ADDR, MASTER_PORT)
 *   ECCL_JOB_TOKEN         secret shared by the ranks; a connection without it is dropped
 *   ECCL_TRANSPORT         auto (default: shm between ranks on one host, else tcp), shm, tcp
 *   ECCL_ALGORITHM         of an all-reduce: auto (default: by size, and by where the ranks are),
 *                          or one of ring, direct, doubling, halving, tree, double tree,
 *                          hierarchical
 *   ECCL_EXACT             1: algorithms go by size alone, so that the same calls on the same hosts
 *                          give the same bits in every run (default 0)
 *   ECCL_TIMEOUT_MS        a call fails after so long without progress (default 600000)
 *   ECCL_INIT_TIMEOUT_MS   how long ranks may start apart (default 300000)
 *   ECCL_DEVICE            where this rank's buffers may be besides host memory: cpu (default:
 *                          nowhere else), or a device, such as cuda:0
 *   ECCL_NCCL              0: NCCL is not used between devices (default: where it can be loaded)
 *   ECCL_NCCL_LIBRARY      its file (default libnccl.so.2)
 *   ECCL_HOST              the address this rank tells others to reach it at
 *   ECCL_INTERFACES        network interfaces for traffic between hosts, such as eth0,eth1 or
 *                          ib* or ^docker0 (all but that one); default: the fastest of those
 *                          whose driver says how fast they are, without loopback and the
 *                          bridges of container engines. Ranks connect interfaces of one
 *                          subnet; messages are divided among them by what each lately
 *                          carried, and one that fails is survived while another is left
 *   ECCL_SOCKETS_PER_RAIL  connections between two such interfaces, 1 to 16 (default 1); the
 *                          higher one of two ranks decides
 *   ECCL_HOST_ID           ranks with different ones count as being on different hosts
 *   ECCL_SHM_RING_BYTES    size of one shared-memory ring, a power of two (default: 2 MiB, less
 *                          when more than four ranks share a host or the process has many
 *                          communicators)
 *   ECCL_FLIGHT_RECORDS    a folder, made if need be: a communicator that fails leaves a JSON file
 *                          with its latest calls, and what it knew of the other ranks, there
 */

#include <stddef.h>
#include <stdint.h>

#include "regatta/device.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ECCL_API __attribute__((visibility("default")))

#define ECCL_MAJOR 0
#define ECCL_MINOR 1
#define ECCL_PATCH 0
#define ECCL_VERSION_CODE (ECCL_MAJOR * 10000 + ECCL_MINOR * 100 + ECCL_PATCH)

/* In C++ with a fixed type, so that a caller's wrong number is an error and not undefined. */
#ifdef __cplusplus
#define ECCL_ENUM enum : int
#else
#define ECCL_ENUM enum
#endif

typedef struct ecclComm* ecclComm_t;
/* A call that was submitted and whose result has not been taken. */
typedef struct ecclRequest* ecclRequest_t;

#define ECCL_UNIQUE_ID_BYTES 128
/* Names one communicator to be. Plain bytes: copy it to the other ranks by any means. It holds an
 * address and a secret, so treat it as one. */
typedef struct {
  char internal[ECCL_UNIQUE_ID_BYTES];
} ecclUniqueId;

/* The first eight have NCCL's numbers. */
typedef ECCL_ENUM{
    ecclSuccess = 0,
    ecclSystemError = 2,     /* the operating system refused something: memory, sockets, files */
    ecclInternalError = 3,   /* a defect in ECCL */
    ecclInvalidArgument = 4, /* one argument is wrong by itself */
    ecclInvalidUsage = 5,    /* the call does not fit the communicator's state or the other ranks */
    ecclRemoteError = 6,     /* another rank died, left or failed */
    ecclInProgress = 7,      /* of a request: it is not over */
    ecclTimeout = 8,         /* no progress for the time-out; the text names whom we wait for */
    ecclAborted = 9,         /* ecclCommAbort was called here */
    ecclMismatch = 10        /* ranks called different things; the text shows both */
} ecclResult_t;

/* NCCL's numbers. */
typedef ECCL_ENUM{ecclInt8 = 0,    ecclUint8 = 1,   ecclInt32 = 2,   ecclUint32 = 3,
                  ecclInt64 = 4,   ecclUint64 = 5,  ecclFloat16 = 6, ecclFloat32 = 7,
                  ecclFloat64 = 8, ecclBfloat16 = 9} ecclDataType_t;

/* The first five have NCCL's numbers. The bitwise ones are for integers only. */
typedef ECCL_ENUM{ecclSum = 0, ecclProd = 1, ecclMax = 2, ecclMin = 3,
                  ecclAvg = 4, ecclBand = 5, ecclBor = 6, ecclBxor = 7} ecclRedOp_t;

/* How values cross the wire in a compressed all-reduce; docs/formats/eccl-wire.md has the bytes. */
typedef ECCL_ENUM{
    ecclWireFloat16 = 1,  /* 2 bytes; magnitudes from 65520 on become infinities */
    ecclWireBfloat16 = 2, /* 2 bytes, float32's range, 8 bits of precision */
    ecclWireInt8 = 3,     /* 1 byte, and a float32 scale for each group of values */
    ecclWireTopK = 4,     /* only the values of largest magnitude, 8 bytes each (DGC) */
    ecclWirePowerSgd = 5  /* two thin factors of the tensor seen as a matrix */
} ecclWireFormat_t;

/* Remembers, for one tensor, what compression has not sent yet. */
typedef struct ecclCompressor* ecclCompressor_t;

/* Options of one compressor. Start from ECCL_COMPRESSOR_CONFIG_INITIALIZER. All ranks use the same:
 * another is found out as ecclMismatch. Fields of other formats are not used. */
typedef struct {
  size_t size;             /* sizeof(ecclCompressorConfig_t), so that the struct can grow */
  ecclWireFormat_t format; /* default ecclWireBfloat16 */
  /* Default 1: what a call's compression loses is added to the next call's values (4 bytes of
   * memory an element), so that over many calls nothing is lost. 0: it is forgotten. */
  int error_feedback;
  /* Default 0: float16, bfloat16 and int8 are used between hosts only, and the ranks of one host
   * combine exactly in shared memory; where all ranks share a host nothing is compressed. 1:
   * between any two ranks. */
  int inside_hosts;
  size_t int8_group;     /* values to a scale, a power of two from 16 to 32768; default 256 */
  double topk_ratio;     /* share of the values that a rank sends, above 0 to 1; default 0.001 */
  double momentum;       /* of top-k: momentum correction, see below; default 0, none */
  double clip_norm;      /* of top-k: a rank's values are scaled down to a norm of clip_norm /
                            sqrt(nranks); default 0, never */
  uint64_t warmup_steps; /* of top-k: calls over which the ratio falls from 0.25 to topk_ratio */
  int powersgd_rank;     /* columns of the factors, 1 to 256; default 4 */
  size_t powersgd_rows;  /* rows of the matrix; its columns are count / rows, rounded up; default
                            0: about as many as columns */
  uint64_t seed;         /* of PowerSGD's first factor; default 1 */
} ecclCompressorConfig_t;
#define ECCL_COMPRESSOR_CONFIG_INITIALIZER \
  {sizeof(ecclCompressorConfig_t), ecclWireBfloat16, 1, 0, 256, 0.001, 0, 0, 0, 4, 0, 1}

/* What a compressor holds, and what its last call cost. */
typedef struct {
  uint64_t steps;       /* calls that ended well since it was made or reset */
  uint64_t count;       /* elements of its tensor; 0 before the first call */
  uint64_t sent_bytes;  /* that this rank sent in the last call in compressed form */
  double residual_norm; /* the Euclidean norm of what is still owed */
} ecclCompressorInfo_t;

/* Options of one communicator. Start from ECCL_CONFIG_INITIALIZER; 0 and NULL mean "from the
 * environment, else the default". Strings are copied. */
typedef struct {
  size_t size;             /* sizeof(ecclConfig_t), so that the struct can grow */
  int64_t timeout_ms;      /* ECCL_TIMEOUT_MS */
  int64_t init_timeout_ms; /* ECCL_INIT_TIMEOUT_MS */
  const char* transport;   /* ECCL_TRANSPORT */
  const char* algorithm;   /* ECCL_ALGORITHM */
  const char* job_token;   /* ECCL_JOB_TOKEN */
  const char* host;        /* ECCL_HOST */
  int64_t exact;      /* ECCL_EXACT; 1: algorithms go by size alone, so that the same calls on the
                         same hosts give the same bits in every run. Else those are tried that
                         may be faster, and the fastest is kept */
  const char* device; /* ECCL_DEVICE; "cpu", or a device by kind and number, "cuda:0", as
                         regatta/device.h has them: buffers may then be its memory, too */
} ecclConfig_t;
#define ECCL_CONFIG_INITIALIZER {sizeof(ecclConfig_t), 0, 0, NULL, NULL, NULL, NULL, 0, NULL}

/* What a communicator did last; see ecclCommGetLastOp. Strings live as long as the library. */
typedef struct {
  uint64_t sequence;     /* 1 for the first collective of the communicator */
  const char* operation; /* "allreduce" */
  const char* algorithm; /* "ring", "doubling", "flat" (small, in shared memory), ... */
  const char* transport; /* "shm", "tcp", "shm+tcp", "none" for one rank; with "+staging" behind
                            it when this rank's values came from or went to its device */
  int64_t microseconds;  /* from call to return */
  const char* reason;    /* for the algorithm: "only one", "asked for", "exact", "size" (of the
                            data), "model" (of what the links cost), "trial" (others are tried as
                            well), "measured" (the fastest of a trial) */
} ecclOpInfo_t;

/* ECCL_VERSION_CODE of the library that is loaded. */
ECCL_API ecclResult_t ecclGetVersion(int* version);
/* A short fixed text: "remote error". */
ECCL_API const char* ecclGetErrorString(ecclResult_t result);
/* The full text of the last call that failed in the calling thread; "" when none did. `comm` is not
 * used (it may be NULL); it is there because NCCL's function has it. Valid until the thread's next
 * ECCL call. */
ECCL_API const char* ecclGetLastError(ecclComm_t comm);

/* Says where in the program the calling thread makes its next calls, or for what: "train.py:12",
 * "gradient of layer 3". Errors that concern several ranks, flight records and `regatta eccl
 * status` show it. The last 63 bytes are kept. NULL or "": nowhere in particular. Costs a copy. */
ECCL_API ecclResult_t ecclSetCallSite(const char* text);

/* Makes an id and starts listening for the other ranks. The calling process must become rank 0. It
 * listens on ECCL_HOST, else on 127.0.0.1: set ECCL_HOST for ranks on several hosts. */
ECCL_API ecclResult_t ecclGetUniqueId(ecclUniqueId* id);
/* As ecclGetUniqueId, with the options of `config` (of which it uses `host`); NULL is allowed. */
ECCL_API ecclResult_t ecclGetUniqueIdConfig(ecclUniqueId* id, const ecclConfig_t* config);
/* Makes the same id on every rank from ECCL_MASTER_ADDR and ECCL_MASTER_PORT (else MASTER_ADDR and
 * MASTER_PORT), so that nothing has to be copied. ecclInvalidUsage when they are not set. */
ECCL_API ecclResult_t ecclUniqueIdFromEnvironment(ecclUniqueId* id);

/* Joins a communicator; returns when all `nranks` ranks have, or fails: ecclTimeout names the ranks
 * that did not come, ecclInvalidUsage says why this rank was refused (rank taken, other size, wrong
 * token, other version). Ranks may start in any order. */
ECCL_API ecclResult_t ecclCommInitRank(ecclComm_t* comm, int nranks, ecclUniqueId id, int rank);
ECCL_API ecclResult_t ecclCommInitRankConfig(ecclComm_t* comm, int nranks, ecclUniqueId id,
                                             int rank, const ecclConfig_t* config);
/* All ranks in this process: comms[0 .. nranks-1], to be used from one thread each. `config` may be
 * NULL. */
ECCL_API ecclResult_t ecclCommInitAll(ecclComm_t* comms, int nranks, const ecclConfig_t* config);
#define ECCL_SPLIT_NOCOLOR (-1)
/* A collective of comm: makes one communicator for each color (0 or more), of the ranks that gave
 * it, in the order of their keys and, where these are equal, of their ranks. *newcomm is NULL where
 * color is ECCL_SPLIT_NOCOLOR. `config` may be NULL: as comm's. comm stays as it is. */
ECCL_API ecclResult_t ecclCommSplit(ecclComm_t comm, int color, int key, ecclComm_t* newcomm,
                                    const ecclConfig_t* config);
/* Makes a communicator of comm's ranks without the `count` excluded ones, in comm's order. All
 * ranks that remain call it with the same list. Nothing is said over comm, which may have failed:
 * this is how survivors go on. They meet where the lowest of them listened; those that do not come
 * within init_timeout_ms are named (ecclTimeout). comm stays as it is: abort it when it has failed.
 */
ECCL_API ecclResult_t ecclCommShrink(ecclComm_t comm, const int* excluded, int count,
                                     ecclComm_t* newcomm, const ecclConfig_t* config);
/* The ranks whose processes are gone, as far as this rank has heard: *count of them, of which the
 * first `capacity` are in ranks[]. Each death is heard within about a second, as long as rank 0
 * lives; after rank 0's death no further ones are. A rank that hangs is not among them. */
ECCL_API ecclResult_t ecclCommGetLostRanks(ecclComm_t comm, int* ranks, int capacity, int* count);
/* Adds ranks: the nranks - size new ones pass NULL for comm, an id, and a rank from comm's size on.
 * comm's ranks pass -1 and keep theirs; its rank 0 passes the id, which it has made with
 * ecclCommGetUniqueId and given to the new ones, the others NULL. A collective of comm, which stays
 * as it is. */
ECCL_API ecclResult_t ecclCommGrow(ecclComm_t comm, int nranks, const ecclUniqueId* id, int rank,
                                   ecclComm_t* newcomm, const ecclConfig_t* config);
/* An id for ecclCommGrow, at an address where comm's ranks reach rank 0, which calls it. */
ECCL_API ecclResult_t ecclCommGetUniqueId(ecclComm_t comm, ecclUniqueId* id);
/* Leaves in order. Not a collective; other ranks may still finish calls whose data this rank has
 * already sent. Rank 0 stays up to 5 s for the others, whose peers it watches. */
ECCL_API ecclResult_t ecclCommDestroy(ecclComm_t comm);
/* Leaves at once: calls of this rank in other threads return ecclAborted, those of other ranks
 * ecclRemoteError with this rank's name. */
ECCL_API ecclResult_t ecclCommAbort(ecclComm_t comm);
/* ecclSuccess in *state, or why the communicator has failed. Never waits. */
ECCL_API ecclResult_t ecclCommGetAsyncError(ecclComm_t comm, ecclResult_t* state);
/* Of a rank with a device: calls wait for the work that has been given to `stream` when they run
 * (NULL, as at first: the device's default stream). It is the vendor's handle, a CUstream or
 * cudaStream_t for CUDA. Any thread. ecclInvalidUsage when this rank has no device. */
ECCL_API ecclResult_t ecclCommSetStream(ecclComm_t comm, void* stream);
/* The device functions of a kind, "cuda", "sim" or a plug-in's (regatta/device.h), so that a
 * program without the vendor's own library can allocate and copy. ecclInvalidArgument names the
 * kinds there are. */
ECCL_API ecclResult_t ecclGetDeviceApi(const char* kind, const regattaDeviceApi** api);
/* Calls fail after so long without progress from now on, also one that waits at this moment.
 * `timeout_ms` is at least 1. Only this rank's: others keep theirs. */
ECCL_API ecclResult_t ecclCommSetTimeout(ecclComm_t comm, int64_t timeout_ms);
ECCL_API ecclResult_t ecclCommCount(ecclComm_t comm, int* count);
ECCL_API ecclResult_t ecclCommUserRank(ecclComm_t comm, int* rank);
/* The last collective or send/receive that ended well on this communicator. */
ECCL_API ecclResult_t ecclCommGetLastOp(ecclComm_t comm, ecclOpInfo_t* info);

/* recvbuff[i] = op over all ranks of sendbuff[i], i < count. In place: sendbuff == recvbuff. */
ECCL_API ecclResult_t ecclAllReduce(const void* sendbuff, void* recvbuff, size_t count,
                                    ecclDataType_t datatype, ecclRedOp_t op, ecclComm_t comm);
/* As ecclAllReduce for ecclSum and ecclAvg of floating-point types, compressed on the wire: what
 * all ranks receive is approximate, and the same bits. Sums are made in float32, so float64 loses
 * precision. Everything else is the same, in place included.
 *
 * ecclWireFloat16, ecclWireBfloat16, ecclWireInt8: each value is rounded twice, when it leaves its
 * rank and when the result leaves the one that added up. A NaN gives a NaN; so does an infinity in
 * int8, where a group's other values are not touched. int8 takes groups whose largest magnitude is
 * below 1.5e-36 for 0. What is not finite leaves no residual.
 *
 * ecclWireTopK: deep gradient compression. A rank's values of largest magnitude are sent exactly;
 * the others wait. With momentum, u = momentum * u + values and what waits grows by u; the
 * optimizer then has no momentum of its own. Values that are not finite are sent first and leave
 * nothing.
 *
 * ecclWirePowerSgd: what all receive is the sum's projection on powersgd_rank directions; a tensor
 * whose factors would be no smaller is summed exactly. A value that is not finite makes the whole
 * result NaN on all ranks, and the compressor does not change.
 *
 * The compressor is of one tensor: with error feedback every call has the same count, else
 * ecclInvalidUsage. After a call that failed it may owe values of that call: restore or reset it.
 * ecclMismatch also when formats or options differ, or when a compressor of top-k's warm-up or of
 * PowerSGD was reset or restored on some ranks only. */
ECCL_API ecclResult_t ecclAllReduceCompressed(const void* sendbuff, void* recvbuff, size_t count,
                                              ecclDataType_t datatype, ecclRedOp_t op,
                                              ecclCompressor_t compressor, ecclComm_t comm);

/* Makes a compressor. It belongs to no communicator, and may outlive one. ecclInvalidArgument names
 * the field and what it may be. */
ECCL_API ecclResult_t ecclCompressorCreate(ecclCompressor_t* compressor,
                                           const ecclCompressorConfig_t* config);
/* The handle is gone; a call in progress ends as if it were not. */
ECCL_API ecclResult_t ecclCompressorDestroy(ecclCompressor_t compressor);
/* Forgets everything, as if it were new. Like the functions below it waits for a call in progress.
 */
ECCL_API ecclResult_t ecclCompressorReset(ecclCompressor_t compressor);
ECCL_API ecclResult_t ecclCompressorGetInfo(ecclCompressor_t compressor,
                                            ecclCompressorInfo_t* info);
/* The state, for a checkpoint of this rank. *bytes is the size of `buffer` and becomes that of the
 * state; with `buffer` NULL that is all. ecclInvalidArgument when it does not fit. */
ECCL_API ecclResult_t ecclCompressorSave(ecclCompressor_t compressor, void* buffer, size_t* bytes);
/* Goes on from a saved state, of a compressor with the same options; else ecclInvalidArgument, and
 * nothing changes. */
ECCL_API ecclResult_t ecclCompressorRestore(ecclCompressor_t compressor, const void* state,
                                            size_t bytes);

/* recvbuff holds nranks * sendcount elements, rank r's at r * sendcount. In place: sendbuff ==
 * recvbuff + rank * sendcount. */
ECCL_API ecclResult_t ecclAllGather(const void* sendbuff, void* recvbuff, size_t sendcount,
                                    ecclDataType_t datatype, ecclComm_t comm);
/* As ecclAllGather, rank r giving counts[r] elements; `counts` is the same on all ranks. Rank r's
 * elements follow those of r-1. In place as above. */
ECCL_API ecclResult_t ecclAllGatherV(const void* sendbuff, void* recvbuff, const size_t* counts,
                                     ecclDataType_t datatype, ecclComm_t comm);
/* sendbuff holds nranks * recvcount elements; rank r receives part r of their reduction. In place:
 * recvbuff == sendbuff + rank * recvcount. */
ECCL_API ecclResult_t ecclReduceScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
                                        ecclDataType_t datatype, ecclRedOp_t op, ecclComm_t comm);
/* recvbuff of every rank = sendbuff of `root`; sendbuff of others is not read. In place: sendbuff
 * == recvbuff. */
ECCL_API ecclResult_t ecclBroadcast(const void* sendbuff, void* recvbuff, size_t count,
                                    ecclDataType_t datatype, int root, ecclComm_t comm);
/* recvbuff of `root`[i] = op over all ranks of sendbuff[i]; recvbuff of others is not used (it may
 * be NULL). In place on the root: sendbuff == recvbuff. */
ECCL_API ecclResult_t ecclReduce(const void* sendbuff, void* recvbuff, size_t count,
                                 ecclDataType_t datatype, ecclRedOp_t op, int root,
                                 ecclComm_t comm);
/* recvbuff of `root` holds nranks * sendcount elements, rank r's at r * sendcount; recvbuff of
 * others is not used. In place on the root: sendbuff == recvbuff + root * sendcount. */
ECCL_API ecclResult_t ecclGather(const void* sendbuff, void* recvbuff, size_t sendcount,
                                 ecclDataType_t datatype, int root, ecclComm_t comm);
/* Rank r receives the recvcount elements at r * recvcount of the root's sendbuff; sendbuff of
 * others is not used. In place on the root: recvbuff == sendbuff + root * recvcount. */
ECCL_API ecclResult_t ecclScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
                                  ecclDataType_t datatype, int root, ecclComm_t comm);
/* Part r of sendbuff (count elements) goes to rank r; part r of recvbuff comes from rank r. In
 * place: sendbuff == recvbuff (makes a copy inside). */
ECCL_API ecclResult_t ecclAllToAll(const void* sendbuff, void* recvbuff, size_t count,
                                   ecclDataType_t datatype, ecclComm_t comm);
/* As ecclAllToAll with sendcounts[r] elements for rank r and recvcounts[r] from it, each packed in
 * rank order. ecclMismatch when a pair of ranks disagrees. Not in place. */
ECCL_API ecclResult_t ecclAllToAllV(const void* sendbuff, const size_t* sendcounts, void* recvbuff,
                                    const size_t* recvcounts, ecclDataType_t datatype,
                                    ecclComm_t comm);
/* Returns when all ranks have called it. */
ECCL_API ecclResult_t ecclBarrier(ecclComm_t comm);

/* To one peer, which must call ecclRecv with the same count and type. Returns when the buffer may
 * be reused; for a large message that means that the peer has to be receiving, so two ranks that
 * both send first wait for each other: use ecclSendRecv or a group there. */
ECCL_API ecclResult_t ecclSend(const void* sendbuff, size_t count, ecclDataType_t datatype,
                               int peer, ecclComm_t comm);
ECCL_API ecclResult_t ecclRecv(void* recvbuff, size_t count, ecclDataType_t datatype, int peer,
                               ecclComm_t comm);
/* Sends to one peer and receives from one (the same or another) at the same time. */
ECCL_API ecclResult_t ecclSendRecv(const void* sendbuff, size_t sendcount, int sendpeer,
                                   void* recvbuff, size_t recvcount, int recvpeer,
                                   ecclDataType_t datatype, ecclComm_t comm);

/* --- Groups ---
 *
 * The calls without Async that a thread makes between ecclGroupStart and ecclGroupEnd are checked
 * at once and run by ecclGroupEnd, which returns when all are done; until then their buffers belong
 * to ECCL. A call in the group that returns an error has failed the group: ecclGroupEnd then runs
 * nothing. Groups may be nested; the outermost ecclGroupEnd runs everything.
 *
 * Of one communicator, all messages (ecclSend, ecclRecv, ecclSendRecv) run first and at the same
 * time, in whatever order the ranks name their peers; those from one rank to another arrive in the
 * order of the calls. Then its collectives run, in the order of the calls. So a rank may send to
 * all others and receive from them without a dead-lock, but a message in one rank's group must not
 * wait for a collective of the peer's that it makes before its own group. Several communicators run
 * at the same time, each on its thread for asynchronous calls: the ranks need not agree on an order
 * among communicators.
 *
 * The text of an error says which call it is of: "call 3 of the group, ecclSend: ...". Flight
 * records and `regatta eccl status` show a group's messages by the first of them. Functions that
 * make or end communicators are no part of a group, and run at once. */
ECCL_API ecclResult_t ecclGroupStart(void);
/* The first error in the order of the calls; ecclInvalidUsage without ecclGroupStart. */
ECCL_API ecclResult_t ecclGroupEnd(void);

/* --- Asynchronous calls ---
 *
 * Each ...Async function checks its arguments, submits the call and returns; what it is given means
 * what it means to the function without Async. Calls of one communicator run in the order in which
 * they were submitted, on one thread of that communicator, which exists from its first asynchronous
 * call on. A call without Async that is made while others are unfinished takes its place behind
 * them, and returns when it is done. So the ranks have to agree on the order of all calls of a
 * communicator, with Async or without, and not on which of them are asynchronous. A message to a
 * peer likewise waits for the calls before it: two ranks which both submit a large send first, then
 * the receive, wait for each other.
 *
 * Buffers belong to ECCL until the request is over: do not write to them, read what is received, or
 * free them. Lists of counts are copied; so is the call site. The ecclCompressor_t may be
 * destroyed.
 *
 * After a failure the communicator stays failed, and the requests behind it fail with the same
 * reason. ecclCommAbort ends all of them with ecclAborted; the buffers are ECCL's until each
 * request is over, which is soon. ecclCommDestroy refuses further calls (ecclInvalidUsage) and
 * waits for the submitted ones. Requests outlive their communicator.
 *
 * *request is NULL when submitting fails. */
ECCL_API ecclResult_t ecclAllReduceAsync(const void* sendbuff, void* recvbuff, size_t count,
                                         ecclDataType_t datatype, ecclRedOp_t op, ecclComm_t comm,
                                         ecclRequest_t* request);
ECCL_API ecclResult_t ecclAllReduceCompressedAsync(const void* sendbuff, void* recvbuff,
                                                   size_t count, ecclDataType_t datatype,
                                                   ecclRedOp_t op, ecclCompressor_t compressor,
                                                   ecclComm_t comm, ecclRequest_t* request);
ECCL_API ecclResult_t ecclAllGatherAsync(const void* sendbuff, void* recvbuff, size_t sendcount,
                                         ecclDataType_t datatype, ecclComm_t comm,
                                         ecclRequest_t* request);
ECCL_API ecclResult_t ecclAllGatherVAsync(const void* sendbuff, void* recvbuff,
                                          const size_t* counts, ecclDataType_t datatype,
                                          ecclComm_t comm, ecclRequest_t* request);
ECCL_API ecclResult_t ecclReduceScatterAsync(const void* sendbuff, void* recvbuff, size_t recvcount,
                                             ecclDataType_t datatype, ecclRedOp_t op,
                                             ecclComm_t comm, ecclRequest_t* request);
ECCL_API ecclResult_t ecclBroadcastAsync(const void* sendbuff, void* recvbuff, size_t count,
                                         ecclDataType_t datatype, int root, ecclComm_t comm,
                                         ecclRequest_t* request);
ECCL_API ecclResult_t ecclReduceAsync(const void* sendbuff, void* recvbuff, size_t count,
                                      ecclDataType_t datatype, ecclRedOp_t op, int root,
                                      ecclComm_t comm, ecclRequest_t* request);
ECCL_API ecclResult_t ecclGatherAsync(const void* sendbuff, void* recvbuff, size_t sendcount,
                                      ecclDataType_t datatype, int root, ecclComm_t comm,
                                      ecclRequest_t* request);
ECCL_API ecclResult_t ecclScatterAsync(const void* sendbuff, void* recvbuff, size_t recvcount,
                                       ecclDataType_t datatype, int root, ecclComm_t comm,
                                       ecclRequest_t* request);
ECCL_API ecclResult_t ecclAllToAllAsync(const void* sendbuff, void* recvbuff, size_t count,
                                        ecclDataType_t datatype, ecclComm_t comm,
                                        ecclRequest_t* request);
ECCL_API ecclResult_t ecclAllToAllVAsync(const void* sendbuff, const size_t* sendcounts,
                                         void* recvbuff, const size_t* recvcounts,
                                         ecclDataType_t datatype, ecclComm_t comm,
                                         ecclRequest_t* request);
ECCL_API ecclResult_t ecclBarrierAsync(ecclComm_t comm, ecclRequest_t* request);
ECCL_API ecclResult_t ecclSendAsync(const void* sendbuff, size_t count, ecclDataType_t datatype,
                                    int peer, ecclComm_t comm, ecclRequest_t* request);
ECCL_API ecclResult_t ecclRecvAsync(void* recvbuff, size_t count, ecclDataType_t datatype, int peer,
                                    ecclComm_t comm, ecclRequest_t* request);
ECCL_API ecclResult_t ecclSendRecvAsync(const void* sendbuff, size_t sendcount, int sendpeer,
                                        void* recvbuff, size_t recvcount, int recvpeer,
                                        ecclDataType_t datatype, ecclComm_t comm,
                                        ecclRequest_t* request);

/* Waits up to timeout_ms, without limit when it is -1; ecclInProgress when it is not over by then.
 * Else returns what the call came to, with its text in ecclGetLastError, and the request is gone:
 * using it again gives ecclInvalidArgument. Threads that wait for one request at the same time are
 * all told. */
ECCL_API ecclResult_t ecclRequestWait(ecclRequest_t request, int64_t timeout_ms);
/* Never waits: *result is ecclInProgress, or what the call came to (text in ecclGetLastError). The
 * request stays, until ecclRequestWait or ecclRequestFree. */
ECCL_API ecclResult_t ecclRequestTest(ecclRequest_t request, ecclResult_t* result);
/* Gives up the request, not the call: it still runs, and its buffers are ECCL's until it has. */
ECCL_API ecclResult_t ecclRequestFree(ecclRequest_t request);

#ifdef __cplusplus
}
#endif

#endif /* REGATTA_ECCL_H_ */
