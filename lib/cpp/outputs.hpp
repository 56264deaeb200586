// A model's outputs: which one is meant, what it means, and whether that can be right.
#pragma once

#include <string>
#include <vector>

#include "tensor.hpp"

namespace report {

// What a row of outputs, one value a class, is.
enum class Outputs { probabilities, logits };

// The name of the output that is meant: `wanted`, or the only one where that is "". Throws Error that lists them where that is none.
std::string chosen_output(const std::vector<std::string>& names, const std::string& wanted);

// How many classes a row of this shape has: (classes), or with other dimensions of 1. Throws Error for any other shape.
std::size_t classes_in(const std::string& name, const Shape& row);

// Throws WrongOutput unless every row is finite and, as probabilities, adds up to 1 within 0.05 or what INT8 rounds: what failed to run
// is fast and leaves something else behind. Its words are signs that need no translation. first: number of the first row.
void check_outputs(const std::vector<float>& values, std::size_t classes, Outputs outputs, std::size_t first = 0);

// In as many digits as give the same float32 back.
std::string number(float value);

}  // namespace report
