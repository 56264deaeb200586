#include <limits>

#include "check.hpp"
#include "record.hpp"
#include "utf8.hpp"

using report::Record;
using report::to_json;

namespace {

Record measured() {
    Record record;
    record.metric = "latency";
    record.unit = "ms";
    record.value = 0.1;
    return record;
}

bool holds(const Record& record, const std::string& words) { return to_json(record).find(words) != std::string::npos; }

}  // namespace

TEST(a_record_is_one_line) {
    Record record = measured();
    record.batch_size = 32;
    record.case_ = {{"api", std::string("enqueueV3")}, {"graph", true}};
    record.stats = {{"n", std::int64_t{3}}, {"p50", 0.1}, {"p99", report::Json()}};
    record.samples = {0.1, 2, 1e-7};
    CHECK(to_json(record) ==
          R"({"schema": 1, "metric": "latency", "unit": "ms", "value": 0.1, "runner": "", "precision": "", "batch_size": 32, "scope": "", )"
          R"("case": {"api": "enqueueV3", "graph": true}, "stats": {"n": 3, "p50": 0.1, "p99": null}, "samples": [0.1, 2, 1e-07], )"
          R"("reason": null, "artifact_sha256": "", "started_at": ""})");
}

TEST(a_record_has_a_value_or_a_reason) {
    Record record = measured();
    record.reason = report::Text{"no GPU", "GPUがない"};
    CHECK_ERROR("either a value or the reason", to_json(record));
    record.value.reset();
    CHECK(holds(record, R"("value": null)") && holds(record, R"("reason": ["no GPU", "GPUがない"])"));
    record.reason.reset();
    CHECK_ERROR("latency: a record has either", to_json(record));
}

TEST(what_json_does_not_know_is_refused) {
    Record record = measured();
    record.samples = {std::numeric_limits<double>::quiet_NaN()};
    CHECK_ERROR("not finite", to_json(record));
    record = measured();
    record.value = std::numeric_limits<double>::infinity();
    CHECK_ERROR("not finite", to_json(record));
    record = measured();
    record.precision = "\xff";
    CHECK_ERROR("not UTF-8", to_json(record));
}

TEST(text_is_escaped) {
    Record record = measured();
    record.precision = "a\"b\\c\n\t\x01\x7f";
    CHECK(holds(record, "\"a\\\"b\\\\c\\u000a\\u0009\\u0001\x7f\""));
}

TEST(utf8_is_told_from_other_bytes) {
    for (const char* good : {"", "abc", "é", "日本語", "😀", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf"}) {
        CHECK(report::is_utf8(good));
    }
    for (const char* bad : {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xf4\x90\x80\x80", "a\xe6\x97", "\xe6\x97x"}) {
        CHECK(!report::is_utf8(bad));
    }
}

TEST(times_are_utc) {
    const std::string now = report::now_utc();
    CHECK(now.size() == 25 && now.substr(19) == "+00:00" && now[10] == 'T');
}
