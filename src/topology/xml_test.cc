#include "topology/xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(ParseXml, ReadsElementsAttributesAndLines) {
  const auto root = ParseXml(
      "<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM \"a.dtd\">\n<!-- a <comment> -->\n"
      "<a one=\"1\" two='&lt;&quot;&#65;&#x263a;'>\n  <b/>\n  <b x=\"\"></b>\n</a>\n",
      "t.xml");
  ASSERT_TRUE(root.ok()) << root.status().ToString();
  EXPECT_EQ(root->name, "a");
  EXPECT_EQ(root->line, 4);
  EXPECT_EQ(*root->Find("two"), "<\"A\xe2\x98\xba");
  EXPECT_EQ(root->Find("three"), nullptr);
  ASSERT_THAT(root->children, SizeIs(2));
  EXPECT_EQ(root->children[1].line, 6);
}

TEST(ParseXml, SaysWhatIsWrongAndWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "t.xml:1: there is no element"},
      {"{}", "t.xml:1: text where an element is expected"},
      {"<a>\n<b>\n</a>", "t.xml:3: </a> where </b> of line 2 is expected"},
      {"<a>\n", "t.xml:2: the text ends inside <a>, which began in line 1"},
      {"<a>\nhello</a>", "t.xml:2: text where an element is expected"},
      {"<a b=1/>", "t.xml:1: the value of b has no quotation marks"},
      {"<a b/>", "t.xml:1: \"=\" expected after b, not \"/\""},
      {"<a b=\"1\" b=\"2\"/>", "t.xml:1: <a> has b twice"},
      {"<a b=\"x & y\"/>", "write \"&\" as &amp;"},
      {"<a b=\"&#0;\"/>", "an unknown entity"},
      {"<a b=\"<\"/>", "write &lt;"},
      {"<a b=\"1/>", "the value of b does not end"},
      {"<a/><b/>", "there is more after </a>"},
      {"<!-- <a/>", "\"<!--\" without its \"-->\""},
      {"<!DOCTYPE a [<!ENTITY x \"y\">]><a/>", "a document type with declarations"},
      {"<a><![CDATA[x]]></a>", "CDATA"},
      {"< a/>", "an element's name expected, not \" \""},
      {"<a", "but the text ends"},
  };
  for (const auto& [text, expected] : cases) {
    const auto root = ParseXml(text, "t.xml");
    ASSERT_FALSE(root.ok()) << text;
    EXPECT_EQ(root.status().code(), base::Code::kInvalidArgument);
    EXPECT_THAT(root.status().message(), HasSubstr(expected)) << text;
  }
}

TEST(ParseXml, HasLimits) {
  std::string deep;
  for (int i = 0; i < 33; ++i) deep += "<a>";
  EXPECT_EQ(ParseXml(deep, "t").status().code(), base::Code::kOutOfRange);
  EXPECT_EQ(ParseXml("<a><b/><b/></a>", "t", {.elements = 2}).status().code(),
            base::Code::kOutOfRange);
  EXPECT_EQ(ParseXml("<a/>", "t", {.bytes = 3}).status().code(), base::Code::kOutOfRange);
}

TEST(WriteXml, WritesWhatParseXmlReads) {
  XmlElement root{.name = "a", .attributes = {{"x", "<&>\"'\n"}}};
  root.children.push_back({.name = "b"});
  const std::string text = WriteXml(root);
  EXPECT_EQ(text, "<a x=\"&lt;&amp;&gt;&quot;'&#10;\">\n  <b/>\n</a>\n");
  const auto again = ParseXml(text, "t");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again->Find("x"), "<&>\"'\n");
}

}  // namespace
}  // namespace regatta::topology
