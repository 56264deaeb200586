// What a model says of each image.
#pragma once

#include <string>

#include "inference.hpp"

namespace report {

// ids.size() rows of classes.
struct Predictions {
    std::vector<std::int64_t> ids;
    std::size_t classes = 0;
    std::vector<float> probabilities;
};

// All images in batches, the last one shorter where they do not divide, or filled up to the engine's smallest.
// Throws WrongOutput for what cannot be probabilities.
Predictions predict(Inference& engine, const Samples& samples, std::size_t batch);

// sample_id,class,probability_0,...: the class is the first of the largest, as numpy.argmax has it; numbers parse back to the same float32.
std::string to_csv(const Predictions& predictions);

// The bytes of a .npy file: float32 (N, classes).
std::string to_npy(const Predictions& predictions);

// Throws WrongOutput unless every row is finite and adds up to 1 within 0.05 (INT8 rounds): what failed to run is
// fast and leaves something else behind. Its words are signs that need no translation.
void check_probabilities(const std::vector<float>& values, std::size_t classes);

}  // namespace report
