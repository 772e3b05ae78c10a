#include "net/session.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/version.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/range.h"
#include "net/wakeup.h"

namespace regatta::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::size_t kFilePiece = 256 * 1024;
// A stream's pulls are gathered up to this before they are sent: many small events, one write.
constexpr std::size_t kStreamPiece = 64 * 1024;
// How long a client may go on sending after it was refused (see Linger).
constexpr std::chrono::seconds kLinger(2);

// Response splitting: a handler may put text from outside into a header.
std::string WithoutControls(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) out += c;
  }
  return out;
}

void CountRequest(const std::string& pattern, int status, base::Micros started) {
  const std::string route = pattern.empty() ? "other" : pattern;
  base::GetCounter("regatta_http_requests_total", "HTTP requests answered",
                   absl::StrCat("route=\"", route, "\",code=\"", status, "\""))
      .Add();
  base::GetHistogram("regatta_http_request_seconds", "Time from request head to answer",
                     absl::StrCat("route=\"", route, "\""))
      .Observe(static_cast<double>(base::MonotonicMicros() - started) / 1e6);
}

class Connection final : public Session, public std::enable_shared_from_this<Connection> {
 public:
  Connection(SessionHost* host, tcp::socket socket)
      : host_(host), stream_(std::move(socket)), buffer_(64 * 1024) {
    boost::system::error_code ignored;
    const auto peer = stream_.socket().remote_endpoint(ignored);
    peer_ = absl::StrCat(peer.address().to_string(), ":", peer.port());
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    host_->Enter(this);
  }
  ~Connection() override { host_->Leave(this); }

  void OnServerStopping() override {
    if (wakeup_ != nullptr) wakeup_->Notify();
    if (idle_) Close();
  }

  void Close() override {
    boost::system::error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.close();
  }

  static asio::awaitable<void> Serve(std::shared_ptr<Connection> self, bool refuse) {
    if (refuse) {
      self->head_.method = "GET";
      self->unread_ = true;
      Response refusal = self->host_->router().Error(503, "too many connections");
      co_await self->Send(std::move(refusal), false);
    } else {
      while (co_await self->ServeOne()) {
      }
    }
    if (self->unread_) co_await self->Linger();
    self->Close();
  }

 private:
  // One request and its answer; false when the connection is over.
  asio::awaitable<bool> ServeOne() {
    http::request_parser<http::string_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(host_->options().header_limit));
    parser.body_limit(boost::none);  // the route decides once the head is read
    boost::system::error_code error;
    if (!co_await WaitForRequest()) co_return false;
    stream_.expires_after(host_->options().header_timeout);
    co_await http::async_read_header(stream_, buffer_, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return co_await RefuseHead(error);
    const base::Micros started = base::MonotonicMicros();
    const bool keep_alive = parser.get().keep_alive();

    head_ = Request{};
    Router::Match match;
    if (const char* wrong = ReadHead(parser.get(), &match)) {
      unread_ = true;
      Response refusal = host_->router().Error(400, wrong);
      co_await Send(std::move(refusal), false);
      co_return false;
    }
    // What is left unread on the connection after a refusal could be taken for the next request, so
    // an answer that is given before the body was read closes it.
    const bool has_body = !parser.is_done();
    Response response;
    if (match.handler == nullptr) {
      unread_ = has_body;
      response = NoHandler(match);
      co_await Send(std::move(response), keep_alive && !has_body);
      CountRequest(match.pattern, match.allowed.empty() ? 404 : 405, started);
      co_return keep_alive && !has_body;
    }
    const auto length = parser.content_length();
    if (length && *length > match.body_limit) {
      co_await SendTooLarge(match.body_limit);
      CountRequest(match.pattern, 413, started);
      co_return false;
    }
    parser.body_limit(match.body_limit);
    if (has_body) {
      if (absl::EqualsIgnoreCase(head_.Header("expect"), "100-continue")) {
        constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        co_await asio::async_write(stream_, asio::buffer(kContinue),
                                   asio::redirect_error(asio::use_awaitable, error));
      }
      stream_.expires_after(host_->options().body_timeout);
      co_await http::async_read(stream_, buffer_, parser,
                                asio::redirect_error(asio::use_awaitable, error));
      if (error == http::error::body_limit) {
        co_await SendTooLarge(match.body_limit);
        CountRequest(match.pattern, 413, started);
        co_return false;
      }
      if (error) co_return co_await RefuseHead(error);
    }
    head_.body = std::move(parser.get().body());
    stream_.expires_never();
    response = co_await RunHandler(*match.handler);
    if (response.stream != nullptr) {
      CountRequest(match.pattern, response.status, started);  // not when it ends, hours later
      co_await SendStream(std::move(response));
      co_return false;
    }
    const bool reusable = keep_alive && !host_->stopping();
    // Statements, not one conditional expression: GCC 12 miscompiles co_await inside `?:`.
    bool sent = false;
    if (!response.file.empty()) {
      sent = co_await SendFile(std::move(response), reusable);
    } else {
      sent = co_await Send(std::move(response), reusable);
    }
    CountRequest(match.pattern, sent_status_, started);
    co_return (sent && reusable);
  }

  // Waits for the first byte of the next request. This is when a connection is idle and may be
  // closed at any time.
  asio::awaitable<bool> WaitForRequest() {
    if (buffer_.size() > 0) co_return true;
    if (host_->stopping()) co_return false;
    boost::system::error_code error;
    idle_ = true;
    stream_.expires_after(host_->options().idle_timeout);
    const std::size_t got = co_await stream_.async_read_some(
        buffer_.prepare(4096), asio::redirect_error(asio::use_awaitable, error));
    idle_ = false;
    buffer_.commit(got);
    co_return !error;
  }

  // Answers a request that could not be read, where there is somebody to answer.
  asio::awaitable<bool> RefuseHead(const boost::system::error_code& error) {
    if (error == http::error::end_of_stream || error == beast::error::timeout ||
        error.category() != http::make_error_code(http::error::end_of_stream).category()) {
      co_return false;
    }
    head_ = Request{.method = "GET"};
    unread_ = true;
    const bool too_long =
        error == http::error::header_limit || error == http::error::buffer_overflow;
    Response refusal =
        too_long
            ? host_->router().Error(431, absl::StrCat("the request head is longer than ",
                                                      host_->options().header_limit, " bytes"))
            : host_->router().Error(400, absl::StrCat("not an HTTP request: ", error.message()));
    co_await Send(std::move(refusal), false);
    co_return false;
  }

  // Fills head_ and finds the route. Returns what is wrong, or null.
  const char* ReadHead(const http::request<http::string_body>& message, Router::Match* match) {
    head_.method = std::string(message.method_string());
    head_.target = std::string(message.target());
    head_.peer = peer_;
    for (const auto& field : message) {
      std::string& value = head_.headers[absl::AsciiStrToLower(
          absl::string_view(field.name_string().data(), field.name_string().size()))];
      if (!value.empty()) value += ", ";
      value.append(field.value().data(), field.value().size());
    }
    // RFC 9112, 3.2 and 6.1: what two parsers could read differently is refused.
    const std::size_t hosts = message.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && message.version() >= 11)) {
      return "the request must have exactly one Host header";
    }
    if (message.count(http::field::transfer_encoding) != 0 &&
        (message.version() < 11 ||
         !absl::EqualsIgnoreCase(head_.Header("transfer-encoding"), "chunked"))) {
      return "the only Transfer-Encoding that is taken is chunked";
    }
    const std::string_view target = head_.target;
    if (target.empty() || target.front() != '/') return "the request target must start with /";
    const std::size_t question = target.find('?');
    const std::string_view raw_path = target.substr(0, question);
    auto path = PercentDecode(raw_path, false);
    if (!path) return "the path has a broken percent escape";
    head_.path = *std::move(path);
    std::string_view rest = question == std::string_view::npos ? "" : target.substr(question + 1);
    while (!rest.empty()) {
      const std::string_view pair = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      if (pair.empty()) continue;
      const std::size_t equals = pair.find('=');
      auto name = PercentDecode(pair.substr(0, equals), true);
      auto value = PercentDecode(
          equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
      if (!name || !value) return "the query has a broken percent escape";
      head_.query.emplace(*std::move(name), *std::move(value));
    }
    *match = host_->router().Find(head_.method, raw_path);
    head_.params = match->params;
    return nullptr;
  }

  Response NoHandler(const Router::Match& match) {
    if (match.allowed.empty()) {
      return host_->router().Error(404, absl::StrCat("there is no ", head_.path));
    }
    const std::string allowed = absl::StrJoin(match.allowed, ", ");
    Response response =
        head_.method == "OPTIONS"
            ? Response{.status = 204}
            : host_->router().Error(
                  405, absl::StrCat(head_.path, " takes ", allowed, ", not ", head_.method));
    response.headers.emplace_back("Allow", allowed);
    return response;
  }

  asio::awaitable<void> SendTooLarge(std::size_t limit) {
    unread_ = true;
    Response refusal = host_->router().Error(
        413, absl::StrCat("the body is over the limit of ", limit, " bytes for this address"));
    co_await Send(std::move(refusal), false);
  }

  // On a worker thread, since a handler may block.
  asio::awaitable<Response> RunHandler(const Handler& handler) {
    auto work = [this, &handler]() -> asio::awaitable<Response> {
      try {
        if (auto answer = host_->router().RunChecks(head_)) co_return *std::move(answer);
        co_return handler(head_);
      } catch (const std::exception& exception) {
        // Ours do not throw; a library's exception must not take the server down.
        base::Log(base::LogLevel::kError, "net", "a handler threw",
                  {{"path", head_.path}, {"what", exception.what()}});
      }
      co_return host_->router().Error(500, "internal error; the server's log has more");
    };
    Response response = co_await asio::co_spawn(host_->workers(), work, asio::use_awaitable);
    co_return response;
  }

  http::response<http::empty_body> HeadOf(const Response& response, bool keep_alive) {
    http::response<http::empty_body> head(static_cast<http::status>(response.status), 11);
    for (const auto& [name, value] : response.headers) {
      head.insert(WithoutControls(name), WithoutControls(value));
    }
    head.set(http::field::server, "regatta");
    head.set(http::field::date, FormatHttpDate(base::NowMicros()));
    head.set("X-Content-Type-Options", "nosniff");
    head.keep_alive(keep_alive);
    return head;
  }

  asio::awaitable<bool> SendHead(http::response<http::empty_body>& head) {
    boost::system::error_code error;
    http::response_serializer<http::empty_body> serializer(head);
    sent_status_ = static_cast<int>(head.result_int());
    stream_.expires_after(host_->options().write_timeout);
    co_await http::async_write_header(stream_, serializer,
                                      asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }

  asio::awaitable<bool> SendBytes(std::string_view bytes) {
    boost::system::error_code error;
    while (!bytes.empty()) {
      stream_.expires_after(host_->options().write_timeout);
      const std::size_t put =
          co_await stream_.async_write_some(asio::buffer(bytes.data(), bytes.size()),
                                            asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return false;
      bytes.remove_prefix(put);
    }
    co_return true;
  }

  asio::awaitable<bool> Send(Response response, bool keep_alive) {
    auto head = HeadOf(response, keep_alive);
    if (response.status != 204 && response.status != 304) {
      head.content_length(response.body.size());
    }
    if (!co_await SendHead(head)) co_return false;
    if (head_.method == "HEAD" || response.status == 204 || response.status == 304) co_return true;
    co_return co_await SendBytes(response.body);
  }

  asio::awaitable<bool> SendFile(Response response, bool keep_alive) {
    const base::UniqueFd fd(open(response.file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info{};
    if (!fd.valid() || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
      Response gone = host_->router().Error(404, "the file is gone");
      co_return co_await Send(std::move(gone), keep_alive);
    }
    const std::int64_t size = info.st_size;
    ByteRange range{0, size};
    response.headers.emplace_back("Accept-Ranges", "bytes");
    if (const std::string& wanted = head_.Header("range"); !wanted.empty()) {
      const RangeRequest parsed = ParseRange(wanted, size);
      if (parsed.unsatisfiable) {
        Response refusal = host_->router().Error(416, "the range lies outside the file");
        refusal.headers.emplace_back("Content-Range", absl::StrCat("bytes */", size));
        co_return co_await Send(std::move(refusal), keep_alive);
      }
      if (parsed.range) {
        range = *parsed.range;
        response.status = 206;
        response.headers.emplace_back(
            "Content-Range",
            absl::StrCat("bytes ", range.offset, "-", range.offset + range.size - 1, "/", size));
      }
    }
    auto head = HeadOf(response, keep_alive);
    head.content_length(static_cast<std::uint64_t>(range.size));
    if (!co_await SendHead(head)) co_return false;
    if (head_.method == "HEAD") co_return true;
    std::string piece(std::min<std::size_t>(kFilePiece, static_cast<std::size_t>(range.size)),
                      '\0');
    while (range.size > 0) {
      const std::size_t want = std::min(piece.size(), static_cast<std::size_t>(range.size));
      const ssize_t got = pread(fd.get(), piece.data(), want, range.offset);
      // Shorter than promised: only closing the connection tells the client so.
      if (got <= 0) co_return false;
      if (!co_await SendBytes(std::string_view(piece).substr(0, static_cast<std::size_t>(got)))) {
        co_return false;
      }
      range.offset += got;
      range.size -= got;
    }
    co_return true;
  }

  // Sends what the stream gives until it ends, the client leaves or the server stops. The end of
  // the connection is the end of the body.
  asio::awaitable<void> SendStream(Response response) {
    const std::shared_ptr<Stream> source = std::move(response.stream);
    auto head = HeadOf(response, false);
    bool open = co_await SendHead(head);
    if (open && head_.method != "HEAD") {
      open = co_await SendBytes(source->opening);
      const auto timer = std::make_shared<asio::steady_timer>(stream_.get_executor());
      wakeup_ = std::static_pointer_cast<WakeupImpl>(source->wakeup);
      wakeup_->Attach(timer);
      WatchForClose(timer);
      while (open && !gone_ && !host_->stopping()) {
        std::string bytes;
        const std::uint64_t seen = wakeup_->notifications();
        auto work = [&]() -> asio::awaitable<Pull> { co_return PullPiece(*source, &bytes); };
        const Pull pull = co_await asio::co_spawn(host_->workers(), work, asio::use_awaitable);
        if (!bytes.empty()) open = co_await SendBytes(bytes);
        if (pull == Pull::kEnd) break;
        if (pull == Pull::kIdle && open) {
          const bool notified = co_await WaitForWakeup(*timer, seen);
          if (!notified) open = co_await SendBytes(source->heartbeat);
        }
      }
      wakeup_->Detach();
      wakeup_ = nullptr;
    }
    if (source->on_close) source->on_close();
  }

  // On a worker thread.
  static Pull PullPiece(const Stream& source, std::string* bytes) {
    try {
      while (true) {
        const std::size_t before = bytes->size();
        const Pull pull = source.pull(bytes);
        if (pull != Pull::kMore || bytes->size() == before || bytes->size() >= kStreamPiece) {
          return pull;
        }
      }
    } catch (const std::exception& exception) {
      // Escaping, it would end this coroutine without on_close.
      base::Log(base::LogLevel::kError, "net", "a stream threw", {{"what", exception.what()}});
      return Pull::kEnd;
    }
  }

  // A client that was refused may still be sending its body. Closing with bytes unread would reset
  // the connection and lose our answer on its way, so they are read and dropped for a while.
  asio::awaitable<void> Linger() {
    boost::system::error_code error;
    stream_.socket().shutdown(tcp::socket::shutdown_send, error);
    stream_.expires_after(kLinger);
    std::string dropped(16 * 1024, '\0');
    while (!error) {
      co_await stream_.async_read_some(asio::buffer(dropped),
                                       asio::redirect_error(asio::use_awaitable, error));
    }
  }

  // True when notified, false when the heartbeat is due.
  asio::awaitable<bool> WaitForWakeup(asio::steady_timer& timer, std::uint64_t seen) {
    stream_.expires_never();
    boost::system::error_code error;
    timer.expires_after(host_->options().heartbeat);
    // A notification between the pull and this line has cancelled nothing: look before waiting.
    if (wakeup_->notifications() != seen || gone_ || host_->stopping()) co_return true;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_return error == asio::error::operation_aborted;
  }

  // A client of a stream sends nothing more; what is readable is its leaving. The raw socket is
  // used because the stream's own reads share their time-out with its writes.
  void WatchForClose(std::shared_ptr<asio::steady_timer> timer) {
    auto self = shared_from_this();
    stream_.socket().async_read_some(
        asio::buffer(discard_), [self, timer](const boost::system::error_code& error, std::size_t) {
          if (!error) return self->WatchForClose(timer);
          self->gone_ = true;
          timer->cancel();
        });
  }

  SessionHost* const host_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::string peer_;
  Request head_;
  bool idle_ = false;
  bool gone_ = false;
  bool unread_ = false;  // the connection ends with a part of a request not read
  int sent_status_ = 0;
  std::shared_ptr<WakeupImpl> wakeup_;
  char discard_[256] = {};
};

}  // namespace

void StartSession(SessionHost* host, tcp::socket socket, bool refuse) {
  const auto executor = socket.get_executor();
  auto connection = std::make_shared<Connection>(host, std::move(socket));
  asio::co_spawn(executor, Connection::Serve(std::move(connection), refuse), asio::detached);
}

}  // namespace regatta::net
