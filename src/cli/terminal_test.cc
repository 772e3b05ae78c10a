#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace regatta::cli {
namespace {

TEST(Terminal, TextIsCutByColumnsAndNeverInsideACharacter) {
  const Terminal utf8{.unicode = true};
  EXPECT_EQ(Fit(utf8, "training", 20), "training");
  EXPECT_EQ(Fit(utf8, "training", 5), "trai…");
  EXPECT_EQ(Fit(Terminal{}, "training", 6), "tra...");
  EXPECT_EQ(Fit(utf8, "百舸争流", 5), "百舸…");
  EXPECT_EQ(ColumnsOf("百舸"), 4);
  EXPECT_EQ(ColumnsOf("é"), 1);
}

TEST(Terminal, ControlCharactersFromOutsideCannotMoveTheCursor) {
  EXPECT_EQ(Fit(Terminal{}, "a\x1b[2Jb\n", 80), "a [2Jb ");
}

TEST(Terminal, PaintsOnlyWhereColourIsWanted) {
  EXPECT_EQ(Paint(Terminal{}, Colour::kRed, "x"), "x");
  EXPECT_EQ(Paint(Terminal{.colour = true}, Colour::kRed, "x"), "\x1b[31mx\x1b[0m");
}

}  // namespace
}  // namespace regatta::cli
