// What tensors hold: types, shapes, values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace report {

enum class Type { float32, float16, uint8, int32 };

using Shape = std::vector<std::uint64_t>;

// How many values a shape holds, 0 where it is more than memory can hold.
std::size_t values_in(const Shape& shape);

// As NumPy prints it: (32, 32, 3), or (3072,).
std::string shape_text(const Shape& shape);

// One image, or what is answered to one.
struct Tensor {
    Type type = Type::float32;
    Shape shape;

    std::size_t bytes() const;
    std::string text() const;  // "uint8 (3, 224, 224)"
};

// The first of `count` values that is NaN or infinite.
std::optional<std::size_t> not_finite(Type type, const std::byte* values, std::size_t count);

// `count` values as float32, which holds each of them exactly: of int32, up to 2^24 on either side of 0.
std::vector<float> to_floats(Type type, const std::byte* values, std::size_t count);

}  // namespace report
