#pragma once

// The control plane's relational store: SQLite embedded, PostgreSQL shared, one contract.
//
//   auto store = Store::Open({.url = "sqlite:///home/me/regatta.db"}, {FlowSchema(), JobSchema()});
//   auto transaction = (*store)->Begin();
//   transaction->Execute("INSERT INTO runs (id, name) VALUES (?, ?)", {id, name});
//   transaction->Commit();
//   auto rows = (*store)->Read("SELECT name FROM runs WHERE id = ?", {id});
//
// The SQL is the subset that both databases understand; docs/design/store.md lists it. Every value
// is passed as a parameter, written `?`, in order of appearance; no value is ever pasted into SQL
// text.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "store/schema.h"
#include "store/value.h"

namespace regatta::store {

struct StoreOptions {
  // "sqlite:///abs/path/regatta.db", or
  // "postgresql://user:password@host:port/database?option=value" as libpq reads it. A password in
  // the URL is never logged or put into an error message.
  std::string url;
  // How long Begin waits for another writer, in this process or in another one.
  std::chrono::milliseconds busy_timeout = std::chrono::seconds(5);
  // Connections that serve Read. They are opened when first needed.
  int max_readers = 4;
  // Opens what others write and changes nothing: no file is made, no schema brought forward, Begin
  // is kFailedPrecondition. Open is kNotFound where nothing was stored yet, and
  // kFailedPrecondition when the state was written by a newer or an older Regatta.
  bool look_only = false;
};

namespace internal {
class Core;
class Connection;
}  // namespace internal

// One change to the store, all or nothing. Rolls back when destroyed uncommitted. Movable; used by
// one thread at a time, not necessarily the one that began it.
//
// Errors of its functions: kAlreadyExists for a violated UNIQUE or PRIMARY KEY, kFailedPrecondition
// for another constraint (NOT NULL, CHECK, FOREIGN KEY), kInvalidArgument for SQL that the database
// does not understand, kResourceExhausted for a full disk (names the path), kPermissionDenied for a
// read-only one, kUnavailable when the database is busy or its connection is lost. After any error
// the transaction can only be rolled back: every further call returns kFailedPrecondition.
class Transaction {
 public:
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&& other) noexcept;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  // One statement.
  absl::Status Execute(std::string_view sql, absl::Span<const Value> params = {});
  // The same; returns how many rows an INSERT, UPDATE or DELETE touched.
  absl::StatusOr<std::int64_t> ExecuteCount(std::string_view sql,
                                            absl::Span<const Value> params = {});
  // All rows of a statement that yields rows. Sees this transaction's own changes.
  absl::StatusOr<std::vector<Row>> Query(std::string_view sql, absl::Span<const Value> params = {});
  // Durable when it returns OK: it survives power loss. On an error nothing was changed, except
  // that kUnavailable from a shared database may hide a commit that did happen. Who repeats it with
  // ids made by the creator finds its rows there; who must know passes `in_doubt`, which then gets
  // what Store::WasCommitted takes (at the price of one more round trip) and stays empty otherwise.
  // Ends the transaction either way.
  absl::Status Commit(std::string* in_doubt = nullptr);
  // What the destructor does, earlier.
  void Rollback();

 private:
  friend class Store;
  explicit Transaction(internal::Core* core) : core_(core) {}
  absl::Status CheckUsable() const;

  internal::Core* core_ = nullptr;  // null once ended
  bool failed_ = false;
};

// Thread-safe. Destroy it after its transactions.
class Store {
 public:
  // Opens the database, creating an SQLite file that does not exist (its folder must), and brings
  // each schema forward, in one transaction a room. kFailedPrecondition when the state was written
  // by a newer Regatta; nothing is touched then.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options,
                                                     absl::Span<const Schema> schemas);
  ~Store();

  // Begins the one write transaction. There is one writer at a time over all threads and processes
  // that use the database; Begin waits for it up to busy_timeout, then returns kUnavailable. A
  // thread that already holds a Transaction must not call it. A lost PostgreSQL connection is made
  // anew here.
  absl::StatusOr<Transaction> Begin();

  // All rows of one SELECT, on a connection of its own: it never waits for the writer and sees what
  // was committed before it began. Waits when max_readers others are reading.
  absl::StatusOr<std::vector<Row>> Read(std::string_view sql, absl::Span<const Value> params = {});

  // Whether a commit whose answer was lost did happen. kUnavailable while the database is away.
  absl::StatusOr<bool> WasCommitted(const std::string& in_doubt);

  // For people: "SQLite 3.40.1 at /home/me/regatta.db", "PostgreSQL 15.20 at host:5432/regatta".
  std::string Describe() const;

 private:
  explicit Store(std::unique_ptr<internal::Core> core);
  std::unique_ptr<internal::Core> core_;
};

}  // namespace regatta::store
