#include "base/sha256.h"

#include <gtest/gtest.h>

namespace regatta::base {
namespace {

// Vectors from FIPS 180-4 and NIST's examples.
TEST(Sha256, MatchesPublishedVectors) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnHowTheInputIsCut) {
  std::string data;
  for (int i = 0; i < 1000; ++i) data += static_cast<char>(i * 7);
  const std::string whole = Sha256Hex(data);
  for (std::size_t step : {1, 3, 63, 64, 65, 127}) {
    Sha256 hash;
    for (std::size_t at = 0; at < data.size(); at += step) {
      hash.Update(std::string_view(data).substr(at, step));
    }
    EXPECT_EQ(hash.HexDigest(), whole) << step;
  }
}

TEST(Sha256, NamesAFileThatCannotBeRead) {
  EXPECT_EQ(Sha256File("/nowhere").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace regatta::base
