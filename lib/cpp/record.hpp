// One measurement record as one JSON line, in the schema of lib/records.py.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace report {

// null, true, 1, 1.5 or "text".
using Json = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
using JsonObject = std::map<std::string, Json>;

// A sentence in the report's two languages.
struct Text {
    std::string en;
    std::string ja;
};

// The fields are those of lib.records.Record. run_id, system_id, stage and dataset are left to the notebook that
// takes the record up. Exactly one of value and reason is there.
struct Record {
    std::string metric;
    std::string unit;
    std::optional<double> value;
    std::string runner;
    std::string precision;
    std::optional<std::int64_t> batch_size;
    std::string scope;
    JsonObject case_;
    JsonObject stats;
    std::vector<double> samples;
    std::optional<Text> reason;
    std::string artifact_sha256;
    std::string started_at;
};

// The record as JSON without a line break. Throws Error if it has both or neither of value and reason, a number
// that JSON does not know (NaN, infinity), or text that is not UTF-8.
std::string to_json(const Record& record);

// Now in UTC, such as 2026-11-20T12:53:00+00:00.
std::string now_utc();

}  // namespace report
