#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/status.h"
#include "eccl/links.h"
#include "eccl/types.h"

namespace regatta::eccl {

// What one rank has to say to some peers, and to hear from them: messages whose lengths both ends
// know. Members are counted from 0; Converse knows which rank each is.
class Dialogue {
 public:
  enum class Next {
    kMessage,
    kLater,  // something that arrives has to be worked on first
    kEnd,
  };

  virtual ~Dialogue() = default;
  // The next message to a member. Its bytes stay as they are until the next call for that member.
  virtual Next Say(int member, std::span<const std::byte>* message) = 0;
  // Where the next message from a member goes.
  virtual Next Hear(int member, std::span<std::byte>* room) = 0;
  // It is there now. An error ends the conversation.
  virtual base::Status Heard(int member) = 0;
};

// Holds the dialogue: on each connection the call's descriptor, compared with the peer's, and then
// the messages, in order, both ways and with all members at once. `ranks` by member, this rank's
// own included. Adds what this rank said, in bytes without descriptors, to *said. Errors are those
// of Links::Until; kAborted when a peer calls something else.
base::Status Converse(Links* links, const OpDescriptor& call, const std::vector<int>& ranks,
                      Dialogue* dialogue, std::uint64_t* said);

}  // namespace regatta::eccl
