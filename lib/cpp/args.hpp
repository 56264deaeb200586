// Command line arguments: --name value, --name=value and flags.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace report {

// One option. placeholder: how help calls its value, "" for a flag; fallback: its value where it is not given.
struct Option {
    std::string name;
    std::string placeholder;
    std::string help;
    std::string fallback;
    bool required = false;
};

class Arguments {
public:
    Arguments(std::string program, std::string summary, std::vector<Option> options);

    // Throws UsageError for an unknown option, one given twice, a missing value or a missing required option.
    // After --help nothing else is looked at.
    void parse(const std::vector<std::string>& words);

    bool help_wanted() const { return given("help"); }
    std::string help() const;

    bool given(const std::string& name) const { return values_.count(name) > 0; }
    std::string text(const std::string& name) const;

    // Throw UsageError for what is not a number or lies outside low to high.
    std::int64_t integer(const std::string& name, std::int64_t low, std::int64_t high) const;
    double number(const std::string& name, double low, double high) const;

    // Throws UsageError for what is none of `allowed`.
    std::string choice(const std::string& name, const std::vector<std::string>& allowed) const;

private:
    const Option& find(const std::string& name) const;

    std::string program_;
    std::string summary_;
    std::vector<Option> options_;
    std::map<std::string, std::string> values_;
};

}  // namespace report
