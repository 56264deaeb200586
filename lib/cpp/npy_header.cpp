#include "npy_header.hpp"

#include <algorithm>
#include <charconv>

#include "error.hpp"

namespace report {
namespace {

constexpr std::size_t MOST_DIMENSIONS = 32;

// Reads the few kinds of tokens that the dictionary consists of, blanks between them skipped.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool take(std::string_view token) {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
        if (rest_.substr(0, token.size()) != token) {
            return false;
        }
        rest_.remove_prefix(token.size());
        return true;
    }

    void want(std::string_view token) {
        if (!take(token)) {
            fail("'" + std::string(token) + "' is missing");
        }
    }

    std::string string() {
        want("'");
        const std::size_t end = rest_.find('\'');
        if (end == std::string_view::npos) {
            fail("a string does not end");
        }
        const std::string value(rest_.substr(0, end));
        rest_.remove_prefix(end + 1);
        return value;
    }

    bool boolean() {
        if (take("True")) {
            return true;
        }
        want("False");
        return false;
    }

    std::vector<std::uint64_t> tuple() {
        std::vector<std::uint64_t> values;
        want("(");
        while (!take(")")) {
            if (values.size() == MOST_DIMENSIONS) {
                fail("too many dimensions");
            }
            values.push_back(number());
            if (!take(",")) {
                want(")");
                break;
            }
        }
        return values;
    }

    void end() {
        take("");
        if (!rest_.empty()) {
            fail("text after its end");
        }
    }

    [[noreturn]] static void fail(const std::string& what) { throw Error("malformed header: " + what); }

private:
    std::uint64_t number() {
        take("");
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
        if (error != std::errc()) {
            fail("a dimension is not a whole number that fits");
        }
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return value;
    }

    std::string_view rest_;
};

}  // namespace

std::string NpyHeader::shape_text() const {
    std::string text;
    for (const std::uint64_t size : shape) {
        text += (text.empty() ? "(" : ", ") + std::to_string(size);
    }
    return shape.empty() ? "()" : text + (shape.size() == 1 ? ",)" : ")");
}

NpyHeader parse_npy_header(std::string_view text) {
    NpyHeader header;
    bool type = false;
    bool order = false;
    bool shape = false;
    const auto once = [](bool& seen, const std::string& key) {
        if (seen) {
            Scanner::fail("'" + key + "' twice");
        }
        seen = true;
    };
    Scanner scan(text);
    scan.want("{");
    while (!scan.take("}")) {
        const std::string key = scan.string();
        scan.want(":");
        if (key == "descr") {
            once(type, key);
            header.type = scan.string();
        } else if (key == "fortran_order") {
            once(order, key);
            header.fortran_order = scan.boolean();
        } else if (key == "shape") {
            once(shape, key);
            header.shape = scan.tuple();
        } else {
            Scanner::fail("unknown key '" + key.substr(0, 24) + "'");
        }
        if (!scan.take(",")) {
            scan.want("}");
            break;
        }
    }
    scan.end();
    if (!type || !order || !shape) {
        Scanner::fail("it needs descr, fortran_order and shape");
    }
    return header;
}

}  // namespace report
