#pragma once

#include <cstddef>
#include <string>

namespace regatta::base {

// Fills with bytes from the kernel's generator (getrandom); fit for keys and tokens.
void FillRandom(void* data, std::size_t size);
// `bytes` random bytes as lower-case hexadecimal.
std::string RandomHex(std::size_t bytes);
// Compares secrets in time that depends on the lengths only.
bool ConstantTimeEquals(const std::string& a, const std::string& b);

}  // namespace regatta::base
