#pragma once

// One connection of the HTTP server. Private to the room.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "net/http_server.h"

namespace regatta::net {

class Session {
 public:
  virtual ~Session() = default;
  // Both on the io thread. An idle connection closes, a stream ends, a request goes on.
  virtual void OnServerStopping() = 0;
  virtual void Close() = 0;
};

class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual const HttpServerOptions& options() const = 0;
  virtual const Router& router() const = 0;
  virtual boost::asio::thread_pool& workers() = 0;
  virtual bool stopping() const = 0;
  virtual void Enter(Session* session) = 0;
  virtual void Leave(Session* session) = 0;
};

// Serves `socket` until it closes. `refuse`: only to say that there are too many connections.
void StartSession(SessionHost* host, boost::asio::ip::tcp::socket socket, bool refuse);

}  // namespace regatta::net
