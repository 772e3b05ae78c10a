// Communicators made of a communicator's ranks.

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "base/random.h"
#include "base/sha256.h"
#include "eccl/communicator.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

std::string Commas(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
  return text;
}

}  // namespace

base::Result<std::shared_ptr<Communicator>> Communicator::Regroup(const std::vector<int>& members,
                                                                  const std::string& purpose,
                                                                  const Options* options) const {
  const auto place = std::find(members.begin(), members.end(), rank_);
  const auto rank = static_cast<int>(place - members.begin());
  const auto size = static_cast<int>(members.size());
  Options chosen = options != nullptr ? *options : options_;
  chosen.host = options_.host;
  chosen.host_id = options_.host_id;
  chosen.interfaces = options_.interfaces;
  chosen.sockets_per_rail = options_.sockets_per_rail;
  const MeetingPlace& meeting = places_[static_cast<std::size_t>(members[0])];
  const UniqueId id{.host = meeting.host,
                    .port = meeting.port,
                    .secret = base::ToHex(Hmac(regroup_key_, purpose + "/" + Commas(members)))};
  base::UniqueFd listener;
  if (rank == 0 && size > 1) {
    listener = base::UniqueFd(fcntl(listener_.get(), F_DUPFD_CLOEXEC, 0));
    if (!listener.valid()) return base::ErrnoStatus(errno, "cannot duplicate the listener");
  }
  return Join(rank, size, id, std::move(listener), chosen);
}

base::Result<std::shared_ptr<Communicator>> Communicator::Split(int color, int key,
                                                                const Options* options) {
  const std::int32_t mine[2] = {color, key};
  std::vector<std::int32_t> all(static_cast<std::size_t>(size_) * 2);
  const std::vector<std::size_t> counts(static_cast<std::size_t>(size_), 2);
  BASE_RETURN_IF_ERROR(AllGather(mine, all.data(), counts, ecclInt32));
  const std::uint64_t number = ++splits_;
  if (color < 0) return std::shared_ptr<Communicator>();
  std::vector<int> members;
  for (int rank = 0; rank < size_; ++rank) {
    if (all[static_cast<std::size_t>(rank) * 2] == color) members.push_back(rank);
  }
  std::stable_sort(members.begin(), members.end(), [&](int one, int other) {
    return all[static_cast<std::size_t>(one) * 2 + 1] <
           all[static_cast<std::size_t>(other) * 2 + 1];
  });
  return Regroup(members, "split " + std::to_string(number), options);
}

base::Result<std::shared_ptr<Communicator>> Communicator::Shrink(std::vector<int> excluded,
                                                                 const Options* options) {
  std::sort(excluded.begin(), excluded.end());
  std::vector<int> members;
  for (int rank = 0; rank < size_; ++rank) {
    if (!std::binary_search(excluded.begin(), excluded.end(), rank)) members.push_back(rank);
  }
  if (std::find(members.begin(), members.end(), rank_) == members.end()) {
    return Status(Code::kInvalidArgument,
                  "the excluded ranks (" + Commas(excluded) + ") contain this rank itself");
  }
  return Regroup(members, "shrink", options);
}

base::Result<UniqueId> Communicator::MakeId(base::UniqueFd* listener) const {
  UniqueId id;
  id.host = options_.host.empty() ? places_[static_cast<std::size_t>(rank_)].host : options_.host;
  if (id.host.empty()) id.host = "127.0.0.1";  // of one rank, that has met nobody
  id.secret = base::RandomHex(16);
  BASE_ASSIGN_OR_RETURN(*listener, Listen(id.host, 0));
  id.port = LocalPort(listener->get());
  return id;
}

}  // namespace regatta::eccl
