#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "eccl/formats/codec.h"
#include "eccl/formats/converse.h"

namespace regatta::eccl {

// One share of a range of elements for each member: where member i's begins. n + 1 entries.
std::vector<std::size_t> ShareBounds(std::size_t count, std::size_t members);

struct DenseCall {
  const std::byte* input = nullptr;  // `count` elements of `type`; may be `output`
  std::byte* output = nullptr;
  std::size_t count = 0;
  ecclDataType_t type = ecclFloat32;
  // Elements by which a sum is divided; 1: a sum is wanted.
  int divide_by = 1;
  float* residual = nullptr;  // `count`; null: no error feedback
};

// An all-reduce in a dense format among `members` of which this rank is number `own`. Member i owns
// share i: all others send it theirs, encoded; it adds them up in float in the order of members,
// divides, encodes the result once, and sends that to all; all, the owner included, decode the
// same bytes. What encoding loses stays in `residual`: of others' shares what this rank's values
// lost, of the own share what the result lost.
class DenseReduce : public Dialogue {
 public:
  DenseReduce(const Codec& codec, const DenseCall& call, int members, int own);

  Next Say(int member, std::span<const std::byte>* message) override;
  Next Hear(int member, std::span<std::byte>* room) override;
  base::Status Heard(int member) override;

  // Elements of one message, at most.
  static constexpr std::size_t kBlock = 32'768;

 private:
  struct Block {
    std::size_t begin;
    std::size_t count;
  };
  struct Peer {
    std::size_t said = 0;   // messages: values of its share, then results of the own one
    std::size_t heard = 0;  // values of the own share, then results of its one
    bool full = false;      // `in` holds values that are not added yet
    std::unique_ptr<std::byte[]> out, in;
  };

  std::size_t Blocks(std::size_t member) const;
  Block BlockOf(std::size_t member, std::size_t number) const;
  const std::byte* Floats(const Block& block, std::byte* room) const;
  void EncodeValues(const Block& block, std::byte* wire);
  // Adds what has its turn to the sum of the block under way, and finishes blocks.
  void Advance();
  void AddTo(const Block& block, const std::byte* floats);
  void Finish(const Block& block);
  void StoreResult(const Block& block, const std::byte* wire);

  const Codec& codec_;
  const DenseCall& call_;
  std::size_t members_;
  std::size_t own_;
  std::vector<std::size_t> bounds_;
  std::vector<Peer> peers_;
  std::size_t block_ = 0;  // of the own share: under way
  std::size_t turn_ = 0;   // the member whose values come next
  std::vector<std::size_t> result_begins_;
  std::unique_ptr<std::byte[]> results_;  // of the own share, encoded
  std::unique_ptr<std::byte[]> sum_, work_, lossy_;
};

}  // namespace regatta::eccl
