// All images through an engine, batch by batch.
#pragma once

#include <functional>

#include "inference.hpp"
#include "outputs.hpp"
#include "samples.hpp"

namespace report {

// Takes the rows of the images from `first` on, which it may change.
using TakeRows = std::function<void(std::size_t first, std::vector<float>& rows)>;

// In batches of `batch`, or the nearest that the engine takes, one lane after the other; rows are taken in the order of the images. The
// last batch is shorter where they do not divide, or filled up to the engine's smallest. Throws WrongOutput as check_outputs does.
void predict(Inference& engine, Samples& samples, std::size_t batch, Outputs outputs, const TakeRows& take);

}  // namespace report
