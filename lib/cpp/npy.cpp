#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>
#include <regex>

#include "error.hpp"
#include "samples.hpp"

namespace report {
namespace {

const std::string MAGIC = "\x93NUMPY";
constexpr std::size_t LONGEST_HEADER = 1024;  // NumPy writes 128 bytes for these arrays

std::string read_text(std::ifstream& file, std::size_t size) {
    std::string text(size, '\0');
    if (!file.read(text.data(), static_cast<std::streamsize>(size))) {
        throw Error("the file ends within its header");
    }
    return text;
}

// The header: a Python dictionary such as {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
std::string read_header(std::ifstream& file) {
    const std::string start = read_text(file, MAGIC.size() + 2);
    if (start.compare(0, MAGIC.size(), MAGIC) != 0) {
        throw Error("not a .npy file");
    }
    const int major = start[MAGIC.size()];
    if (major != 1 && major != 2) {
        throw Error("version " + std::to_string(major) + " of .npy, wanted 1 or 2");
    }
    const std::string digits = read_text(file, major == 1 ? 2 : 4);  // the lowest first
    const auto add = [](std::size_t high, char byte) { return high * 256 + static_cast<unsigned char>(byte); };
    const std::size_t size = std::accumulate(digits.rbegin(), digits.rend(), std::size_t{0}, add);
    if (size > LONGEST_HEADER) {
        throw Error("a header of " + std::to_string(size) + " bytes is too long for images");
    }
    return read_text(file, size);
}

std::string entry(const std::string& header, const std::string& key, const std::string& value) {
    std::smatch found;
    if (!std::regex_search(header, found, std::regex("'" + key + "' *: *" + value))) {
        throw Error("malformed header: no '" + key + "' as wanted");
    }
    return found[1];
}

Shape parse_shape(const std::string& text) {
    Shape shape;
    const char* const end = text.data() + text.size();
    for (const char* at = text.data(); at != end; at += std::strspn(at, ", ")) {
        std::uint64_t size = 0;
        const auto [next, error] = std::from_chars(at, end, size);
        if (error != std::errc()) {
            throw Error("malformed header: a dimension does not fit");
        }
        shape.push_back(size);
        at = next;
    }
    return shape;
}

// The array's shape. Its bytes fit into a size_t.
Shape read_shape(const std::string& header) {
    const std::string type = entry(header, "descr", "'([^']{0,9})'");
    if (type != "<f4") {
        throw Error("type '" + type + "', wanted '<f4' (little-endian float32)");
    }
    if (entry(header, "fortran_order", "(True|False)") == "True") {
        throw Error("Fortran order, wanted C order");
    }
    const Shape shape = parse_shape(entry(header, "shape", "\\(((?:[0-9]+, *)*[0-9]*)\\)"));
    if (shape.size() < 2 || values_in(shape) == 0) {
        throw Error("shape " + shape_text(shape) + " holds no images or too many, wanted (N, ...)");
    }
    return shape;
}

// The header's claim is held against the size of the file before any memory is taken for it.
Samples read_images(std::ifstream& file, std::uintmax_t file_size) {
    const Shape shape = read_shape(read_header(file));
    const std::uintmax_t there = file_size - static_cast<std::uintmax_t>(file.tellg());
    const std::size_t values = values_in(shape);
    if (there != values * sizeof(float)) {
        throw Error(std::to_string(there) + " bytes of data, its header announces " + std::to_string(values * sizeof(float)));
    }
    Samples samples{std::vector<std::int64_t>(shape[0]), Shape(shape.begin() + 1, shape.end()), std::vector<float>(values)};
    std::iota(samples.ids.begin(), samples.ids.end(), 0);
    if (!file.read(reinterpret_cast<char*>(samples.pixels.data()), static_cast<std::streamsize>(there))) {
        throw Error("could not be read to its end");
    }
    const auto bad = std::find_if(samples.pixels.begin(), samples.pixels.end(), [](float value) { return !std::isfinite(value); });
    if (bad != samples.pixels.end()) {
        const auto index = static_cast<std::size_t>(bad - samples.pixels.begin());
        const std::size_t each = values / samples.ids.size();
        throw Error("pixel_" + std::to_string(index % each) + " of image " + std::to_string(index / each) + " is not finite");
    }
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
