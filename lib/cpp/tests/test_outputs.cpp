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
    using report::Type;
    for (const report::Shape& shape : {report::Shape{10}, {5, 1, 1}, {1, 1, 7}, {1}}) {
        for (const Type type : {Type::float32, Type::float16}) {
            report::check_row({type, shape}, Outputs::probabilities);
            report::check_row({type, shape}, Outputs::logits);
            CHECK_ERROR("--outputs classes is for one int32", report::check_row({type, shape}, Outputs::classes));
        }
    }
    CHECK_ERROR("float32 (2, 3), wanted (classes,)", report::check_row({Type::float32, {2, 3}}, Outputs::logits));
    CHECK_ERROR("float16 (10, 0), wanted (classes,)", report::check_row({Type::float16, {10, 0}}, Outputs::logits));
    CHECK_ERROR("with uint8 (10,); ", report::check_row({Type::uint8, {10}}, Outputs::probabilities));
}

TEST(a_class_is_one_whole_number) {
    using report::Type;
    for (const report::Shape& shape : {report::Shape{}, {1}, {1, 1}}) {
        report::check_row({Type::int32, shape}, Outputs::classes);
        CHECK_ERROR("--outputs classes is for one int32", report::check_row({Type::int32, shape}, Outputs::probabilities));
    }
    CHECK_ERROR("with int32 (2,); ", report::check_row({Type::int32, {2}}, Outputs::classes));
    report::check_outputs({0, 9, 999}, 1, Outputs::classes);
    CHECK_WRONG_OUTPUT("c[6] = -1 < 0", report::check_outputs({0, -1}, 1, Outputs::classes, 5));
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
