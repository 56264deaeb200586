#include "stats.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

namespace report {
namespace {

constexpr double BEYOND = 10;  // samples that must lie beyond a percentile

}  // namespace

double mean(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double percentile(std::vector<double> values, double q) {
    std::sort(values.begin(), values.end());
    const double position = q / 100 * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (position - std::floor(position)) * (values[above] - values[below]);
}

bool carries(std::size_t n, double q) { return q <= 50 || static_cast<double>(n) * (100 - q) >= 100 * BEYOND; }

JsonObject latency_stats(const Timing& timing) {
    const std::size_t n = timing.samples_ms.size();
    JsonObject stats{{"n", static_cast<std::int64_t>(n)}, {"stable", timing.stable}};
    for (const int q : {50, 90, 95, 99}) {
        stats["p" + std::to_string(q)] = carries(n, q) ? Json(percentile(timing.samples_ms, q)) : Json();
    }
    return stats;
}

double throughput(const std::vector<double>& samples_ms, std::size_t batch_size) {
    return 1e3 * static_cast<double>(batch_size) / mean(samples_ms);
}

}  // namespace report
