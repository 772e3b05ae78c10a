#ifndef REGATTA_ECCL_TOPO_H_
#define REGATTA_ECCL_TOPO_H_

/* How machines are wired, for schedulers and frameworks: the C API of libeccl_topo.
 *
 * Model
 *   A topology is a list of parts (hosts, sockets, NUMA nodes, PCIe switches, NICs, accelerators,
 * ...) and links between them, of one host or of a cluster. A part is named by its id, its place in
 * that list from 0; parts form a tree below each host. A topology never changes after it was made.
 *   docs/formats/topology.md has the model in full: it is that of the JSON.
 *
 * Threads
 *   All functions may be called from any thread, on one topology at the same time, too.
 *
 * Ownership
 *   Handles are numbers, not pointers: using one after its end gives ECCL_TOPO_INVALID_ARGUMENT.
 *   Texts inside structures belong to the topology or mapping and are valid until it is destroyed.
 *   Texts that an export function gives are the caller's: give them to eccl_topo_free.
 *
 * Structures
 *   Each begins with `size`, which the caller sets to sizeof of it, so that later versions may add
 *   fields at the end. Of a smaller structure only what fits is filled in.
 *
 * Errors
 *   Every function returns an eccl_topo_result_t, never throws and never ends the process. The full
 *   text is in eccl_topo_last_error(). Outputs are left alone when a function fails, except
 * handles, which become NULL.
 *
 * What it loads
 *   libhwloc (2.x) and NVIDIA's libnvidia-ml are looked for at run time, when they are needed:
 *   eccl_topo_detect and hwloc's XML need hwloc, nothing needs NVIDIA's.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ECCL_TOPO_API __attribute__((visibility("default")))

#define ECCL_TOPO_MAJOR 0
#define ECCL_TOPO_MINOR 1
#define ECCL_TOPO_PATCH 0
#define ECCL_TOPO_VERSION_CODE (ECCL_TOPO_MAJOR * 10000 + ECCL_TOPO_MINOR * 100 + ECCL_TOPO_PATCH)

/* In C++ with a fixed type, so that a caller's wrong number is an error and not undefined. */
#ifdef __cplusplus
#define ECCL_TOPO_ENUM enum : int
#else
#define ECCL_TOPO_ENUM enum
#endif

typedef struct eccl_topo* eccl_topo_t;
typedef struct eccl_topo_mapping* eccl_topo_mapping_t;

/* The same numbers as ecclResult_t where they mean the same. */
typedef ECCL_TOPO_ENUM{
    ECCL_TOPO_OK = 0,
    ECCL_TOPO_SYSTEM_ERROR = 2,     /* the operating system refused something: memory, files */
    ECCL_TOPO_INTERNAL_ERROR = 3,   /* a defect in this library */
    ECCL_TOPO_INVALID_ARGUMENT = 4, /* an argument is wrong, or a file's content */
    ECCL_TOPO_INVALID_USAGE = 5,    /* it cannot be done with this topology: no accelerators, ... */
    ECCL_TOPO_NOT_FOUND = 11,       /* no such file; no NIC */
    ECCL_TOPO_UNAVAILABLE = 12      /* a library that the call needs is not on this machine */
} eccl_topo_result_t;

typedef ECCL_TOPO_ENUM{
    ECCL_TOPO_HOST = 0,        /* a machine */
    ECCL_TOPO_SOCKET = 1,      /* a processor's package */
    ECCL_TOPO_NUMA = 2,        /* memory and the processors near to it */
    ECCL_TOPO_CACHE = 3,       /* shared by several cores */
    ECCL_TOPO_CORES = 4,       /* all cores below one cache, NUMA node or socket */
    ECCL_TOPO_HOST_BRIDGE = 5, /* where a PCIe tree meets the processor */
    ECCL_TOPO_BRIDGE = 6,      /* a PCIe switch */
    ECCL_TOPO_NIC = 7,         /* a port of a network card */
    ECCL_TOPO_ACCELERATOR = 8, /* a GPU or another chip that ranks run on */
    ECCL_TOPO_SWITCH = 9       /* outside the tree: an NVSwitch, or a switch of the network */
} eccl_topo_kind_t;

/* How far two parts are from each other, nearest first: the words of `nvidia-smi topo -m`. */
typedef ECCL_TOPO_ENUM{
    ECCL_TOPO_LOC = 0,  /* the same part */
    ECCL_TOPO_NVL = 1,  /* NVLink, directly or through NVSwitches */
    ECCL_TOPO_PIX = 2,  /* one PCIe switch */
    ECCL_TOPO_PXB = 3,  /* several PCIe switches, not the processor */
    ECCL_TOPO_PHB = 4,  /* one PCIe host bridge */
    ECCL_TOPO_NODE = 5, /* several host bridges of one NUMA node */
    ECCL_TOPO_SYS = 6,  /* the link between NUMA nodes */
    ECCL_TOPO_NET = 7   /* another host */
} eccl_topo_distance_t;

typedef ECCL_TOPO_ENUM{
    ECCL_TOPO_FORMAT_AUTO = 0,  /* reading: by how the text begins */
    ECCL_TOPO_FORMAT_JSON = 1,  /* docs/formats/topology.md */
    ECCL_TOPO_FORMAT_NCCL = 2,  /* NCCL_TOPO_FILE's XML, of one host */
    ECCL_TOPO_FORMAT_HWLOC = 3, /* what `lstopo machine.xml` writes; reading only */
    ECCL_TOPO_FORMAT_SVG = 4,   /* a picture; writing only */
    ECCL_TOPO_FORMAT_TEXT = 5   /* for people; writing only */
} eccl_topo_format_t;

/* -1 and "" where something is unknown or does not apply; sizes, speeds: 0. */
typedef struct {
  size_t size;
  int id;
  eccl_topo_kind_t kind;
  int parent;                  /* -1 of hosts and switches */
  int host;                    /* the host that it is part of; -1 of switches */
  int index;                   /* the system's number of a socket, NUMA node or accelerator */
  int numa;                    /* the system's number of the NUMA node that it is at or below */
  int rail;                    /* of a NIC or network switch */
  int compute_version;         /* NVIDIA's compute capability times ten */
  int cores;                   /* of ECCL_TOPO_CORES */
  int threads;                 /* their hardware threads */
  int64_t bytes;               /* memory of a NUMA node or accelerator, size of a cache */
  double gigabytes_per_second; /* of a NIC's port, each direction */
  const char* name;            /* for people: "GPU 0", "mlx5_0", the host's name */
  const char* vendor;
  const char* model;
  const char* bus_id;    /* "0000:3b:00.0" */
  const char* cpus;      /* "0-15,32" */
  const char* interface; /* of a NIC: the network interface */
} eccl_topo_part_t;

typedef struct {
  size_t size;
  eccl_topo_distance_t distance;
  double gigabytes_per_second; /* each direction; 0: unknown */
  double latency_us;           /* one way, as a probe measured it; 0: not measured */
} eccl_topo_pair_t;

/* What ranks of one group do with each other. */
typedef ECCL_TOPO_ENUM{ECCL_TOPO_ALL_REDUCE = 0, ECCL_TOPO_ALL_GATHER = 1, ECCL_TOPO_ALL_TO_ALL = 2,
                       ECCL_TOPO_POINT_TO_POINT = 3} eccl_topo_pattern_t;

/* One dimension of a parallel layout and what it sends in a training step. */
typedef struct {
  const char* name; /* "tp" */
  int ranks;        /* in one group; at least 1 */
  eccl_topo_pattern_t pattern;
  double bytes; /* of one call: the whole buffer, as a collective's count says it */
  double calls; /* in a step */
} eccl_topo_dimension_t;

typedef struct {
  size_t size;
  int copies;  /* of each host of the topology; 0: as many as the layout needs */
  int devices; /* ranks a host, in place of one for each of its accelerators; 0: those */
} eccl_topo_map_config_t;

typedef struct {
  size_t size;
  int ranks;
  int dimensions;
  double cost_us;       /* of a step's communication by the model, as chosen */
  double naive_cost_us; /* and with rank r on card r */
  const char* order;    /* dimensions, the one with the nearest ranks first: "tp,pp,dp" */
  const char* why;      /* a sentence */
} eccl_topo_mapping_info_t;

typedef struct {
  size_t size;
  int host; /* counted from 0, as hosts come in the topology, copies after each other */
  const char* host_name; /* copies of one host are numbered: "hgx-1" */
  int device;            /* the system's number of the accelerator */
  int slot;              /* the card's number over all hosts: where rank r is in the naive order */
  int rail;              /* of the nearest NIC; -1: unknown */
} eccl_topo_place_t;

typedef struct {
  size_t size;
  const char* name;
  int ranks;
  const char* where; /* a sentence: "inside each host, over NVLink at 450 GB/s" */
  double cost_us;
  double naive_cost_us;
} eccl_topo_dimension_cost_t;

/* ECCL_TOPO_VERSION_CODE of the library that is loaded. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_version(int* version);
/* A short fixed text: "invalid argument". */
ECCL_TOPO_API const char* eccl_topo_error_string(eccl_topo_result_t result);
/* The full text of the last call that failed in the calling thread; "" when none did. Valid until
 * the thread's next call. */
ECCL_TOPO_API const char* eccl_topo_last_error(void);

/* This machine: hwloc's look, sysfs for NICs, NVML for NVIDIA GPUs, cgroups for limits. What could
 * not be asked is among the notes. Takes some 10 ms without a GPU driver, up to seconds with one.
 * ECCL_TOPO_UNAVAILABLE where hwloc is not installed. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_detect(eccl_topo_t* topo);
/* From `bytes` bytes of text in a format. ECCL_TOPO_INVALID_ARGUMENT says what is wrong in which
 * line or part; at most 256 MiB of JSON and 64 MiB of XML. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_load(const char* text, size_t bytes,
                                                eccl_topo_format_t format, eccl_topo_t* topo);
/* From a file, whose format is told by how it begins. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_load_file(const char* path, eccl_topo_t* topo);
/* Several topologies as one, in this order; the originals stay. `count` at least 1. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_join(const eccl_topo_t* topos, int count,
                                                eccl_topo_t* joined);
ECCL_TOPO_API eccl_topo_result_t eccl_topo_destroy(eccl_topo_t topo);

/* Writes a topology as JSON, NCCL's XML, SVG or text. `host` is the id of a host for NCCL's XML,
 * which describes one; -1: the only one. The text ends with a zero that `length` does not count;
 * `length` may be NULL. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_export(eccl_topo_t topo, eccl_topo_format_t format,
                                                  int host, char** text, size_t* length);
/* Frees a text of an export function; NULL is allowed. */
ECCL_TOPO_API void eccl_topo_free(char* text);

/* How many parts there are of a kind. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_count(eccl_topo_t topo, eccl_topo_kind_t kind,
                                                 int* count);
/* The ids of the parts of a kind, ascending: at most `capacity` into `ids`, and how many there are
 * into `count`. `host` is the id of a host whose parts are wanted; -1: all. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_list(eccl_topo_t topo, eccl_topo_kind_t kind, int host,
                                                int* ids, int capacity, int* count);
ECCL_TOPO_API eccl_topo_result_t eccl_topo_part(eccl_topo_t topo, int id, eccl_topo_part_t* part);
/* The part with a PCI address, written in any usual way ("3B:00.0", "00000000:3B:00.0"), on a host
 * (-1: the first that has it). ECCL_TOPO_NOT_FOUND where there is none. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_find_bus_id(eccl_topo_t topo, const char* bus_id,
                                                       int host, int* id);
/* Sentences on what could not be found out, and on what is a guess. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_note_count(eccl_topo_t topo, int* count);
ECCL_TOPO_API eccl_topo_result_t eccl_topo_note(eccl_topo_t topo, int n, const char** note);

/* How far two parts are, and what goes between them: of parts of two hosts over the nearest NICs.
 */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_pair(eccl_topo_t topo, int a, int b,
                                                eccl_topo_pair_t* pair);
/* "LOC", "NVL", ...; "?" for other numbers. */
ECCL_TOPO_API const char* eccl_topo_distance_name(eccl_topo_distance_t distance);
/* The NIC that a part should use for traffic between hosts: of equally near ones that with the
 * fewest accelerators; NICs of no rail only on hosts without rails. ECCL_TOPO_NOT_FOUND where its
 * host has none. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_nearest_nic(eccl_topo_t topo, int id, int* nic);
/* How many rails there are; 0: none are known. They are numbered from 0. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_rail_count(eccl_topo_t topo, int* count);
/* The NICs of a rail over all hosts, as eccl_topo_list gives ids. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_rail_nics(eccl_topo_t topo, int rail, int* ids,
                                                     int capacity, int* count);

/* Places the ranks of a layout ("tp=8,pp=2,dp=4", see `regatta topo map --help`; the first
 * dimension varies fastest) on the accelerators so that a step's communication is cheapest by the
 * model. `config` may be NULL. ECCL_TOPO_INVALID_ARGUMENT for a layout that is wrong or has more
 * ranks than there are cards, ECCL_TOPO_INVALID_USAGE where a host has no accelerator and `devices`
 * is 0. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_map(eccl_topo_t topo, const char* layout,
                                               const eccl_topo_map_config_t* config,
                                               eccl_topo_mapping_t* mapping);
/* The same with dimensions of any name and traffic; at most 6 with more than one rank. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_map_dimensions(eccl_topo_t topo,
                                                          const eccl_topo_dimension_t* dimensions,
                                                          int count,
                                                          const eccl_topo_map_config_t* config,
                                                          eccl_topo_mapping_t* mapping);
ECCL_TOPO_API eccl_topo_result_t eccl_topo_mapping_info(eccl_topo_mapping_t mapping,
                                                        eccl_topo_mapping_info_t* info);
/* Where a rank runs. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_mapping_place(eccl_topo_mapping_t mapping, int rank,
                                                         eccl_topo_place_t* place);
/* What the n-th dimension of the layout costs. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_mapping_dimension(eccl_topo_mapping_t mapping, int n,
                                                             eccl_topo_dimension_cost_t* dimension);
/* As JSON (docs/formats/topology.md) or text. */
ECCL_TOPO_API eccl_topo_result_t eccl_topo_mapping_export(eccl_topo_mapping_t mapping,
                                                          eccl_topo_format_t format, char** text,
                                                          size_t* length);
ECCL_TOPO_API eccl_topo_result_t eccl_topo_mapping_destroy(eccl_topo_mapping_t mapping);

#ifdef __cplusplus
}
#endif

#endif /* REGATTA_ECCL_TOPO_H_ */
