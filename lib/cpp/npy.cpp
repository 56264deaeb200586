#include <charconv>
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

Type parse_type(const std::string& descr) {
    for (const auto& [known, type] : {std::pair("<f4", Type::float32), std::pair("<f2", Type::float16), std::pair("|u1", Type::uint8)}) {
        if (descr == known) {
            return type;
        }
    }
    throw Error("type '" + descr + "', wanted '<f4' (little-endian float32), '<f2' (float16) or '|u1' (uint8)");
}

// The array that a header announces. Its bytes fit into a size_t.
Tensor parse_header(const std::string& header) {
    const Type type = parse_type(entry(header, "descr", "'([^']{0,9})'"));
    if (entry(header, "fortran_order", "(True|False)") == "True") {
        throw Error("Fortran order, wanted C order");
    }
    const Shape shape = parse_shape(entry(header, "shape", "\\(((?:[0-9]+, *)*[0-9]*)\\)"));
    if (shape.size() < 2 || values_in(shape) == 0) {
        throw Error("shape " + shape_text(shape) + " holds no images or too many, wanted (N, ...)");
    }
    return {type, shape};
}

// The header's claim is held against the size of the file, so that what is asked for is there.
Tensor read_array(std::ifstream& file, std::uintmax_t file_size) {
    const Tensor array = parse_header(read_header(file));
    const std::uintmax_t there = file_size - static_cast<std::uintmax_t>(file.tellg());
    if (there != array.bytes()) {
        throw Error(std::to_string(there) + " bytes of data, its header announces " + std::to_string(array.bytes()));
    }
    return array;
}

class Npy : public Samples {
public:
    Npy(Path path, std::ifstream file, const Tensor& array)
        : Samples(array.shape[0], {array.type, {array.shape.begin() + 1, array.shape.end()}}),
          path_(std::move(path)),
          file_(std::move(file)),
          data_(file_.tellg()) {}

    void read(std::size_t first, std::size_t count, std::byte* to) override {
        file_.clear();  // of what failed before
        file_.seekg(data_ + static_cast<std::streamoff>(first * image().bytes()));
        if (!file_.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(count * image().bytes()))) {
            throw Error(path_.string() + ": could not be read to its end");
        }
        const std::size_t each = values_in(image().shape);
        if (const auto bad = not_finite(image().type, to, count * each)) {
            throw Error(path_.string() + ": pixel_" + std::to_string(*bad % each) + " of image " + std::to_string(first + *bad / each) +
                        " is not finite");
        }
    }

private:
    Path path_;
    std::ifstream file_;
    std::streamoff data_;  // where the first image begins
};

}  // namespace

std::unique_ptr<Samples> open_npy(const Path& path) {
    std::ifstream file = open_file(path);
    try {
        const Tensor array = read_array(file, std::filesystem::file_size(path));
        return std::make_unique<Npy>(path, std::move(file), array);
    } catch (const Error& error) {
        throw Error(path.string() + ": " + error.what());
    }
}

}  // namespace report
