// Carries data between this library and Python, for tests/test_cpp.py:
//   roundtrip samples FILE            ids and SHA-256 of the pixels' bytes
//   roundtrip predictions FILE OUT    each image's first ten pixels as if they were probabilities
//   roundtrip record                  a record with a value, and one with a reason
//   roundtrip options WORD...         the runner's arguments, as the runner takes them
#include <exception>
#include <iostream>

#include "options.hpp"
#include "predictions.hpp"
#include "record.hpp"
#include "samples.hpp"
#include "sha256.hpp"
#include "stats.hpp"

namespace {

constexpr std::size_t CLASSES = 10;

void samples(const std::string& path) {
    const report::Samples samples = report::read_samples(path);
    for (const std::int64_t id : samples.ids) {
        std::cout << id << ' ';
    }
    std::cout << '\n' << report::sha256(samples.pixels.data(), samples.pixels.size() * sizeof(float)) << '\n';
}

void predictions(const std::string& path, const std::string& out) {
    const report::Samples samples = report::read_samples(path);
    report::Predictions predictions{samples.ids, CLASSES, {}};
    for (std::size_t image = 0; image < samples.ids.size(); ++image) {
        const float* row = samples.pixels.data() + image * report::PIXELS;
        predictions.probabilities.insert(predictions.probabilities.end(), row, row + CLASSES);
    }
    report::write_file(out, report::to_csv(predictions));
}

void records() {
    report::Record record;
    record.metric = "latency";
    record.unit = "ms";
    record.scope = "end_to_end";
    record.runner = "cpp";
    record.precision = "fp16 \"é\" \n 日本";
    record.batch_size = 32;
    record.case_ = {{"api", std::string("enqueueV3")}, {"graph", false}};
    record.samples = {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308};
    record.value = report::percentile(record.samples, 50);
    record.stats = report::latency_stats({record.samples, true});
    record.started_at = report::now_utc();
    std::cout << report::to_json(record) << '\n';
    record.value.reset();
    record.reason = report::Text{"no GPU", "GPUがない"};
    std::cout << report::to_json(record) << '\n';
}

void options(const std::vector<std::string>& words) {
    const std::vector<std::string> apis{"enqueueV3", "executeV2"};
    report::Arguments arguments = report::runner_arguments(apis);
    arguments.parse(words);
    if (arguments.help_wanted()) {
        std::cout << arguments.help();
    } else {
        std::cout << report::read_options(arguments, apis).batch << '\n';
    }
}

int run(const std::vector<std::string>& words) {
    const std::string what = words.empty() ? "" : words[0];
    if (what == "samples" && words.size() == 2) {
        samples(words[1]);
    } else if (what == "predictions" && words.size() == 3) {
        predictions(words[1], words[2]);
    } else if (what == "record" && words.size() == 1) {
        records();
    } else if (what == "options") {
        options({words.begin() + 1, words.end()});
    } else {
        std::cerr << "roundtrip: wrong arguments\n";
        return 2;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(std::vector<std::string>(argv + 1, argv + argc));
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
