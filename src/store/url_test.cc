#include "store/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::store::internal {
namespace {

using ::testing::HasSubstr;

TEST(StoreUrl, ReadsAnSqlitePath) {
  auto url = ParseUrl("sqlite:///var/lib/my regatta/regatta.db");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->kind, Url::Kind::kSqlite);
  EXPECT_EQ(url->path, "/var/lib/my regatta/regatta.db");
}

TEST(StoreUrl, NeverShowsUserOrPassword) {
  for (const char* text : {"postgresql://me:hush@db:5432/regatta?sslmode=require",
                           "postgresql://me:hu@sh@db:5432/regatta"}) {
    auto url = ParseUrl(text);
    ASSERT_TRUE(url.ok());
    EXPECT_EQ(url->full, text);
    EXPECT_EQ(url->shown, "db:5432/regatta");
  }
  EXPECT_EQ(ParseUrl("postgresql:///regatta?host=/run/pg&password=hush")->shown,
            "localhost/regatta");
}

TEST(StoreUrl, SaysWhatARightOneLooksLike) {
  for (const char* text : {"", "sqlite://", "sqlite://relative.db", "sqlite:///folder/",
                           "mysql://u:hush@h/d", "/plain/path"}) {
    auto url = ParseUrl(text);
    EXPECT_EQ(url.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(url.status().message(), HasSubstr("sqlite:///absolute/path/regatta.db"));
    EXPECT_THAT(url.status().message(), Not(HasSubstr("hush")));
  }
}

}  // namespace
}  // namespace regatta::store::internal
