#include "outputs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "error.hpp"

namespace report {
namespace {

constexpr double SUM_TOLERANCE = 0.05;  // as lib/runners/base.py has it, like the next
constexpr double ROUNDING = 1.0 / 512;   // by which INT8 may round each probability

}  // namespace

std::string chosen_output(const std::vector<std::string>& names, const std::string& wanted) {
    if (wanted.empty() && names.size() == 1) {
        return names.front();
    }
    if (!wanted.empty() && std::find(names.begin(), names.end(), wanted) != names.end()) {
        return wanted;
    }
    std::string all;
    for (const std::string& name : names) {
        all += (all.empty() ? "" : ", ") + name;
    }
    throw Error(wanted.empty() ? "the plan has " + std::to_string(names.size()) + " outputs: choose one of " + all + " with --output"
                               : "the plan has no output " + wanted + ", it has " + all);
}

void check_row(const Tensor& row, Outputs outputs) {
    const std::size_t values = values_in(row.shape);
    if (outputs == Outputs::classes ? row.type != Type::int32 || values != 1 : row.type != Type::float32 && row.type != Type::float16) {
        throw Error("the plan answers an image with " + row.text() + "; --outputs classes is for one int32, others for float32 or float16");
    }
    if (values == 0 || (!row.shape.empty() && *std::max_element(row.shape.begin(), row.shape.end()) != values)) {
        throw Error("the plan answers an image with " + row.text() + ", wanted (classes,)");
    }
}

void check_outputs(const std::vector<float>& values, std::size_t each, Outputs outputs, std::size_t first) {
    const double tolerance = std::max(SUM_TOLERANCE, static_cast<double>(each) * ROUNDING);
    for (std::size_t i = 0; i < values.size() / each; ++i) {
        const auto row = values.begin() + static_cast<std::ptrdiff_t>(i * each);
        const auto end = row + static_cast<std::ptrdiff_t>(each);
        const auto which = [&](const char* name) { return name + ("[" + std::to_string(first + i)) + "]"; };
        if (!std::all_of(row, end, [](float value) { return std::isfinite(value); })) {
            throw WrongOutput(which(outputs == Outputs::logits ? "z" : "p") + ": NaN, ∞");
        }
        const double sum = std::accumulate(row, end, 0.0);
        if (outputs == Outputs::probabilities && std::abs(sum - 1) > tolerance) {
            throw WrongOutput("Σ" + which("p") + " = " + number(static_cast<float>(sum)) + " ≠ 1");
        }
        if (outputs == Outputs::classes && sum < 0) {
            throw WrongOutput(which("c") + " = " + number(*row) + " < 0");
        }
    }
}

std::string number(float value) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "%.9g", static_cast<double>(value));  // nine digits are always enough
    return text.data();
}

}  // namespace report
