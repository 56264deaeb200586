// The runner without TensorRT: its "plan" is a text that says how to fail.
#include "fake.hpp"
#include "program.hpp"

int main(int argc, char** argv) {
    return report::run_program(argc, argv, {"enqueueV3", "executeV2"}, [](const std::vector<char>& plan, const report::Way& way) {
        const std::string what(plan.begin(), plan.end());
        if (what == "refused") {
            throw report::Error("deserializeCudaEngine: wrong magic number");
        }
        auto engine = std::make_unique<fake::Engine>(report::Shape{32, 32, 3}, what);
        engine->events = way.api != "executeV2";
        return engine;
    });
}
