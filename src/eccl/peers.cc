#include "eccl/peers.h"

#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "eccl/rails/dial.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// All ranks are known to be alive and listening when payload connections are made.
constexpr auto kConnectTime = std::chrono::seconds(30);

struct Endpoint {
  std::string name;
  std::string boot_id;
  std::string host_id;
  std::string settings;
  bool may_shm = false;
  bool may_tcp = false;
  std::string address;
  std::uint16_t port = 0;
  std::vector<RailPlace> rails;
};

void WriteRails(const std::vector<RailPlace>& places, BodyWriter* writer) {
  writer->U32(static_cast<std::uint32_t>(places.size()));
  for (const RailPlace& place : places) {
    writer->Text(place.interface.name).Text(place.interface.address);
    writer->U32(static_cast<std::uint32_t>(place.interface.prefix_bits)).U32(place.port);
  }
}

std::vector<RailPlace> ReadRails(BodyReader* reader) {
  std::vector<RailPlace> places;
  for (std::uint32_t left = reader->U32(); left > 0 && reader->ok(); --left) {
    RailPlace place;
    place.interface.name = reader->Text();
    place.interface.address = reader->Text();
    place.interface.prefix_bits = static_cast<int>(std::min<std::uint32_t>(reader->U32(), 128));
    place.port = static_cast<std::uint16_t>(reader->U32());
    places.push_back(std::move(place));
  }
  return places;
}

bool SameHost(const Endpoint& one, const Endpoint& other) {
  return one.boot_id == other.boot_id && one.host_id == other.host_id;
}

// One rank's side of the connecting; the steps run in the order of the functions.
class Connector {
 public:
  Connector(Bootstrap* bootstrap, Waiter* waiter, const PeerOptions& options)
      : bootstrap_(bootstrap), waiter_(waiter), options_(options) {}

  base::Result<Peers> Run() {
    Status status = ListenForPeers();
    BASE_RETURN_IF_ERROR(ExchangeEndpoints(status));
    status = OfferMemory();
    BASE_RETURN_IF_ERROR(OpenMemory(status));
    status = JoinMemory();
    if (status.ok()) status = ConnectTcp();
    BASE_RETURN_IF_ERROR(Gather(status, "").status());
    peers_.listener = std::move(listener_);
    return std::move(peers_);
  }

 private:
  // A round of the bootstrap in which a rank may say that it has failed.
  base::Result<std::vector<std::string>> Gather(const Status& mine, const std::string& blob) {
    const std::string body = BodyWriter()
                                 .U8(static_cast<std::uint8_t>(mine.code()))
                                 .Text(mine.message())
                                 .Text(blob)
                                 .body();
    BASE_ASSIGN_OR_RETURN(std::vector<std::string> all, bootstrap_->AllGather(body));
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
      BodyReader reader(all[rank]);
      const auto code = static_cast<Code>(std::min<std::uint8_t>(reader.U8(), 16));
      const std::string text = reader.Text();
      std::string content = reader.Text();
      if (!reader.ok()) {
        return Status(Code::kDataLoss, "rank " + std::to_string(rank) + " sent a malformed blob");
      }
      if (code != Code::kOk) return Status(code, "rank " + std::to_string(rank) + ": " + text);
      all[rank] = std::move(content);
    }
    return all;
  }

  Status ListenForPeers() {
    auto listener = Listen(options_.host.empty() ? bootstrap_->local_address() : options_.host, 0);
    if (!listener.ok()) return listener.status();
    listener_ = *std::move(listener);
    if (options_.transport != TransportChoice::kShm) {
      rail_listeners_ = RailListeners::Open(options_.rail_interfaces);
    }
    return Status();
  }

  Status ExchangeEndpoints(const Status& mine) {
    const auto boot_id = base::ReadFile("/proc/sys/kernel/random/boot_id", 4096);
    const bool may_shm = options_.transport != TransportChoice::kTcp && boot_id.ok();
    const std::string& address =
        options_.host.empty() ? bootstrap_->public_address() : options_.host;
    BodyWriter writer;
    writer.Text(MakeHello(Hello::kPayload, options_.rank, options_.size).Describe());
    writer.Text(boot_id.ok() ? *boot_id : "").Text(options_.host_id);
    writer.Text(options_.settings);
    writer.Text(options_.device.name).Text(options_.device.identity);
    writer.Text(options_.device.library);
    const bool may_tcp = options_.transport != TransportChoice::kShm;
    writer.U8(may_shm ? 1 : 0).U8(may_tcp ? 1 : 0).Text(address);
    writer.U32(listener_.valid() ? LocalPort(listener_.get()) : 0);
    WriteRails(rail_listeners_.places, &writer);
    BASE_ASSIGN_OR_RETURN(const auto all, Gather(mine, writer.body()));
    for (const std::string& one : all) {
      BodyReader reader(one);
      Endpoint endpoint;
      endpoint.name = reader.Text();
      endpoint.boot_id = reader.Text();
      endpoint.host_id = reader.Text();
      endpoint.settings = reader.Text();
      DeviceInfo device;
      device.name = reader.Text();
      device.identity = reader.Text();
      device.library = reader.Text();
      endpoint.may_shm = reader.U8() != 0;
      endpoint.may_tcp = reader.U8() != 0;
      endpoint.address = reader.Text();
      endpoint.port = static_cast<std::uint16_t>(reader.U32());
      endpoint.rails = ReadRails(&reader);
      if (!reader.ok()) return Status(Code::kDataLoss, "a rank sent a malformed endpoint");
      peers_.names.push_back(endpoint.name);
      peers_.devices.push_back(std::move(device));
      // Rank 0 does not know how others see it; they do.
      if (endpoint.address.empty()) endpoint.address = bootstrap_->hub_address();
      if (endpoint.address.empty()) endpoint.address = bootstrap_->local_address();
      peers_.places.push_back({endpoint.address, endpoint.port});
      endpoints_.push_back(std::move(endpoint));
    }
    BASE_RETURN_IF_ERROR(CheckSettings());
    const Endpoint& self = endpoints_[static_cast<std::size_t>(options_.rank)];
    for (int rank = 0; rank < options_.size; ++rank) {
      const Endpoint& other = endpoints_[static_cast<std::size_t>(rank)];
      if (self.may_shm && other.may_shm && SameHost(self, other)) neighbours_.push_back(rank);
    }
    for (int rank = 0; rank < options_.size; ++rank) {
      const Endpoint& endpoint = endpoints_[static_cast<std::size_t>(rank)];
      const auto known =
          std::find_if(peers_.hosts.begin(), peers_.hosts.end(), [&](const std::vector<int>& host) {
            return SameHost(endpoints_[static_cast<std::size_t>(host[0])], endpoint);
          });
      if (known == peers_.hosts.end()) {
        peers_.hosts.push_back({rank});
      } else {
        known->push_back(rank);
      }
    }
    return Status();
  }

  // Ranks that choose differently would wait for each other.
  Status CheckSettings() const {
    const Endpoint& first = endpoints_.front();
    for (const Endpoint& other : endpoints_) {
      if (other.settings == first.settings) continue;
      return Status(Code::kInvalidArgument, first.name + " has " + first.settings + ", " +
                                                other.name + " has " + other.settings +
                                                "; every rank needs the same");
    }
    return Status();
  }

  // Which ring of `owner`'s memory `sender` writes to. All neighbours have the same list.
  int RingOf(int owner, int sender) const {
    const auto place = [this](int rank) {
      return std::find(neighbours_.begin(), neighbours_.end(), rank) - neighbours_.begin();
    };
    return static_cast<int>(place(sender) - (place(sender) > place(owner) ? 1 : 0));
  }

  Status OfferMemory() {
    if (neighbours_.size() < 2) return Status();
    const std::size_t rings = neighbours_.size() - 1;
    auto segment = ShmSegment::Create(static_cast<int>(rings), options_.ring_bytes != 0
                                                                   ? options_.ring_bytes
                                                                   : ShmSegment::RingBytes(rings));
    if (segment.ok()) {
      segment_ = *std::move(segment);
      return Status();
    }
    if (options_.transport == TransportChoice::kShm) return segment.status();
    base::Log(base::LogLevel::kWarning, "eccl", "no shared memory, using TCP instead",
              {{"why", segment.status().message()}});
    return Status();
  }

  Status OpenMemory(const Status& mine) {
    const auto size = static_cast<std::size_t>(options_.size);
    BASE_ASSIGN_OR_RETURN(const auto tickets, Gather(mine, segment_ ? segment_->Ticket() : ""));
    std::vector<std::shared_ptr<ShmSegment>>& opened = peers_.segments;
    opened.resize(size);
    std::string could(size, '0');
    for (const int rank : neighbours_) {
      const auto at = static_cast<std::size_t>(rank);
      if (rank == options_.rank || tickets[at].empty() || segment_ == nullptr) continue;
      auto segment = ShmSegment::Open(tickets[at]);
      if (segment.ok()) {
        opened[at] = *std::move(segment);
        could[at] = '1';
      } else {
        base::Log(base::LogLevel::kInfo, "eccl", "no shared memory with a rank on this host",
                  {{"rank", peers_.names[at]}, {"why", segment.status().message()}});
      }
    }
    BASE_ASSIGN_OR_RETURN(const auto all, Gather(Status(), could));
    for (std::size_t rank = 0; rank < size; ++rank) {
      const std::string everybody_else =
          std::string(rank, '1') + '0' + std::string(size - rank - 1, '1');
      all_share_ = all_share_ && all[rank] == everybody_else;
      const bool both = all[rank].size() == size && could[rank] == '1' &&
                        all[rank][static_cast<std::size_t>(options_.rank)] == '1';
      if (!both) opened[rank].reset();
    }
    if (segment_) segment_->Seal();
    opened[static_cast<std::size_t>(options_.rank)] = segment_;
    return Status();
  }

  Status JoinMemory() {
    peers_.channels.resize(static_cast<std::size_t>(options_.size));
    int local = 1;
    for (const int rank : neighbours_) {
      const auto& opened = peers_.segments[static_cast<std::size_t>(rank)];
      if (opened == nullptr || rank == options_.rank) continue;
      auto channel = ShmChannel::Make(segment_, RingOf(options_.rank, rank), opened,
                                      RingOf(rank, options_.rank));
      if (!channel.ok()) return channel.status();
      peers_.channels[static_cast<std::size_t>(rank)] = *std::move(channel);
      ++local;
    }
    if (local > 1) waiter_->UseBell(segment_->bell());
    if (!all_share_) peers_.segments.clear();
    // Ranks on this host compete for its processors, however they talk to each other.
    const std::string& boot_id = endpoints_[static_cast<std::size_t>(options_.rank)].boot_id;
    waiter_->SetLocalRanks(static_cast<int>(
        std::count_if(endpoints_.begin(), endpoints_.end(),
                      [&](const Endpoint& endpoint) { return endpoint.boot_id == boot_id; })));
    return Status();
  }

  Status ConnectTcp() {
    const Deadline deadline = std::min(options_.deadline, Clock::now() + kConnectTime);
    const std::string key = Hmac(options_.key, bootstrap_->nonce());
    RailDialer dialer(options_.interfaces, options_.rail_interfaces, options_.sockets_per_rail,
                      options_.size - 1);
    int expected = 0;
    for (int rank = 0; rank < options_.size; ++rank) {
      const auto at = static_cast<std::size_t>(rank);
      const Endpoint& endpoint = endpoints_[at];
      if (rank == options_.rank || peers_.channels[at] != nullptr) continue;
      if (options_.transport == TransportChoice::kShm || !endpoint.may_tcp) {
        return Status(Code::kFailedPrecondition,
                      "no shared memory with " + endpoint.name +
                          ", and ECCL_TRANSPORT=shm allows nothing else: the ranks are on several "
                          "hosts, in several containers, or have several users");
      }
      if (rank > options_.rank) {
        ++expected;
        continue;
      }
      BASE_ASSIGN_OR_RETURN(peers_.channels[at], Dial(endpoint, key, &dialer, deadline));
    }
    return expected == 0 ? Status() : Accept(expected, key, dialer, deadline);
  }

  base::Result<std::unique_ptr<Channel>> Dial(const Endpoint& endpoint, const std::string& key,
                                              RailDialer* dialer, Deadline deadline) {
    auto first = Connect(endpoint.address, endpoint.port, deadline);
    Status status = first.status();
    std::vector<RailSocket> sockets;
    if (status.ok()) {
      // Interfaces of one host reach each other without any wire.
      const Endpoint& self = endpoints_[static_cast<std::size_t>(options_.rank)];
      sockets = dialer->Dial(*first, endpoint.address, endpoint.port,
                             SameHost(self, endpoint) ? std::vector<RailPlace>() : endpoint.rails,
                             deadline);
      Hello hello = MakeHello(Hello::kPayload, options_.rank, options_.size);
      const auto refused = [&](const RailSocket& socket) {
        ++hello.connection;
        const Status said = Introduce(socket.fd.get(), hello, key, deadline).status();
        if (!said.ok()) {
          base::Log(base::LogLevel::kWarning, "eccl", "a rail is not used",
                    {{"to", endpoint.name}, {"why", said.message()}});
        }
        return !said.ok();
      };
      std::erase_if(sockets, refused);
      hello.connection = 0;
      hello.connections = static_cast<std::uint32_t>(sockets.size()) + 1;
      status = Introduce(first->get(), hello, key, deadline).status();
    }
    if (!status.ok()) {
      return Status(status.code(), "cannot connect to " + endpoint.name + " at " +
                                       status.message() +
                                       " (ECCL_HOST on that rank sets the address it gives)");
    }
    const std::string interface = dialer->InterfaceOfSocket(first->get());
    sockets.insert(sockets.begin(), RailSocket{*std::move(first), interface});
    return MakeChannel(std::move(sockets), options_.size - 1);
  }

  // The channels of `expected` higher ranks.
  Status Accept(int expected, const std::string& key, const RailDialer& dialer, Deadline deadline) {
    std::vector<int> listeners{listener_.get()};
    for (const base::UniqueFd& fd : rail_listeners_.fds) listeners.push_back(fd.get());
    std::vector<std::vector<RailSocket>> sockets(endpoints_.size());
    Acceptor acceptor(listeners, key, [&](Acceptor::Guest& guest) {
      const Hello& hello = guest.hello;
      const auto rank = hello.rank;
      const bool fits = hello.purpose == Hello::kPayload && rank < endpoints_.size() &&
                        static_cast<int>(rank) > options_.rank && peers_.channels[rank] == nullptr;
      if (!fits) return Status(Code::kInvalidArgument, "no payload connection expected from it");
      std::vector<RailSocket>& own = sockets[rank];
      if (hello.connection == 0 && hello.connections != own.size() + 1) {
        return Status(Code::kInternal, "of its " + std::to_string(hello.connections) +
                                           " connections " + std::to_string(own.size() + 1) +
                                           " have come");
      }
      BASE_RETURN_IF_ERROR(SendAll(guest.fd.get(), EncodeFrame(FrameType::kWelcome, ""), deadline));
      const std::string interface = dialer.InterfaceOfSocket(guest.fd.get());
      own.insert(hello.connection == 0 ? own.begin() : own.end(),
                 RailSocket{std::move(guest.fd), interface});
      if (hello.connection != 0) return Status();
      peers_.channels[rank] = MakeChannel(std::move(own), options_.size - 1);
      --expected;
      return Status();
    });
    return acceptor.Run([&] { return expected == 0; }, deadline);
  }

  Bootstrap* bootstrap_;
  Waiter* waiter_;
  const PeerOptions& options_;
  base::UniqueFd listener_;
  RailListeners rail_listeners_;
  std::vector<Endpoint> endpoints_;
  std::vector<int> neighbours_;  // ranks that may share memory with this one, and itself
  std::shared_ptr<ShmSegment> segment_;
  bool all_share_ = true;  // every rank could open everybody's memory
  Peers peers_;
};

}  // namespace

base::Result<Peers> ConnectPeers(Bootstrap* bootstrap, Waiter* waiter, const PeerOptions& options) {
  return Connector(bootstrap, waiter, options).Run();
}

}  // namespace regatta::eccl
