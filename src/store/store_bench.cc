// Measures what docs/design/store.md states: regatta_store_bench <store url of an empty database>.

#include <chrono>
#include <cstdio>
#include <string>

#include "store/store.h"

namespace {

using regatta::store::Store;

double SecondsOf(auto body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void OrDie(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

void InsertEvents(Store& store, std::int64_t from, std::int64_t count) {
  auto transaction = store.Begin();
  OrDie(transaction.status());
  for (std::int64_t i = from; i < from + count; ++i) {
    OrDie(transaction->Execute(
        "INSERT INTO events (seq, subject, time, data) VALUES (?, ?, ?, ?)",
        {i, "01jd5y3v7r8k2m4n6p8q0s2t4v", i * 1000, "{\"state\":\"running\"}"}));
  }
  OrDie(transaction->Commit());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: regatta_store_bench sqlite:///abs/path.db | postgresql://...\n");
    return 64;
  }
  auto store = Store::Open(
      {.url = argv[1]}, {{"bench",
                          {{1,
                            "events",
                            {"CREATE TABLE events (seq BIGINT PRIMARY KEY, subject TEXT NOT NULL, "
                             "time BIGINT NOT NULL, data TEXT NOT NULL)"}}}}});
  OrDie(store.status());
  std::printf("%s\n", (*store)->Describe().c_str());
  constexpr std::int64_t kRows = 100000, kCommits = 1000, kReads = 20000;
  const double bulk = SecondsOf([&] { InsertEvents(**store, 0, kRows); });
  std::printf("inserts in one transaction: %.0f a second\n", kRows / bulk);
  const double commits = SecondsOf([&] {
    for (std::int64_t i = 0; i < kCommits; ++i) InsertEvents(**store, kRows + i, 1);
  });
  std::printf("durable one-row transactions: %.0f us each\n", commits / kCommits * 1e6);
  const double reads = SecondsOf([&] {
    for (std::int64_t i = 0; i < kReads; ++i) {
      OrDie((*store)->Read("SELECT subject, time, data FROM events WHERE seq = ?", {i}).status());
    }
  });
  std::printf("reads of one row by key: %.1f us each\n", reads / kReads * 1e6);
  const double scan = SecondsOf([&] {
    OrDie((*store)->Read("SELECT seq, subject, time, data FROM events ORDER BY seq").status());
  });
  std::printf("reading %lld rows at once: %.0f rows a second\n",
              static_cast<long long>(kRows) + static_cast<long long>(kCommits),
              (kRows + kCommits) / scan);
}
