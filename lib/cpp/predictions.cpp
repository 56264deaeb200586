#include "predictions.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "error.hpp"

namespace report {
namespace {

constexpr double SUM_TOLERANCE = 0.05;  // as lib/runners/base.py has it
constexpr std::size_t NPY_ALIGNMENT = 64;

std::string number(float value) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "%.9g", static_cast<double>(value));  // nine digits are always enough
    return text.data();
}

}  // namespace

Predictions predict(Inference& engine, const Samples& samples, std::size_t batch) {
    Predictions predictions{samples.ids, engine.classes(), {}};
    const std::size_t count = samples.ids.size();
    std::vector<float> filled;
    for (std::size_t first = 0; first < count; first += batch) {
        const std::size_t real = std::min(batch, count - first);
        const std::size_t size = std::min(batch, std::max(real, engine.smallest_batch()));
        const float* images = samples.image(first);
        if (size > real) {
            filled.assign(images, samples.image(count));
            while (filled.size() < size * values_in(samples.shape)) {
                filled.insert(filled.end(), samples.image(count - 1), samples.image(count));
            }
            images = filled.data();
        }
        engine.load(images, size);
        engine.clear_output();
        engine.run_end_to_end();
        engine.check();
        std::vector<float> rows = engine.output();
        rows.resize(real * predictions.classes);
        check_probabilities(rows, predictions.classes);
        predictions.probabilities.insert(predictions.probabilities.end(), rows.begin(), rows.end());
    }
    return predictions;
}

std::string to_csv(const Predictions& predictions) {
    std::string out = "sample_id,class";
    for (std::size_t c = 0; c < predictions.classes; ++c) {
        out += ",probability_" + std::to_string(c);
    }
    out += '\n';
    const float* row = predictions.probabilities.data();
    for (const std::int64_t id : predictions.ids) {
        const float* end = row + predictions.classes;
        out += std::to_string(id) + ',' + std::to_string(std::max_element(row, end) - row);
        for (; row != end; ++row) {
            out += ',' + number(*row);
        }
        out += '\n';
    }
    return out;
}

std::string to_npy(const Predictions& predictions) {
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " +
                         shape_text({predictions.ids.size(), predictions.classes}) + ", }";
    const std::size_t before = 10;  // the magic string, version 1.0, two bytes of length
    header.append(NPY_ALIGNMENT - (before + header.size() + 1) % NPY_ALIGNMENT, ' ');
    header += '\n';
    std::string out = "\x93NUMPY\x01";
    out += {'\0', static_cast<char>(header.size() % 256), static_cast<char>(header.size() / 256)};
    out += header;
    const auto& values = predictions.probabilities;
    return out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

void check_probabilities(const std::vector<float>& values, std::size_t classes) {
    for (std::size_t i = 0; i < values.size() / classes; ++i) {
        const auto row = values.begin() + static_cast<std::ptrdiff_t>(i * classes);
        const auto end = row + static_cast<std::ptrdiff_t>(classes);
        if (!std::all_of(row, end, [](float value) { return std::isfinite(value); })) {
            throw WrongOutput("p[" + std::to_string(i) + "]: NaN, ∞");
        }
        const double sum = std::accumulate(row, end, 0.0);
        if (std::abs(sum - 1) > SUM_TOLERANCE) {
            throw WrongOutput("Σp[" + std::to_string(i) + "] = " + number(static_cast<float>(sum)) + " ≠ 1");
        }
    }
}

}  // namespace report
