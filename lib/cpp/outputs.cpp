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

std::size_t classes_in(const std::string& name, const Shape& row) {
    const std::size_t values = values_in(row);
    if (values == 0 || *std::max_element(row.begin(), row.end()) != values) {
        throw Error("the plan's output " + name + " gives " + shape_text(row) + " an image, wanted (classes,)");
    }
    return values;
}

void check_outputs(const std::vector<float>& values, std::size_t classes, Outputs outputs, std::size_t first) {
    const double tolerance = std::max(SUM_TOLERANCE, static_cast<double>(classes) * ROUNDING);
    for (std::size_t i = 0; i < values.size() / classes; ++i) {
        const auto row = values.begin() + static_cast<std::ptrdiff_t>(i * classes);
        const auto end = row + static_cast<std::ptrdiff_t>(classes);
        const std::string which = (outputs == Outputs::logits ? "z[" : "p[") + std::to_string(first + i) + "]";
        if (!std::all_of(row, end, [](float value) { return std::isfinite(value); })) {
            throw WrongOutput(which + ": NaN, ∞");
        }
        const double sum = std::accumulate(row, end, 0.0);
        if (outputs == Outputs::probabilities && std::abs(sum - 1) > tolerance) {
            throw WrongOutput("Σ" + which + " = " + number(static_cast<float>(sum)) + " ≠ 1");
        }
    }
}

std::string number(float value) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "%.9g", static_cast<double>(value));  // nine digits are always enough
    return text.data();
}

}  // namespace report
