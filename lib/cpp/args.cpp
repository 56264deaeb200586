#include "args.hpp"

#include <algorithm>
#include <utility>

#include "error.hpp"
#include "number.hpp"

namespace report {
namespace {

constexpr std::size_t HELP_COLUMN = 30;

std::string shown(const Option& option) {
    return "--" + option.name + (option.placeholder.empty() ? "" : " " + option.placeholder);
}

std::string range_error(const std::string& name, const std::string& value, const std::string& kind, double low, double high) {
    return "--" + name + " is '" + value + "', wanted " + kind + " from " + format_double(low) + " to " + format_double(high);
}

}  // namespace

Arguments::Arguments(std::string program, std::string summary, std::vector<Option> options)
    : program_(std::move(program)), summary_(std::move(summary)), options_(std::move(options)) {
    options_.push_back({"help", "", "show this and end", "", false});
}

void Arguments::parse(const std::vector<std::string>& words) {
    values_.clear();
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word.compare(0, 2, "--") != 0) {
            throw UsageError("'" + word + "' is not an option; all of them begin with --");
        }
        const std::size_t equals = word.find('=');
        const Option& option = find(word.substr(2, equals == std::string::npos ? equals : equals - 2));
        std::string value;
        if (option.placeholder.empty()) {
            if (equals != std::string::npos) {
                throw UsageError("--" + option.name + " takes no value");
            }
        } else if (equals != std::string::npos) {
            value = word.substr(equals + 1);
        } else if (i + 1 < words.size() && words[i + 1].compare(0, 2, "--") != 0) {
            value = words[++i];
        }
        if (value.empty() && !option.placeholder.empty()) {
            throw UsageError("--" + option.name + " needs a value, " + option.placeholder);
        }
        if (!values_.emplace(option.name, value).second) {
            throw UsageError("--" + option.name + " is given twice");
        }
        if (help_wanted()) {
            return;
        }
    }
    for (const Option& option : options_) {
        if (option.required && !given(option.name)) {
            throw UsageError(shown(option) + " is missing");
        }
    }
}

std::string Arguments::help() const {
    std::string out = "usage: " + program_;
    for (const Option& option : options_) {
        out += option.required ? " " + shown(option) : "";
    }
    out += " [options]\n\n" + summary_ + "\n\n";
    for (const Option& option : options_) {
        std::string line = "  " + shown(option);
        line.resize(std::max(line.size() + 2, HELP_COLUMN), ' ');
        out += line + option.help + (option.fallback.empty() ? "" : " (default " + option.fallback + ")") + "\n";
    }
    return out;
}

std::string Arguments::text(const std::string& name) const {
    const auto value = values_.find(name);
    return value == values_.end() ? find(name).fallback : value->second;
}

std::int64_t Arguments::integer(const std::string& name, std::int64_t low, std::int64_t high) const {
    const auto value = parse_integer(text(name));
    if (!value || *value < low || *value > high) {
        throw UsageError(range_error(name, text(name), "a whole number", static_cast<double>(low), static_cast<double>(high)));
    }
    return *value;
}

double Arguments::number(const std::string& name, double low, double high) const {
    const std::string given_text = text(name);
    const auto value = parse_double(given_text);
    if (!value || *value < low || *value > high) {
        throw UsageError(range_error(name, given_text, "a number", low, high));
    }
    return *value;
}

std::string Arguments::choice(const std::string& name, const std::vector<std::string>& allowed) const {
    const std::string value = text(name);
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
        std::string names;
        for (const std::string& one : allowed) {
            names += (names.empty() ? "" : ", ") + one;
        }
        throw UsageError("--" + name + " is '" + value + "', wanted one of: " + names);
    }
    return value;
}

const Option& Arguments::find(const std::string& name) const {
    const auto option = std::find_if(options_.begin(), options_.end(), [&name](const Option& one) { return one.name == name; });
    if (option == options_.end()) {
        throw UsageError("unknown option --" + name);
    }
    return *option;
}

}  // namespace report
