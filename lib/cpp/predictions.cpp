#include "predictions.hpp"

#include <algorithm>

#include "lanes.hpp"

namespace report {
namespace {

// `count` images from `first` on as a lane's input, the last of them again up to `size`.
void load(Lane& lane, Samples& samples, std::size_t first, std::size_t count, std::size_t size) {
    std::byte* const images = lane.prepare(size);
    const std::size_t bytes = samples.image().bytes();
    samples.read(first, count, images);
    for (std::size_t i = count; i < size; ++i) {
        std::copy_n(images + (count - 1) * bytes, bytes, images + i * bytes);
    }
}

}  // namespace

void predict(Inference& engine, Samples& samples, std::size_t batch, Outputs outputs, const TakeRows& take) {
    const Limits limits = engine.limits();
    const std::size_t most = std::clamp(batch, limits.smallest, limits.largest);
    const std::size_t ahead = engine.lanes() * most;  // as many images are under way
    const std::size_t values = values_in(engine.row().shape);
    const auto count_from = [&](std::size_t first) { return std::min(most, samples.count() - first); };
    const auto lane_of = [&](std::size_t first) -> Lane& { return engine.lane(first / most % engine.lanes()); };
    const Settled settled(engine);
    for (std::size_t first = 0; first < samples.count() + ahead; first += most) {
        if (first >= ahead) {
            const std::size_t done = first - ahead;
            lane_of(done).wait();
            engine.check();
            std::vector<float> rows = lane_of(done).output();
            rows.resize(count_from(done) * values);
            check_outputs(rows, values, outputs, done);
            take(done, rows);
        }
        if (first < samples.count()) {
            load(lane_of(first), samples, first, count_from(first), std::max(count_from(first), limits.smallest));
            lane_of(first).clear_output();
            lane_of(first).launch();
        }
    }
}

}  // namespace report
