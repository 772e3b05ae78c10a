// libeccl_topo as a C++ program uses it: through the public header and the shared library alone.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "regatta/eccl_topo.h"

namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Path(const char* name) { return std::string(TOPOLOGY_TESTDATA) + name; }

eccl_topo_t Load(const char* name) {
  eccl_topo_t topo = nullptr;
  EXPECT_EQ(eccl_topo_load_file(Path(name).c_str(), &topo), ECCL_TOPO_OK) << eccl_topo_last_error();
  return topo;
}

std::vector<int> List(eccl_topo_t topo, eccl_topo_kind_t kind, int host = -1) {
  int count = 0;
  EXPECT_EQ(eccl_topo_list(topo, kind, host, nullptr, 0, &count), ECCL_TOPO_OK);
  std::vector<int> ids(static_cast<std::size_t>(count));
  EXPECT_EQ(eccl_topo_list(topo, kind, host, ids.data(), count, &count), ECCL_TOPO_OK);
  return ids;
}

eccl_topo_part_t Part(eccl_topo_t topo, int id) {
  eccl_topo_part_t part = {.size = sizeof part};
  EXPECT_EQ(eccl_topo_part(topo, id, &part), ECCL_TOPO_OK) << eccl_topo_last_error();
  return part;
}

eccl_topo_pair_t Pair(eccl_topo_t topo, int a, int b) {
  eccl_topo_pair_t pair = {.size = sizeof pair};
  EXPECT_EQ(eccl_topo_pair(topo, a, b, &pair), ECCL_TOPO_OK) << eccl_topo_last_error();
  return pair;
}

std::string Export(eccl_topo_t topo, eccl_topo_format_t format) {
  char* text = nullptr;
  std::size_t length = 0;
  EXPECT_EQ(eccl_topo_export(topo, format, -1, &text, &length), ECCL_TOPO_OK)
      << eccl_topo_last_error();
  std::string copy(text, length);
  eccl_topo_free(text);
  return copy;
}

TEST(EcclTopo, TellsVersionAndNames) {
  int version = 0;
  EXPECT_EQ(eccl_topo_version(&version), ECCL_TOPO_OK);
  EXPECT_EQ(version, ECCL_TOPO_VERSION_CODE);
  EXPECT_STREQ(eccl_topo_distance_name(ECCL_TOPO_PXB), "PXB");
  EXPECT_STREQ(eccl_topo_distance_name(static_cast<eccl_topo_distance_t>(8)), "?");
  EXPECT_STREQ(eccl_topo_error_string(ECCL_TOPO_UNAVAILABLE), "not available on this machine");
  EXPECT_STREQ(eccl_topo_error_string(static_cast<eccl_topo_result_t>(99)), "unknown error");
}

TEST(EcclTopo, DetectsTheMachineThatTestsRunOn) {
  eccl_topo_t topo = nullptr;
  ASSERT_EQ(eccl_topo_detect(&topo), ECCL_TOPO_OK) << eccl_topo_last_error();
  EXPECT_THAT(List(topo, ECCL_TOPO_HOST), SizeIs(1));
  int cores = 0;
  for (const int id : List(topo, ECCL_TOPO_CORES)) cores += Part(topo, id).cores;
  EXPECT_GT(cores, 0);
  EXPECT_EQ(eccl_topo_destroy(topo), ECCL_TOPO_OK);
}

TEST(EcclTopo, DescribesAnEightGpuMachineInAllFormats) {
  for (const char* name : {"hgx-h100.nccl.xml", "hgx-h100.hwloc.xml"}) {
    SCOPED_TRACE(name);
    const eccl_topo_t read = Load(name);
    // What follows has to hold of the same machine read back from our own JSON, too.
    const std::string json = Export(read, ECCL_TOPO_FORMAT_JSON);
    eccl_topo_t again = nullptr;
    ASSERT_EQ(eccl_topo_load(json.data(), json.size(), ECCL_TOPO_FORMAT_AUTO, &again), ECCL_TOPO_OK)
        << eccl_topo_last_error();
    for (const eccl_topo_t topo : {read, again}) {
      const auto gpus = List(topo, ECCL_TOPO_ACCELERATOR);
      const auto nics = List(topo, ECCL_TOPO_NIC);
      ASSERT_THAT(gpus, SizeIs(8));
      ASSERT_THAT(nics, SizeIs(8));
      int count = 0;
      EXPECT_EQ(eccl_topo_count(topo, ECCL_TOPO_SWITCH, &count), ECCL_TOPO_OK);
      EXPECT_EQ(count, 4);
      const eccl_topo_part_t gpu = Part(topo, gpus[5]);
      EXPECT_EQ(gpu.kind, ECCL_TOPO_ACCELERATOR);
      EXPECT_EQ(gpu.host, 0);
      EXPECT_EQ(gpu.numa, 1);
      EXPECT_STREQ(gpu.bus_id, "0000:bd:00.0");
      EXPECT_STREQ(gpu.vendor, "NVIDIA");
      EXPECT_EQ(gpu.rail, -1);
      const eccl_topo_pair_t nvlink = Pair(topo, gpus[0], gpus[7]);
      EXPECT_EQ(nvlink.distance, ECCL_TOPO_NVL);
      EXPECT_GT(nvlink.gigabytes_per_second, 350);
      EXPECT_EQ(nvlink.latency_us, 0) << "nothing was measured";
      EXPECT_EQ(Pair(topo, gpus[0], nics[0]).distance, ECCL_TOPO_PIX);
      EXPECT_EQ(Pair(topo, gpus[0], nics[4]).distance, ECCL_TOPO_SYS);
      EXPECT_EQ(Pair(topo, gpus[3], gpus[3]).distance, ECCL_TOPO_LOC);
      for (std::size_t i = 0; i < gpus.size(); ++i) {
        int nic = -1;
        EXPECT_EQ(eccl_topo_nearest_nic(topo, gpus[i], &nic), ECCL_TOPO_OK);
        EXPECT_EQ(nic, nics[i]);
      }
      int id = -1;
      EXPECT_EQ(eccl_topo_find_bus_id(topo, "BD:00.0", 0, &id), ECCL_TOPO_OK);
      EXPECT_EQ(id, gpus[5]);
      EXPECT_EQ(eccl_topo_find_bus_id(topo, "01:00.0", -1, &id), ECCL_TOPO_NOT_FOUND);
      EXPECT_EQ(eccl_topo_find_bus_id(topo, "GPU 5", -1, &id), ECCL_TOPO_INVALID_ARGUMENT);
    }
    EXPECT_THAT(Export(again, ECCL_TOPO_FORMAT_NCCL), HasSubstr("<system version=\"1\""));
    EXPECT_THAT(Export(again, ECCL_TOPO_FORMAT_SVG), HasSubstr("</svg>"));
    EXPECT_THAT(Export(again, ECCL_TOPO_FORMAT_TEXT), HasSubstr("GPU 0 to GPU 7"));
    EXPECT_EQ(eccl_topo_destroy(read), ECCL_TOPO_OK);
    EXPECT_EQ(eccl_topo_destroy(again), ECCL_TOPO_OK);
  }
}

TEST(EcclTopo, ListsTheNicsOfARailOverAllHosts) {
  const eccl_topo_t one = Load("hgx-h100.nccl.xml");
  const eccl_topo_t two[] = {one, one};
  eccl_topo_t joined = nullptr;
  ASSERT_EQ(eccl_topo_join(two, 2, &joined), ECCL_TOPO_OK) << eccl_topo_last_error();
  int rails = 0;
  EXPECT_EQ(eccl_topo_rail_count(joined, &rails), ECCL_TOPO_OK);
  EXPECT_EQ(rails, 8);
  int nics[4] = {-1, -1, -1, -1};
  int count = 0;
  EXPECT_EQ(eccl_topo_rail_nics(joined, 3, nics, 1, &count), ECCL_TOPO_OK);
  EXPECT_EQ(count, 2);
  EXPECT_EQ(nics[1], -1) << "no more than fit";
  EXPECT_EQ(eccl_topo_rail_nics(joined, 3, nics, 4, &count), ECCL_TOPO_OK);
  EXPECT_EQ(Part(joined, nics[0]).rail, 3);
  EXPECT_EQ(Pair(joined, nics[0], nics[1]).distance, ECCL_TOPO_NET);
  const auto hosts = List(joined, ECCL_TOPO_HOST);
  ASSERT_THAT(hosts, SizeIs(2));
  EXPECT_THAT(List(joined, ECCL_TOPO_ACCELERATOR, hosts[1]), SizeIs(8));
  EXPECT_EQ(Part(joined, List(joined, ECCL_TOPO_ACCELERATOR, hosts[1])[0]).host, hosts[1]);
  EXPECT_EQ(eccl_topo_list(joined, ECCL_TOPO_NIC, 1, nullptr, 0, &count),
            ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_THAT(eccl_topo_last_error(), HasSubstr("host is 1, which is a"));
  eccl_topo_destroy(one);
  EXPECT_THAT(List(joined, ECCL_TOPO_NIC), SizeIs(16)) << "a joined topology stands alone";
  eccl_topo_destroy(joined);
}

TEST(EcclTopo, MapsALayoutOfAsManyHostsAsItNeeds) {
  const eccl_topo_t topo = Load("hgx-h100.nccl.xml");
  eccl_topo_mapping_t mapping = nullptr;
  ASSERT_EQ(eccl_topo_map(topo, "dp=4,pp=2,tp=8", nullptr, &mapping), ECCL_TOPO_OK)
      << eccl_topo_last_error();
  eccl_topo_destroy(topo);
  eccl_topo_mapping_info_t info = {.size = sizeof info};
  ASSERT_EQ(eccl_topo_mapping_info(mapping, &info), ECCL_TOPO_OK);
  EXPECT_EQ(info.ranks, 64);
  EXPECT_EQ(info.dimensions, 3);
  EXPECT_GT(info.naive_cost_us, 2 * info.cost_us);
  EXPECT_STREQ(info.order, "tp,dp,pp");
  EXPECT_STRNE(info.why, "");
  // Tensor-parallel ranks are 8 apart and share a host; their neighbours keep the card's number.
  std::vector<int> hosts;
  for (int rank = 5; rank < 64; rank += 8) {
    eccl_topo_place_t place = {.size = sizeof place};
    ASSERT_EQ(eccl_topo_mapping_place(mapping, rank, &place), ECCL_TOPO_OK);
    hosts.push_back(place.host);
    EXPECT_EQ(place.device, rank / 8);
    EXPECT_EQ(place.rail, rank / 8);
    EXPECT_EQ(place.slot, place.host * 8 + place.device);
    EXPECT_EQ(place.host_name, "host-" + std::to_string(place.host));
  }
  EXPECT_THAT(hosts, Each(hosts.front()));
  eccl_topo_dimension_cost_t tensor = {.size = sizeof tensor};
  ASSERT_EQ(eccl_topo_mapping_dimension(mapping, 2, &tensor), ECCL_TOPO_OK);
  EXPECT_STREQ(tensor.name, "tp");
  EXPECT_EQ(tensor.ranks, 8);
  EXPECT_THAT(tensor.where, HasSubstr("inside each host"));
  EXPECT_LT(tensor.cost_us, tensor.naive_cost_us);
  char* text = nullptr;
  ASSERT_EQ(eccl_topo_mapping_export(mapping, ECCL_TOPO_FORMAT_JSON, &text, nullptr), ECCL_TOPO_OK);
  EXPECT_THAT(text, HasSubstr("\"world_size\":64"));
  eccl_topo_free(text);
  EXPECT_EQ(eccl_topo_mapping_export(mapping, ECCL_TOPO_FORMAT_SVG, &text, nullptr),
            ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_EQ(eccl_topo_mapping_destroy(mapping), ECCL_TOPO_OK);
  EXPECT_EQ(eccl_topo_mapping_info(mapping, &info), ECCL_TOPO_INVALID_ARGUMENT);
}

TEST(EcclTopo, MapsDimensionsOfOnesOwn) {
  const eccl_topo_t topo = Load("hgx-h100.nccl.xml");
  // The one that sends most comes inside the host, wherever it stands.
  const eccl_topo_dimension_t dimensions[] = {
      {"halo", 4, ECCL_TOPO_POINT_TO_POINT, 1e6, 1},
      {"field", 8, ECCL_TOPO_ALL_TO_ALL, 1e9, 100},
  };
  const eccl_topo_map_config_t config = {.size = sizeof config, .copies = 4};
  eccl_topo_mapping_t mapping = nullptr;
  ASSERT_EQ(eccl_topo_map_dimensions(topo, dimensions, 2, &config, &mapping), ECCL_TOPO_OK)
      << eccl_topo_last_error();
  eccl_topo_mapping_info_t info = {.size = sizeof info};
  ASSERT_EQ(eccl_topo_mapping_info(mapping, &info), ECCL_TOPO_OK);
  EXPECT_STREQ(info.order, "field,halo");
  eccl_topo_mapping_destroy(mapping);

  const std::pair<eccl_topo_dimension_t, const char*> wrong[] = {
      {{"halo", 0, ECCL_TOPO_ALL_REDUCE, 1, 1}, "\"halo\" has no size from 1"},
      {{"halo", 2, static_cast<eccl_topo_pattern_t>(4), 1, 1}, "dimensions[0].pattern is 4"},
      {{"halo", 2, ECCL_TOPO_ALL_REDUCE, -1, 1}, "\"halo\" sends bytes or calls"},
      {{"", 2, ECCL_TOPO_ALL_REDUCE, 1, 1}, "is no name"},
      {{nullptr, 2, ECCL_TOPO_ALL_REDUCE, 1, 1}, "dimensions[0].name is NULL"},
      {{"halo", 64, ECCL_TOPO_ALL_REDUCE, 1, 1}, "64 ranks"},
  };
  for (const auto& [dimension, expected] : wrong) {
    EXPECT_EQ(eccl_topo_map_dimensions(topo, &dimension, 1, &config, &mapping),
              ECCL_TOPO_INVALID_ARGUMENT);
    EXPECT_THAT(eccl_topo_last_error(), HasSubstr(expected));
    EXPECT_EQ(mapping, nullptr);
  }
  eccl_topo_destroy(topo);
}

TEST(EcclTopo, SaysWhyAMachineWithoutCardsCannotBeMapped) {
  const eccl_topo_t topo = Load("vm-2-cores.hwloc.xml");
  eccl_topo_mapping_t mapping = nullptr;
  EXPECT_EQ(eccl_topo_map(topo, "dp=4", nullptr, &mapping), ECCL_TOPO_INVALID_USAGE);
  EXPECT_THAT(eccl_topo_last_error(), HasSubstr("has no accelerator"));
  const eccl_topo_map_config_t config = {.size = sizeof config, .devices = 2};
  EXPECT_EQ(eccl_topo_map(topo, "dp=4", &config, &mapping), ECCL_TOPO_OK) << eccl_topo_last_error();
  eccl_topo_mapping_destroy(mapping);
  const eccl_topo_map_config_t absurd = {.size = sizeof absurd, .copies = 1 << 30, .devices = 1024};
  EXPECT_EQ(eccl_topo_map(topo, "dp=4", &absurd, &mapping), ECCL_TOPO_INVALID_ARGUMENT);
  eccl_topo_destroy(topo);
}

TEST(EcclTopo, NoticesWrongHandlesAndArguments) {
  const eccl_topo_t topo = Load("vm-2-cores.hwloc.xml");
  int number = 7;
  eccl_topo_part_t part = {.size = sizeof part};
  EXPECT_EQ(eccl_topo_part(topo, 10'000, &part), ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_THAT(eccl_topo_last_error(), HasSubstr("id is 10000; parts have ids from 0 to"));
  EXPECT_EQ(eccl_topo_part(topo, 0, nullptr), ECCL_TOPO_INVALID_ARGUMENT);
  part.size = 0;
  EXPECT_EQ(eccl_topo_part(topo, 0, &part), ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_THAT(eccl_topo_last_error(), HasSubstr("part->size is 0"));
  EXPECT_EQ(eccl_topo_count(topo, static_cast<eccl_topo_kind_t>(10), &number),
            ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_EQ(eccl_topo_list(topo, ECCL_TOPO_NIC, -1, nullptr, 1, &number),
            ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_EQ(number, 7) << "outputs of a failed call are left alone";
  eccl_topo_t other = topo;
  EXPECT_EQ(eccl_topo_load("{}", 2, static_cast<eccl_topo_format_t>(9), &other),
            ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_EQ(other, nullptr) << "but handles";
  EXPECT_EQ(eccl_topo_load_file("/nowhere/machine.xml", &other), ECCL_TOPO_NOT_FOUND);
  EXPECT_THAT(eccl_topo_last_error(), HasSubstr("/nowhere/machine.xml"));
  EXPECT_EQ(eccl_topo_load("{\"version\":1}", 13, ECCL_TOPO_FORMAT_JSON, &other),
            ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_THAT(eccl_topo_last_error(), HasSubstr("there is no host in it"));
  EXPECT_EQ(eccl_topo_destroy(topo), ECCL_TOPO_OK);
  EXPECT_EQ(eccl_topo_destroy(topo), ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_EQ(eccl_topo_count(topo, ECCL_TOPO_NIC, &number), ECCL_TOPO_INVALID_ARGUMENT);
  EXPECT_THAT(eccl_topo_last_error(), HasSubstr("topo is no topology"));
  EXPECT_EQ(eccl_topo_destroy(nullptr), ECCL_TOPO_INVALID_ARGUMENT);
}

// A program that was built with an older header has smaller structures.
TEST(EcclTopo, FillsNoMoreThanTheCallersStructure) {
  const eccl_topo_t topo = Load("hgx-h100.nccl.xml");
  eccl_topo_part_t part;
  std::memset(&part, 0x55, sizeof part);
  part.size = offsetof(eccl_topo_part_t, host);
  ASSERT_EQ(eccl_topo_part(topo, 0, &part), ECCL_TOPO_OK);
  EXPECT_EQ(part.size, offsetof(eccl_topo_part_t, host));
  EXPECT_EQ(part.parent, -1);
  EXPECT_EQ(part.host, 0x55555555);
  eccl_topo_destroy(topo);
}

TEST(EcclTopo, KeepsErrorTextsApartByThread) {
  EXPECT_EQ(eccl_topo_version(nullptr), ECCL_TOPO_INVALID_ARGUMENT);
  std::thread([] { EXPECT_STREQ(eccl_topo_last_error(), ""); }).join();
  EXPECT_STREQ(eccl_topo_last_error(), "version is NULL");
}

TEST(EcclTopo, TakesManyThreadsOnOneTopology) {
  const eccl_topo_t topo = Load("dgx-a100.nccl.xml");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const auto gpus = List(topo, ECCL_TOPO_ACCELERATOR);
        EXPECT_EQ(Pair(topo, gpus[0], gpus[1]).distance, ECCL_TOPO_NVL);
        eccl_topo_t mine = Load("pcie-8gpu.nccl.xml");
        EXPECT_EQ(eccl_topo_destroy(mine), ECCL_TOPO_OK);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  eccl_topo_destroy(topo);
}

TEST(EcclTopo, LoadsHwlocOnlyWhenItIsNeeded) {
  // In a fresh process: other tests have loaded it by now.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const auto loaded = [] {
          return ::dlopen("libhwloc.so.15", RTLD_NOLOAD | RTLD_NOW) != nullptr;
        };
        eccl_topo_t topo = nullptr;
        bool right = eccl_topo_load_file(Path("hgx-h100.nccl.xml").c_str(), &topo) == 0;
        right = right && !loaded();
        right = right && eccl_topo_load_file(Path("hgx-h100.hwloc.xml").c_str(), &topo) == 0;
        right = right && loaded();
        std::exit(right ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
