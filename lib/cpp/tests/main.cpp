// Runs the tests of one file (`unit_tests test_csv.cpp`) or all.
#include <filesystem>
#include <iostream>

#include "check.hpp"
#include "scratch.hpp"

namespace check {
namespace {

int failures = 0;

}  // namespace

std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

bool add(const std::string& file, const std::string& name, std::function<void()> run) {
    tests().push_back({std::filesystem::path(file).filename().string(), name, std::move(run)});
    return true;
}

void fail(const std::string& file, int line, const std::string& what) {
    std::cerr << file << ":" << line << ": " << what << '\n';
    ++failures;
}

}  // namespace check

int main(int argc, char** argv) {
    const std::string file = argc > 1 ? argv[1] : "";
    int ran = 0;
    for (const check::Test& test : check::tests()) {
        if (file.empty() || test.file == file) {
            try {
                test.run();
            } catch (const std::exception& error) {
                check::fail(test.file, 0, test.name + " threw: " + error.what());
            }
            ++ran;
        }
    }
    std::filesystem::remove_all(scratch::folder());
    std::cout << ran << " tests, " << check::failures << " failures\n";
    return ran > 0 && check::failures == 0 ? 0 : 1;
}
