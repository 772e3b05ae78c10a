#include "net/http.h"

#include <algorithm>
#include <cctype>
#include <ctime>

#include "absl/strings/str_format.h"

namespace regatta::net {

const std::string& Request::Header(const std::string& lower_case_name) const {
  static const std::string& none = *new std::string;
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? none : found->second;
}

std::optional<std::string> Request::Query(const std::string& name) const {
  const auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

std::string Request::Cookie(std::string_view name) const {
  std::string_view rest = Header("cookie");
  while (!rest.empty()) {
    std::string_view pair = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      return std::string(pair.substr(equals + 1));
    }
  }
  return "";
}

Response TextResponse(int status, std::string text) {
  return {.status = status,
          .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
          .body = std::move(text)};
}

Response JsonResponse(int status, std::string json) {
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          .body = std::move(json)};
}

Response EventStreamResponse(std::shared_ptr<Stream> stream) {
  stream->opening = ": open\n\n";
  stream->heartbeat = ": still here\n\n";
  return {.headers = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}},
          .stream = std::move(stream)};
}

std::string FormatEvent(std::string_view id, std::string_view type, std::string_view data) {
  std::string out;
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  out.append("event: ").append(type).append("\n");
  while (true) {
    const std::size_t end = data.find_first_of("\r\n");
    out.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + (data.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  out += "\n";
  return out;
}

bool EventParser::Feed(std::string_view bytes,
                       const std::function<bool(const ServerEvent&)>& on_event) {
  pending_ += bytes;
  std::size_t begin = 0;
  bool go_on = true;
  for (std::size_t end = pending_.find('\n'); go_on && end != std::string::npos;
       end = pending_.find('\n', begin)) {
    std::string_view line = std::string_view(pending_).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    begin = end + 1;
    go_on = TakeLine(line, on_event);
  }
  pending_.erase(0, begin);
  return go_on;
}

bool EventParser::TakeLine(std::string_view line,
                           const std::function<bool(const ServerEvent&)>& on_event) {
  if (line.empty()) {
    ServerEvent event = std::exchange(event_, ServerEvent{});
    event.id = last_id_;
    if (!std::exchange(has_data_, false)) return true;
    return on_event(event);
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    event_.type = value;
  } else if (field == "id") {
    last_id_ = value;
  }
  return true;
}

std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = digit(text[i + 1]);
      const int low = digit(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

std::string FormatHttpDate(std::int64_t micros) {
  const std::time_t seconds = micros / 1'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  // Not strftime: the names of days and months must not follow a locale.
  constexpr char kDays[] = "SunMonTueWedThuFriSat";
  constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  return absl::StrFormat("%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", kDays + 3 * parts.tm_wday,
                         parts.tm_mday, kMonths + 3 * parts.tm_mon, parts.tm_year + 1900,
                         parts.tm_hour, parts.tm_min, parts.tm_sec);
}

namespace {

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes the next element off a comma-separated list.
std::string_view TakeElement(std::string_view& list) {
  const std::string_view element = list.substr(0, list.find(','));
  list.remove_prefix(std::min(list.size(), element.size() + 1));
  return Trim(element);
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

bool MatchesEtag(std::string_view if_none_match, std::string_view etag) {
  const auto strong = [](std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
  };
  while (!if_none_match.empty()) {
    const std::string_view tag = TakeElement(if_none_match);
    if (tag == "*" || (!tag.empty() && strong(tag) == strong(etag))) return true;
  }
  return false;
}

bool AcceptsEncoding(std::string_view accept_encoding, std::string_view coding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const std::string_view element = TakeElement(accept_encoding);
    const std::size_t semicolon = element.find(';');
    const std::string_view name = Trim(element.substr(0, semicolon));
    const std::string_view weight =
        semicolon == std::string_view::npos ? "" : Trim(element.substr(semicolon + 1));
    // "q=0", "q=0.000": refused. Anything else is taken; which is best is the server's choice.
    const bool refused = weight.size() >= 3 && (weight[0] == 'q' || weight[0] == 'Q') &&
                         weight.substr(2).find_first_not_of("0.") == std::string_view::npos;
    if (EqualsIgnoreCase(name, coding)) return !refused;
    if (name == "*") any = !refused;
  }
  return any;
}

}  // namespace regatta::net
