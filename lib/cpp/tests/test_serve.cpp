#include "serve.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

#include "check.hpp"
#include "fake.hpp"
#include "memory.hpp"

using Json = nlohmann::json;

namespace {

const report::Tensor IMAGE{report::Type::float32, {12}};

// What is answered to each line.
std::vector<Json> ask(fake::Engine& engine, const std::string& lines, report::Outputs outputs = report::Outputs::probabilities) {
    memory::Images samples(8, IMAGE.shape, std::vector<float>(8 * 12, 0.5F));
    std::istringstream in(lines);
    std::ostringstream out;
    report::serve(engine, samples, outputs, in, out, [&engine] { return engine.clock(); });
    CHECK(engine.settled());
    std::istringstream said(out.str());
    std::vector<Json> answers;
    for (std::string line; std::getline(said, line);) {
        answers.push_back(Json::parse(line));
    }
    return answers;
}

std::string kind(fake::Engine& engine, const std::string& line) { return ask(engine, line).at(0).value("kind", ""); }

}  // namespace

TEST(answers_each_line_until_the_input_ends) {
    fake::Engine engine(IMAGE);
    const auto answers = ask(engine, "{\"batch\": 8, \"seconds\": 0}\n{\"seconds\": 0.0, \"batch\": 1}");
    CHECK(answers.size() == 2 && engine.batches == (std::vector<std::size_t>{8, 1}));
    for (const Json& answer : answers) {
        CHECK(answer == Json({{"latencies_ms", {0.5}}, {"gpu_ms", {0.25}}, {"enqueue_ms", 0.125}}));
    }
    CHECK(engine.calls == 2 * 4);  // each scope: one call that does not count, one that does
    CHECK(ask(engine, "").empty());
}

TEST(a_slice_lasts_as_long_as_asked_and_has_no_more_than_4000_calls) {
    fake::Engine engine(IMAGE);
    const Json many = ask(engine, R"({"batch": 1, "seconds": 600})").at(0);
    CHECK(many["latencies_ms"].size() == 4000 && many["gpu_ms"].size() == 4000);
}

TEST(what_cannot_be_timed_apart_is_null) {
    fake::Engine engine(IMAGE);
    engine.events = false;
    CHECK(ask(engine, R"({"batch": 2, "seconds": 0})").at(0) == Json({{"latencies_ms", {0.5}}, {"gpu_ms", nullptr}, {"enqueue_ms", 0.125}}));
}

TEST(of_lanes_the_times_between_batches_are_told) {
    for (const std::size_t lanes : {2U, 3U, 8U}) {
        fake::Engine engine(IMAGE, "", lanes);
        engine.profiles.assign(lanes, {1, 8, 64});
        const Json said = ask(engine, R"({"batch": 2, "seconds": 0})").at(0);
        CHECK(said == Json({{"latencies_ms", std::vector<double>(lanes, 0.375)}, {"gpu_ms", nullptr}, {"enqueue_ms", 0.125}}));
        CHECK(engine.batches == std::vector<std::size_t>(lanes, 2));
        for (std::size_t i = 0; i < engine.launched.size(); ++i) {
            CHECK(engine.launched[i] == i % lanes);
        }
        CHECK(engine.launched.size() == 3 * lanes - 1);  // the turn that does not count, the one that does, what keeps the others busy
    }
}

TEST(the_mean_of_the_times_is_wall_time_over_batches) {
    fake::Engine engine(IMAGE, "", 3);
    engine.profiles.assign(3, {1, 8, 64});
    const auto start = engine.clock();
    const auto ms = ask(engine, R"({"batch": 1, "seconds": 0.06})").at(0)["latencies_ms"].get<std::vector<double>>();
    const std::chrono::duration<double, std::milli> passed = engine.clock() - start;
    CHECK(ms.size() % 3 == 0 && ms.size() == 162);  // 60 ms at 0.375 ms a batch, to the end of the turn
    const double told = std::accumulate(ms.begin(), ms.end(), 0.0);
    CHECK(told >= 60 && passed.count() - told == 0.125 + 3 * 0.375 + 2 * 0.375);
    const auto many = ask(engine, R"({"batch": 1, "seconds": 600})").at(0)["latencies_ms"];
    CHECK(many.size() == 3999);
}

TEST(an_error_in_one_lane_ends_the_slice_and_the_next_is_served) {
    fake::Engine later(IMAGE, "fails later", 4);
    later.profiles.assign(4, {1, 8, 64});
    const auto failed = ask(later, "{\"batch\": 2, \"seconds\": 0}\n{\"batch\": 2, \"seconds\": 0}\n");
    CHECK(failed.size() == 2 && failed[0]["error"] == "enqueueV3: failed" && failed[0]["kind"] == "failed" && failed[1] == failed[0]);
    fake::Engine wrong(IMAGE, "wrong at the end", 4);
    wrong.profiles.assign(4, {1, 8, 64});
    CHECK(kind(wrong, R"({"batch": 2, "seconds": 0})") == "wrong_output");
    fake::Engine few(IMAGE, "", 4);
    few.profiles.assign(4, {1, 8, 64});
    few.profiles.back().largest = 2;
    const auto told = ask(few, "{\"batch\": 3, \"seconds\": 0}\n{\"batch\": 2, \"seconds\": 0}\n");
    CHECK(told.at(0).value("error", "").find("a batch of 3 is outside the plan's profiles") == 0 && told.at(1)["latencies_ms"].size() == 4);
}

TEST(wrong_results_are_told_however_fast) {
    for (const char* what : {"wrong", "wrong on gpu"}) {
        fake::Engine engine(IMAGE, what);
        CHECK(kind(engine, R"({"batch": 2, "seconds": 0})") == "wrong_output");
    }
}

TEST(logits_need_not_add_up_to_1) {
    fake::Engine engine(IMAGE);
    engine.logits = true;
    const std::string line = R"({"batch": 2, "seconds": 0})";
    CHECK(ask(engine, line).at(0)["error"] == "Σp[0] = 5 ≠ 1");
    CHECK(ask(engine, line, report::Outputs::logits).at(0)["latencies_ms"].size() == 1);
    fake::Engine wrong(IMAGE, "wrong on gpu");
    CHECK(ask(wrong, line, report::Outputs::logits).at(0)["kind"] == "wrong_output");
}

TEST(failures_are_told_and_the_next_command_is_served) {
    for (const char* what : {"fails", "logs"}) {
        fake::Engine engine(IMAGE, what);
        CHECK(kind(engine, R"({"batch": 2, "seconds": 0})") == "failed");
        CHECK(ask(engine, "{\"batch\": 2, \"seconds\": 0}\n{\"batch\": 2, \"seconds\": 0}\n").size() == 2);
    }
    fake::Engine engine(IMAGE);
    engine.profiles = {{1, 4, 4}};
    const auto answers = ask(engine, "{\"batch\": 8, \"seconds\": 0}\n{\"batch\": 4, \"seconds\": 0}\n");
    CHECK(answers.at(0)["error"] == "a batch of 8 is outside the plan's profiles, 1 to 4" && answers.at(0)["kind"] == "failed");
    CHECK(answers.at(1)["latencies_ms"].size() == 1);
}

TEST(what_is_no_command_is_told_and_the_next_is_served) {
    fake::Engine engine(IMAGE);
    for (const std::string line :
         {"", "x", "\xFF", "[]", "{}", "null", "3", R"({"batch": 1})", R"({"batch": 1, "seconds": 0, "more": 1})",
          R"({"batch": 0, "seconds": 0})", R"({"batch": 9, "seconds": 0})", R"({"batch": -1, "seconds": 0})", R"({"batch": 1.5, "seconds": 0})",
          R"({"batch": "1", "seconds": 0})", R"({"batch": true, "seconds": 0})", R"({"batch": 18446744073709551617, "seconds": 0})",
          R"({"batch": 1, "seconds": -1})", R"({"batch": 1, "seconds": 601})", R"({"batch": 1, "seconds": 1e999})",
          R"({"batch": 1, "seconds": "1"})", R"({"batch": 1, "seconds": NaN})", R"({"batch": 1, "seconds": null})"}) {
        const auto answers = ask(engine, line + "\n{\"batch\": 1, \"seconds\": 0}\n");
        CHECK(answers.at(0).value("kind", "") == "command" && !answers.at(0).value("error", "").empty());
        CHECK(answers.at(1)["latencies_ms"].size() == 1);
    }
    CHECK(ask(engine, std::string(100000, '[') + "\n").at(0)["kind"] == "command");
}
