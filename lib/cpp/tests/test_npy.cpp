#include <cstring>
#include <limits>
#include <numeric>

#include "check.hpp"
#include "samples.hpp"
#include "scratch.hpp"

using report::Samples;

namespace {

constexpr std::size_t PIXELS = 3072;

const std::string GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 32, 32, 3), }";

std::string bytes_of(const std::vector<float>& values) {
    std::string bytes(values.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

std::vector<float> counted(std::size_t size) {
    std::vector<float> values(size);
    std::iota(values.begin(), values.end(), 0.0F);
    return values;
}

// A .npy file; its header's length is as given in `announced`, or as it is.
std::string npy(const std::string& header, const std::string& data, char major = 1, std::size_t announced = 0) {
    const std::size_t size = announced > 0 ? announced : header.size();
    std::string out = std::string("\x93NUMPY") + major + '\0';
    for (int k = 0; k < (major == 1 ? 2 : 4); ++k) {
        out += static_cast<char>(size >> (8 * k));
    }
    return out + header + data;
}

Samples read(const std::string& content) { return report::read_npy(scratch::file("samples.npy", content)); }

std::string shaped(const std::string& shape) { return "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }"; }

}  // namespace

TEST(reads_both_versions_and_shapes) {
    const std::vector<float> values = counted(2 * PIXELS);
    for (const char major : {'\1', '\2'}) {
        for (const std::string& header : {GOOD, GOOD + "    \n", shaped("(2, 3072)"), std::string("{'shape':(2,3072),'fortran_order':False,'descr':'<f4'}")}) {
            const Samples samples = read(npy(header, bytes_of(values), major));
            CHECK(samples.ids == (std::vector<std::int64_t>{0, 1}));
            CHECK(samples.pixels == values);
            CHECK(samples.shape == (header.find("32, 3)") != std::string::npos ? report::Shape{32, 32, 3} : report::Shape{3072}));
        }
    }
}

TEST(refuses_other_arrays) {
    const std::string data = bytes_of(counted(2 * PIXELS));
    for (const char* type : {"<f8", ">f4", "|u1", "<f2", ""}) {
        CHECK_ERROR("wanted '<f4'", read(npy("{'descr': '" + std::string(type) + "', 'fortran_order': False, 'shape': (2, 3072), }", data)));
    }
    CHECK_ERROR("Fortran order", read(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3072), }", data)));
    for (const char* shape : {"()", "(6144,)", "(0, 3072)", "(2, 0)"}) {
        CHECK_ERROR("shape " + std::string(shape) + " holds no images", read(npy(shaped(shape), data)));
    }
}

TEST(refuses_values_that_are_not_finite) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        std::vector<float> values = counted(2 * PIXELS);
        values[PIXELS + 7] = bad;
        CHECK_ERROR("pixel_7 of image 1 is not finite", read(npy(GOOD, bytes_of(values))));
    }
}

TEST(the_size_must_be_what_the_header_announces) {
    const std::string data = bytes_of(counted(2 * PIXELS));
    CHECK_ERROR("24575 bytes of data, its header announces 24576", read(npy(GOOD, data.substr(1))));
    CHECK_ERROR("24577 bytes of data", read(npy(GOOD, data + "x")));
    CHECK_ERROR("0 bytes of data", read(npy(GOOD, "")));
}

TEST(huge_counts_take_no_memory) {
    CHECK_ERROR("bytes of data, its header announces", read(npy(shaped("(1000000000000, 3072)"), "")));
    CHECK_ERROR("holds no images or too many", read(npy(shaped("(9999999999999999999, 3072)"), "")));
    CHECK_ERROR("holds no images or too many", read(npy(shaped("(1501199875790166, 3072)"), "")));
    CHECK_ERROR("a dimension does not fit", read(npy(shaped("(99999999999999999999, 3072)"), "")));
    CHECK_ERROR("a header of 4294967295 bytes is too long for images", read(npy(GOOD, "", 2, 0xFFFFFFFF)));
    CHECK_ERROR("the file ends within its header", read(npy(GOOD, "", 1, 1000)));
}

TEST(malformed_headers) {
    CHECK_ERROR("the file ends within its header", read(""));
    CHECK_ERROR("the file ends within its header", read("\x93NUM"));
    CHECK_ERROR("not a .npy file", read("PK\3\4 something else"));
    CHECK_ERROR("version 3 of", read(npy(GOOD, "", 3)));
    for (const std::string& header :
         {std::string(), std::string("{}"), std::string("{'descr': '<f4'}"), std::string("{'descr': '<f4"), std::string(64, '\0'),
          std::string("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2, 3072), }"), shaped("(2, -1)"), shaped("(2 3)"), shaped("2"),
          std::string("{'descr': '<f4', 'fortran_order': 1, 'shape': (2, 3072), }"), std::string(1000, ' '), std::string(1000, '\'')}) {
        CHECK_ERROR("samples.npy: malformed header: ", read(npy(header, "")));
    }
}

TEST(damaged_files_are_read_or_refused) {
    const std::string whole = npy(GOOD, bytes_of(counted(2 * PIXELS)));
    for (unsigned seed = 0; seed < 200; ++seed) {
        try {
            const Samples samples = read(scratch::damaged(whole, seed));
            CHECK(samples.pixels.size() == samples.ids.size() * report::values_in(samples.shape));
        } catch (const report::Error&) {
        }
    }
}
