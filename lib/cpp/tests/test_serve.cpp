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
    report::serve(engine, samples, outputs, in, out);
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
        CHECK(answer == Json({{"latencies_ms", {0.5}}, {"gpu_ms", {0.25}}}));
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
    CHECK(ask(engine, R"({"batch": 2, "seconds": 0})").at(0) == Json({{"latencies_ms", {0.5}}, {"gpu_ms", nullptr}}));
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
    engine.largest = 4;
    const auto answers = ask(engine, "{\"batch\": 8, \"seconds\": 0}\n{\"batch\": 4, \"seconds\": 0}\n");
    CHECK(answers.at(0)["error"] == "a batch of 8 is outside the plan's profile" && answers.at(0)["kind"] == "failed");
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
