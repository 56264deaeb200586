#include "record.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "error.hpp"
#include "number.hpp"
#include "utf8.hpp"

namespace report {
namespace {

constexpr int SCHEMA = 1;

std::string json(double value) {
    if (!std::isfinite(value)) {
        throw Error("a record cannot hold a number that is not finite");
    }
    return format_double(value);
}

std::string json(std::int64_t value) { return std::to_string(value); }

std::string json(bool value) { return value ? "true" : "false"; }

std::string json(std::monostate) { return "null"; }

std::string json(const std::string& text) {
    if (!is_utf8(text)) {
        throw Error("a record cannot hold text that is not UTF-8");
    }
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < ' ') {
            std::array<char, 8> escaped{};
            std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c));
            out += escaped.data();
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string json(const Text& text) { return "[" + json(text.en) + ", " + json(text.ja) + "]"; }

std::string json(const Json& value) {
    return std::visit([](const auto& held) { return json(held); }, value);
}

template <typename Value>
std::string json(const std::optional<Value>& value) {
    return value ? json(*value) : "null";
}

std::string json(const std::vector<double>& values) {
    std::string out;
    for (const double value : values) {
        out += (out.empty() ? "" : ", ") + json(value);
    }
    return "[" + out + "]";
}

std::string json(const JsonObject& object) {
    std::string out;
    for (const auto& [key, value] : object) {
        out += (out.empty() ? "" : ", ") + json(key) + ": " + json(value);
    }
    return "{" + out + "}";
}

}  // namespace

std::string to_json(const Record& record) {
    if (record.value.has_value() == record.reason.has_value()) {
        throw Error(record.metric + ": a record has either a value or the reason why there is none");
    }
    std::string out = "{\"schema\": " + std::to_string(SCHEMA);
    const auto add = [&out](const char* key, const std::string& value) { out += std::string(", \"") + key + "\": " + value; };
    add("metric", json(record.metric));
    add("unit", json(record.unit));
    add("value", json(record.value));
    add("runner", json(record.runner));
    add("precision", json(record.precision));
    add("batch_size", json(record.batch_size));
    add("scope", json(record.scope));
    add("case", json(record.case_));
    add("stats", json(record.stats));
    add("samples", json(record.samples));
    add("reason", json(record.reason));
    add("artifact_sha256", json(record.artifact_sha256));
    add("started_at", json(record.started_at));
    return out + "}";
}

std::string now_utc() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S+00:00", &utc);
    return text.data();
}

}  // namespace report
