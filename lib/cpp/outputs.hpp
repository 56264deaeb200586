// A model's outputs: which one is meant, what it means, and whether that can be right.
#pragma once

#include <string>
#include <vector>

#include "tensor.hpp"

namespace report {

// What a row of outputs is: one value a class, or the class itself.
enum class Outputs { probabilities, logits, classes };

// The name of the output that is meant: `wanted`, or the only one where that is "". Throws Error that lists them where that is none.
std::string chosen_output(const std::vector<std::string>& names, const std::string& wanted);

// Throws Error unless a row is what `outputs` says: float32 or float16 of shape (classes), or with other dimensions of 1; where it is
// the class, one int32.
void check_row(const Tensor& row, Outputs outputs);

// Throws WrongOutput unless every row, of `each` values, is finite and, as probabilities, adds up to 1 within 0.05 or what INT8 rounds,
// or, as a class, is not below 0: what failed to run is fast and leaves something else behind. Its words are signs that need no
// translation. first: number of the first row.
void check_outputs(const std::vector<float>& values, std::size_t each, Outputs outputs, std::size_t first = 0);

// In as many digits as give the same float32 back.
std::string number(float value);

}  // namespace report
