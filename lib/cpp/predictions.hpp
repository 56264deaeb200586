// What a model said of each image, as CSV: sample_id,class,probability_0,...
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace report {

// Probabilities of count images, image after image.
struct Predictions {
    std::vector<std::int64_t> ids;
    std::size_t classes = 0;
    std::vector<float> probabilities;
};

// The CSV's text. The class is that of the largest probability, the first of equals, as numpy.argmax has it;
// probabilities parse back to the same float32. Throws Error where ids and probabilities do not match.
std::string to_csv(const Predictions& predictions);

// Throws Error unless every row is finite and adds up to 1 within 0.05 (INT8 rounds): what failed to run is
// fast and leaves something else behind.
void check_probabilities(const float* values, std::size_t count, std::size_t classes);

}  // namespace report
