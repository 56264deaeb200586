#include "predictions.hpp"

#include "check.hpp"
#include "fake.hpp"
#include "memory.hpp"

using report::Outputs;

namespace {

const report::Tensor IMAGE{report::Type::float32, {fake::CLASSES}};

// The answers to `count` images, which all differ.
std::vector<float> predict(fake::Engine& engine, std::size_t count, std::size_t batch, Outputs outputs = Outputs::probabilities) {
    std::vector<float> values(count * fake::CLASSES, 1.0F);
    for (std::size_t i = 0; i < count; ++i) {
        values.at(i * fake::CLASSES) = static_cast<float>(i);
    }
    memory::Images samples(count, IMAGE.shape, std::move(values));
    std::vector<float> all;
    report::predict(engine, samples, batch, outputs, [&all](std::size_t first, std::vector<float>& rows) {
        CHECK(first * fake::CLASSES == all.size());
        all.insert(all.end(), rows.begin(), rows.end());
    });
    return all;
}

}  // namespace

TEST(batches_do_not_show_in_the_answers) {
    fake::Engine whole(IMAGE);
    const auto wanted = predict(whole, 10, 10);
    CHECK(wanted.size() == 100);
    for (const std::size_t batch : {1U, 3U, 4U, 9U, 32U}) {
        fake::Engine engine(IMAGE);
        CHECK(predict(engine, 10, batch) == wanted);
        CHECK(engine.batches.front() == std::min<std::size_t>(batch, 10) && engine.batches.back() == (10 - 1) % batch + 1);
    }
}

TEST(batches_are_as_the_engine_takes_them) {
    using Sizes = std::vector<std::size_t>;
    fake::Engine whole(IMAGE);
    const auto wanted = predict(whole, 10, 10);
    const auto sizes = [&wanted](std::size_t smallest, std::size_t largest, std::size_t batch) {
        fake::Engine engine(IMAGE);
        engine.profiles = {{smallest, smallest, largest}};
        CHECK(predict(engine, 10, batch) == wanted);
        return engine.batches;
    };
    CHECK(sizes(3, 64, 4) == (Sizes{4, 4, 3}));  // filled up
    CHECK(sizes(3, 64, 2) == (Sizes{3, 3, 3, 3}));
    CHECK(sizes(1, 4, 32) == (Sizes{4, 4, 2}));
    for (const std::size_t batch : {1U, 4U, 32U}) {  // one size only
        CHECK(sizes(4, 4, batch) == (Sizes{4, 4, 4}));
        CHECK(sizes(16, 16, batch) == (Sizes{16}));
    }
}

TEST(lanes_do_not_show_in_the_answers) {
    fake::Engine whole(IMAGE);
    const auto wanted = predict(whole, 10, 10);
    for (const std::size_t lanes : {2U, 3U, 5U, 16U}) {  // also more than there are batches
        for (const std::size_t batch : {1U, 3U, 4U, 10U}) {
            fake::Engine engine(IMAGE, "", lanes);
            engine.profiles.assign(lanes, {1, 8, 64});
            CHECK(predict(engine, 10, batch) == wanted && engine.settled());
            for (std::size_t i = 0; i < engine.launched.size(); ++i) {
                CHECK(engine.launched[i] == i % lanes);
            }
            CHECK(engine.launched.size() == (10 + batch - 1) / batch);
        }
    }
}

TEST(an_error_in_one_lane_ends_it_with_no_lane_running) {
    for (const char* what : {"fails", "fails later", "logs", "wrong", "wrong at the end"}) {
        fake::Engine engine(IMAGE, what, 3);
        engine.profiles.assign(3, {1, 8, 64});
        std::size_t taken = 0;
        memory::Images samples(20, IMAGE.shape, std::vector<float>(20 * fake::CLASSES, 1.0F));
        CHECK_ERROR("", report::predict(engine, samples, 2, Outputs::probabilities, [&](std::size_t, std::vector<float>&) { ++taken; }));
        CHECK(engine.settled());
        CHECK(taken == (std::string(what) == "fails later" ? 3 : std::string(what) == "wrong at the end" ? 2 : 0));
    }
}

TEST(classes_are_answered_as_they_are) {
    fake::Engine engine(IMAGE);
    engine.give_classes();
    memory::Images samples(3, IMAGE.shape, [] {
        std::vector<float> values(3 * fake::CLASSES, 0.0F);
        values[7] = values[1 * fake::CLASSES] = values[3 * fake::CLASSES - 1] = 1;
        return values;
    }());
    std::vector<float> all;
    const auto take = [&all](std::size_t, std::vector<float>& rows) { all.insert(all.end(), rows.begin(), rows.end()); };
    report::predict(engine, samples, 2, Outputs::classes, take);
    CHECK(all == (std::vector<float>{7, 0, 9}));
    fake::Engine wrong(IMAGE, "wrong");
    wrong.give_classes();
    CHECK_WRONG_OUTPUT("c[0] = -1 < 0", report::predict(wrong, samples, 2, Outputs::classes, take));
}

TEST(an_engine_that_fails_gives_no_predictions) {
    fake::Engine wrong(IMAGE, "wrong");
    CHECK_WRONG_OUTPUT("p[0]: NaN", predict(wrong, 2, 2));
    CHECK_WRONG_OUTPUT("z[0]: NaN", predict(wrong, 2, 2, Outputs::logits));
    fake::Engine logs(IMAGE, "logs");
    CHECK_ERROR("logged an error", predict(logs, 2, 2));
}

TEST(images_are_counted_over_all_batches) {
    fake::Engine engine(IMAGE);
    engine.logits = true;
    engine.profiles = {{1, 2, 2}};
    CHECK_WRONG_OUTPUT("Σp[0] = 9 ≠ 1", predict(engine, 10, 1));
    engine.logits = false;
    memory::Images samples(3, IMAGE.shape, [] {
        std::vector<float> values(3 * fake::CLASSES, 1.0F);
        std::fill(values.begin() + 2 * fake::CLASSES, values.end(), 0.0F);
        return values;
    }());
    CHECK_WRONG_OUTPUT("p[2]: NaN", report::predict(engine, samples, 2, Outputs::probabilities, [](std::size_t, std::vector<float>&) {}));
}
