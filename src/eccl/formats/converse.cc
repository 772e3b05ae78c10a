#include "eccl/formats/converse.h"

#include "base/fault.h"

namespace regatta::eccl {
namespace {

using base::Status;

class Conversation {
 public:
  Conversation(Links* links, const OpDescriptor& call, const std::vector<int>& ranks,
               Dialogue* dialogue, std::uint64_t* said)
      : links_(links), call_(call), dialogue_(dialogue), said_(said) {
    call.Encode(own_);
    for (std::size_t member = 0; member < ranks.size(); ++member) {
      if (ranks[member] == links->rank()) continue;
      ends_.push_back({.member = static_cast<int>(member),
                       .rank = ranks[member],
                       .channel = links->channel(ranks[member]),
                       .out = own_});
      ends_.back().saying = true;
    }
    for (End& end : ends_) {
      end.in = end.theirs;
      end.hearing = true;
    }
  }

  Status Run() {
    return links_->Until([this](bool* moved) { return Move(moved); },
                         [this] { return Interests(); });
  }

 private:
  // One peer.
  struct End {
    int member;
    int rank;
    Channel* channel;
    std::span<const std::byte> out;  // what is left of the message that is being said
    std::span<std::byte> in = {};    // and of the one that is being heard
    bool saying = false, hearing = false;
    bool agreed = false;  // the descriptor has come, and is the same
    bool said_all = false, heard_all = false;
    std::byte theirs[OpDescriptor::kWireBytes] = {};
  };

  base::Result<bool> Move(bool* moved) {
    bool all = true;
    for (End& end : ends_) {
      BASE_RETURN_IF_ERROR(Say(end, moved));
      BASE_RETURN_IF_ERROR(Hear(end, moved));
      all = all && end.said_all && end.heard_all;
    }
    return all;
  }

  Status Say(End& end, bool* moved) {
    while (!end.said_all) {
      if (!end.saying) {
        const Dialogue::Next next = dialogue_->Say(end.member, &end.out);
        if (next == Dialogue::Next::kLater) return Status();
        *moved = true;
        if (next == Dialogue::Next::kEnd) {
          end.said_all = true;
          return Status();
        }
        end.saying = true;
        *said_ += end.out.size();
      }
      while (!end.out.empty()) {
        auto sent = end.channel->TrySend(end.out);
        if (!sent.ok()) return links_->LostChannel(end.rank, sent.status());
        if (*sent == 0) return Status();
        *moved = true;
        end.out = end.out.subspan(*sent);
      }
      end.channel->EndSend();
      end.saying = false;
    }
    return Status();
  }

  Status Hear(End& end, bool* moved) {
    while (!end.heard_all) {
      if (!end.hearing) {
        const Dialogue::Next next = dialogue_->Hear(end.member, &end.in);
        if (next == Dialogue::Next::kLater) return Status();
        if (next == Dialogue::Next::kEnd) {
          *moved = true;
          end.heard_all = true;
          return Status();
        }
        end.hearing = true;
      }
      while (!end.in.empty()) {
        auto got = end.channel->TryReceive(end.in);
        if (!got.ok()) return links_->LostChannel(end.rank, got.status());
        if (*got == 0) return Status();
        *moved = true;
        end.in = end.in.subspan(*got);
      }
      end.channel->EndReceive();
      end.hearing = false;
      if (end.agreed) {
        BASE_RETURN_IF_ERROR(dialogue_->Heard(end.member));
      } else {
        BASE_RETURN_IF_ERROR(Compare(end));
      }
    }
    return Status();
  }

  Status Compare(End& end) {
    OpDescriptor theirs;
    const bool is_one = OpDescriptor::Decode(end.theirs, &theirs);
    if (!is_one || theirs != call_) {
      return is_one ? Mismatch(*links_->health(), end.rank, theirs, call_)
                    : links_->LostStep(end.rank);
    }
    end.agreed = true;
    REGATTA_FAULT("eccl.collective.agreed");
    return Status();
  }

  std::vector<Links::Interest> Interests() {
    std::vector<Links::Interest> interests;
    for (const End& end : ends_) {
      if (end.hearing) interests.push_back({end.rank, false});
      if (end.saying) interests.push_back({end.rank, true});
    }
    return interests;
  }

  Links* links_;
  const OpDescriptor& call_;
  Dialogue* dialogue_;
  std::uint64_t* said_;
  std::byte own_[OpDescriptor::kWireBytes] = {};
  std::vector<End> ends_;
};

}  // namespace

Status Converse(Links* links, const OpDescriptor& call, const std::vector<int>& ranks,
                Dialogue* dialogue, std::uint64_t* said) {
  return Conversation(links, call, ranks, dialogue, said).Run();
}

}  // namespace regatta::eccl
