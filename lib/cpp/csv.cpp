#include "csv.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "error.hpp"
#include "number.hpp"

namespace report {
namespace {

constexpr std::size_t SHOWN = 24;  // characters of a bad field that an error quotes

std::string quoted(std::string_view field) {
    std::string text(field.substr(0, SHOWN));
    std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, '?');
    return "'" + text + (field.size() > SHOWN ? "...'" : "'");
}

// Hands out the fields of one line, one after the other.
class Fields {
public:
    explicit Fields(std::string_view line) : rest_(line) {}

    bool done() const { return done_; }

    std::string_view next() {
        const std::size_t comma = rest_.find(',');
        done_ = comma == std::string_view::npos;
        const std::string_view field = rest_.substr(0, comma);
        rest_.remove_prefix(done_ ? rest_.size() : comma + 1);
        return field;
    }

private:
    std::string_view rest_;
    bool done_ = false;
};

void check_count(std::string_view line) {
    const auto pixels = static_cast<std::size_t>(std::count(line.begin(), line.end(), ','));
    if (pixels != PIXELS) {
        throw Error(std::to_string(pixels) + " pixels, wanted " + std::to_string(PIXELS));
    }
}

void check_header(std::string_view line) {
    check_count(line);
    Fields fields(line);
    for (std::size_t column = 0; !fields.done(); ++column) {
        const std::string wanted = column == 0 ? "sample_id" : "pixel_" + std::to_string(column - 1);
        const std::string_view name = fields.next();
        if (name != wanted) {
            throw Error("column " + std::to_string(column + 1) + " is " + quoted(name) + ", wanted '" + wanted + "'");
        }
    }
}

void add_row(std::string_view line, Samples& samples) {
    if (line.empty()) {
        throw Error("empty line");
    }
    check_count(line);
    Fields fields(line);
    const std::string_view id = fields.next();
    const auto number = parse_integer(id);
    if (!number) {
        throw Error("sample_id " + quoted(id) + " is not a whole number");
    }
    samples.ids.push_back(*number);
    for (std::size_t pixel = 0; !fields.done(); ++pixel) {
        const std::string_view field = fields.next();
        const auto value = parse_float(field);
        if (!value) {
            throw Error("pixel_" + std::to_string(pixel) + " is " + quoted(field) + ", wanted a finite float32");
        }
        samples.pixels.push_back(*value);
    }
}

}  // namespace

Samples read_csv(const Path& path) {
    std::ifstream file = open_file(path);
    Samples samples;
    std::string line;
    std::size_t number = 0;
    try {
        while (std::getline(file, line)) {
            ++number;
            if (!line.empty() && line.back() == '\r') {
                line.pop_back();
            }
            if (number == 1) {
                check_header(line);
            } else {
                add_row(line, samples);
            }
        }
    } catch (const Error& error) {
        throw Error(path.string() + ":" + std::to_string(number) + ": " + error.what());
    }
    if (number == 0) {
        throw Error(path.string() + ":1: the file is empty, wanted a header and one image a line");
    }
    if (samples.ids.empty()) {
        throw Error(path.string() + ":2: no image after the header");
    }
    return samples;
}

}  // namespace report
