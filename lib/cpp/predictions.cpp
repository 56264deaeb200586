#include "predictions.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "error.hpp"
#include "number.hpp"

namespace report {
namespace {

constexpr double SUM_TOLERANCE = 0.05;  // the same as in lib/measure.py

}  // namespace

std::string to_csv(const Predictions& predictions) {
    const std::size_t classes = predictions.classes;
    if (classes == 0 || predictions.probabilities.size() != predictions.ids.size() * classes) {
        throw Error("predictions: " + std::to_string(predictions.probabilities.size()) + " probabilities for " +
                    std::to_string(predictions.ids.size()) + " images of " + std::to_string(classes) + " classes");
    }
    std::string out = "sample_id,class";
    for (std::size_t c = 0; c < classes; ++c) {
        out += ",probability_" + std::to_string(c);
    }
    out += '\n';
    const float* row = predictions.probabilities.data();
    for (const std::int64_t id : predictions.ids) {
        out += std::to_string(id) + ',' + std::to_string(std::max_element(row, row + classes) - row);
        for (std::size_t c = 0; c < classes; ++c) {
            out += ',' + format_float(row[c]);
        }
        out += '\n';
        row += classes;
    }
    return out;
}

void check_probabilities(const float* values, std::size_t count, std::size_t classes) {
    for (std::size_t i = 0; i < count; ++i) {
        const float* row = values + i * classes;
        const double sum = std::accumulate(row, row + classes, 0.0);
        if (!std::all_of(row, row + classes, [](float value) { return std::isfinite(value); })) {
            throw Error("the output is wrong: image " + std::to_string(i) + " has values that are not finite");
        }
        if (std::abs(sum - 1) > SUM_TOLERANCE) {
            throw Error("the output is wrong: the probabilities of image " + std::to_string(i) + " add up to " + format_double(sum));
        }
    }
}

}  // namespace report
