#include "timing.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "stats.hpp"

namespace report {
namespace {

constexpr std::size_t WINDOW_CALLS = 4000;

using Window = std::vector<double>;

Window measure_window(const std::function<double()>& call, double window_s, const Clock& clock) {
    Window latencies_ms;
    const double until = clock() + window_s;
    do {
        latencies_ms.push_back(call());
    } while (clock() < until && latencies_ms.size() < WINDOW_CALLS);
    return latencies_ms;
}

bool agree(const std::vector<Window>& windows, std::size_t last, double tolerance) {
    if (windows.size() < last) {
        return false;
    }
    std::vector<double> means;
    std::transform(windows.end() - static_cast<std::ptrdiff_t>(last), windows.end(), std::back_inserter(means), mean);
    const auto [low, high] = std::minmax_element(means.begin(), means.end());
    return *high - *low <= tolerance * *low;
}

Timing join(const std::vector<Window>& windows, std::size_t last, bool stable) {
    Timing timing{{}, stable};
    for (auto window = windows.end() - static_cast<std::ptrdiff_t>(last); window != windows.end(); ++window) {
        timing.samples_ms.insert(timing.samples_ms.end(), window->begin(), window->end());
    }
    return timing;
}

}  // namespace

double steady_clock_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Timing time_call(const std::function<double()>& call, const TimingSettings& settings, const Clock& clock) {
    const double warm = clock() + settings.warmup_s;
    do {
        call();
    } while (clock() < warm);
    const auto wanted = static_cast<std::size_t>(settings.stable_windows);
    const double limit = clock() + settings.limit_s;
    std::vector<Window> windows;
    while (true) {
        windows.push_back(measure_window(call, settings.window_s, clock));
        if (agree(windows, wanted, settings.tolerance)) {
            return join(windows, wanted, true);
        }
        if (clock() >= limit) {
            return join(windows, windows.size(), false);
        }
    }
}

}  // namespace report
