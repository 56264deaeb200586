// Numbers as text, independent of the user's locale as long as nobody calls setlocale (this program does not).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace report {

// A finite decimal number such as -1.5e-3, nothing before or after it; else empty (text, nan, inf, hex, 1e400).
// The text must be followed by a character that is no part of a number, as std::string's end or a comma is.
std::optional<float> parse_float(std::string_view text);
std::optional<double> parse_double(std::string_view text);

// A whole decimal number; empty for anything else and for what does not fit.
std::optional<std::int64_t> parse_integer(std::string_view text);

// Digits that parse back to the same float32 (nine of them are always enough).
std::string format_float(float value);

// The fewest digits that parse back to the same float64. The value must be finite.
std::string format_double(double value);

}  // namespace report
