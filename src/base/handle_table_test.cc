#include "base/handle_table.h"

#include <gtest/gtest.h>

namespace regatta::base {
namespace {

using Handle = struct Opaque*;

TEST(HandleTable, NoticesAHandleAfterItsEnd) {
  HandleTable<Handle, int> table;
  const Handle first = table.Put(std::make_shared<int>(7));
  EXPECT_NE(first, nullptr);
  EXPECT_EQ(*table.Find(first), 7);
  EXPECT_EQ(*table.Take(first), 7);
  EXPECT_EQ(table.Find(first), nullptr);
  EXPECT_EQ(table.Take(first), nullptr);
  EXPECT_NE(table.Put(std::make_shared<int>(8)), first) << "numbers are not given twice";
  EXPECT_EQ(table.Find(nullptr), nullptr);
}

TEST(HandleTable, KeepsAnObjectForCallsThatAreInside) {
  HandleTable<Handle, int> table;
  const Handle handle = table.Put(std::make_shared<int>(7));
  const std::shared_ptr<int> inside = table.Find(handle);
  table.Take(handle).reset();
  EXPECT_EQ(*inside, 7);
}

}  // namespace
}  // namespace regatta::base
