// Runs a TensorRT plan over images, writes its predictions as CSV, and measures it. `runner --help` says how.
#include <exception>
#include <iostream>

#include "engine.hpp"
#include "error.hpp"
#include "inference.hpp"
#include "options.hpp"
#include "predictions.hpp"
#include "record.hpp"
#include "samples.hpp"
#include "sha256.hpp"
#include "stats.hpp"

namespace report {
namespace {

std::vector<char> read_plan(const Options& options, std::string& hash) {
    std::vector<char> plan = read_file(options.plan);
    hash = sha256(plan.data(), plan.size());
    if (!options.sha256.empty() && hash != options.sha256) {
        throw Error(options.plan.string() + ": its SHA-256 is " + hash + ", wanted " + options.sha256 +
                    "; it is altered, truncated or another plan: build it again");
    }
    return plan;
}

// What all records of a run have in common.
Record blank_record(const Options& options, const std::string& hash, const std::string& started_at) {
    Record record;
    record.runner = "cpp";
    record.precision = options.precision;
    record.batch_size = static_cast<std::int64_t>(options.batch);
    record.case_ = {{"api", std::string(options.legacy ? "executeV2" : "enqueueV3")}, {"graph", options.graph}};
    record.artifact_sha256 = hash;
    record.started_at = started_at;
    return record;
}

Record latency(Record record, const std::string& scope, const Timing& timing) {
    record.metric = "latency";
    record.unit = "ms";
    record.scope = scope;
    record.value = percentile(timing.samples_ms, 50);
    record.stats = latency_stats(timing);
    record.samples = timing.samples_ms;
    return record;
}

Record not_measured(Record record) {
    record.metric = "latency";
    record.unit = "ms";
    record.scope = "gpu_compute";
    record.reason = Text{"executeV2 takes no stream and waits for its result, so CUDA events cannot time the computation alone",
                         "executeV2はストリームを受け取らず結果を待つため、CUDAイベントではGPU計算だけを測れない"};
    return record;
}

Record images_per_second(Record record, const Timing& timing) {
    record.metric = "throughput";
    record.unit = "images/s";
    record.scope = "end_to_end";
    record.value = throughput(timing.samples_ms, static_cast<std::size_t>(*record.batch_size));
    record.stats = {{"n", static_cast<std::int64_t>(timing.samples_ms.size())}, {"stable", timing.stable}};
    return record;
}

Timing measure(Inference& inference, const Options& options, double (Inference::*call)(), std::size_t classes) {
    inference.clear_output();
    const Timing timing = time_call([&] { return (inference.*call)(); }, options.timing);
    if (call == &Inference::run_on_gpu) {  // it leaves its result on the device: look at that of one more call
        inference.clear_output();
        inference.run_end_to_end();
    }
    check_probabilities(inference.output().data(), options.batch, classes);
    return timing;
}

std::string measure_all(Inference& inference, const Options& options, const Record& blank, std::size_t classes) {
    inference.prepare(0, options.batch);
    const Timing end_to_end = measure(inference, options, &Inference::run_end_to_end, classes);
    std::string lines = to_json(latency(blank, "end_to_end", end_to_end)) + "\n";
    lines += to_json(images_per_second(blank, end_to_end)) + "\n";
    if (options.legacy) {
        return lines + to_json(not_measured(blank)) + "\n";
    }
    const Timing gpu = measure(inference, options, &Inference::run_on_gpu, classes);
    return lines + to_json(latency(blank, "gpu_compute", gpu)) + "\n";
}

void run(const Options& options) {
    const std::string started_at = now_utc();
    std::string hash;
    const std::vector<char> plan = read_plan(options, hash);
    const Samples samples = read_samples(options.samples);
    if (!options.records.empty() && samples.ids.size() < options.batch) {
        throw Error(options.samples.string() + ": " + std::to_string(samples.ids.size()) + " images, a batch of " +
                    std::to_string(options.batch) + " cannot be measured with them");
    }
    const Engine engine(plan);
    Inference inference(engine, options, samples.pixels);
    if (!options.predictions.empty()) {
        const std::string csv = to_csv({samples.ids, engine.classes(), inference.predict_all()});
        engine.logger().check();
        write_file(options.predictions, csv);
    }
    if (!options.records.empty()) {
        const std::string lines = measure_all(inference, options, blank_record(options, hash, started_at), engine.classes());
        engine.logger().check();
        write_file(options.records, lines);
    }
}

int run_words(const std::vector<std::string>& words) {
    try {
        Arguments arguments = runner_arguments(apis());
        arguments.parse(words);
        if (arguments.help_wanted()) {
            std::cout << arguments.help();
        } else {
            run(read_options(arguments, apis()));
        }
        return 0;
    } catch (const UsageError& error) {
        std::cerr << "runner: " << error.what() << "; see runner --help\n";
        return 2;
    } catch (const std::bad_alloc&) {
        std::cerr << "runner: no host memory left; use fewer samples\n";
    } catch (const std::exception& error) {
        std::cerr << "runner: " << error.what() << '\n';
    }
    return 1;
}

}  // namespace
}  // namespace report

int main(int argc, char** argv) { return report::run_words(std::vector<std::string>(argv + 1, argv + argc)); }
