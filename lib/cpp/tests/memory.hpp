// Images of float32 that a test makes, and reading all of those that a file has.
#pragma once

#include <cstring>
#include <vector>

#include "samples.hpp"

namespace memory {

class Images : public report::Samples {
public:
    Images(std::size_t count, const report::Shape& shape, std::vector<float> values)
        : Samples(count, {report::Type::float32, shape}), values_(std::move(values)) {}

    void read(std::size_t first, std::size_t count, std::byte* to) override {
        std::memcpy(to, values_.data() + first * report::values_in(image().shape), count * image().bytes());
    }

private:
    std::vector<float> values_;
};

inline std::vector<std::byte> bytes_of(report::Samples& samples, std::size_t first, std::size_t count) {
    std::vector<std::byte> bytes(count * samples.image().bytes());
    samples.read(first, count, bytes.data());
    return bytes;
}

inline std::vector<float> values_of(report::Samples& samples) {
    return report::to_floats(samples.image().type, bytes_of(samples, 0, samples.count()).data(),
                             samples.count() * report::values_in(samples.image().shape));
}

}  // namespace memory
