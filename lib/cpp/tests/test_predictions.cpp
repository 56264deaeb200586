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
        engine.smallest = smallest;
        engine.largest = largest;
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
    engine.largest = 2;
    CHECK_WRONG_OUTPUT("Σp[0] = 9 ≠ 1", predict(engine, 10, 1));
    engine.logits = false;
    memory::Images samples(3, IMAGE.shape, [] {
        std::vector<float> values(3 * fake::CLASSES, 1.0F);
        std::fill(values.begin() + 2 * fake::CLASSES, values.end(), 0.0F);
        return values;
    }());
    CHECK_WRONG_OUTPUT("p[2]: NaN", report::predict(engine, samples, 2, Outputs::probabilities, [](std::size_t, std::vector<float>&) {}));
}
