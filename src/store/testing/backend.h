#pragma once

#include <string>

namespace regatta::store::testing {

// The URL of a new, empty database of the kind that this test program is about. contract_test.cc is
// linked once with SQLite's and once with PostgreSQL's.
std::string NewDatabaseUrl();

}  // namespace regatta::store::testing
