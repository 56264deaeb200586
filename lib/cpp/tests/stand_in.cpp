// The runner without TensorRT: its "plan" is a JSON object that says what it takes and gives, and how to fail.
#include <nlohmann/json.hpp>

#include "fake.hpp"
#include "outputs.hpp"
#include "program.hpp"

namespace {

const std::vector<std::pair<std::string, report::Type>> TYPES{
    {"float32", report::Type::float32}, {"float16", report::Type::float16}, {"uint8", report::Type::uint8}};

std::unique_ptr<report::Inference> open(const std::vector<char>& plan, const report::Way& way) {
    const auto json = nlohmann::json::parse(plan.begin(), plan.end());
    const std::string what = json.value("what", "");
    if (what == "refused") {
        throw report::Error("deserializeCudaEngine: wrong magic number");
    }
    const std::string type = json.value("type", "float32");
    const auto named = std::find_if(TYPES.begin(), TYPES.end(), [&](const auto& one) { return one.first == type; });
    const report::Tensor image{named->second, json.value("shape", report::Shape{32, 32, 3})};
    auto engine = std::make_unique<fake::Engine>(image, what, way.lanes);
    const auto size = [&json](const char* name, std::size_t otherwise) { return json.value(name, otherwise); };
    engine->profiles.assign(size("profiles", 1), {size("smallest", 1), size("smallest", 1), size("largest", 64)});
    static_cast<void>(engine->limits());  // as TensorRT's: told when it is opened
    if (json.value("classes", false)) {
        engine->give_classes();
    }
    engine->logits = json.value("logits", false);
    engine->events = way.api != "executeV2";
    engine->reversed = report::chosen_output(json.value("outputs", std::vector<std::string>{"answers"}), way.output) == "reversed";
    return engine;
}

}  // namespace

int main(int argc, char** argv) { return report::run_program(argc, argv, {{"enqueueV3", "executeV2"}, "8.5.3.1", "8.5.3"}, open); }
