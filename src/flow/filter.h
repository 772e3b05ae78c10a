#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "store/store.h"

namespace regatta::flow {

// The condition of a list, grown part by part, with its values in order.
struct Filter {
  std::string where;
  std::vector<store::Value> params;

  void And(const std::string& condition, store::Value value) {
    if (!where.empty()) where += " AND ";
    where += condition;
    params.push_back(std::move(value));
  }
  void AndIfGiven(const std::string& condition, const std::string& value) {
    if (!value.empty()) And(condition, value);
  }
};

// For `column LIKE ? ESCAPE '!'` on lower-case text: "%", "_" and the escape itself mean
// themselves.
std::string LikePattern(const std::string& part);

// A value of a cursor's key.
store::Value ValueOf(const base::Json& json);

}  // namespace regatta::flow
