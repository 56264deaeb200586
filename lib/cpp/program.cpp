#include "program.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "error.hpp"
#include "results.hpp"
#include "serve.hpp"

namespace report {
namespace {

const std::map<std::string, Outputs> OUTPUTS{
    {"probabilities", Outputs::probabilities}, {"logits", Outputs::logits}, {"classes", Outputs::classes}};

struct Options {
    std::string plan;
    std::string samples;
    std::string sha256;
    std::string predictions;
    std::size_t batch = 32;
    Way way;
    std::string outputs = "probabilities";
    bool insist = false;
    bool serve = false;
};

std::string as_json(const Build& build) {
    return nlohmann::json{{"apis", build.apis}, {"tensorrt", build.tensorrt}, {"library", build.library}}.dump();
}

void declare(CLI::App& app, Options& options, const Build& build) {
    app.option_defaults()->always_capture_default();
    options.way.api = build.apis.front();
    app.set_version_flag("--version", as_json(build), "print as JSON the calls of this build, its TensorRT and the library found, and end");
    app.add_option("--plan", options.plan, "the engine; load only plans you trust: loading one runs code from it")->required();
    app.add_option("--samples", options.samples, "images, .npy (N, ...) of the plan's type and shape, or .csv (sample_id,pixel_0,...)")
        ->required();
    app.add_option("--sha256", options.sha256, "refuse the plan if its SHA-256 differs; needed unless --insist is given");
    app.add_flag("--insist", options.insist, "load a plan whose SHA-256 nobody gave");
    app.add_option("--batch", options.batch, "images a call for predictions, or the nearest that the plan takes; the last may have fewer")
        ->check(CLI::Range(1, 65536));
    app.add_option("--api", options.way.api, "which calls run the engine")->check(CLI::IsMember(build.apis));
    app.add_flag("--graph", options.way.graph, "replay each call as a CUDA graph (enqueueV3 only)");
    app.add_option("--lanes", options.way.lanes, "how many batches run side by side, each in a context of its own (enqueueV3 only)")
        ->check(CLI::Range(1, 64));
    app.add_option("--predictions", options.predictions, "write the answers to all images: .npy outputs, .csv classes and probabilities");
    app.add_option("--output", options.way.output, "name of the output that is meant; needed where the plan has several");
    app.add_option("--outputs", options.outputs, "what it holds: probabilities add up to 1, or else the run fails; classes are int32 (N,)")
        ->check(CLI::IsMember(OUTPUTS));
    app.add_flag("--serve", options.serve, R"(be timed: {"batch": 32, "seconds": 0.05} a line in, times a line out)");
}

void check(const Options& options) {
    if (options.serve != options.predictions.empty()) {
        throw CLI::ValidationError("give either --predictions FILE or --serve");
    }
    if (options.way.graph && options.way.api == "executeV2") {
        throw CLI::ValidationError("--graph needs --api enqueueV3: executeV2 waits for its result, so it cannot be captured");
    }
    if (options.way.lanes > 1 && options.way.api == "executeV2") {
        throw CLI::ValidationError("--lanes needs --api enqueueV3: executeV2 waits for its result, so no other lane can begin");
    }
    if (options.sha256.empty() && !options.insist) {
        throw CLI::ValidationError("--sha256 is missing: loading a plan runs code from it; give its SHA-256, or --insist to load any plan");
    }
}

std::vector<char> read_plan(const Options& options) {
    std::vector<char> plan = read_file(options.plan);
    const std::string hash = sha256(plan);
    if (!options.sha256.empty() && hash != options.sha256) {
        throw Error(options.plan + ": its SHA-256 is " + hash + ", wanted " + options.sha256 +
                    "; it is altered, truncated or another plan: build it again");
    }
    return plan;
}

// They fit where type and shape are the same; a file without a shape has as many values.
void check_images(const Options& options, const Tensor& given, const Tensor& wanted) {
    const bool flat = given.shape.size() == 1 && values_in(given.shape) == values_in(wanted.shape);
    if (given.type != wanted.type || (given.shape != wanted.shape && !flat)) {
        throw Error(options.samples + ": images are " + given.text() + ", the plan takes " + wanted.text());
    }
}

void run(const Options& options, const Open& open) {
    const std::vector<char> plan = read_plan(options);
    const auto samples = open_samples(options.samples);
    const auto engine = open(plan, options.way);
    check_images(options, samples->image(), engine->image());
    const Outputs outputs = OUTPUTS.at(options.outputs);
    check_row(engine->row(), outputs);
    if (options.serve) {
        serve(*engine, *samples, outputs, std::cin, std::cout);
    } else {
        write_results(options.predictions, *engine, *samples, options.batch, outputs);
    }
}

}  // namespace

int run_program(int argc, const char* const* argv, const Build& build, const Open& open) {
    try {
        CLI::App app("Runs a TensorRT plan over images, and writes its predictions or is timed.", "runner");
        Options options;
        declare(app, options, build);
        try {
            app.parse(argc, argv);
            check(options);
        } catch (const CLI::Success& wanted) {  // --help, --version
            return app.exit(wanted);
        } catch (const CLI::ParseError& error) {
            std::cerr << "runner: " << error.what() << "; see runner --help\n";
            return 2;
        }
        run(options, open);
        return 0;
    } catch (const WrongOutput& error) {
        std::cerr << "runner: the output is wrong: " << error.what() << '\n';
        return 3;
    } catch (const std::bad_alloc&) {
        std::cerr << "runner: no host memory left; use smaller batches\n";
    } catch (const std::exception& error) {
        std::cerr << "runner: " << error.what() << '\n';
    }
    return 1;
}

}  // namespace report
