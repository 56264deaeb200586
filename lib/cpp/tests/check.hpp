// As much of a test framework as these tests need, so that they build wherever the library does.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "error.hpp"

namespace check {

struct Test {
    std::string file;
    std::string name;
    std::function<void()> run;
};

std::vector<Test>& tests();
bool add(const std::string& file, const std::string& name, std::function<void()> run);
void fail(const std::string& file, int line, const std::string& what);

// Runs `work`, which must throw an Error (or `Kind` of it) whose message contains `words`.
template <typename Kind = report::Error>
void error(const std::string& file, int line, const std::string& words, const std::function<void()>& work) {
    try {
        work();
    } catch (const Kind& error) {
        if (std::string(error.what()).find(words) == std::string::npos) {
            fail(file, line, "said '" + std::string(error.what()) + "', wanted '" + words + "'");
        }
        return;
    }
    fail(file, line, "threw nothing, wanted '" + words + "'");
}

}  // namespace check

#define TEST(name)                                                     \
    static void name();                                                \
    static const bool name##_added = check::add(__FILE__, #name, name); \
    static void name()
#define CHECK(condition) (condition) ? void() : check::fail(__FILE__, __LINE__, #condition)
#define CHECK_ERROR(words, ...) check::error(__FILE__, __LINE__, words, [&] { __VA_ARGS__; })
#define CHECK_WRONG_OUTPUT(words, ...) check::error<report::WrongOutput>(__FILE__, __LINE__, words, [&] { __VA_ARGS__; })
