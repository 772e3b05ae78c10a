/* libeccl_topo from C99: what a scheduler's plug-in would do. argv[1] is an 8-GPU machine. */
#include <stdio.h>
#include <string.h>

#include "regatta/eccl_topo.h"

static int failures = 0;

#define EXPECT(condition)                                                                          \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", __FILE__, __LINE__, #condition, \
              eccl_topo_last_error());                                                             \
      ++failures;                                                                                  \
    }                                                                                              \
  } while (0)

int main(int argc, char** argv) {
  eccl_topo_t topo = NULL;
  eccl_topo_mapping_t mapping = NULL;
  eccl_topo_part_t part = {sizeof(eccl_topo_part_t)};
  eccl_topo_pair_t pair = {sizeof(eccl_topo_pair_t)};
  eccl_topo_place_t place = {sizeof(eccl_topo_place_t)};
  int gpus[8];
  int count = 0;
  int nic = -1;
  char* text = NULL;
  size_t length = 0;
  if (argc != 2) return 2;

  EXPECT(eccl_topo_load_file(argv[1], &topo) == ECCL_TOPO_OK);
  EXPECT(eccl_topo_list(topo, ECCL_TOPO_ACCELERATOR, -1, gpus, 8, &count) == ECCL_TOPO_OK);
  EXPECT(count == 8);
  EXPECT(eccl_topo_part(topo, gpus[7], &part) == ECCL_TOPO_OK);
  EXPECT(part.index == 7 && strcmp(part.name, "GPU 7") == 0);
  EXPECT(eccl_topo_pair(topo, gpus[0], gpus[7], &pair) == ECCL_TOPO_OK);
  EXPECT(strcmp(eccl_topo_distance_name(pair.distance), "NVL") == 0);
  EXPECT(eccl_topo_nearest_nic(topo, gpus[7], &nic) == ECCL_TOPO_OK);
  EXPECT(eccl_topo_part(topo, nic, &part) == ECCL_TOPO_OK && part.rail == 7);
  EXPECT(eccl_topo_export(topo, ECCL_TOPO_FORMAT_NCCL, -1, &text, &length) == ECCL_TOPO_OK);
  EXPECT(text != NULL && strlen(text) == length && strstr(text, "<nvlink ") != NULL);
  eccl_topo_free(text);
  EXPECT(eccl_topo_map(topo, "tp=8,dp=2", NULL, &mapping) == ECCL_TOPO_OK);
  EXPECT(eccl_topo_mapping_place(mapping, 9, &place) == ECCL_TOPO_OK);
  EXPECT(place.host == 1 && place.device == 1);
  EXPECT(eccl_topo_mapping_destroy(mapping) == ECCL_TOPO_OK);
  EXPECT(eccl_topo_destroy(topo) == ECCL_TOPO_OK);
  EXPECT(eccl_topo_destroy(topo) == ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT(strstr(eccl_topo_last_error(), "topo is no topology") != NULL);
  return failures == 0 ? 0 : 1;
}
