#include <cmath>
#include <limits>

#include "check.hpp"
#include "memory.hpp"
#include "scratch.hpp"

namespace {

constexpr std::size_t PIXELS = 3072;

std::string header() {
    std::string line = "sample_id";
    for (std::size_t i = 0; i < PIXELS; ++i) {
        line += ",pixel_" + std::to_string(i);
    }
    return line;
}

// One row whose pixel 5 is `pixel`, all others 0.5.
std::string row(const std::string& id, const std::string& pixel = "0.25", std::size_t pixels = PIXELS) {
    std::string line = id;
    for (std::size_t i = 0; i < pixels; ++i) {
        line += "," + (i == 5 ? pixel : "0.5");
    }
    return line;
}

std::unique_ptr<report::Samples> read(const std::string& content) { return report::open_csv(scratch::file("samples.csv", content)); }

float pixel(const std::string& text) { return memory::values_of(*read(header() + "\n" + row("0", text) + "\n")).at(5); }

bool same(float a, float b) { return !(a < b) && !(b < a); }

}  // namespace

TEST(reads_rows_in_order) {
    const auto samples = read(header() + "\n" + row("7") + "\n" + row("-3", "1e-3") + "\n");
    CHECK(samples->count() == 2 && samples->id(0) == 7 && samples->id(1) == -3 && samples->image().text() == "float32 (3072,)");
    const std::vector<float> pixels = memory::values_of(*samples);
    CHECK(same(pixels.at(5), 0.25F) && same(pixels.at(PIXELS + 5), 1e-3F) && same(pixels.back(), 0.5F));
    CHECK(memory::bytes_of(*samples, 1, 1) != memory::bytes_of(*samples, 0, 1));
}

TEST(takes_crlf_and_no_last_line_end) {
    for (const std::string end : {"\n", "\r\n"}) {
        CHECK(read(header() + end + row("1") + end + row("2") + end)->count() == 2);
        CHECK(read(header() + end + row("1") + end + row("2"))->count() == 2);
    }
}

TEST(takes_what_editors_and_spreadsheets_leave) {
    for (const std::string mark : {"", "\xEF\xBB\xBF"}) {
        for (const std::string end : {"\n", "\r\n"}) {
            for (const std::string& rest : {end, end + end, end + "  " + end + "\t" + end + end, end + " "}) {
                CHECK(read(mark + header() + end + row("1") + end + row("2") + rest)->count() == 2);
            }
        }
    }
}

TEST(other_encodings_are_named) {
    CHECK_ERROR("samples.csv:1: the file is UTF-16", read("\xFF\xFEs"));
    CHECK_ERROR("samples.csv:1: the file is UTF-16", read("\xFE\xFF"));
    CHECK_ERROR("column 1 is '???sample_id', wanted 'sample_id'", read("\xEF\xBB\xBF\xEF\xBB\xBF" + header() + "\n" + row("1")));
    CHECK_ERROR("samples.csv:1: a line ends in CR alone", read(header() + "\r" + row("1") + "\r"));
}

TEST(pixels_are_the_nearest_float32) {
    CHECK(same(pixel("0.1"), 0.1F) && same(pixel("-0"), 0.0F) && same(pixel("3.4028235e38"), std::numeric_limits<float>::max()));
    CHECK(same(pixel("1e-45"), std::numeric_limits<float>::denorm_min()) && same(pixel("1e-400"), 0.0F));
}

TEST(errors_name_file_line_and_column) {
    const std::string start = header() + "\n" + row("1") + "\n";
    CHECK_ERROR("samples.csv:3: 3071 pixels, wanted 3072", read(start + row("2", "0", PIXELS - 1) + "\n"));
    CHECK_ERROR("samples.csv:3: 3073 pixels, wanted 3072", read(start + row("2", "0", PIXELS + 1) + "\n"));
    CHECK_ERROR("samples.csv:4: pixel_5 is 'cat'", read(start + row("2") + "\n" + row("3", "cat") + "\n"));
    CHECK_ERROR("samples.csv:3: sample_id 'x' is not a whole number", read(start + row("x") + "\n"));
    CHECK_ERROR("samples.csv:3: empty line", read(start + "\n\n" + row("2") + "\n"));
    CHECK_ERROR("samples.csv:3: 0 pixels", read(start + "2\n"));
}

TEST(a_pixel_is_a_finite_decimal_number) {
    for (const char* text : {"", " ", "nan", "NaN", "inf", "-inf", "1e400", "-1e400", "3.5e38", "0x10", "1 ", " 1", "1;2", "\xC2\xA0" "1", "\"1\"", "1e", "--1", "."}) {
        CHECK_ERROR("samples.csv:2: pixel_5 is ", pixel(text));
    }
    CHECK_ERROR("'?bad'", pixel("\x01" "bad"));
    CHECK_ERROR("wanted a finite float32", pixel(std::string(3, '\0')));
    CHECK_ERROR("...'", pixel(std::string(100000, 'x')));
    CHECK_ERROR("wanted a finite float32", pixel(std::string(100000, '9')));
}

TEST(the_header_must_fit) {
    CHECK_ERROR("samples.csv:1: the file is empty", read(""));
    CHECK_ERROR("samples.csv:2: no image after the header", read(header() + "\n"));
    CHECK_ERROR("samples.csv:1: column 1 is '0', wanted 'sample_id'", read(row("0") + "\n"));
    CHECK_ERROR("samples.csv:1: column 1 is '', wanted 'sample_id'", read("\n"));
    CHECK_ERROR("samples.csv:1: no column after sample_id", read("sample_id\n1\n"));
    std::string swapped = header();
    swapped.replace(swapped.find("pixel_9,"), 7, "pixel_8");
    CHECK_ERROR("samples.csv:1: column 11 is 'pixel_8', wanted 'pixel_9'", read(swapped + "\n" + row("1")));
}

TEST(files_that_are_none) {
    CHECK_ERROR("no such file", report::open_csv(scratch::folder() / "none.csv"));
    CHECK_ERROR("not a regular file", report::open_csv(scratch::folder()));
    CHECK_ERROR("read from .csv or .npy", report::open_samples(scratch::file("samples.txt", "x")));
}

TEST(damaged_files_are_read_or_refused) {
    const std::string whole = header() + "\n" + row("1") + "\n";
    for (unsigned seed = 0; seed < 60; ++seed) {
        try {
            const auto samples = read(scratch::damaged(whole, seed));
            CHECK(memory::values_of(*samples).size() == samples->count() * PIXELS);
        } catch (const report::Error&) {
        }
    }
}
