#include "store/placeholders.h"

#include <gtest/gtest.h>

namespace regatta::store::internal {
namespace {

TEST(Placeholders, NumbersQuestionMarksInOrder) {
  const Placeholders found = FindPlaceholders("SELECT ? WHERE a = ? AND b IN (?,?)");
  EXPECT_EQ(found.count, 4);
  EXPECT_EQ(found.named, "SELECT :p1 WHERE a = :p2 AND b IN (:p3,:p4)");
}

TEST(Placeholders, LeavesQuotesAndCommentsAlone) {
  for (const char* sql : {"SELECT 'a?b'", "SELECT 'it''s ?'", "SELECT \"a?\"", "SELECT 1 -- why?",
                          "SELECT /* ? */ 1", "SELECT 'open ?", "/* open ?", ""}) {
    const Placeholders found = FindPlaceholders(sql);
    EXPECT_EQ(found.count, 0) << sql;
    EXPECT_EQ(found.named, sql);
  }
  EXPECT_EQ(FindPlaceholders("-- ?\nSELECT ?, '?', ?").named, "-- ?\nSELECT :p1, '?', :p2");
}

}  // namespace
}  // namespace regatta::store::internal
