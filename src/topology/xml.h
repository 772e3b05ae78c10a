#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace regatta::topology {

// One element of an XML document: what topology files need of XML 1.0, and no more. Written here,
// because the room is loaded into strangers' processes and brings no library there.
struct XmlElement {
  std::string name;
  int line = 0;
  std::vector<std::pair<std::string, std::string>> attributes;  // in the file's order
  std::vector<XmlElement> children;

  // Null when there is no such attribute.
  const std::string* Find(std::string_view attribute) const;
};

struct XmlLimits {
  std::size_t bytes = 16u << 20;
  int depth = 32;
  int elements = 200'000;
};

// Reads a document of elements and attributes. Comments and processing instructions are skipped;
// text between elements, CDATA and a document type with declarations are refused, as are two
// attributes of one name and entities but the five of XML and character numbers. kInvalidArgument
// with "name:line: what is wrong"; kOutOfRange for a limit.
base::Result<XmlElement> ParseXml(std::string_view text, const std::string& name,
                                  const XmlLimits& limits = {});

// The element with two blanks for each level, and a line break at its end.
std::string WriteXml(const XmlElement& element);

}  // namespace regatta::topology
