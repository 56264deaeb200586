#include "args.hpp"
#include "check.hpp"
#include "options.hpp"

using report::Arguments;
using report::Options;
using report::UsageError;

namespace {

const std::vector<std::string> BOTH{"enqueueV3", "executeV2"};

Options parse(std::vector<std::string> words, const std::vector<std::string>& apis = BOTH) {
    Arguments arguments = report::runner_arguments(apis);
    arguments.parse(words);
    return report::read_options(arguments, apis);
}

Options with(const std::vector<std::string>& more, const std::vector<std::string>& apis = BOTH) {
    std::vector<std::string> words{"--plan", "a.plan", "--samples=b.npy", "--predictions", "p.csv", "--insist"};
    words.insert(words.end(), more.begin(), more.end());
    return parse(words, apis);
}

}  // namespace

TEST(options_have_defaults) {
    const Options options = with({});
    CHECK(options.plan == "a.plan" && options.samples == "b.npy" && options.predictions == "p.csv");
    CHECK(options.batch == 32 && !options.legacy && !options.graph && options.sha256.empty() && options.records.empty());
    CHECK(options.timing.stable_windows == 3 && options.timing.tolerance > 0.0199 && options.timing.tolerance < 0.0201);
}

TEST(options_are_read) {
    const Options options = with({"--batch", "7", "--api", "executeV2", "--records", "r.jsonl", "--limit-s=0.5", "--precision", "fp16"});
    CHECK(options.batch == 7 && options.legacy && options.records == "r.jsonl" && options.precision == "fp16");
    CHECK(options.timing.limit_s > 0.49 && options.timing.limit_s < 0.51);
    CHECK(with({"--graph"}).graph);
}

TEST(wrong_options_are_usage_errors) {
    CHECK_USAGE_ERROR("--plan FILE is missing", parse({"--samples", "b.npy"}));
    CHECK_USAGE_ERROR("unknown option --plans", with({"--plans", "x"}));
    CHECK_USAGE_ERROR("'-h' is not an option", with({"-h"}));
    CHECK_USAGE_ERROR("--batch is given twice", with({"--batch", "1", "--batch=2"}));
    CHECK_USAGE_ERROR("--batch needs a value, N", with({"--batch"}));
    CHECK_USAGE_ERROR("--batch needs a value, N", with({"--batch", "--graph"}));
    CHECK_USAGE_ERROR("--batch needs a value, N", with({"--batch="}));
    CHECK_USAGE_ERROR("--graph takes no value", with({"--graph=yes"}));
    CHECK_USAGE_ERROR("nothing to do", parse({"--plan", "a", "--samples", "b"}));
    CHECK_USAGE_ERROR("--graph needs --api enqueueV3", with({"--graph", "--api", "executeV2"}));
    CHECK_USAGE_ERROR("wanted one of: enqueueV3", with({"--api", "executeV2"}, {"enqueueV3"}));
    CHECK_USAGE_ERROR("wanted 64 lower-case hex digits", with({"--sha256", "abc"}));
}

TEST(a_plan_is_loaded_by_its_sha256_or_by_insisting) {
    const std::vector<std::string> words{"--plan", "a.plan", "--samples", "b.npy", "--records", "r.jsonl"};
    const auto and_with = [&words](const std::vector<std::string>& more) {
        std::vector<std::string> all = words;
        all.insert(all.end(), more.begin(), more.end());
        return parse(all);
    };
    const std::string hash(64, 'a');
    CHECK_USAGE_ERROR("--sha256 HEX is missing", parse(words));
    CHECK_USAGE_ERROR("--sha256 needs a value", and_with({"--sha256="}));
    CHECK_USAGE_ERROR("--insist takes no value", and_with({"--insist=" + hash}));
    CHECK(and_with({"--sha256", hash}).sha256 == hash);
    CHECK(and_with({"--insist"}).sha256.empty());
    CHECK(and_with({"--insist", "--sha256", hash}).sha256 == hash);  // it is still checked
}

TEST(numbers_outside_their_range_are_usage_errors) {
    for (const char* batch : {"0", "-1", "65537", "1.5", "x", "1x", "99999999999999999999", " 1"}) {
        CHECK_USAGE_ERROR("a whole number from 1 to 65536", with({"--batch", batch}));
    }
    for (const char* seconds : {"-1", "nan", "inf", "1e400", "1s", "0x1"}) {
        CHECK_USAGE_ERROR("a number from 0 to 3600", with({"--window-s", seconds}));
    }
}

TEST(help_names_every_option_and_needs_no_other) {
    Arguments arguments = report::runner_arguments(BOTH);
    arguments.parse({"--help"});
    CHECK(arguments.help_wanted());
    for (const char* name : {"--plan FILE", "--batch N", "enqueueV3|executeV2", "(default 32)", "--insist", "--help", "usage: runner --plan FILE"}) {
        CHECK(arguments.help().find(name) != std::string::npos);
    }
}
