// Images to classify, from a CSV or .npy file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files.hpp"

namespace report {

using Shape = std::vector<std::uint64_t>;

// How many values a shape holds, 0 where it is more than memory can hold.
std::size_t values_in(const Shape& shape);

// As NumPy prints it: (32, 32, 3), or (3072,).
std::string shape_text(const Shape& shape);

// ids: one an image; shape: of one image, (values) where the file says no more; pixels: finite, image after image.
struct Samples {
    std::vector<std::int64_t> ids;
    Shape shape;
    std::vector<float> pixels;

    const float* image(std::size_t index) const { return pixels.data() + index * values_in(shape); }
};

// Read a file by its ending, .csv or .npy. Throws Error that names the file, and the line of a CSV.
Samples read_samples(const Path& path);

// A header sample_id,pixel_0,pixel_1,..., then one image a line: a whole number and finite float32. A byte order mark of UTF-8,
// LF or CRLF, no end of the last line and blank lines at the end are all taken.
Samples read_csv(const Path& path);

// Little-endian float32 of shape (N, ...) in C order; ids are 0 to N-1. Source: numpy.lib.format, versions 1.0 and 2.0.
Samples read_npy(const Path& path);

}  // namespace report
