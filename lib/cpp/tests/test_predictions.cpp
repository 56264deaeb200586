#include "predictions.hpp"

#include <limits>

#include "check.hpp"
#include "fake.hpp"
#include "scratch.hpp"

namespace {

const report::Shape SHAPE{fake::CLASSES};

// `count` images whose answers all differ.
report::Samples samples(std::size_t count) {
    report::Samples made{std::vector<std::int64_t>(count), SHAPE, std::vector<float>(count * fake::CLASSES, 1.0F)};
    for (std::size_t i = 0; i < count; ++i) {
        made.pixels.at(i * fake::CLASSES) = static_cast<float>(i);
    }
    return made;
}

}  // namespace

TEST(batches_do_not_show_in_the_answers) {
    fake::Engine whole(SHAPE);
    const auto wanted = report::predict(whole, samples(10), 10).probabilities;
    CHECK(wanted.size() == 100);
    for (const std::size_t batch : {1U, 3U, 4U, 9U, 32U}) {
        fake::Engine engine(SHAPE);
        CHECK(report::predict(engine, samples(10), batch).probabilities == wanted);
        CHECK(engine.batches.front() == std::min<std::size_t>(batch, 10) && engine.batches.back() == (10 - 1) % batch + 1);
    }
}

TEST(the_last_batch_is_filled_up_to_the_smallest_that_the_engine_takes) {
    fake::Engine whole(SHAPE);
    const auto wanted = report::predict(whole, samples(10), 10).probabilities;
    fake::Engine engine(SHAPE);
    engine.smallest = 3;
    CHECK(report::predict(engine, samples(10), 4).probabilities == wanted);
    CHECK(engine.batches == (std::vector<std::size_t>{4, 4, 3}));
    CHECK(report::predict(engine, samples(1), 4).probabilities.size() == fake::CLASSES);
    CHECK_ERROR("a batch of 2 is outside", report::predict(engine, samples(10), 2));
}

TEST(an_engine_that_fails_gives_no_predictions) {
    fake::Engine wrong(SHAPE, "wrong");
    CHECK_ERROR("p[0]: NaN", report::predict(wrong, samples(2), 2));
    fake::Engine logs(SHAPE, "logs");
    CHECK_ERROR("logged an error", report::predict(logs, samples(2), 2));
}

TEST(writes_class_and_probabilities) {
    const std::string csv = report::to_csv({{4, 9}, 3, {0.25F, 0.5F, 0.25F, 0.4F, 0.2F, 0.4F}});
    CHECK(csv == "sample_id,class,probability_0,probability_1,probability_2\n"
                 "4,1,0.25,0.5,0.25\n9,0,0.400000006,0.200000003,0.400000006\n");
}

TEST(writes_what_npy_readers_read) {
    const std::vector<float> values{0.25F, 0.75F, 1.0F / 3, 2.0F / 3, 1e-45F, 1.0F};
    const std::string npy = report::to_npy({{0, 1, 2}, 2, values});
    CHECK((npy.size() - values.size() * sizeof(float)) % 64 == 0);
    const report::Samples back = report::read_npy(scratch::file("p.npy", npy));
    CHECK(back.pixels == values && back.shape == report::Shape{2});
}

TEST(wrong_outputs_are_told) {
    const auto check = [](const std::vector<float>& values) { report::check_probabilities(values, 2); };
    const float nan = std::numeric_limits<float>::quiet_NaN();
    check({0.5F, 0.5F, 0.0F, 1.04F});
    CHECK_WRONG_OUTPUT("Σp[1] = 1.0599999", check({0.5F, 0.5F, 0.0F, 1.06F}));
    CHECK_WRONG_OUTPUT("Σp[0] = 0 ≠ 1", check({0, 0, 0, 0}));
    CHECK_WRONG_OUTPUT("p[1]: NaN", check({0.5F, 0.5F, 1.0F, nan}));
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
