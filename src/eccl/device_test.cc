// Every call with values on devices: the same results as with all of them on the host, wherever
// each rank's buffers are.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <barrier>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>

#include "eccl/testing/device_ranks.h"
#include "eccl/testing/ranks.h"

namespace regatta::eccl {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::byte>;

// Plug-ins are looked for once a process, so before any test: a second kind of device, "simplug".
const bool has_plugin = [] {
  setenv("REGATTA_SIM_DEVICES", "2", 1);
  setenv("REGATTA_SIM_MEMORY_MIB", "256", 1);
  return setenv("REGATTA_DEVICE_PLUGINS", DEVICE_SIM_PLUGIN, 1) == 0;
}();

void Configure(const std::string& fault = "") {
  ASSERT_TRUE(has_plugin);
  const base::Status configured =
      device::ConfigureSim({.devices = 3, .memory_bytes = 256u << 20, .fault = fault});
  ASSERT_TRUE(configured.ok()) << configured.ToString();
}

// Any bytes, so that nothing depends on the type; integers wrap, and band and the like exist.
Bytes Input(int rank, std::size_t bytes, unsigned salt) {
  std::mt19937 random(static_cast<unsigned>(rank) * 1000 + salt);
  Bytes data(bytes + 4);
  for (std::size_t at = 0; at < bytes; at += 4) {
    const auto four = static_cast<std::uint32_t>(random());
    std::memcpy(data.data() + at, &four, 4);
  }
  data.resize(bytes);
  return data;
}

struct Case {
  const char* name;
  std::vector<std::string> places;
  const char* transport = "shm";
};
void PrintTo(const Case& shape, std::ostream* out) { *out << shape.name; }

class Devices : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { Configure(); }
  int size() const { return static_cast<int>(GetParam().places.size()); }
};

// A call of one rank, with buffers of so many bytes.
struct Job {
  std::size_t send_bytes;
  std::size_t receive_bytes;
  bool receives = true;
  std::function<ecclResult_t(const void*, void*, ecclComm_t)> call;
};
// Buffers are the one and the other way around: the rank's device for both, for one, for none.
void Check(const Case& shape, const std::function<Job(int)>& make) {
  const auto n = static_cast<int>(shape.places.size());
  std::vector<std::vector<Bytes>> results(4, std::vector<Bytes>(static_cast<std::size_t>(n)));
  DeviceRanks ranks(shape.places, shape.transport);
  for (unsigned way = 0; way < 4; ++way) {
    ranks.Run([&](int rank, ecclComm_t comm) {
      const Job job = make(rank);
      // Ranks differ in where they have what.
      const unsigned mine = way == 3 ? static_cast<unsigned>(rank) % 3 : way;
      Memory send(mine == 0 || mine == 1 ? ranks.place(rank) : "cpu", job.send_bytes);
      Memory receive(mine == 0 || mine == 2 ? ranks.place(rank) : "cpu", job.receive_bytes);
      const Bytes input = Input(rank, job.send_bytes, 7);
      const Bytes before = Input(rank, job.receive_bytes, 8);
      send.Write(input);
      receive.Write(before);
      Expect(job.call(send.at(), receive.at(), comm));
      EXPECT_EQ(send.Read(), input);
      results[way][static_cast<std::size_t>(rank)] = receive.Read();
      if (!job.receives) {
        EXPECT_EQ(receive.Read(), before);
      }
    });
    EXPECT_EQ(results[way], results[0]) << shape.name << ", way " << way;
  }
  // The same on ranks without devices.
  std::vector<Bytes> plain(static_cast<std::size_t>(n));
  Ranks hosts(n, shape.transport);
  hosts.Run([&](int rank, ecclComm_t comm) {
    const Job job = make(rank);
    Bytes input = Input(rank, job.send_bytes, 7);
    Bytes output = Input(rank, job.receive_bytes, 8);
    Expect(job.call(input.data(), output.data(), comm));
    plain[static_cast<std::size_t>(rank)] = output;
  });
  EXPECT_EQ(plain, results[0]) << shape.name;
}

// The last is more than one piece.
constexpr std::size_t kCounts[] = {1, 1003, 1'100'007};

TEST_P(Devices, AllReduce) {
  for (const std::size_t count : kCounts) {
    for (const auto& [type, op] :
         {std::pair(ecclInt32, ecclSum), {ecclUint8, ecclBxor}, {ecclInt64, ecclMax}}) {
      if (type == ecclInt64 && count > 100'000) continue;
      Check(GetParam(), [&](int) -> Job {
        const std::size_t bytes = count * SizeOf(type);
        return {bytes, bytes, true, [=](const void* in, void* out, ecclComm_t comm) {
                  return ecclAllReduce(in, out, count, type, op, comm);
                }};
      });
    }
  }
}

TEST_P(Devices, ReduceAndBroadcastWithEveryRoot) {
  for (int root = 0; root < size(); ++root) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{7}, std::size_t{1'100'003}}) {
      Check(GetParam(), [&](int rank) -> Job {
        return {count * 4, count * 4, rank == root,
                [=](const void* in, void* out, ecclComm_t comm) {
                  return ecclReduce(in, out, count, ecclInt32, ecclSum, root, comm);
                }};
      });
      Check(GetParam(), [&](int) -> Job {
        return {count * 4, count * 4, true, [=](const void* in, void* out, ecclComm_t comm) {
                  return ecclBroadcast(in, out, count, ecclInt32, root, comm);
                }};
      });
    }
  }
}

TEST_P(Devices, AllGatherAndReduceScatter) {
  const auto n = static_cast<std::size_t>(size());
  for (const std::size_t count : kCounts) {
    Check(GetParam(), [&](int) -> Job {
      return {count * 2, n * count * 2, true, [=](const void* in, void* out, ecclComm_t comm) {
                return ecclAllGather(in, out, count, ecclFloat16, comm);
              }};
    });
    Check(GetParam(), [&](int) -> Job {
      return {n * count * 4, count * 4, true, [=](const void* in, void* out, ecclComm_t comm) {
                return ecclReduceScatter(in, out, count, ecclUint32, ecclProd, comm);
              }};
    });
  }
  std::vector<std::size_t> counts(n);
  for (std::size_t r = 0; r < n; ++r) counts[r] = r % 2 == 0 ? 1'500'001 * r + 3 : 0;
  const std::size_t sum = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  Check(GetParam(), [&](int rank) -> Job {
    return {counts[static_cast<std::size_t>(rank)], sum, true,
            [=](const void* in, void* out, ecclComm_t comm) {
              return ecclAllGatherV(in, out, counts.data(), ecclUint8, comm);
            }};
  });
}

TEST_P(Devices, GatherAndScatter) {
  const auto n = static_cast<std::size_t>(size());
  for (int root = 0; root < size(); ++root) {
    for (const std::size_t count : {std::size_t{3}, std::size_t{1'200'001}}) {
      Check(GetParam(), [&](int rank) -> Job {
        return {count * 4, n * count * 4, rank == root,
                [=](const void* in, void* out, ecclComm_t comm) {
                  return ecclGather(in, out, count, ecclFloat32, root, comm);
                }};
      });
      Check(GetParam(), [&](int) -> Job {
        return {n * count * 4, count * 4, true, [=](const void* in, void* out, ecclComm_t comm) {
                  return ecclScatter(in, out, count, ecclFloat32, root, comm);
                }};
      });
    }
  }
}

TEST_P(Devices, AllToAllOfEqualAndUnequalParts) {
  const auto n = static_cast<std::size_t>(size());
  for (const std::size_t count : {std::size_t{1}, std::size_t{1'100'003}}) {
    Check(GetParam(), [&](int) -> Job {
      return {n * count * 4, n * count * 4, true, [=](const void* in, void* out, ecclComm_t comm) {
                return ecclAllToAll(in, out, count, ecclFloat32, comm);
              }};
    });
    const auto pair = [=](std::size_t from, std::size_t to) { return (from * 2 + to) % 3 * count; };
    Check(GetParam(), [&](int rank) -> Job {
      std::vector<std::size_t> out_counts(n), in_counts(n);
      std::size_t sends = 0, receives = 0;
      for (std::size_t r = 0; r < n; ++r) {
        sends += out_counts[r] = pair(static_cast<std::size_t>(rank), r);
        receives += in_counts[r] = pair(r, static_cast<std::size_t>(rank));
      }
      return {sends, receives, true, [=](const void* in, void* out, ecclComm_t comm) {
                return ecclAllToAllV(in, out_counts.data(), out, in_counts.data(), ecclInt8, comm);
              }};
    });
  }
}

TEST_P(Devices, MessagesAroundARing) {
  if (size() == 1) return;  // a rank sends nothing to itself
  for (const std::size_t count : {std::size_t{0}, std::size_t{3}, std::size_t{2'500'001}}) {
    Check(GetParam(), [&](int rank) -> Job {
      const int right = (rank + 1) % size();
      const int left = (rank + size() - 1) % size();
      return {count, count, true, [=](const void* in, void* out, ecclComm_t comm) {
                return ecclSendRecv(in, count, right, out, count, left, ecclUint8, comm);
              }};
    });
  }
}

TEST_P(Devices, InPlace) {
  const auto n = static_cast<std::size_t>(size());
  const std::size_t count = 1'300'001;
  DeviceRanks ranks(GetParam().places, GetParam().transport);
  std::vector<std::array<Bytes, 6>> got(n);
  ranks.Run([&](int rank, ecclComm_t comm) {
    auto& results = got[static_cast<std::size_t>(rank)];
    const std::size_t own = static_cast<std::size_t>(rank) * count;
    const auto run = [&](Bytes* result, auto call) {
      Memory data(ranks.place(rank), n * count);
      data.Write(Input(rank, n * count, 3));
      Expect(call(data));
      *result = data.Read();
    };
    run(&results[0], [&](Memory& m) {
      return ecclAllReduce(m.at(), m.at(), n * count, ecclUint8, ecclSum, comm);
    });
    run(&results[1],
        [&](Memory& m) { return ecclBroadcast(m.at(), m.at(), n * count, ecclUint8, 0, comm); });
    run(&results[2],
        [&](Memory& m) { return ecclAllGather(m.at(own), m.at(), count, ecclUint8, comm); });
    run(&results[3], [&](Memory& m) {
      return ecclReduceScatter(m.at(), m.at(own), count, ecclUint8, ecclSum, comm);
    });
    run(&results[4],
        [&](Memory& m) { return ecclAllToAll(m.at(), m.at(), count, ecclUint8, comm); });
    run(&results[5], [&](Memory& m) {
      return ecclReduce(m.at(), m.at(), n * count, ecclUint8, ecclSum, 0, comm);
    });
  });
  std::vector<Bytes> in;
  for (int rank = 0; rank < size(); ++rank) in.push_back(Input(rank, n * count, 3));
  Bytes sum(n * count);
  for (const Bytes& one : in) {
    for (std::size_t i = 0; i < sum.size(); ++i) {
      sum[i] = static_cast<std::byte>(std::to_integer<int>(sum[i]) + std::to_integer<int>(one[i]));
    }
  }
  for (std::size_t rank = 0; rank < n; ++rank) {
    EXPECT_EQ(got[rank][0], sum);
    EXPECT_EQ(got[rank][1], in[0]);
    EXPECT_EQ(got[rank][5], rank == 0 ? sum : in[rank]);
    for (std::size_t from = 0; from < n; ++from) {
      const auto same = [&](const Bytes& all, std::size_t at, const Bytes& want,
                            std::size_t begin) {
        return std::memcmp(all.data() + at * count, want.data() + begin * count, count) == 0;
      };
      EXPECT_TRUE(same(got[rank][2], from, in[from], from));
      EXPECT_TRUE(same(got[rank][3], from, from == rank ? sum : in[rank], from));
      EXPECT_TRUE(same(got[rank][4], from, in[from], rank));
    }
  }
}

TEST_P(Devices, FloatsHaveTheSameBitsOnAllRanks) {
  const std::size_t count = 2'500'003;
  std::vector<Bytes> results(static_cast<std::size_t>(size()));
  DeviceRanks ranks(GetParam().places, GetParam().transport);
  ranks.Run([&](int rank, ecclComm_t comm) {
    std::mt19937 random(static_cast<unsigned>(rank));
    std::uniform_real_distribution<float> draw(-1, 1);
    Bytes in(count * 4);
    for (std::size_t i = 0; i < count; ++i) {
      const float value = draw(random);
      std::memcpy(in.data() + i * 4, &value, 4);
    }
    Memory data(ranks.place(rank), in.size());
    data.Write(in);
    Expect(ecclAllReduce(data.at(), data.at(), count, ecclFloat32, ecclAvg, comm));
    results[static_cast<std::size_t>(rank)] = data.Read();
  });
  for (const Bytes& result : results) EXPECT_EQ(result, results[0]);
}

TEST_P(Devices, AsyncCallsGroupsAndCompression) {
  DeviceRanks ranks(GetParam().places, GetParam().transport);
  const int n = size();
  ranks.Run([&](int rank, ecclComm_t comm) {
    const std::size_t count = 1'500'000;
    const std::vector<float> ones(count, static_cast<float>(rank + 1));
    Bytes raw(count * 4);
    std::memcpy(raw.data(), ones.data(), raw.size());
    std::vector<Memory> data;
    for (int i = 0; i < 3; ++i) data.emplace_back(ranks.place(rank), raw.size()).Write(raw);
    const auto expect_sum = [&](Memory& memory, float divided_by) {
      const Bytes result = memory.Read();
      float value = 0;
      std::memcpy(&value, result.data() + result.size() - 4, 4);
      EXPECT_FLOAT_EQ(value, static_cast<float>(n * (n + 1)) / 2 / divided_by);
    };
    std::vector<ecclRequest_t> requests(2);
    for (std::size_t i = 0; i < 2; ++i) {
      Expect(ecclAllReduceAsync(data[i].at(), data[i].at(), count, ecclFloat32, ecclSum, comm,
                                &requests[i]));
    }
    for (const ecclRequest_t request : requests) Expect(ecclRequestWait(request, -1));
    expect_sum(data[0], 1);
    expect_sum(data[1], 1);

    // Everybody to everybody, from one buffer on the device to another.
    Memory in(ranks.place(rank), static_cast<std::size_t>(n) * raw.size());
    Expect(ecclGroupStart());
    for (int peer = 0; peer < n; ++peer) {
      if (peer == rank) continue;
      Expect(ecclRecv(in.at(static_cast<std::size_t>(peer) * raw.size()), count, ecclFloat32, peer,
                      comm));
      Expect(ecclSend(data[2].at(), count, ecclFloat32, peer, comm));
    }
    Expect(ecclGroupEnd());
    const Bytes all = in.Read();
    for (int peer = 0; peer < n; ++peer) {
      float value = 0;
      std::memcpy(&value, all.data() + static_cast<std::size_t>(peer + 1) * raw.size() - 4, 4);
      if (peer != rank) {
        EXPECT_EQ(value, static_cast<float>(peer + 1));
      }
    }

    ecclCompressorConfig_t options = ECCL_COMPRESSOR_CONFIG_INITIALIZER;
    options.inside_hosts = 1;
    ecclCompressor_t compressor = nullptr;
    Expect(ecclCompressorCreate(&compressor, &options));
    Expect(ecclAllReduceCompressed(data[2].at(), data[2].at(), count, ecclFloat32, ecclAvg,
                                   compressor, comm));
    expect_sum(data[2], static_cast<float>(n));
    Expect(ecclCompressorDestroy(compressor));
    Expect(ecclBarrier(comm));
  });
}

INSTANTIATE_TEST_SUITE_P(
    Places, Devices,
    testing::Values(Case{"one", {"sim:0"}}, Case{"same", {"sim:0", "sim:0"}},
                    Case{"mixed", {"cpu", "sim:1"}}, Case{"three", {"sim:0", "cpu", "sim:1"}},
                    Case{"four", {"sim:0", "sim:1", "cpu", "sim:2"}},
                    Case{"island", {"sim:0", "sim:1", "sim:2"}},
                    Case{"kinds", {"sim:0", "simplug:0", "cpu"}},
                    Case{"islands", {"simplug:0", "sim:0", "sim:1", "simplug:1"}, "tcp"},
                    Case{"tcp", {"sim:0", "sim:1", "cpu"}, "tcp"}),
    [](const auto& info) { return info.param.name; });

TEST(DeviceCalls, SayThatTheyWereStaged) {
  Configure();
  DeviceRanks ranks({"sim:0", "cpu"});
  ranks.Run([&](int rank, ecclComm_t comm) {
    Memory data(ranks.place(rank), 4096);
    ecclOpInfo_t info;
    Expect(ecclAllReduce(data.at(), data.at(), 1024, ecclInt32, ecclSum, comm));
    Expect(ecclCommGetLastOp(comm, &info));
    EXPECT_STREQ(info.transport, rank == 0 ? "shm+staging" : "shm");
    Memory host("cpu", 4096);
    Expect(ecclAllReduce(host.at(), host.at(), 1024, ecclInt32, ecclSum, comm));
    Expect(ecclCommGetLastOp(comm, &info));
    EXPECT_STREQ(info.transport, "shm");
  });
}

TEST(DeviceCalls, WaitForTheWorkOnTheirStream) {
  ASSERT_TRUE(
      device::ConfigureSim(
          {.devices = 1, .memory_bytes = 64u << 20, .copy_latency = std::chrono::milliseconds(30)})
          .ok());
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{9'000'000}}) {
    DeviceRanks ranks({"sim:0", "cpu"});
    ranks.Run([&](int rank, ecclComm_t comm) {
      if (rank == 1) {
        EXPECT_EQ(ecclCommSetStream(comm, nullptr), ecclInvalidUsage);
        Bytes zeros(bytes);
        Expect(ecclAllReduce(zeros.data(), zeros.data(), bytes, ecclUint8, ecclSum, comm));
        EXPECT_EQ(zeros, Bytes(bytes, std::byte{5}));
        return;
      }
      const auto device = *device::Device::Open("sim:0");
      const auto stream = device->MakeStream();
      const auto buffer = device->Allocate(bytes);
      const Bytes fives(bytes, std::byte{5});
      EXPECT_TRUE(
          device->Copy(buffer->data(), Bytes(bytes).data(), bytes, regattaCopyHostToDevice).ok());
      Expect(ecclCommSetStream(comm, stream->get()));
      // Takes 30 ms; the call comes behind it.
      EXPECT_TRUE(
          device->Copy(buffer->data(), fives.data(), bytes, regattaCopyHostToDevice, stream->get())
              .ok());
      Expect(ecclAllReduce(buffer->data(), buffer->data(), bytes, ecclUint8, ecclSum, comm));
    });
  }
}

TEST(Islands, AreUsedWhereEveryRankHasADeviceOfItsOwn) {
  Configure();
  const auto last = [](const std::vector<std::string>& places) {
    DeviceRanks ranks(places);
    std::string said;
    ranks.Run([&](int rank, ecclComm_t comm) {
      Memory data(ranks.place(rank), 4096);
      ecclOpInfo_t info;
      Expect(ecclAllReduce(data.at(), data.at(), 1024, ecclFloat32, ecclSum, comm));
      Expect(ecclCommGetLastOp(comm, &info));
      if (rank == 0) said = std::string(info.algorithm) + "/" + info.transport + "/" + info.reason;
      // Bits are for the host, and so is what another call follows on the island.
      Expect(ecclAllReduce(data.at(), data.at(), 1024, ecclInt32, ecclBxor, comm));
      Expect(ecclCommGetLastOp(comm, &info));
      EXPECT_STRNE(info.transport, "sim");
      ecclComm_t half = nullptr;
      Expect(ecclCommSplit(comm, 0, rank, &half, nullptr));
      Expect(ecclAllReduce(data.at(), data.at(), 1024, ecclFloat32, ecclSum, half));
      Expect(ecclCommDestroy(half));
    });
    return said;
  };
  EXPECT_EQ(last({"sim:0", "sim:1", "sim:2"}), "sim/sim/island");
  EXPECT_EQ(last({"sim:0", "sim:0"}), "flat/shm+staging/size");
  EXPECT_EQ(last({"sim:0", "cpu"}), "flat/shm+staging/size");
  EXPECT_EQ(last({"sim:0", "simplug:0"}), "flat/shm+staging/size");
  setenv("ECCL_NCCL", "0", 1);
  EXPECT_EQ(last({"sim:0", "sim:1"}), "flat/shm+staging/size");
  unsetenv("ECCL_NCCL");
}

TEST(Islands, DifferentCallsAndAbortsEndTheWaitOfAll) {
  for (const bool aborts : {false, true}) {
    Configure();
    std::vector<ecclComm_t> comms(2);
    ecclUniqueId id;
    Expect(ecclGetUniqueId(&id));
    const auto join = [&](int rank) {
      ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
      const std::string device = "sim:" + std::to_string(rank);
      config.device = device.c_str();
      config.timeout_ms = 20'000;
      Expect(ecclCommInitRankConfig(&comms[static_cast<std::size_t>(rank)], 2, id, rank, &config));
    };
    {
      std::jthread other([&] { join(1); });
      join(0);
    }
    std::jthread waits([&] {
      Memory data("sim:0", 4096);
      const ecclResult_t result =
          ecclAllReduce(data.at(), data.at(), 1024, ecclFloat32, ecclSum, comms[0]);
      EXPECT_EQ(result, aborts ? ecclRemoteError : ecclMismatch) << ecclGetLastError(nullptr);
      EXPECT_THAT(ecclGetLastError(nullptr), HasSubstr("rank 1"));
    });
    if (aborts) {
      Expect(ecclCommAbort(comms[1]));
    } else {
      Memory data("sim:1", 4096);
      EXPECT_EQ(ecclBroadcast(data.at(), data.at(), 1024, ecclFloat32, 1, comms[1]), ecclMismatch)
          << ecclGetLastError(nullptr);
    }
    waits.join();
    Expect(ecclCommDestroy(comms[0]));
    if (!aborts) Expect(ecclCommDestroy(comms[1]));
  }
}

TEST(DeviceErrors, OptionsAndPointersThatDoNotFitAreNamed) {
  Configure();
  ecclComm_t comm = nullptr;
  ecclUniqueId id;
  Expect(ecclGetUniqueId(&id));
  const auto refused = [&](const char* device) {
    ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
    config.device = device;
    EXPECT_NE(ecclCommInitRankConfig(&comm, 1, id, 0, &config), ecclSuccess) << device;
    return std::string(ecclGetLastError(nullptr));
  };
  EXPECT_THAT(refused("sim"), HasSubstr("\"sim\" is no device"));
  EXPECT_THAT(refused("sim:9"), HasSubstr("sees 3 devices"));
  EXPECT_THAT(refused("abacus:0"), HasSubstr("no kind of device"));
  Expect(ecclGetUniqueId(&id));
  ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
  config.device = "sim:1";
  Expect(ecclCommInitRankConfig(&comm, 1, id, 0, &config));
  Memory other("sim:0", 64);
  EXPECT_EQ(ecclAllReduce(other.at(), other.at(), 8, ecclUint8, ecclSum, comm),
            ecclInvalidArgument);
  EXPECT_THAT(ecclGetLastError(nullptr),
              HasSubstr("sendbuff is memory of sim:0, but this rank's device is sim:1"));
  Memory own("sim:1", 64);
  Expect(ecclAllReduce(own.at(), own.at(), 8, ecclUint8, ecclSum, comm));
  Expect(ecclCommDestroy(comm));
  const regattaDeviceApi* api = nullptr;
  Expect(ecclGetDeviceApi("sim", &api));
  EXPECT_STREQ(api->kind, "sim");
  EXPECT_EQ(ecclGetDeviceApi("abacus", &api), ecclInvalidArgument);
}

// What all ranks hear when rank 1's device fails in this way.
void ExpectFailure(const std::string& fault, const char* text, bool message) {
  Configure(fault);
  DeviceRanks ranks({"cpu", "sim:1", "sim:0"}, "shm", 5'000);
  ranks.Run([&](int rank, ecclComm_t comm) {
    const std::size_t bytes = 9'000'000;
    Memory data(ranks.place(rank), bytes);
    // Before the others' own time-outs.
    if (rank == 1) Expect(ecclCommSetTimeout(comm, 1'000));
    ecclResult_t result = ecclSuccess;
    const auto start = std::chrono::steady_clock::now();
    if (message) {
      result = rank == 0   ? ecclRecv(data.at(), bytes, ecclUint8, 1, comm)
               : rank == 1 ? ecclSend(data.at(), bytes, ecclUint8, 0, comm)
                           : ecclRecv(data.at(), 1, ecclUint8, 0, comm);
    } else {
      result = ecclAllReduce(data.at(), data.at(), bytes, ecclUint8, ecclSum, comm);
    }
    // What the others waited for may have come before it: then they hear of it in their next call.
    std::string heard = ecclGetLastError(nullptr);
    if (rank == 1) {
      EXPECT_NE(result, ecclSuccess);
    }
    const bool late = result == ecclSuccess;
    EXPECT_NE(ecclBarrier(comm), ecclSuccess) << "a failed communicator stays failed";
    if (late) heard = ecclGetLastError(nullptr);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
    EXPECT_THAT(heard, HasSubstr("rank 1")) << rank;
    EXPECT_THAT(heard, HasSubstr("sim:1")) << rank;
    EXPECT_THAT(heard, HasSubstr(text)) << rank;
    EXPECT_THAT(heard, HasSubstr(message ? "send/recv #1" : "allreduce #1")) << rank;
  });
}

// Rank 1 aborts while ranks of other kinds wait for it in a call.
TEST(DeviceErrors, ARankOfAnotherKindThatStopsEndsTheOthersWait) {
  for (const bool message : {false, true}) {
    Configure();
    const std::vector<std::string> places = {"sim:0", "simplug:0", "cpu"};
    ecclUniqueId id;
    Expect(ecclGetUniqueId(&id));
    // An abort also ends calls of others that its own rank has ended already.
    std::barrier all_have_reduced(3);
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < 3; ++rank) {
      threads.emplace_back([&, rank] {
        ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
        const std::string& place = places[static_cast<std::size_t>(rank)];
        config.device = place.c_str();
        ecclComm_t comm = nullptr;
        Expect(ecclCommInitRankConfig(&comm, 3, id, rank, &config));
        const std::size_t bytes = 9'000'000;
        Memory data(place, bytes);
        Expect(ecclAllReduce(data.at(), data.at(), bytes, ecclUint8, ecclSum, comm));
        all_have_reduced.arrive_and_wait();
        if (rank == 1) {
          Expect(ecclCommAbort(comm));
          return;
        }
        const auto start = std::chrono::steady_clock::now();
        const ecclResult_t result =
            message ? ecclRecv(data.at(), bytes, ecclUint8, 1, comm)
                    : ecclAllReduce(data.at(), data.at(), bytes, ecclUint8, ecclSum, comm);
        EXPECT_EQ(result, ecclRemoteError) << ecclGetLastError(nullptr);
        EXPECT_THAT(ecclGetLastError(nullptr), HasSubstr("rank 1")) << place;
        EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
        Expect(ecclCommDestroy(comm));
      });
    }
  }
}

TEST(DeviceErrors, AFailedCopyIsHeardByAllRanks) {
  ExpectFailure("copy:1:1", "injected", false);
  ExpectFailure("copy:5:1", "injected", false);
  ExpectFailure("copy:3:1", "injected", true);
}
TEST(DeviceErrors, ADeviceThatFallsOffIsHeardByAllRanks) {
  ExpectFailure("lost:4:1", "has fallen off", false);
}
TEST(DeviceErrors, ACopyThatNeverEndsIsATimeOutWithADevicesName) {
  ExpectFailure("stall:3:1", "has not ended its work for", false);
}

TEST(DeviceErrors, DifferentCountsAreAMismatchAsOnTheHost) {
  Configure();
  DeviceRanks ranks({"sim:0", "sim:0"});
  ranks.Run([&](int rank, ecclComm_t comm) {
    Memory data(ranks.place(rank), 100);
    const std::size_t count = rank == 0 ? 100 : 50;
    EXPECT_EQ(ecclAllReduce(data.at(), data.at(), count, ecclUint8, ecclSum, comm), ecclMismatch);
    EXPECT_THAT(ecclGetLastError(nullptr), HasSubstr("uint8 x 50"));
  });
}

}  // namespace
}  // namespace regatta::eccl
