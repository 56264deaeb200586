// Images to classify, from a CSV or .npy file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "files.hpp"

namespace report {

// Values of one image: 32 x 32 pixels in RGB, rows first, channels last (NHWC).
constexpr std::size_t PIXELS = 32 * 32 * 3;

// ids: one an image; pixels: ids.size() * PIXELS finite values, image after image.
struct Samples {
    std::vector<std::int64_t> ids;
    std::vector<float> pixels;
};

// Read a file by its ending, .csv or .npy. Throws Error that names the file, and the line of a CSV.
Samples read_samples(const Path& path);

}  // namespace report
