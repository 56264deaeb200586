// Whether bytes are UTF-8: JSON must be, and a Python reader stops at what is not.
#pragma once

#include <string_view>

namespace report {

// Source: The Unicode Standard, table 3-7, well-formed UTF-8 byte sequences.
bool is_utf8(std::string_view text);

}  // namespace report
