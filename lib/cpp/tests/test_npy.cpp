#include <cstring>
#include <limits>
#include <numeric>

#include "check.hpp"
#include "memory.hpp"
#include "scratch.hpp"

namespace {

constexpr std::size_t PIXELS = 3072;

const std::string GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 32, 32, 3), }";

template <typename Value>
std::string bytes_of(const std::vector<Value>& values) {
    std::string bytes(values.size() * sizeof(Value), '\0');
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

std::unique_ptr<report::Samples> read(const std::string& content) { return report::open_npy(scratch::file("samples.npy", content)); }

std::string shaped(const std::string& shape, const std::string& type = "<f4") {
    return "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

}  // namespace

TEST(reads_both_versions_and_shapes) {
    const std::vector<float> values = counted(2 * PIXELS);
    for (const char major : {'\1', '\2'}) {
        for (const std::string& header : {GOOD, GOOD + "    \n", shaped("(2, 3072)"), std::string("{'shape':(2,3072),'fortran_order':False,'descr':'<f4'}")}) {
            const auto samples = read(npy(header, bytes_of(values), major));
            CHECK(samples->count() == 2 && samples->id(1) == 1 && memory::values_of(*samples) == values);
            CHECK(samples->image().text() == (header.find("32, 3)") != std::string::npos ? "float32 (32, 32, 3)" : "float32 (3072,)"));
        }
    }
}

TEST(reads_each_type_in_any_order) {
    const std::vector<std::uint8_t> counts{0, 1, 2, 3, 252, 253, 254, 255};
    const auto bytes = read(npy(shaped("(4, 2)", "|u1"), bytes_of(counts)));
    CHECK(bytes->image().text() == "uint8 (2,)" && memory::values_of(*bytes) == (std::vector<float>{0, 1, 2, 3, 252, 253, 254, 255}));
    CHECK(memory::bytes_of(*bytes, 3, 1) == (std::vector<std::byte>{std::byte{254}, std::byte{255}}));
    CHECK(memory::bytes_of(*bytes, 1, 2).front() == std::byte{2});
    const auto halves = read(npy(shaped("(2, 1, 2)", "<f2"), bytes_of(std::vector<std::uint16_t>{0x3C00, 0xC000, 0x3800, 0})));
    CHECK(halves->image().text() == "float16 (1, 2)" && memory::values_of(*halves) == (std::vector<float>{1, -2, 0.5F, 0}));
}

TEST(refuses_other_arrays) {
    const std::string data = bytes_of(counted(2 * PIXELS));
    for (const char* type : {"<f8", ">f4", ">f2", "|i1", "|b1", ""}) {
        CHECK_ERROR("wanted '<f4'", read(npy(shaped("(2, 3072)", type), data)));
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
        const auto samples = read(npy(GOOD, bytes_of(values)));
        CHECK(memory::bytes_of(*samples, 0, 1).size() == PIXELS * sizeof(float));  // the image before it is fine
        CHECK_ERROR("samples.npy: pixel_7 of image 1 is not finite", memory::values_of(*samples));
        CHECK_ERROR("samples.npy: pixel_7 of image 1 is not finite", memory::bytes_of(*samples, 1, 1));
    }
    const auto halves = read(npy(shaped("(2, 2)", "<f2"), bytes_of(std::vector<std::uint16_t>{0, 0, 0x7C00, 0})));
    CHECK_ERROR("pixel_0 of image 1 is not finite", memory::values_of(*halves));
}

TEST(the_size_must_be_what_the_header_announces) {
    const std::string data = bytes_of(counted(2 * PIXELS));
    CHECK_ERROR("24575 bytes of data, its header announces 24576", read(npy(GOOD, data.substr(1))));
    CHECK_ERROR("24577 bytes of data", read(npy(GOOD, data + "x")));
    CHECK_ERROR("0 bytes of data", read(npy(GOOD, "")));
    CHECK_ERROR("6144 bytes of data, its header announces 12288", read(npy(shaped("(2, 3072)", "<f2"), data.substr(0, 6144))));
    const auto path = scratch::file("cut.npy", npy(GOOD, data));
    const auto samples = report::open_npy(path);
    std::filesystem::resize_file(path, 1000);
    for (int again = 0; again < 2; ++again) {
        CHECK_ERROR("cut.npy: could not be read to its end", memory::values_of(*samples));
    }
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
            const auto samples = read(scratch::damaged(whole, seed));
            CHECK(memory::values_of(*samples).size() == samples->count() * report::values_in(samples->image().shape));
        } catch (const report::Error&) {
        }
    }
}
