#include "engine.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <type_traits>

#include "error.hpp"
#include "samples.hpp"

namespace report {
namespace {

using nvinfer1::OptProfileSelector;

constexpr int PROFILE = 0;

std::string shape_text(const nvinfer1::Dims& shape) {
    std::string text;
    for (int i = 0; i < shape.nbDims; ++i) {
        text += (i == 0 ? "" : ", ") + std::to_string(shape.d[i]);
    }
    return "(" + text + ")";
}

// Values of one image in a shape whose first dimension counts images; 0 where another dimension is open.
std::size_t values_an_image(const nvinfer1::Dims& shape) {
    std::size_t values = shape.nbDims > 1 ? 1 : 0;
    for (int i = 1; i < shape.nbDims; ++i) {
        values *= shape.d[i] > 0 ? static_cast<std::size_t>(shape.d[i]) : 0;
    }
    return values;
}

// The library that is there must be of the headers' major version: another one has other virtual functions.
void check_library() {
    const int version = getInferLibVersion();
    const int major = version >= 10000 ? version / 10000 : version / 1000;  // 10.0.0 is 100000, 8.5.3 is 8503
    if (major != NV_TENSORRT_MAJOR) {
        throw Error("built for TensorRT " + std::to_string(NV_TENSORRT_MAJOR) + ", but the library found is TensorRT " +
                    std::to_string(major) + "; build lib/cpp again");
    }
}

}  // namespace

void Logger::log(Severity severity, const nvinfer1::AsciiChar* message) noexcept {
    try {
        if (severity == Severity::kWARNING) {
            std::cerr << "TensorRT: " << message << '\n';
        } else if (severity <= Severity::kERROR) {
            errors_ += (errors_.empty() ? "" : "; ") + std::string(message);
            std::replace(errors_.begin(), errors_.end(), '\n', ' ');
        }
    } catch (...) {
        std::fputs("TensorRT: a message was lost, no memory left\n", stderr);  // nothing may be thrown into TensorRT
    }
}

std::string Logger::explain(const std::string& call) const { return call + ": " + (errors_.empty() ? "failed" : errors_); }

void Logger::check() const {
    if (!errors_.empty()) {
        throw Error("TensorRT logged an error: " + errors_);
    }
}

Engine::Engine(const std::vector<char>& plan) {
    check_library();
    runtime_.reset(nvinfer1::createInferRuntime(logger_));
    if (!runtime_) {
        throw Error(logger_.explain("createInferRuntime"));
    }
    engine_.reset(runtime_->deserializeCudaEngine(plan.data(), plan.size()));
    if (!engine_) {
        throw Error(logger_.explain("deserializeCudaEngine") + "; build the plan again with this TensorRT on this GPU");
    }
    find_tensors();
    check_tensors();
    context_.reset(engine_->createExecutionContext());
    if (!context_) {
        throw Error(logger_.explain("createExecutionContext"));
    }
}

nvinfer1::Dims Engine::input_shape(std::size_t batch) const {
    const char* name = input_.c_str();
    nvinfer1::Dims shape = engine_->getTensorShape(name);
    const bool open = shape.d[0] < 0;
    const auto low = open ? engine_->getProfileShape(name, PROFILE, OptProfileSelector::kMIN).d[0] : shape.d[0];
    const auto high = open ? engine_->getProfileShape(name, PROFILE, OptProfileSelector::kMAX).d[0] : shape.d[0];
    using Size = std::remove_const_t<decltype(low)>;
    const auto wanted = static_cast<Size>(batch);
    if (wanted < low || wanted > high) {
        throw Error("a batch of " + std::to_string(batch) + " is outside the plan's profile, " + std::to_string(low) + " to " +
                    std::to_string(high));
    }
    shape.d[0] = wanted;
    return shape;
}

void Engine::find_tensors() {
    int inputs = 0;
    int outputs = 0;
    for (int i = 0; i < engine_->getNbIOTensors(); ++i) {
        const std::string name = engine_->getIOTensorName(i);
        const bool input = engine_->getTensorIOMode(name.c_str()) == nvinfer1::TensorIOMode::kINPUT;
        (input ? input_ : output_) = name;
        ++(input ? inputs : outputs);
        if (engine_->getTensorDataType(name.c_str()) != nvinfer1::DataType::kFLOAT) {
            throw Error("the plan's tensor " + name + " is not float32");
        }
    }
    if (inputs != 1 || outputs != 1) {
        throw Error("the plan has " + std::to_string(inputs) + " inputs and " + std::to_string(outputs) + " outputs, wanted one of each");
    }
}

void Engine::check_tensors() {
    const nvinfer1::Dims input = engine_->getTensorShape(input_.c_str());
    if (values_an_image(input) != PIXELS) {
        throw Error("the plan's input " + input_ + " has shape " + shape_text(input) + ", wanted " + std::to_string(PIXELS) + " values an image");
    }
    const nvinfer1::Dims output = engine_->getTensorShape(output_.c_str());
    classes_ = values_an_image(output);
    if (output.nbDims != 2 || classes_ == 0) {
        throw Error("the plan's output " + output_ + " has shape " + shape_text(output) + ", wanted (N, classes)");
    }
}

}  // namespace report
