#include "options.hpp"

#include "error.hpp"

namespace report {
namespace {

constexpr double LONGEST_S = 3600;

std::string checked_sha256(const std::string& text) {
    const bool hex = text.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!text.empty() && (text.size() != 64 || !hex)) {
        throw UsageError("--sha256 is '" + text + "', wanted 64 lower-case hex digits");
    }
    return text;
}

}  // namespace

Arguments runner_arguments(const std::vector<std::string>& apis) {
    std::string names;
    for (const std::string& api : apis) {
        names += (names.empty() ? "" : "|") + api;
    }
    return Arguments("runner", "Runs a TensorRT plan over images, writes its predictions, and measures it.",
                     {
                         {"plan", "FILE", "the engine; load only plans you trust: loading one runs code from it", "", true},
                         {"samples", "FILE", "images, .csv (sample_id,pixel_0,...,pixel_3071) or .npy (float32)", "", true},
                         {"sha256", "HEX", "refuse the plan if its SHA-256 differs; needed unless --insist is given", "", false},
                         {"insist", "", "load a plan whose SHA-256 nobody gave", "", false},
                         {"batch", "N", "images a call, within the plan's profile; the last call may be shorter", "32", false},
                         {"api", names, "which calls run the engine", apis.front(), false},
                         {"graph", "", "replay each call as a CUDA graph (enqueueV3 only)", "", false},
                         {"predictions", "FILE", "write classes and probabilities of all images as CSV", "", false},
                         {"records", "FILE", "measure, and write records as JSON lines: latency end to end and on the GPU, throughput", "", false},
                         {"precision", "NAME", "what the records call the plan's precision, for example fp16", "", false},
                         {"warmup-s", "SECONDS", "warm-up before measuring", "1", false},
                         {"window-s", "SECONDS", "length of a measuring window", "1", false},
                         {"stable-windows", "N", "windows in a row that must agree", "3", false},
                         {"tolerance", "FRACTION", "within which their means agree", "0.02", false},
                         {"limit-s", "SECONDS", "give up waiting for windows that agree", "30", false},
                     });
}

Options read_options(const Arguments& arguments, const std::vector<std::string>& apis) {
    Options options;
    options.plan = arguments.text("plan");
    options.samples = arguments.text("samples");
    options.sha256 = checked_sha256(arguments.text("sha256"));
    options.batch = static_cast<std::size_t>(arguments.integer("batch", 1, 65536));
    options.legacy = arguments.choice("api", apis) == "executeV2";
    options.graph = arguments.given("graph");
    options.precision = arguments.text("precision");
    options.predictions = arguments.text("predictions");
    options.records = arguments.text("records");
    options.timing.warmup_s = arguments.number("warmup-s", 0, LONGEST_S);
    options.timing.window_s = arguments.number("window-s", 0, LONGEST_S);
    options.timing.stable_windows = static_cast<int>(arguments.integer("stable-windows", 2, 20));
    options.timing.tolerance = arguments.number("tolerance", 0, 1);
    options.timing.limit_s = arguments.number("limit-s", 0, LONGEST_S);
    if (options.graph && options.legacy) {
        throw UsageError("--graph needs --api enqueueV3: executeV2 waits for its result, so it cannot be captured");
    }
    if (options.predictions.empty() && options.records.empty()) {
        throw UsageError("nothing to do: give --predictions FILE, --records FILE or both");
    }
    if (options.sha256.empty() && !arguments.given("insist")) {
        throw UsageError("--sha256 HEX is missing: loading a plan runs code from it; give its SHA-256, or --insist to load any plan");
    }
    return options;
}

}  // namespace report
