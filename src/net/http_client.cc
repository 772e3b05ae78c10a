#include "net/http_client.h"

#include <curl/curl.h>

#include <mutex>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace regatta::net {
namespace {

struct Exchange {
  const ClientRequest* request;
  CURL* curl;
  ClientResponse response;
  bool cancelled = false;
};

std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view bytes(data, size * count);
  long status = 0;
  curl_easy_getinfo(exchange.curl, CURLINFO_RESPONSE_CODE, &status);
  if (exchange.request->on_data && status == 200) {
    if (!exchange.request->on_data(bytes)) {
      exchange.cancelled = true;
      return CURL_WRITEFUNC_ERROR;
    }
  } else {
    exchange.response.body += bytes;
  }
  return bytes.size();
}

std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const absl::string_view line(data, size * count);
  const std::size_t colon = line.find(':');
  if (colon != absl::string_view::npos) {
    exchange.response.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
        std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return size * count;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (!exchange.request->keep_going || exchange.request->keep_going()) return 0;
  exchange.cancelled = true;
  return 1;
}

absl::Status ErrorOf(CURL* curl, CURLcode code, const ClientRequest& request, const char* detail) {
  std::string what = *detail != '\0' ? detail : curl_easy_strerror(code);
  long error = 0;
  curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
  // curl says "Couldn't connect to server"; the system knows why.
  if (code == CURLE_COULDNT_CONNECT && error != 0) {
    what = std::generic_category().message(static_cast<int>(error));
  }
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(
          absl::StrCat("\"", request.url, "\" is not an http or https address: ", what));
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(absl::StrCat("no answer from ", request.url, ": ", what));
    case CURLE_OUT_OF_MEMORY:
      return absl::ResourceExhaustedError(what);
    default:
      return absl::UnavailableError(absl::StrCat("cannot reach ", request.url, ": ", what));
  }
}

}  // namespace

struct HttpClient::Impl {
  CURL* curl = nullptr;
};

HttpClient::HttpClient() : impl_(std::make_unique<Impl>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  impl_->curl = curl_easy_init();
}

HttpClient::~HttpClient() { curl_easy_cleanup(impl_->curl); }

absl::StatusOr<ClientResponse> HttpClient::Send(const ClientRequest& request) {
  CURL* curl = impl_->curl;
  if (curl == nullptr) return absl::ResourceExhaustedError("libcurl could not be initialised");
  Exchange exchange{.request = &request, .curl = curl};
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_reset(curl);  // keeps connections
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method == "HEAD") curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : request.headers) {
    headers = curl_slist_append(headers, absl::StrCat(name, ": ", value).c_str());
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  if (exchange.cancelled) return absl::CancelledError(absl::StrCat(request.url, " was left"));
  if (code != CURLE_OK) return ErrorOf(curl, code, request, detail);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  exchange.response.status = static_cast<int>(status);
  return std::move(exchange.response);
}

}  // namespace regatta::net
