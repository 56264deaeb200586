#include "tensor.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "check.hpp"

using report::Type;

namespace {

template <typename Value>
std::vector<std::byte> bytes_of(const std::vector<Value>& values) {
    std::vector<std::byte> bytes(values.size() * sizeof(Value));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

float half(std::uint16_t bits) { return report::to_floats(Type::float16, bytes_of(std::vector<std::uint16_t>{bits}).data(), 1).front(); }

bool same(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

}  // namespace

TEST(halves_are_read_to_the_bit) {
    CHECK(same(half(0x0000), 0.0F) && same(half(0x8000), -0.0F));
    CHECK(same(half(0x0001), std::ldexp(1.0F, -24)) && same(half(0x83FF), -std::ldexp(1023.0F, -24)));  // the smallest, no longer normal
    CHECK(same(half(0x0400), std::ldexp(1.0F, -14)) && same(half(0x3C00), 1.0F) && same(half(0xC000), -2.0F));
    CHECK(same(half(0x3555), 0.333251953125F) && same(half(0x7BFF), 65504.0F));
    CHECK(same(half(0x7C00), std::numeric_limits<float>::infinity()) && same(half(0xFC00), -std::numeric_limits<float>::infinity()));
    CHECK(std::isnan(half(0x7E00)) && std::isnan(half(0xFFFF)) && std::isnan(half(0x7C01)));
}

TEST(other_values_are_read_as_they_are) {
    const std::vector<float> floats{0.1F, -3.4028235e38F, 1e-45F};
    CHECK(report::to_floats(Type::float32, bytes_of(floats).data(), 3) == floats);
    CHECK(report::to_floats(Type::uint8, bytes_of(std::vector<std::uint8_t>{0, 127, 255}).data(), 3) == (std::vector<float>{0, 127, 255}));
    CHECK(report::to_floats(Type::int32, bytes_of(std::vector<std::int32_t>{-1, 9, 1 << 24}).data(), 3) == (std::vector<float>{-1, 9, 16777216}));
}

TEST(the_first_value_that_is_no_number_is_found) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(report::not_finite(Type::float32, bytes_of(std::vector<float>{1, 2, -std::numeric_limits<float>::infinity(), nan}).data(), 4) == 2);
    CHECK(!report::not_finite(Type::float32, bytes_of(std::vector<float>{1, 2}).data(), 2));
    for (unsigned bits = 0; bits <= 0xFFFF; ++bits) {
        const auto one = bytes_of(std::vector<std::uint16_t>{0, static_cast<std::uint16_t>(bits)});
        CHECK(report::not_finite(Type::float16, one.data(), 2).has_value() == !std::isfinite(half(static_cast<std::uint16_t>(bits))));
    }
    CHECK(!report::not_finite(Type::uint8, bytes_of(std::vector<std::uint8_t>(2, 255)).data(), 2));
    CHECK(!report::not_finite(Type::int32, bytes_of(std::vector<std::int32_t>(2, -1)).data(), 2));
}

TEST(tensors_have_a_size_and_a_name) {
    CHECK((report::Tensor{Type::float32, {2, 3}}.bytes() == 24 && report::Tensor{Type::float16, {2, 3}}.bytes() == 12));
    CHECK((report::Tensor{Type::uint8, {3, 224, 224}}.text() == "uint8 (3, 224, 224)" && report::Tensor{Type::float16, {7}}.text() == "float16 (7,)"));
    CHECK((report::Tensor{Type::int32, {}}.bytes() == 4 && report::Tensor{Type::int32, {1}}.text() == "int32 (1,)"));
    CHECK(report::values_in({1ULL << 40, 1ULL << 40}) == 0 && report::values_in({3, 0}) == 0 && report::values_in({}) == 1);
}
