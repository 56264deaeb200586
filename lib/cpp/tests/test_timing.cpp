#include <cmath>

#include "check.hpp"
#include "stats.hpp"
#include "timing.hpp"

using report::Timing;
using report::TimingSettings;

namespace {

bool near(double a, double b) { return std::abs(a - b) < 1e-9; }

// A machine whose n-th call takes what `cost` says, in seconds, on a clock of its own.
class Machine {
public:
    explicit Machine(std::function<double(int)> cost) : cost_(std::move(cost)) {}

    Timing time(const TimingSettings& settings) {
        return report::time_call([this] { return call(); }, settings, [this] { return now_; });
    }

    int calls() const { return calls_; }

private:
    double call() {
        const double seconds = cost_(calls_++);
        now_ += seconds;
        return seconds * 1e3;
    }

    std::function<double(int)> cost_;
    double now_ = 0;
    int calls_ = 0;
};

constexpr double COST_S = 0.125;  // a power of two, so that sums of it are exact

}  // namespace

TEST(windows_that_agree_end_it) {
    Machine machine([](int) { return COST_S; });
    const Timing timing = machine.time({1, 1, 3, 0.02, 30});
    CHECK(timing.stable && timing.samples_ms.size() == 24 && machine.calls() == 8 + 24);
    CHECK(near(timing.samples_ms.front(), 125));
}

TEST(only_the_windows_that_agree_count) {
    Machine machine([](int n) { return n < 9 ? 2 * COST_S : COST_S; });
    const Timing timing = machine.time({0, 1, 3, 0.02, 30});
    CHECK(timing.stable && timing.samples_ms.size() == 24 && near(report::mean(timing.samples_ms), 125));
}

TEST(without_agreement_all_count_and_it_says_so) {
    Machine machine([](int n) { return COST_S * (1 + n); });
    const Timing timing = machine.time({0, 0.5, 2, 0.001, 5});
    CHECK(!timing.stable && timing.samples_ms.size() + 1 == static_cast<std::size_t>(machine.calls()));
}

TEST(a_slow_call_is_measured_all_the_same) {
    Machine machine([](int) { return 100.0; });
    const Timing timing = machine.time({1, 1, 3, 0.02, 30});
    CHECK(!timing.stable && timing.samples_ms.size() == 1);
}

TEST(a_window_ends_after_4000_calls) {
    Machine machine([](int) { return 1e-6; });
    CHECK(machine.time({0, 10, 2, 0.02, 30}).samples_ms.size() == 8000);
}

TEST(percentiles_lie_between_neighbours) {
    CHECK(near(report::percentile({4, 1, 3, 2}, 50), 2.5) && near(report::percentile({4, 1, 3, 2}, 90), 3.7));
    CHECK(near(report::percentile({4, 1, 3, 2}, 100), 4) && near(report::percentile({5}, 99), 5));
}

TEST(percentiles_need_samples) {
    CHECK(report::carries(1, 50) && report::carries(100, 90) && !report::carries(99, 90));
    CHECK(report::carries(1000, 99) && !report::carries(999, 99));
    const report::JsonObject stats = report::latency_stats({std::vector<double>(250, 2.0), true});
    CHECK(std::get<double>(stats.at("p95")) > 1.9 && std::holds_alternative<std::monostate>(stats.at("p99")));
    CHECK(std::get<bool>(stats.at("stable")) && std::get<std::int64_t>(stats.at("n")) == 250);
}

TEST(throughput_is_images_over_the_mean) { CHECK(near(report::throughput({1, 3}, 32), 16000)); }
