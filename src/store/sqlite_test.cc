// What is SQLite's own: files, disks and the settings that make a commit durable.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "store/store.h"
#include "store/testing/backend.h"

namespace regatta::store {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class TempFolder {
 public:
  TempFolder() {
    std::string path = (fs::temp_directory_path() / "regatta store XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) abort();
    path_ = path;
  }
  ~TempFolder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A file system of its own of `bytes`, so that a full or read-only disk is the real thing.
class TinyDisk {
 public:
  explicit TinyDisk(const std::string& bytes) {
    mounted_ = mount("regatta-test", folder_.path().c_str(), "tmpfs", 0,
                     ("size=" + bytes + ",mode=0777").c_str()) == 0;
  }
  ~TinyDisk() {
    if (mounted_) umount2(folder_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  bool MakeReadOnly() {
    return mount("", folder_.path().c_str(), "", MS_REMOUNT | MS_RDONLY, "") == 0;
  }
  const std::string& path() const { return folder_.path(); }

 private:
  TempFolder folder_;
  bool mounted_ = false;
};

// Root may write everywhere: while this lives, the process has the rights of nobody.
class NotRoot {
 public:
  NotRoot() {
    if (was_ == 0 && seteuid(65534) != 0) abort();
  }
  ~NotRoot() {
    if (seteuid(was_) != 0) abort();
  }

 private:
  const uid_t was_ = geteuid();
};

Schema NotesSchema() {
  return {"notes", {{1, "notes", {"CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT)"}}}};
}

absl::StatusOr<std::unique_ptr<Store>> OpenAt(const std::string& path) {
  return Store::Open({.url = "sqlite://" + path}, {NotesSchema()});
}

TEST(SqliteStore, CommitsAreSyncedAndTheLogIsWriteAhead) {
  TempFolder folder;
  auto store = OpenAt(folder.path() + "/regatta.db");
  ASSERT_TRUE(store.ok()) << store.status();
  auto transaction = (*store)->Begin();
  EXPECT_EQ((*transaction->Query("PRAGMA synchronous"))[0].Int(0), 2);  // FULL
  EXPECT_EQ((*transaction->Query("PRAGMA journal_mode"))[0].Text(0), "wal");
  EXPECT_EQ((*transaction->Query("PRAGMA foreign_keys"))[0].Int(0), 1);
}

TEST(SqliteStore, AFullDiskFailsTheTransactionAndKeepsWhatWasThere) {
  TinyDisk disk("1m");
  if (!disk.mounted()) GTEST_SKIP() << "a real full disk needs the right to mount a small tmpfs";
  const std::string path = disk.path() + "/regatta.db";
  auto store = OpenAt(path);
  ASSERT_TRUE(store.ok()) << store.status();
  const std::string text(10000, 'x');
  std::int64_t committed = 0;
  absl::Status full;
  while (full.ok() && committed < 1000) {
    auto transaction = (*store)->Begin();
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    full = transaction->Execute("INSERT INTO notes (id, text) VALUES (?, ?)", {committed, text});
    if (full.ok()) full = transaction->Commit();
    if (full.ok()) ++committed;
  }
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_THAT(full.message(), HasSubstr("no space left on the disk of " + path));
  EXPECT_GT(committed, 5);
  EXPECT_EQ((*(*store)->Read("SELECT COUNT(*) FROM notes"))[0].Int(0), committed);
  // Restarting on the full disk finds everything that was acknowledged.
  store->reset();
  auto again = OpenAt(path);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*(*again)->Read("SELECT COUNT(*) FROM notes"))[0].Int(0), committed);
}

TEST(SqliteStore, AReadOnlyDiskIsNamed) {
  TinyDisk disk("4m");
  if (!disk.mounted()) GTEST_SKIP() << "a read-only disk needs the right to mount a small tmpfs";
  const std::string path = disk.path() + "/regatta.db";
  ASSERT_TRUE(OpenAt(path).ok());
  ASSERT_TRUE(disk.MakeReadOnly());
  const auto store = OpenAt(path);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kPermissionDenied) << store.status();
  EXPECT_THAT(store.status().message(), HasSubstr("read-only file system"));
  EXPECT_THAT(store.status().message(), HasSubstr(path));
}

TEST(SqliteStore, AFolderWithoutWriteRightIsNamed) {
  TempFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
  const auto store = [&] {
    const NotRoot not_root;
    return OpenAt(folder.path() + "/regatta.db");
  }();
  EXPECT_EQ(store.status().code(), absl::StatusCode::kPermissionDenied) << store.status();
  EXPECT_THAT(store.status().message(), HasSubstr(folder.path()));
}

TEST(SqliteStore, AMissingFolderIsNamed) {
  const auto store = OpenAt("/nonexistent-folder/regatta.db");
  EXPECT_EQ(store.status().code(), absl::StatusCode::kNotFound) << store.status();
  EXPECT_THAT(store.status().message(), HasSubstr("/nonexistent-folder"));
}

TEST(SqliteStore, AFileThatIsNoDatabaseIsRefused) {
  TempFolder folder;
  const std::string path = folder.path() + "/regatta.db";
  std::ofstream(path) << std::string(8192, 'z');
  const auto store = OpenAt(path);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
  EXPECT_THAT(store.status().message(), HasSubstr(path));
}

}  // namespace

namespace testing {

std::string NewDatabaseUrl() {
  static TempFolder* folder = [] {
    auto* made = new TempFolder;
    atexit([] { delete folder; });
    return made;
  }();
  static int count = 0;
  return "sqlite://" + folder->path() + "/contract" + std::to_string(++count) + ".db";
}

}  // namespace testing
}  // namespace regatta::store
