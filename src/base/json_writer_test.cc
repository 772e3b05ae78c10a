#include "base/json_writer.h"

#include <gtest/gtest.h>

namespace regatta::base {
namespace {

TEST(JsonWriter, WritesNestedValuesWithCommasWhereTheyBelong) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Text("a", "x");
  writer.Key("list");
  writer.BeginArray();
  writer.Integer(-3);
  writer.BeginObject();
  writer.EndObject();
  writer.BeginArray();
  writer.EndArray();
  writer.Bool(true);
  writer.EndArray();
  writer.Value("tree", Json{{"b", 1.5}});
  writer.Integer("most", INT64_MIN);
  writer.Texts("texts", std::vector<std::string>{"p", "q"});
  writer.TextMap("map", std::map<std::string, std::string>{{"k", "v"}});
  writer.EndObject();
  EXPECT_EQ(writer.Take(),
            R"({"a":"x","list":[-3,{},[],true],"tree":{"b":1.5},"most":-9223372036854775808,)"
            R"("texts":["p","q"],"map":{"k":"v"}})");
}

TEST(JsonWriter, EscapesAsDumpJsonDoes) {
  for (const std::string& text :
       {std::string("quote \" backslash \\ slash /"), std::string("\n\t\r\b\f\x01\x1f\x7f"),
        std::string("a\0b", 3), std::string("grüße 百舸 🚣"), std::string("broken \xff\xc3 end"),
        std::string()}) {
    JsonWriter writer;
    writer.BeginObject();
    writer.Text(text, text);
    writer.EndObject();
    const std::string written = writer.Take();
    EXPECT_EQ(written, DumpJson(Json{{text, text}}));
    EXPECT_TRUE(ParseJson(written).ok()) << written;
  }
}

TEST(JsonWriter, StartsAnewAfterTake) {
  JsonWriter writer;
  writer.Integer(1);
  EXPECT_EQ(writer.Take(), "1");
  writer.Integer(2);
  EXPECT_EQ(writer.Take(), "2");
}

}  // namespace
}  // namespace regatta::base
