#include "utf8.hpp"

#include <cstddef>

namespace report {
namespace {

// Bytes of the sequence that starts with `lead`, 0 if none does.
std::size_t length_of(unsigned char lead) {
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        return 2;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        return 3;
    }
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

// The second byte has a narrower range after some leads: no overlong forms, no surrogates, nothing over U+10FFFF.
bool second_fits(unsigned char lead, unsigned char second) {
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return second >= low && second <= high;
}

}  // namespace

bool is_utf8(std::string_view text) {
    const auto byte = [&text](std::size_t index) { return static_cast<unsigned char>(text[index]); };
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = length_of(byte(i));
        if (length == 0 || length > text.size() - i || (length > 1 && !second_fits(byte(i), byte(i + 1)))) {
            return false;
        }
        for (std::size_t k = 2; k < length; ++k) {
            if ((byte(i + k) & 0xC0) != 0x80) {
                return false;
            }
        }
        i += length;
    }
    return true;
}

}  // namespace report
