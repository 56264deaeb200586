#include <limits>

#include "check.hpp"
#include "predictions.hpp"
#include "scratch.hpp"

TEST(writes_class_and_probabilities) {
    const std::string csv = report::to_csv({{4, 9}, 3, {0.25F, 0.5F, 0.25F, 0.4F, 0.2F, 0.4F}});
    CHECK(csv == "sample_id,class,probability_0,probability_1,probability_2\n"
                 "4,1,0.25,0.5,0.25\n9,0,0.400000006,0.200000003,0.400000006\n");
}

TEST(ids_and_probabilities_must_match) {
    CHECK_ERROR("5 probabilities for 2 images of 3 classes", report::to_csv({{4, 9}, 3, std::vector<float>(5)}));
    CHECK_ERROR("of 0 classes", report::to_csv({{}, 0, {}}));
}

TEST(wrong_outputs_are_told) {
    const std::vector<float> good{0.5F, 0.5F, 0.0F, 1.04F};
    report::check_probabilities(good.data(), 2, 2);
    const std::vector<float> high{0.5F, 0.5F, 0.0F, 1.06F};
    CHECK_ERROR("the probabilities of image 1 add up to 1.05", report::check_probabilities(high.data(), 2, 2));
    const std::vector<float> zeros(4);
    CHECK_ERROR("the probabilities of image 0 add up to 0", report::check_probabilities(zeros.data(), 2, 2));
    const std::vector<float> nan{0.5F, 0.5F, 1.0F, std::numeric_limits<float>::quiet_NaN()};
    CHECK_ERROR("image 1 has values that are not finite", report::check_probabilities(nan.data(), 2, 2));
}

TEST(files_are_written_whole) {
    const auto path = scratch::folder() / "out.csv";
    report::write_file(path, "one");
    report::write_file(path, "two");
    const std::vector<char> bytes = report::read_file(path);
    CHECK(std::string(bytes.begin(), bytes.end()) == "two");
    CHECK_ERROR("cannot be written", report::write_file(scratch::folder() / "none" / "out.csv", "x"));
    CHECK_ERROR("cannot be written", report::write_file(scratch::folder(), "x"));
}
