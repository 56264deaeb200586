// How long one call takes: warm-up, then windows until they agree. The rules are those of lib/measure.py.
#pragma once

#include <functional>
#include <vector>

namespace report {

struct TimingSettings {
    double warmup_s = 1;
    double window_s = 1;
    int stable_windows = 3;  // so many in a row must agree
    double tolerance = 0.02;  // within this fraction of the smallest mean
    double limit_s = 30;
};

// Latencies in ms in the order they were taken: of the windows that agree, or of all where none did.
struct Timing {
    std::vector<double> samples_ms;
    bool stable = false;
};

using Clock = std::function<double()>;  // seconds, never going back

double steady_clock_s();

// `call` does the work once and returns its latency in ms. It is called at least once for warm-up and once a window;
// a window also ends after 4000 calls.
Timing time_call(const std::function<double()>& call, const TimingSettings& settings, const Clock& clock = steady_clock_s);

}  // namespace report
