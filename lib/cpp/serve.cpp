#include "serve.hpp"

#include <chrono>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "error.hpp"

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

// Times of calls one right after the other, after one that does not count; nothing where a call has no time.
template <typename Call>
std::optional<std::vector<double>> times(double seconds, const Call& call) {
    using Clock = std::chrono::steady_clock;
    if (!call()) {
        return std::nullopt;
    }
    std::vector<double> found_ms;
    const auto until = Clock::now() + std::chrono::duration<double>(seconds);
    do {
        found_ms.push_back(*call());
    } while (Clock::now() < until && found_ms.size() < MOST_CALLS);
    return found_ms;
}

Json slice(Inference& engine, Samples& samples, Outputs outputs, const Command& command) {
    const auto check = [&engine, outputs] {
        check_outputs(engine.output(), engine.classes(), outputs);
        engine.check();
    };
    samples.read(0, command.batch, engine.prepare(command.batch));
    engine.clear_output();
    const auto latencies_ms = times(command.seconds, [&] { return std::optional(engine.run_end_to_end()); });
    check();
    engine.clear_output();
    const auto gpu_ms = times(command.seconds, [&] { return engine.run_on_gpu(); });
    if (gpu_ms) {
        engine.fetch_output();
        check();
    }
    return {{"latencies_ms", *latencies_ms}, {"gpu_ms", gpu_ms ? Json(*gpu_ms) : Json()}};
}

Json answer(Inference& engine, Samples& samples, Outputs outputs, const std::string& line) {
    try {
        return slice(engine, samples, outputs, parse(line, samples.count()));
    } catch (const CommandError& error) {
        return {{"error", error.what()}, {"kind", "command"}};
    } catch (const WrongOutput& error) {
        return {{"error", error.what()}, {"kind", "wrong_output"}};
    } catch (const std::exception& error) {
        return {{"error", error.what()}, {"kind", "failed"}};
    }
}

}  // namespace

void serve(Inference& engine, Samples& samples, Outputs outputs, std::istream& in, std::ostream& out) {
    for (std::string line; std::getline(in, line);) {
        out << answer(engine, samples, outputs, line).dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
    }
}

}  // namespace report
