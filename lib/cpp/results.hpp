// The files that answers are written to.
#pragma once

#include "predictions.hpp"

namespace report {

// The answers to all images, written batch by batch; a file appears when all are there. By the ending,
// .npy: the outputs as they are, float32 (N, classes), or where they are classes int32 (N,);
// else CSV: sample_id,class,probability_0,...: the class is the first of the largest, as numpy.argmax has it; of logits the softmax
// is taken, of classes there are no probabilities; numbers parse back to the same float32.
void write_results(const Path& path, Inference& engine, Samples& samples, std::size_t batch, Outputs outputs);

}  // namespace report
