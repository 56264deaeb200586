#include "outputs.hpp"

#include <limits>

#include "check.hpp"

using report::Outputs;

TEST(one_of_several_outputs_is_chosen_by_its_name) {
    CHECK(report::chosen_output({"a"}, "") == "a" && report::chosen_output({"a", "b"}, "b") == "b" && report::chosen_output({"a"}, "a") == "a");
    CHECK_ERROR("the plan has 2 outputs: choose one of a, b with --output", report::chosen_output({"a", "b"}, ""));
    CHECK_ERROR("the plan has no output c, it has a, b", report::chosen_output({"a", "b"}, "c"));
    CHECK_ERROR("the plan has no output c, it has a", report::chosen_output({"a"}, "c"));
    CHECK_ERROR("the plan has 0 outputs", report::chosen_output({}, ""));
}

TEST(a_row_has_one_dimension_that_counts) {
    CHECK(report::classes_in("o", {10}) == 10 && report::classes_in("o", {5, 1, 1}) == 5 && report::classes_in("o", {1, 1, 7}) == 7);
    CHECK(report::classes_in("o", {1}) == 1);
    CHECK_ERROR("output o gives (2, 3) an image, wanted (classes,)", report::classes_in("o", {2, 3}));
    CHECK_ERROR("output o gives (10, 0)", report::classes_in("o", {10, 0}));
}

TEST(wrong_outputs_are_told) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const auto check = [](const std::vector<float>& values, Outputs outputs, std::size_t first = 0) {
        report::check_outputs(values, 2, outputs, first);
    };
    check({0.5F, 0.5F, 0.0F, 1.04F}, Outputs::probabilities);
    CHECK_WRONG_OUTPUT("Σp[1] = 1.0599999", check({0.5F, 0.5F, 0.0F, 1.06F}, Outputs::probabilities));
    CHECK_WRONG_OUTPUT("Σp[0] = 0 ≠ 1", check({0, 0, 0, 0}, Outputs::probabilities));
    CHECK_WRONG_OUTPUT("p[1]: NaN", check({0.5F, 0.5F, 1.0F, nan}, Outputs::probabilities));
    check({-7, 90, 0, 0}, Outputs::logits);
    CHECK_WRONG_OUTPUT("z[101]: NaN", check({-7, 90, 0, std::numeric_limits<float>::infinity()}, Outputs::logits, 100));
}
