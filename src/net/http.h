#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace regatta::net {

// One request as a handler sees it.
struct Request {
  std::string method;                             // upper case
  std::string target;                             // as it was sent: "/api/v1/runs?limit=5"
  std::string path;                               // of the target, percent-decoded
  std::multimap<std::string, std::string> query;  // decoded
  std::map<std::string, std::string> headers;     // names in lower case
  std::map<std::string, std::string> params;      // of the route's pattern, decoded
  std::string body;
  std::string peer;  // "127.0.0.1:54321"

  // "" when absent.
  const std::string& Header(const std::string& lower_case_name) const;
  std::optional<std::string> Query(const std::string& name) const;
  // The value of one cookie, or "".
  std::string Cookie(std::string_view name) const;
};

// Wakes a stream's sender. Shared between the stream and whoever produces for it; thread-safe.
class Wakeup {
 public:
  virtual ~Wakeup() = default;
  // There may be something to pull now. Cheap; calls that come together are one.
  virtual void Notify() = 0;
};

enum class Pull {
  kMore,  // something was appended; ask again
  kIdle,  // nothing (more) now; ask again after the next Notify
  kEnd,   // nothing will come any more
};

// A body that is made while it is sent. Because the server pulls, a slow client slows its own
// stream down and costs no memory; one that takes nothing for 30 s is disconnected.
struct Stream {
  // Made by NewWakeup(); the producer keeps a copy.
  std::shared_ptr<Wakeup> wakeup;
  // Appends the next bytes. Called from a worker thread, never twice at once.
  std::function<Pull(std::string* out)> pull;
  // Sent together with the head. A proxy may hold the head back until the body begins, and a
  // browser does not say "open" before. "" for none.
  std::string opening;
  // Sent when nothing was sent for 15 s; detects clients that went away. "" for none.
  std::string heartbeat;
  // Called once, from any thread, when the stream is over for whatever reason.
  std::function<void()> on_close;
};

std::shared_ptr<Wakeup> NewWakeup();

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // Instead of `body`: a file of this machine, sent in pieces; the server handles Range.
  std::string file;
  // Instead of `body`.
  std::shared_ptr<Stream> stream;
};

using Handler = std::function<Response(const Request&)>;

Response TextResponse(int status, std::string text);
Response JsonResponse(int status, std::string json);

// --- Server-sent events (WHATWG HTML, section "Server-sent events").

// A response of type text/event-stream with the heartbeat comment.
Response EventStreamResponse(std::shared_ptr<Stream> stream);
// "id: …\nevent: …\ndata: …\n\n". Line breaks in `data` (LF, CR LF or CR) become several data
// lines; `id` and `type` must have none.
std::string FormatEvent(std::string_view id, std::string_view type, std::string_view data);

struct ServerEvent {
  std::string id;
  std::string type = "message";
  std::string data;
};

// Takes the bytes of an event stream as they come and gives the whole events in them.
class EventParser {
 public:
  // Calls `on_event` for each event completed by `bytes`; a false from it stops and is returned.
  bool Feed(std::string_view bytes, const std::function<bool(const ServerEvent&)>& on_event);

 private:
  bool TakeLine(std::string_view line, const std::function<bool(const ServerEvent&)>& on_event);
  std::string pending_;
  ServerEvent event_;
  bool has_data_ = false;
  std::string last_id_;
};

// --- Text forms.

// "%41b" -> "Ab"; nullopt for a broken escape or a decoded NUL. `plus_is_space` for queries.
std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space);
std::string PercentEncode(std::string_view text);

// "Mon, 23 Nov 2026 22:00:55 GMT" (RFC 9110, 5.6.7), of microseconds since 1970.
std::string FormatHttpDate(std::int64_t micros);

// Whether an If-None-Match header names `etag` (weak comparison; "*" names any): answer 304.
bool MatchesEtag(std::string_view if_none_match, std::string_view etag);
// Whether an Accept-Encoding header takes `coding` ("gzip"); one with q=0 does not.
bool AcceptsEncoding(std::string_view accept_encoding, std::string_view coding);

}  // namespace regatta::net
