#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "error.hpp"
#include "samples.hpp"

namespace report {
namespace {

constexpr std::size_t SHOWN = 24;  // characters of a bad field that an error quotes

// What cannot be seen is shown as '?', so that no error says "'a' in place of 'a'".
std::string quoted(std::string_view field) {
    std::string text(field.substr(0, SHOWN));
    std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return "'" + text + (field.size() > SHOWN ? "...'" : "'");
}

// Calls `take(column, field)` with each field of a line, `columns` of them.
template <typename Take>
void split(std::string_view line, std::size_t columns, const Take& take) {
    const auto pixels = static_cast<std::size_t>(std::count(line.begin(), line.end(), ','));
    if (pixels + 1 != columns) {
        throw Error(std::to_string(pixels) + " pixels, wanted " + std::to_string(columns - 1));
    }
    for (std::size_t column = 0; column < columns; ++column) {
        const std::string_view field = line.substr(0, line.find(','));
        take(column, field);
        line.remove_prefix(std::min(field.size() + 1, line.size()));
    }
}

std::size_t read_header(std::string_view line) {
    if (line.substr(0, 2) == "\xFF\xFE" || line.substr(0, 2) == "\xFE\xFF") {
        throw Error("the file is UTF-16, wanted UTF-8: save it as CSV UTF-8");
    }
    const auto columns = static_cast<std::size_t>(std::count(line.begin(), line.end(), ',')) + 1;
    split(line, columns, [](std::size_t column, std::string_view name) {
        const std::string wanted = column == 0 ? "sample_id" : "pixel_" + std::to_string(column - 1);
        if (name != wanted) {
            throw Error("column " + std::to_string(column + 1) + " is " + quoted(name) + ", wanted '" + wanted + "'");
        }
    });
    if (columns == 1) {
        throw Error("no column after sample_id, wanted pixel_0, pixel_1, ...");
    }
    return columns;
}

// A finite decimal number: no nan, inf, hex, blank. std::from_chars has no float in g++ 9, so strtof does the work; `text`
// must be followed by what is no part of a number, as a comma or the end of a std::string is.
float pixel(std::size_t column, std::string_view text) {
    char* end = nullptr;
    const float value = std::strtof(text.data(), &end);
    const bool decimal = !text.empty() && text.find_first_not_of("+-.0123456789eE") == std::string_view::npos;
    if (!decimal || end != text.data() + text.size() || !std::isfinite(value)) {
        throw Error("pixel_" + std::to_string(column - 1) + " is " + quoted(text) + ", wanted a finite float32");
    }
    return value;
}

std::int64_t sample_id(std::string_view text) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size()) {
        throw Error("sample_id " + quoted(text) + " is not a whole number");
    }
    return id;
}

struct Rows {
    std::vector<std::int64_t> ids;
    std::vector<float> pixels;
};

class Csv : public Samples {
public:
    explicit Csv(Rows rows) : Samples(rows.ids.size(), {Type::float32, {rows.pixels.size() / rows.ids.size()}}), rows_(std::move(rows)) {}

    std::int64_t id(std::size_t index) const override { return rows_.ids.at(index); }

    void read(std::size_t first, std::size_t count, std::byte* to) override {
        std::memcpy(to, rows_.pixels.data() + first * values_in(image().shape), count * image().bytes());
    }

private:
    Rows rows_;
};

void add_row(std::string_view line, std::size_t columns, Rows& rows) {
    split(line, columns, [&rows](std::size_t column, std::string_view field) {
        if (column == 0) {
            rows.ids.push_back(sample_id(field));
        } else {
            rows.pixels.push_back(pixel(column, field));
        }
    });
}

Rows read_lines(std::ifstream& file, std::size_t& number) {
    Rows rows;
    std::size_t columns = 0;
    std::size_t blank = 0;  // the line after which only blank lines may follow
    for (std::string line; std::getline(file, line);) {
        ++number;
        if (number == 1 && line.compare(0, 3, "\xEF\xBB\xBF") == 0) {
            line.erase(0, 3);
        }
        line.erase(line.find_last_not_of(" \t\r") + 1);
        if (line.find('\r') != std::string::npos) {
            throw Error("a line ends in CR alone, wanted LF or CRLF");
        }
        if (columns == 0) {
            columns = read_header(line);
        } else if (line.empty()) {
            blank = blank == 0 ? number : blank;
        } else if (blank != 0) {
            number = blank;
            throw Error("empty line");
        } else {
            add_row(line, columns, rows);
        }
    }
    if (rows.ids.empty()) {
        number = columns == 0 ? 1 : 2;
        throw Error(columns == 0 ? "the file is empty, wanted a header and one image a line" : "no image after the header");
    }
    return rows;
}

}  // namespace

std::unique_ptr<Samples> open_csv(const Path& path) {
    std::ifstream file = open_file(path);
    std::size_t number = 0;
    try {
        return std::make_unique<Csv>(read_lines(file, number));
    } catch (const Error& error) {
        throw Error(path.string() + ":" + std::to_string(number) + ": " + error.what());
    }
}

}  // namespace report
