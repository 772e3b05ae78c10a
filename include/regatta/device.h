#ifndef REGATTA_DEVICE_H_
#define REGATTA_DEVICE_H_

/* Regatta's device ABI: what a kind of accelerator has to offer so that Regatta can use its memory.
 * A kind is one table of functions. CUDA and the simulated device are built in; others are shared
 * objects named in REGATTA_DEVICE_PLUGINS (separated by colons), each of which exports
 *
 *   const regattaDeviceApi* regattaDevicePlugin(uint32_t version);
 *
 * which gives its table, or NULL when it has none of that version. The table and what it points to
 * live as long as the process. A device is named by kind and number: "cuda:0".
 *
 * Threads
 *   All functions may be called from any thread, at the same time, also for the same context. None
 *   changes what the calling thread has chosen itself (CUDA's current context, for example).
 *
 * Order
 *   Work on one stream runs in the order in which it was given; streams among each other are
 *   unordered but for events. The stream NULL is the device's default one. Functions without a
 *   stream are over when they return.
 *
 * Errors
 *   Every function returns a regattaDeviceResult; the text is in last_error(), of the calling
 *   thread. What fails on a stream is told by the next call that asks about that stream, or about
 * an event that was recorded behind it.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Tables of another version are refused. What is added at the end of the table raises its size and
 * not the version. */
#define REGATTA_DEVICE_ABI_VERSION 1u
#define REGATTA_DEVICE_PLUGIN_SYMBOL "regattaDevicePlugin"

typedef int regattaDeviceResult;
#define REGATTA_DEVICE_OK 0
#define REGATTA_DEVICE_NOT_READY 1        /* of a query: the work is not over */
#define REGATTA_DEVICE_INVALID_ARGUMENT 2 /* no such device, address or range */
#define REGATTA_DEVICE_OUT_OF_MEMORY 3
#define REGATTA_DEVICE_LOST 4        /* this process cannot use the device any more */
#define REGATTA_DEVICE_UNAVAILABLE 5 /* no driver, no hardware, no permission */
#define REGATTA_DEVICE_FAILED 6      /* anything else */

/* One process's use of one device. */
typedef struct regattaDeviceContext regattaDeviceContext;

/* The kind's own handles: a CUstream or CUevent where the kind is CUDA, so that streams of other
 * libraries can be given. */
typedef void* regattaDeviceStream;
typedef void* regattaDeviceEvent;

typedef struct {
  size_t size;           /* of this struct, set by the caller; what lies beyond is not written */
  char name[96];         /* "NVIDIA H100 80GB HBM3" */
  uint64_t memory_bytes; /* in all */
  char pci_address[32];  /* "0000:17:00.0", lower case; "" where it has none */
  char uuid[48];         /* the same in every process that sees this device; "" where unknown */
} regattaDeviceProperties;

typedef enum {
  regattaCopyHostToDevice = 0,
  regattaCopyDeviceToHost = 1,
  regattaCopyDeviceToDevice = 2 /* both of this context's device */
} regattaDeviceCopy;

typedef struct {
  uint32_t version; /* REGATTA_DEVICE_ABI_VERSION */
  size_t size;      /* of the table as the plug-in knows it */
  const char* kind; /* "cuda": lower-case letters, digits and underscores */

  /* The text of the calling thread's last call that failed; "" when none did. Valid until its next
   * call. */
  const char* (*last_error)(void);

  /* UNAVAILABLE says why there are none, when that is known; a count of 0 is no error. */
  regattaDeviceResult (*get_count)(int* count);
  regattaDeviceResult (*get_properties)(int device, regattaDeviceProperties* properties);

  /* Contexts of one device share everything; each open has its close. */
  regattaDeviceResult (*open)(int device, regattaDeviceContext** context);
  regattaDeviceResult (*close)(regattaDeviceContext* context);

  regattaDeviceResult (*memory_info)(regattaDeviceContext* context, uint64_t* free_bytes,
                                     uint64_t* total_bytes);
  /* Aligned to 256 bytes or more; bytes is at least 1. Freeing waits for work that uses it. */
  regattaDeviceResult (*allocate)(regattaDeviceContext* context, size_t bytes, void** address);
  regattaDeviceResult (*free)(regattaDeviceContext* context, void* address);
  /* Host memory that copies to and from the device reach directly. */
  regattaDeviceResult (*host_allocate)(regattaDeviceContext* context, size_t bytes, void** address);
  regattaDeviceResult (*host_free)(regattaDeviceContext* context, void* address);
  regattaDeviceResult (*host_register)(regattaDeviceContext* context, void* address, size_t bytes);
  regattaDeviceResult (*host_unregister)(regattaDeviceContext* context, void* address);

  /* Over when they return. They wait for the default stream's earlier work. */
  regattaDeviceResult (*copy)(regattaDeviceContext* context, void* to, const void* from,
                              size_t bytes, regattaDeviceCopy direction);
  /* Behind the stream's earlier work. Host memory stays as it is until the copy is over. */
  regattaDeviceResult (*copy_async)(regattaDeviceContext* context, void* to, const void* from,
                                    size_t bytes, regattaDeviceCopy direction,
                                    regattaDeviceStream stream);

  /* A stream that does not wait for the default one. */
  regattaDeviceResult (*stream_create)(regattaDeviceContext* context, regattaDeviceStream* stream);
  /* Its work still runs to its end. */
  regattaDeviceResult (*stream_destroy)(regattaDeviceContext* context, regattaDeviceStream stream);
  regattaDeviceResult (*stream_synchronize)(regattaDeviceContext* context,
                                            regattaDeviceStream stream);
  /* OK, NOT_READY, or what the work failed of. */
  regattaDeviceResult (*stream_query)(regattaDeviceContext* context, regattaDeviceStream stream);
  /* What is given to the stream from now on waits for what the event was recorded behind last. */
  regattaDeviceResult (*stream_wait_event)(regattaDeviceContext* context,
                                           regattaDeviceStream stream, regattaDeviceEvent event);

  regattaDeviceResult (*event_create)(regattaDeviceContext* context, regattaDeviceEvent* event);
  regattaDeviceResult (*event_destroy)(regattaDeviceContext* context, regattaDeviceEvent event);
  regattaDeviceResult (*event_record)(regattaDeviceContext* context, regattaDeviceEvent event,
                                      regattaDeviceStream stream);
  /* Of the last record; OK for an event that was never recorded. */
  regattaDeviceResult (*event_query)(regattaDeviceContext* context, regattaDeviceEvent event);
  regattaDeviceResult (*event_synchronize)(regattaDeviceContext* context, regattaDeviceEvent event);

  /* Which of this kind's devices holds the memory at `address`; -1: none of them, or memory that
   * the host may read and write itself. Any address may be asked about. */
  regattaDeviceResult (*pointer_device)(const void* address, int* device);

  /* For calls of other libraries of the same vendor: makes the device the calling thread's current
   * one, until leave puts back what was. */
  regattaDeviceResult (*enter)(regattaDeviceContext* context);
  regattaDeviceResult (*leave)(regattaDeviceContext* context);
} regattaDeviceApi;

typedef const regattaDeviceApi* (*regattaDevicePluginFunction)(uint32_t version);

#ifdef __cplusplus
}
#endif

#endif /* REGATTA_DEVICE_H_ */
