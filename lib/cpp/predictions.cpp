#include "predictions.hpp"

#include <algorithm>

namespace report {
namespace {

// `count` images from `first` on as the engine's input, the last of them again up to `size`.
void load(Inference& engine, Samples& samples, std::size_t first, std::size_t count, std::size_t size) {
    std::byte* const images = engine.prepare(size);
    const std::size_t bytes = samples.image().bytes();
    samples.read(first, count, images);
    for (std::size_t i = count; i < size; ++i) {
        std::copy_n(images + (count - 1) * bytes, bytes, images + i * bytes);
    }
}

}  // namespace

void predict(Inference& engine, Samples& samples, std::size_t batch, Outputs outputs, const TakeRows& take) {
    const std::size_t most = std::clamp(batch, engine.smallest_batch(), engine.largest_batch());
    for (std::size_t first = 0; first < samples.count(); first += most) {
        const std::size_t count = std::min(most, samples.count() - first);
        load(engine, samples, first, count, std::max(count, engine.smallest_batch()));
        engine.clear_output();
        engine.run_end_to_end();
        engine.check();
        std::vector<float> rows = engine.output();
        rows.resize(count * engine.classes());
        check_outputs(rows, engine.classes(), outputs, first);
        take(first, rows);
    }
}

}  // namespace report
