// SHA-256, to refuse a plan that is not the one that was meant: deserialising a plan runs code from it.
#pragma once

#include <cstddef>
#include <string>

namespace report {

// 64 lower-case hex digits of the hash of `size` bytes. Source: FIPS 180-4, section 6.2.
std::string sha256(const void* data, std::size_t size);

}  // namespace report
