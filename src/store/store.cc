#include "store/store.h"

#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "base/file.h"
#include "store/connection.h"
#include "store/migrate.h"
#include "store/url.h"

namespace regatta::store {
namespace internal {

// What Store and its Transaction share: the writer's gate and the pool of readers.
class Core {
 public:
  Core(Url url, const StoreOptions& options) : url_(std::move(url)), options_(options) {}

  absl::Status Open(absl::Span<const Schema> schemas) {
    if (options_.look_only) return OpenToLook(schemas);
    ASSIGN_OR_RETURN(writer_, Connect(Role::kWriter));
    RETURN_IF_ERROR(Migrate(*writer_, url_.shown, schemas));
    description_ = absl::StrCat(writer_->ServerVersion(), " at ", url_.shown);
    if (url_.kind == Url::Kind::kSqlite) {
      // A new file's name must be as durable as the commits inside it.
      const std::size_t slash = url_.path.rfind('/');
      return ToAbsl(base::SyncFolder(slash == 0 ? "/" : url_.path.substr(0, slash)));
    }
    return absl::OkStatus();
  }

  absl::Status BeginWrite() {
    if (options_.look_only) {
      return absl::FailedPreconditionError(absl::StrCat(url_.shown, " is open only to look"));
    }
    {
      std::unique_lock lock(mutex_);
      if (!writer_free_.wait_for(lock, options_.busy_timeout, [&] { return !writing_; })) {
        return absl::UnavailableError(absl::StrCat(
            url_.shown,
            " is busy: another transaction of this process has been open for more than ",
            options_.busy_timeout.count(), " ms"));
      }
      writing_ = true;
    }
    const absl::Status status = BeginOnLiveConnection();
    if (!status.ok()) EndWrite();
    return status;
  }

  void EndWrite() {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
    }
    writer_free_.notify_one();
  }

  // Only for the holder of the gate.
  Connection& writer() { return *writer_; }

  absl::StatusOr<std::vector<Row>> Read(std::string_view sql, absl::Span<const Value> params) {
    ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, TakeReader());
    std::vector<Row> rows;
    absl::Status status = reader->Run(sql, params, &rows, nullptr);
    if (reader->lost()) {
      // The server was restarted since this connection was last used; reading again is harmless.
      rows.clear();
      auto fresh = Connect(Role::kReader);
      if (fresh.ok()) {
        reader = *std::move(fresh);
        status = reader->Run(sql, params, &rows, nullptr);
      } else {
        status = fresh.status();
      }
    }
    ReturnReader(std::move(reader));
    if (!status.ok()) return status;
    return rows;
  }

  const std::string& description() const { return description_; }

 private:
  absl::StatusOr<std::unique_ptr<Connection>> Connect(Role role) {
    return OpenConnection(url_, role, options_.busy_timeout);
  }

  absl::Status OpenToLook(absl::Span<const Schema> schemas) {
    if (url_.kind == Url::Kind::kSqlite && ::access(url_.path.c_str(), F_OK) != 0) {
      return absl::NotFoundError(absl::StrCat("nothing was stored yet at ", url_.shown));
    }
    ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, TakeReader());
    absl::Status status = CheckSchemas(*reader, url_.shown, schemas);
    description_ = absl::StrCat(reader->ServerVersion(), " at ", url_.shown);
    ReturnReader(std::move(reader));
    return status;
  }

  absl::Status BeginOnLiveConnection() {
    absl::Status status;
    if (!writer_->lost()) status = writer_->Begin();
    if (!writer_->lost()) return status;
    ASSIGN_OR_RETURN(writer_, Connect(Role::kWriter));
    return writer_->Begin();
  }

  absl::StatusOr<std::unique_ptr<Connection>> TakeReader() {
    {
      std::unique_lock lock(mutex_);
      reader_free_.wait(lock, [&] { return !readers_.empty() || open_readers_ < MaxReaders(); });
      if (!readers_.empty()) {
        auto reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
      }
      ++open_readers_;
    }
    auto reader = Connect(Role::kReader);
    if (!reader.ok()) ForgetReader();
    return reader;
  }

  void ReturnReader(std::unique_ptr<Connection> reader) {
    if (reader->lost()) return ForgetReader();
    {
      std::lock_guard lock(mutex_);
      readers_.push_back(std::move(reader));
    }
    reader_free_.notify_one();
  }

  void ForgetReader() {
    {
      std::lock_guard lock(mutex_);
      --open_readers_;
    }
    reader_free_.notify_one();
  }

  int MaxReaders() const { return options_.max_readers < 1 ? 1 : options_.max_readers; }

  const Url url_;
  const StoreOptions options_;
  std::string description_;

  std::mutex mutex_;
  std::condition_variable writer_free_;
  std::condition_variable reader_free_;
  bool writing_ = false;
  int open_readers_ = 0;
  std::vector<std::unique_ptr<Connection>> readers_;  // the idle ones, last used last
  std::unique_ptr<Connection> writer_;
};

}  // namespace internal

Transaction::Transaction(Transaction&& other) noexcept
    : core_(std::exchange(other.core_, nullptr)), failed_(other.failed_) {}

Transaction& Transaction::operator=(Transaction&& other) noexcept {
  if (this != &other) {
    Rollback();
    core_ = std::exchange(other.core_, nullptr);
    failed_ = other.failed_;
  }
  return *this;
}

Transaction::~Transaction() { Rollback(); }

absl::Status Transaction::CheckUsable() const {
  if (core_ == nullptr) return absl::FailedPreconditionError("the transaction has ended already");
  if (failed_) {
    return absl::FailedPreconditionError(
        "the transaction has failed already: it can only be rolled back");
  }
  return absl::OkStatus();
}

absl::Status Transaction::Execute(std::string_view sql, absl::Span<const Value> params) {
  RETURN_IF_ERROR(CheckUsable());
  absl::Status status = core_->writer().Run(sql, params, nullptr, nullptr);
  failed_ = !status.ok();
  return status;
}

absl::StatusOr<std::int64_t> Transaction::ExecuteCount(std::string_view sql,
                                                       absl::Span<const Value> params) {
  RETURN_IF_ERROR(CheckUsable());
  std::int64_t count = 0;
  const absl::Status status = core_->writer().Run(sql, params, nullptr, &count);
  failed_ = !status.ok();
  if (failed_) return status;
  return count;
}

absl::StatusOr<std::vector<Row>> Transaction::Query(std::string_view sql,
                                                    absl::Span<const Value> params) {
  RETURN_IF_ERROR(CheckUsable());
  std::vector<Row> rows;
  const absl::Status status = core_->writer().Run(sql, params, &rows, nullptr);
  failed_ = !status.ok();
  if (failed_) return status;
  return rows;
}

absl::Status Transaction::Commit(std::string* in_doubt) {
  absl::Status usable = CheckUsable();
  std::string id;
  if (usable.ok() && in_doubt != nullptr) {
    auto named = core_->writer().TransactionId();
    usable = named.status();
    if (named.ok()) id = *std::move(named);
  }
  if (!usable.ok()) {
    Rollback();
    return usable;
  }
  REGATTA_FAULT("store.commit.before");
  const absl::Status status = core_->writer().Commit();
  REGATTA_FAULT("store.commit.after");
  if (!status.ok()) {
    if (in_doubt != nullptr && core_->writer().lost()) *in_doubt = id;
    Rollback();
    return status;
  }
  std::exchange(core_, nullptr)->EndWrite();
  return absl::OkStatus();
}

void Transaction::Rollback() {
  if (core_ == nullptr) return;
  core_->writer().Rollback();
  std::exchange(core_, nullptr)->EndWrite();
}

Store::Store(std::unique_ptr<internal::Core> core) : core_(std::move(core)) {}
Store::~Store() = default;

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options,
                                                   absl::Span<const Schema> schemas) {
  ASSIGN_OR_RETURN(internal::Url url, internal::ParseUrl(options.url));
  auto core = std::make_unique<internal::Core>(std::move(url), options);
  RETURN_IF_ERROR(core->Open(schemas));
  return std::unique_ptr<Store>(new Store(std::move(core)));
}

absl::StatusOr<Transaction> Store::Begin() {
  RETURN_IF_ERROR(core_->BeginWrite());
  return Transaction(core_.get());
}

absl::StatusOr<std::vector<Row>> Store::Read(std::string_view sql, absl::Span<const Value> params) {
  return core_->Read(sql, params);
}

absl::StatusOr<bool> Store::WasCommitted(const std::string& in_doubt) {
  if (in_doubt.empty()) return false;
  // Its lock waits for the end of the transaction in question, should that still be going on.
  ASSIGN_OR_RETURN(const Transaction transaction, Begin());
  return core_->writer().WasCommitted(in_doubt);
}

std::string Store::Describe() const { return core_->description(); }

}  // namespace regatta::store
