#include "net/http_server.h"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "net/session.h"

namespace regatta::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class Server final : public HttpServer, public SessionHost {
 public:
  Server(const HttpServerOptions& options, Router router)
      : options_(options),
        router_(std::move(router)),
        acceptor_(io_),
        accept_retry_(io_),
        workers_(static_cast<std::size_t>(options.workers)) {}

  ~Server() override {
    Stop(std::chrono::milliseconds(0));
    workers_.join();
  }

  absl::Status Listen() {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(options_.address, error);
    if (error || !address.is_loopback()) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot listen on \"", options_.address,
                       "\": only loopback addresses (127.0.0.1, ::1) are served, because another "
                       "address needs TLS and authentication, which are not built yet"));
    }
    const tcp::endpoint endpoint(address, static_cast<unsigned short>(options_.port));
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error == asio::error::address_in_use) {
      return absl::AlreadyExistsError(
          absl::StrCat("port ", options_.port, " of ", options_.address,
                       " is in use by another program; choose another one with --port"));
    }
    if (error == asio::error::access_denied) {
      return absl::PermissionDeniedError(
          absl::StrCat("port ", options_.port,
                       " may not be used by this user; choose one from 1024 with --port"));
    }
    if (error) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.address, ":",
                                                 options_.port, ": ", error.message()));
    }
    port_ = acceptor_.local_endpoint().port();
    asio::co_spawn(io_, Accept(), asio::detached);
    thread_ = std::jthread([this] { io_.run(); });
    return absl::OkStatus();
  }

  int port() const override { return port_; }

  std::string url() const override {
    const bool v6 = options_.address.find(':') != std::string::npos;
    return absl::StrCat("http://", v6 ? "[" : "", options_.address, v6 ? "]" : "", ":", port_);
  }

  void Stop(std::chrono::milliseconds deadline) override {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] {
      stopping_ = true;
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      accept_retry_.cancel();
      for (Session* session : sessions_) session->OnServerStopping();
    });
    {
      std::unique_lock lock(drained_mutex_);
      drained_.wait_for(lock, deadline, [this] { return open_ == 0; });
    }
    asio::post(io_, [this] {
      for (Session* session : sessions_) session->Close();
    });
    {
      // Closing a socket ends every operation on it; what remains is a handler that still runs on a
      // worker, and its session must not outlive this object.
      std::unique_lock lock(drained_mutex_);
      drained_.wait(lock, [this] { return open_ == 0; });
    }
    io_.stop();
    thread_.join();
  }

  // SessionHost
  const HttpServerOptions& options() const override { return options_; }
  const Router& router() const override { return router_; }
  asio::thread_pool& workers() override { return workers_; }
  bool stopping() const override { return stopping_; }
  void Enter(Session* session) override {
    sessions_.insert(session);
    const std::lock_guard lock(drained_mutex_);
    ++open_;
  }
  void Leave(Session* session) override {
    sessions_.erase(session);
    const std::lock_guard lock(drained_mutex_);
    --open_;
    drained_.notify_all();
  }

 private:
  asio::awaitable<void> Accept() {
    while (acceptor_.is_open()) {
      boost::system::error_code error;
      tcp::socket socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted || stopping_) co_return;
      if (error) {
        // Out of descriptors: wait for some to be closed instead of spinning on the same error.
        base::Log(base::LogLevel::kWarning, "net", "cannot accept a connection",
                  {{"error", error.message()}});
        accept_retry_.expires_after(std::chrono::milliseconds(100));
        co_await accept_retry_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      const bool full = sessions_.size() >= static_cast<std::size_t>(options_.max_connections);
      StartSession(this, std::move(socket), full);
    }
  }

  const HttpServerOptions options_;
  const Router router_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer accept_retry_;
  asio::thread_pool workers_;
  std::set<Session*> sessions_;  // only touched by the io thread
  bool stopping_ = false;        // likewise
  int port_ = 0;
  std::mutex drained_mutex_;
  std::condition_variable drained_;
  int open_ = 0;
  std::jthread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              Router router) {
  auto server = std::make_unique<Server>(options, std::move(router));
  if (const absl::Status status = server->Listen(); !status.ok()) return status;
  return server;
}

}  // namespace regatta::net
