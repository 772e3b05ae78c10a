#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "eccl/formats/converse.h"

namespace regatta::eccl {

// Some elements of a tensor.
struct Entries {
  std::vector<std::uint32_t> indices;  // ascending
  std::vector<float> values;
  std::size_t size() const { return indices.size(); }
};
inline constexpr double kEntryBytes = 8;

// Everybody's entries to everybody; all ranks have as many.
class SparseGather : public Dialogue {
 public:
  SparseGather(const Entries* entries, int members, int own);

  Next Say(int member, std::span<const std::byte>* message) override;
  Next Hear(int member, std::span<std::byte>* room) override;
  base::Status Heard(int member) override;

  // Adds all entries into `sum`, in the order of members, and divides the result. kDataLoss: a
  // peer sent an index that is none.
  base::Status AddInto(std::span<float> sum, int divide_by) const;

 private:
  struct Peer {
    int said = 0, heard = 0;  // messages: indices, values
    Entries entries;
  };
  const Entries* entries_;
  std::size_t own_;
  std::vector<Peer> peers_;
};

// Each member owns a share of the tensor: the entries in it go to it, which adds them up in the
// order of members and sends the share, as floats, to all.
class SparseToOwners : public Dialogue {
 public:
  SparseToOwners(const Entries& entries, std::span<float> sum, int divide_by, int members, int own);
  // Adds what this rank has itself, where that comes first.
  base::Status Start() { return Advance(); }

  Next Say(int member, std::span<const std::byte>* message) override;
  Next Hear(int member, std::span<std::byte>* room) override;
  base::Status Heard(int member) override;

 private:
  struct Peer {
    int said = 0, heard = 0;       // messages: number of entries, indices, values, result
    std::uint64_t counts[2] = {};  // said, heard
    Entries entries;               // heard
  };
  std::span<const std::uint32_t> IndicesFor(std::size_t member) const;
  std::span<float> ShareOf(std::size_t member) const;
  base::Status Advance();
  base::Status Add(std::span<const std::uint32_t> indices, std::span<const float> values);

  const Entries& entries_;
  std::span<float> sum_;
  int divide_by_;
  std::size_t own_;
  std::vector<std::size_t> bounds_;
  std::vector<Peer> peers_;
  std::size_t turn_ = 0;
};

}  // namespace regatta::eccl
