// The same measurement for every library of collectives: a program gives a class that makes the
// calls, and this header does the rest. One JSON line a size on rank 0; results are checked.
//
//   PROGRAM [--operation NAME] [--type float32|bfloat16] [--bytes LIST] [--seconds S]
//
// LIST is sizes in bytes, separated by commas: of the whole input or output, whichever is larger
// (as nccl-tests count). Each size is repeated for about S seconds. What is repeated is a block of
// calls, as many as fit into 200 us, that every rank begins after a barrier; a block's time is that
// of the rank that was longest in it. From 1 MiB on a block is one call, and all-reduce and
// broadcast are in place, as training calls them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace bench {

enum class Operation { kAllReduce, kAllGather, kReduceScatter, kAllToAll, kBroadcast };
enum class Type { kFloat32, kBfloat16 };

inline std::size_t WidthOf(Type type) { return type == Type::kFloat32 ? 4 : 2; }

struct Call {
  Operation operation;
  Type type;
  const std::byte* input;
  std::byte* output;
  std::size_t count;  // elements of the smaller of input and output, per rank where they differ
};

// What a library under measurement offers.
class Library {
 public:
  virtual ~Library() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  virtual void Barrier() = 0;
  // The largest of each value over all ranks, in place.
  virtual void Max(std::vector<double>* values) = 0;
  virtual void Make(const Call& call) = 0;
  // What it says of how the last call was made; may be empty.
  virtual std::string How() { return ""; }
};

struct Request {
  Operation operation = Operation::kAllReduce;
  Type type = Type::kFloat32;
  std::vector<std::size_t> sizes = {8, 1 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20};
  double seconds = 1.0;
};

[[noreturn]] inline void Usage(const char* why) {
  std::fprintf(stderr,
               "%s\nusage: [--operation all-reduce|all-gather|reduce-scatter|all-to-all|broadcast] "
               "[--type float32|bfloat16] [--bytes SIZE[,SIZE...]] [--seconds S]\n",
               why);
  std::exit(2);
}

inline std::vector<std::size_t> SizesOf(const std::string& list) {
  std::vector<std::size_t> sizes;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t size = std::strtoull(list.c_str() + at, nullptr, 10);
    if (size == 0) Usage("--bytes wants sizes above 0, separated by commas");
    sizes.push_back(size);
    const std::size_t comma = list.find(',', at);
    at = comma == std::string::npos ? list.size() : comma + 1;
  }
  return sizes;
}

// True when `flag` is one of this header's.
inline bool Take(const std::string& flag, const std::string& value, Request* request) {
  static const std::pair<const char*, Operation> kOperations[] = {
      {"all-reduce", Operation::kAllReduce},
      {"all-gather", Operation::kAllGather},
      {"reduce-scatter", Operation::kReduceScatter},
      {"all-to-all", Operation::kAllToAll},
      {"broadcast", Operation::kBroadcast}};
  if (flag == "--operation") {
    for (const auto& [name, operation] : kOperations) {
      if (value == name) return request->operation = operation, true;
    }
    Usage("--operation: unknown");
  }
  if (flag == "--type") {
    if (value != "float32" && value != "bfloat16") Usage("--type: unknown");
    request->type = value == "float32" ? Type::kFloat32 : Type::kBfloat16;
  } else if (flag == "--bytes") {
    request->sizes = SizesOf(value);
  } else if (flag == "--seconds") {
    request->seconds = std::atof(value.c_str());
    if (request->seconds <= 0) Usage("--seconds wants a number above 0");
  } else {
    return false;
  }
  return true;
}

// One size of one request, on one rank.
class Measurement {
 public:
  Measurement(Library* library, const Request& request, std::size_t bytes)
      : library_(*library), operation_(request.operation), type_(request.type) {
    const auto ranks = static_cast<std::size_t>(library_.ranks());
    const bool shared = operation_ != Operation::kAllReduce && operation_ != Operation::kBroadcast;
    parts_ = shared ? ranks : 1;
    part_ = std::max<std::size_t>(bytes / WidthOf(type_) / parts_, 1);
    single_ = bytes >= 1 << 20;
    in_place_ = single_ && parts_ == 1;
    const bool small_input = operation_ == Operation::kAllGather;
    const bool small_output = operation_ == Operation::kReduceScatter;
    input_.resize(part_ * (small_input ? 1 : parts_) * WidthOf(type_));
    if (!in_place_) output_.resize(part_ * (small_output ? 1 : parts_) * WidthOf(type_));
  }

  void Run(double seconds) {
    Fill();
    Block(1);
    // Some libraries try several ways in the first calls.
    for (int i = 0; i < 15; ++i) times_.push_back(Block(1));
    Agree();
    const double once = std::max(Median(), 0.05);
    calls_ = single_ ? 1 : std::clamp(static_cast<int>(200 / once), 1, 500);
    const double blocks = std::clamp(seconds * 1e6 / (once * calls_), 5.0, 2000.0);
    times_.clear();
    for (int i = 0; i < static_cast<int>(blocks); ++i) times_.push_back(Block(calls_));
    Agree();
    Check();
  }

  void Print(std::size_t bytes) {
    std::printf(
        "{\"bytes\": %zu, \"median_us\": %.3f, \"min_us\": %.3f, \"calls\": %zu, "
        "\"how\": \"%s\"}\n",
        bytes, Median(), *std::min_element(times_.begin(), times_.end()),
        times_.size() * static_cast<std::size_t>(calls_), library_.How().c_str());
    std::fflush(stdout);
  }

 private:
  // Small whole numbers, so that sums are exact in every type and order.
  static double Input(Operation operation, int rank, std::size_t part) {
    if (operation == Operation::kBroadcast) return rank == 0 ? 7 : 0;
    if (operation == Operation::kAllToAll) return 8.0 * rank + static_cast<double>(part);
    return rank + 1;
  }
  double Expected(std::size_t part) const {
    const int n = library_.ranks();
    switch (operation_) {
      case Operation::kAllReduce:
      case Operation::kReduceScatter:
        return n * (n + 1) / 2.0;
      case Operation::kBroadcast:
        return 7;
      case Operation::kAllGather:
        return static_cast<double>(part) + 1;
      case Operation::kAllToAll:
        return Input(operation_, static_cast<int>(part), static_cast<std::size_t>(library_.rank()));
    }
    return 0;
  }

  void Store(std::byte* to, double value) const {
    const auto narrow = static_cast<float>(value);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &narrow, sizeof(bits));
    if (type_ == Type::kFloat32) {
      std::memcpy(to, &bits, 4);
    } else {
      const auto half = static_cast<std::uint16_t>(bits >> 16);
      std::memcpy(to, &half, 2);
    }
  }

  void Fill() {
    const std::size_t bytes = part_ * WidthOf(type_);
    for (std::size_t part = 0; part < input_.size() / bytes; ++part) {
      std::byte* begin = input_.data() + part * bytes;
      const double value = Input(operation_, library_.rank(), part);
      if (type_ == Type::kFloat32) {
        std::fill_n(reinterpret_cast<float*>(begin), part_, static_cast<float>(value));
      } else {
        std::uint16_t half = 0;
        Store(reinterpret_cast<std::byte*>(&half), value);
        std::fill_n(reinterpret_cast<std::uint16_t*>(begin), part_, half);
      }
    }
  }

  double Block(int calls) {
    if (in_place_) {
      library_.Barrier();  // or whoever is first takes the processor from those who still work
      Fill();
    }
    const Call call{operation_, type_, input_.data(), in_place_ ? input_.data() : output_.data(),
                    part_};
    library_.Barrier();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) library_.Make(call);
    const auto took = std::chrono::steady_clock::now() - start;
    return std::chrono::duration<double, std::micro>(took).count() / calls;
  }

  void Agree() {
    library_.Max(&times_);
    std::sort(times_.begin(), times_.end());
  }
  double Median() const { return times_[times_.size() / 2]; }

  void Check() const {
    const std::size_t width = WidthOf(type_);
    const std::vector<std::byte>& result = in_place_ ? input_ : output_;
    std::byte wanted[4] = {};
    for (std::size_t i = 0; i < result.size() / width; ++i) {
      Store(wanted, Expected(i / part_));
      if (std::memcmp(result.data() + i * width, wanted, width) != 0) {
        std::fprintf(stderr, "wrong result at element %zu of %zu\n", i, result.size() / width);
        std::_Exit(1);
      }
    }
  }

  Library& library_;
  Operation operation_;
  Type type_;
  std::size_t parts_ = 1;
  std::size_t part_ = 1;  // elements
  bool single_ = false;
  bool in_place_ = false;
  int calls_ = 1;
  std::vector<std::byte> input_, output_;
  std::vector<double> times_;
};

inline void MeasureAll(Library* library, const Request& request) {
  for (const std::size_t bytes : request.sizes) {
    Measurement measurement(library, request, bytes);
    measurement.Run(request.seconds);
    if (library->rank() == 0) measurement.Print(bytes);
  }
}

// For programs that have no flags of their own.
inline Request RequestOf(int argc, char** argv) {
  Request request;
  if (argc % 2 == 0) Usage("each flag has a value");
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!Take(argv[i], argv[i + 1], &request)) Usage("unknown flag");
  }
  return request;
}

}  // namespace bench
