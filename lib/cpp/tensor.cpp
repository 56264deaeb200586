#include "tensor.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace report {
namespace {

std::size_t size_of(Type type) { return type == Type::uint8 ? 1 : type == Type::float16 ? 2 : 4; }

std::string name_of(Type type) {
    return std::array{"float32", "float16", "uint8", "int32"}.at(static_cast<std::size_t>(type));
}

// A value of any address, which may not be aligned for it.
template <typename Value>
Value at(const std::byte* values, std::size_t index) {
    Value value;
    std::memcpy(&value, values + index * sizeof(Value), sizeof(Value));
    return value;
}

// The value of IEEE 754 binary16: a sign, five bits of exponent, ten of fraction.
float half(std::uint16_t bits) {
    const int exponent = bits >> 10 & 0x1F;
    const int fraction = bits & 0x3FF;
    float value = std::ldexp(static_cast<float>(exponent == 0 ? fraction : fraction + 0x400), exponent == 0 ? -24 : exponent - 25);
    if (exponent == 0x1F) {
        value = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    }
    return (bits & 0x8000) == 0 ? value : -value;
}

}  // namespace

std::size_t values_in(const Shape& shape) {
    std::uint64_t values = 1;
    for (const std::uint64_t size : shape) {
        if (size == 0 || values > std::numeric_limits<std::size_t>::max() / sizeof(float) / size) {
            return 0;
        }
        values *= size;
    }
    return static_cast<std::size_t>(values);
}

std::string shape_text(const Shape& shape) {
    std::string text;
    for (const std::uint64_t size : shape) {
        text += (text.empty() ? "" : ", ") + std::to_string(size);
    }
    return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

std::size_t Tensor::bytes() const { return values_in(shape) * size_of(type); }

std::string Tensor::text() const { return name_of(type) + " " + shape_text(shape); }

std::optional<std::size_t> not_finite(Type type, const std::byte* values, std::size_t count) {
    if (type != Type::float32 && type != Type::float16) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < count; ++i) {
        if (type == Type::float32 ? !std::isfinite(at<float>(values, i)) : (at<std::uint16_t>(values, i) & 0x7C00) == 0x7C00) {
            return i;
        }
    }
    return std::nullopt;
}

std::vector<float> to_floats(Type type, const std::byte* values, std::size_t count) {
    std::vector<float> floats(count);
    for (std::size_t i = 0; i < count; ++i) {
        floats[i] = type == Type::float32   ? at<float>(values, i)
                    : type == Type::float16 ? half(at<std::uint16_t>(values, i))
                    : type == Type::int32   ? static_cast<float>(at<std::int32_t>(values, i))
                                            : static_cast<float>(at<std::uint8_t>(values, i));
    }
    return floats;
}

}  // namespace report
