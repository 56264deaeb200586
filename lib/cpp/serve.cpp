#include "serve.hpp"

#include <algorithm>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "error.hpp"
#include "lanes.hpp"

namespace report {
namespace {

using Json = nlohmann::json;

constexpr std::size_t MOST_CALLS = 4000;
constexpr double MOST_SECONDS = 600;

struct CommandError : Error {
    using Error::Error;
};

struct Command {
    std::size_t batch;
    double seconds;
};

Command parse(const std::string& line, std::size_t images) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || json.size() != 2 || !json.contains("batch") || !json.contains("seconds")) {
        throw CommandError(R"(a command is {"batch": 32, "seconds": 0.05})");
    }
    const Json& batch = json["batch"];
    if (!batch.is_number_unsigned() || batch == 0 || batch > images) {
        throw CommandError("batch is " + batch.dump() + ", wanted 1 to " + std::to_string(images) + ", the number of samples");
    }
    const Json& seconds = json["seconds"];
    if (!seconds.is_number() || seconds < 0 || seconds > MOST_SECONDS) {
        throw CommandError("seconds is " + seconds.dump() + ", wanted 0 to 600");
    }
    return {batch.get<std::size_t>(), seconds.get<double>()};
}

// Milliseconds of calls: from one completed batch to the next, and of launching each.
struct Times {
    std::vector<double> between;
    std::vector<double> launching;
};

// All lanes busy in turn. Whole turns count, from the end of one that does not, so that as much is under way at the end as at the start.
Times end_to_end(Inference& engine, double seconds, const Clock& clock) {
    const std::size_t lanes = engine.lanes();
    const std::size_t most = std::max<std::size_t>(1, MOST_CALLS / lanes) * lanes;
    const auto ms = [](auto time) { return std::chrono::duration<double, std::milli>(time).count(); };
    Times found;
    found.between.reserve(most + lanes);
    found.launching.reserve(most + lanes);
    const Settled settled(engine);
    for (std::size_t i = 0; i + 1 < lanes; ++i) {
        engine.lane(i).launch();
    }
    auto last = clock();
    const auto turn = [&] {
        for (std::size_t i = 0; i < lanes; ++i) {
            engine.lane((i + lanes - 1) % lanes).launch();  // the one that was waited for last
            const auto launched = clock();
            engine.lane(i).wait();
            const auto now = clock();
            found.launching.push_back(ms(launched - last));
            found.between.push_back(ms(now - last));
            last = now;
        }
    };
    turn();
    found.between.clear();
    found.launching.clear();
    const auto until = last + std::chrono::duration<double>(seconds);
    do {
        turn();
    } while (last < until && found.between.size() < most);
    for (std::size_t i = 0; i < lanes; ++i) {
        engine.lane(i).wait();
    }
    return found;
}

// Between CUDA events, of calls one right after the other, after one that does not count; nothing where a call has no time.
std::optional<std::vector<double>> on_gpu(Lane& lane, double seconds, const Clock& clock) {
    if (!lane.run_on_gpu()) {
        return std::nullopt;
    }
    std::vector<double> found_ms;
    const auto until = clock() + std::chrono::duration<double>(seconds);
    do {
        found_ms.push_back(*lane.run_on_gpu());
    } while (clock() < until && found_ms.size() < MOST_CALLS);
    return found_ms;
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

Json slice(Inference& engine, Samples& samples, Outputs outputs, const Command& command, const Clock& clock) {
    const auto check = [&engine, outputs](const Lane& lane) {
        check_outputs(lane.output(), values_in(engine.row().shape), outputs);
        engine.check();
    };
    for (std::size_t i = 0; i < engine.lanes(); ++i) {
        samples.read(0, command.batch, engine.lane(i).prepare(command.batch));
        engine.lane(i).clear_output();
    }
    const Times times = end_to_end(engine, command.seconds, clock);
    for (std::size_t i = 0; i < engine.lanes(); ++i) {
        check(engine.lane(i));
    }
    Json said{{"latencies_ms", times.between}, {"gpu_ms", nullptr}, {"enqueue_ms", median(times.launching)}};
    if (engine.lanes() == 1) {
        Lane& lane = engine.lane(0);
        lane.clear_output();
        if (const auto gpu_ms = on_gpu(lane, command.seconds, clock)) {
            lane.fetch_output();
            check(lane);
            said["gpu_ms"] = *gpu_ms;
        }
    }
    return said;
}

Json answer(Inference& engine, Samples& samples, Outputs outputs, const std::string& line, const Clock& clock) {
    try {
        return slice(engine, samples, outputs, parse(line, samples.count()), clock);
    } catch (const CommandError& error) {
        return {{"error", error.what()}, {"kind", "command"}};
    } catch (const WrongOutput& error) {
        return {{"error", error.what()}, {"kind", "wrong_output"}};
    } catch (const std::exception& error) {
        return {{"error", error.what()}, {"kind", "failed"}};
    }
}

}  // namespace

void serve(Inference& engine, Samples& samples, Outputs outputs, std::istream& in, std::ostream& out, const Clock& clock) {
    for (std::string line; std::getline(in, line);) {
        out << answer(engine, samples, outputs, line, clock).dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
    }
}

}  // namespace report
