#include "samples.hpp"

#include <limits>

#include "error.hpp"

namespace report {

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

Samples read_samples(const Path& path) {
    if (path.extension() == ".csv") {
        return read_csv(path);
    }
    if (path.extension() == ".npy") {
        return read_npy(path);
    }
    throw Error(path.string() + ": samples are read from .csv or .npy files");
}

}  // namespace report
