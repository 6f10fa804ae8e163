#include "proxy/ctl/table.h"

#include <gtest/gtest.h>

namespace usher::ctl {
namespace {

TEST(CtlTable, ColumnsAreAlignedUnderTheirHeadings) {
  Table table({{"NAME"}, {"EPOCH", Table::Align::kRight}, {"STATE"}});
  table.add({"a", "7", "current"});
  table.add({"longer name", "123456", "next"});
  EXPECT_EQ(table.to_string(),
            "NAME          EPOCH  STATE\n"
            "a                 7  current\n"
            "longer name  123456  next\n");
}

TEST(CtlTable, NoBlanksAtTheEndOfALine) {
  Table table({{"A"}, {"B"}});
  table.add({"1", ""});
  table.add({"", ""});
  EXPECT_EQ(table.to_string(), "A  B\n1\n\n");
}

TEST(CtlTable, WithoutHeadings) {
  Table table;
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.to_string(), "");
  table.add({"state", "ready"});
  table.add({"up", "1s", "more"});
  EXPECT_FALSE(table.empty());
  EXPECT_EQ(table.to_string(), "state  ready\nup     1s     more\n");
}

}  // namespace
}  // namespace usher::ctl
