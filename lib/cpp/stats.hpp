// Summaries of latencies, as lib/measure.py makes them.
#pragma once

#include <cstddef>
#include <vector>

#include "record.hpp"
#include "timing.hpp"

namespace report {

// Mean of at least one value.
double mean(const std::vector<double>& values);

// The q-th percentile (0 to 100) of at least one value, between the two nearest ones (numpy.percentile's default).
double percentile(std::vector<double> values, double q);

// Whether n samples carry the q-th percentile: up to the median always, above it where ten samples lie beyond.
bool carries(std::size_t n, double q);

// {"n", "stable", "p50", "p90", "p95", "p99"}, ms; null where the samples do not carry a percentile.
JsonObject latency_stats(const Timing& timing);

// Images per second: the batch size over the mean latency.
double throughput(const std::vector<double>& samples_ms, std::size_t batch_size);

}  // namespace report
