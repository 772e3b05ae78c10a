#pragma once

#include "net/http.h"

namespace regatta::server {

// The console's files, which the build has put into the executable, each compressed. Addresses that
// are no file and not below /api/ get index.html: the console has pages of its own. Without a
// console in the build, one page says how to build it.
net::Response AnswerFromConsole(const net::Request& request);

// One embedded file. console_files.S, made by the build, has the bytes; console_files.cc the table.
struct ConsoleFile {
  const char* path;        // "/assets/index-3f2a.js"
  const char* media_type;  // "text/javascript"
  const char* etag;        // digest in quotes
  const unsigned char* begin;
  const unsigned char* end;
};
extern const ConsoleFile kConsoleFiles[];
extern const int kConsoleFileCount;

}  // namespace regatta::server
