#include "number.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace report {
namespace {

// std::from_chars has no float in the compiler of the oldest container (g++ 9), so strtof and strtod do the work.
template <typename Number, Number (*convert)(const char*, char**)>
std::optional<Number> parse(std::string_view text) {
    if (text.empty() || text.find_first_not_of("+-.0123456789eE") != std::string_view::npos) {
        return std::nullopt;
    }
    char* end = nullptr;
    const Number value = convert(text.data(), &end);
    if (end != text.data() + text.size() || !std::isfinite(value)) {
        return std::nullopt;
    }
    return value;
}

template <int digits>
std::string print(double value) {
    std::array<char, 40> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%.*g", digits, value);
    return buffer.data();
}

}  // namespace

std::optional<float> parse_float(std::string_view text) { return parse<float, std::strtof>(text); }

std::optional<double> parse_double(std::string_view text) { return parse<double, std::strtod>(text); }

std::optional<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::string format_float(float value) { return print<9>(static_cast<double>(value)); }

std::string format_double(double value) {
    for (std::string text : {print<15>(value), print<16>(value)}) {
        if (std::strtod(text.c_str(), nullptr) == value) {
            return text;
        }
    }
    return print<17>(value);
}

}  // namespace report
