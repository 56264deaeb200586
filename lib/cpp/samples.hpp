// Images to classify, read from a CSV or .npy file when they are asked for.
#pragma once

#include <memory>

#include "files.hpp"
#include "tensor.hpp"

namespace report {

// `count` images, each a `image`; its shape is (values) where the file says no more.
class Samples {
public:
    Samples(std::size_t count, Tensor image) : count_(count), image_(std::move(image)) {}
    Samples(const Samples&) = delete;
    Samples& operator=(const Samples&) = delete;
    virtual ~Samples() = default;

    std::size_t count() const { return count_; }
    const Tensor& image() const { return image_; }

    virtual std::int64_t id(std::size_t index) const { return static_cast<std::int64_t>(index); }

    // Copies `count` images from `first` on, all finite. Throws Error that names the file and the first value that is not.
    virtual void read(std::size_t first, std::size_t count, std::byte* to) = 0;

private:
    std::size_t count_;
    Tensor image_;
};

// By its ending, .csv or .npy. Throws Error that names the file, and the line of a CSV.
std::unique_ptr<Samples> open_samples(const Path& path);

// A header sample_id,pixel_0,pixel_1,..., then one image a line: a whole number and finite float32. A byte order mark of UTF-8,
// LF or CRLF, no end of the last line and blank lines at the end are all taken. It is kept in memory.
std::unique_ptr<Samples> open_csv(const Path& path);

// Little-endian float32 or float16, or uint8, of shape (N, ...) in C order; ids are 0 to N-1. Only what is asked for is read, so the
// file may be larger than memory; it must stay as it is. Source: numpy.lib.format, versions 1.0 and 2.0.
std::unique_ptr<Samples> open_npy(const Path& path);

}  // namespace report
