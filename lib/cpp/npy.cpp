#include "npy.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>

#include "error.hpp"
#include "npy_header.hpp"

namespace report {
namespace {

constexpr std::string_view MAGIC("\x93NUMPY", 6);
constexpr std::size_t LARGEST_HEADER = 1 << 16;  // NumPy writes 128 bytes for these arrays

std::string read_text(std::ifstream& file, std::size_t size) {
    std::string text(size, '\0');
    if (!file.read(text.data(), static_cast<std::streamsize>(size))) {
        throw Error("the file ends within its header");
    }
    return text;
}

// Length of the header: two bytes in version 1.0, four in 2.0, the lowest first.
std::size_t header_size(std::ifstream& file) {
    const std::string start = read_text(file, MAGIC.size() + 2);
    if (start.compare(0, MAGIC.size(), MAGIC) != 0) {
        throw Error("not a .npy file");
    }
    const char major = start[MAGIC.size()];
    const char minor = start[MAGIC.size() + 1];
    if ((major != 1 && major != 2) || minor != 0) {
        throw Error("version " + std::to_string(major) + "." + std::to_string(minor) + " of .npy, wanted 1.0 or 2.0");
    }
    const std::string digits = read_text(file, major == 1 ? 2 : 4);
    const auto add = [](std::size_t high, char byte) { return high * 256 + static_cast<unsigned char>(byte); };
    return std::accumulate(digits.rbegin(), digits.rend(), std::size_t{0}, add);
}

NpyHeader read_header(std::ifstream& file) {
    const std::size_t size = header_size(file);
    if (size > LARGEST_HEADER) {
        throw Error("a header of " + std::to_string(size) + " bytes is too long");
    }
    return parse_npy_header(read_text(file, size));
}

// How many images the header announces. Their bytes fit into a size_t.
std::size_t count_images(const NpyHeader& header) {
    const auto& shape = header.shape;
    if (header.type != "<f4") {
        throw Error("type '" + header.type + "', wanted '<f4' (little-endian float32)");
    }
    if (header.fortran_order) {
        throw Error("Fortran order, wanted C order");
    }
    const bool images = shape.size() == 4 && shape[1] == 32 && shape[2] == 32 && shape[3] == 3;
    const bool rows = shape.size() == 2 && shape[1] == PIXELS;
    if (!images && !rows) {
        throw Error("shape " + header.shape_text() + ", wanted (N, 32, 32, 3) or (N, 3072)");
    }
    if (shape[0] == 0) {
        throw Error("no images in it");
    }
    if (shape[0] > std::numeric_limits<std::size_t>::max() / (PIXELS * sizeof(float))) {
        throw Error("shape " + header.shape_text() + " is too large");
    }
    return static_cast<std::size_t>(shape[0]);
}

void check_finite(const std::vector<float>& pixels) {
    const auto bad = std::find_if(pixels.begin(), pixels.end(), [](float value) { return !std::isfinite(value); });
    if (bad != pixels.end()) {
        const auto index = static_cast<std::size_t>(bad - pixels.begin());
        throw Error("pixel_" + std::to_string(index % PIXELS) + " of image " + std::to_string(index / PIXELS) + " is not finite");
    }
}

// The header's claim is held against the size of the file before any memory is taken for it.
Samples read_images(std::ifstream& file, std::uintmax_t file_size) {
    const std::size_t count = count_images(read_header(file));
    const std::uintmax_t there = file_size - static_cast<std::uintmax_t>(file.tellg());
    const std::size_t wanted = count * PIXELS * sizeof(float);
    if (there != wanted) {
        throw Error(std::to_string(there) + " bytes of data, its header announces " + std::to_string(wanted));
    }
    Samples samples{std::vector<std::int64_t>(count), std::vector<float>(count * PIXELS)};
    std::iota(samples.ids.begin(), samples.ids.end(), 0);
    const std::string bytes = read_text(file, wanted);
    std::memcpy(samples.pixels.data(), bytes.data(), wanted);
    check_finite(samples.pixels);
    return samples;
}

}  // namespace

Samples read_npy(const Path& path) {
    std::ifstream file = open_file(path);
    try {
        return read_images(file, std::filesystem::file_size(path));
    } catch (const Error& error) {
        throw Error(path.string() + ": " + error.what());
    }
}

}  // namespace report
