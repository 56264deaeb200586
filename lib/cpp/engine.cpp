#include "engine.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <utility>

#include "cuda.hpp"
#include "error.hpp"
#include "outputs.hpp"
#include "version.hpp"

namespace report {
namespace {

using nvinfer1::OptProfileSelector;

// The library that is there must be of the headers' major version: another one has other virtual functions.
void check_library() {
    const std::string found = library_version();
    if (found.substr(0, found.find('.')) != std::to_string(NV_TENSORRT_MAJOR)) {
        throw Error("built for TensorRT " + headers_version() + ", but the library found is TensorRT " + found + "; build lib/cpp again");
    }
}

// Throws Error for a type that images and their answers do not have.
Type type_of(const std::string& name, nvinfer1::DataType type) {
    switch (type) {
        case nvinfer1::DataType::kFLOAT:
            return Type::float32;
        case nvinfer1::DataType::kHALF:
            return Type::float16;
        case nvinfer1::DataType::kUINT8:
            return Type::uint8;
        case nvinfer1::DataType::kINT32:
            return Type::int32;
        default:
            throw Error("the plan's tensor " + name + " is not float32, float16, uint8 or int32");
    }
}

}  // namespace

std::string headers_version() {
    std::string text;
    for (const int part : {NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH, NV_TENSORRT_BUILD}) {
        text += (text.empty() ? "" : ".") + std::to_string(part);
    }
    return text;
}

std::string library_version() { return version_text(getInferLibVersion()); }

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

std::string Logger::take() { return std::exchange(errors_, {}); }

Engine::Engine(const std::vector<char>& plan, const Way& way) {
    check_library();
    cuda::check_device();  // without one TensorRT 10 ends the process
    runtime_.reset(nvinfer1::createInferRuntime(logger_));
    need(runtime_ != nullptr, "createInferRuntime");
    engine_.reset(runtime_->deserializeCudaEngine(plan.data(), plan.size()));
    need(engine_ != nullptr, "deserializeCudaEngine (build the plan again with this TensorRT on this GPU)");
    find_tensors(way.output);
    read_profiles(way);
}

std::unique_ptr<nvinfer1::IExecutionContext> Engine::new_context() {
    std::unique_ptr<nvinfer1::IExecutionContext> context(engine_->createExecutionContext());
    need(context != nullptr, "createExecutionContext");
    logger_.take();  // before 10 a new context may complain that another one has the first profile
    return context;
}

std::int32_t Engine::profile(std::size_t batch, std::size_t lane) const {
    return static_cast<std::int32_t>(profile_of(profiles_, batch, std::min(lane, lanes_ - 1), lanes_));
}

void Engine::need(bool succeeded, const std::string& call) {
    if (!succeeded) {
        const std::string errors = logger_.take();
        throw Error(call + ": " + (errors.empty() ? "failed" : errors));
    }
}

void Engine::check() {
    const std::string errors = logger_.take();
    if (!errors.empty()) {
        throw Error("TensorRT logged an error: " + errors);
    }
}

void Engine::find_tensors(const std::string& output) {
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    for (int i = 0; i < engine_->getNbIOTensors(); ++i) {
        const std::string name = engine_->getIOTensorName(i);
        (engine_->getTensorIOMode(name.c_str()) == nvinfer1::TensorIOMode::kINPUT ? inputs : outputs).push_back(name);
    }
    if (inputs.size() != 1) {
        throw Error("the plan has " + std::to_string(inputs.size()) + " inputs, wanted one");
    }
    input_ = inputs.front();
    image_ = tensor(input_);
    output_ = chosen_output(outputs, output);
    row_ = tensor(output_);
    std::copy_if(outputs.begin(), outputs.end(), std::back_inserter(other_outputs_), [this](const auto& name) { return name != output_; });
}

void Engine::read_profiles(const Way& way) {
    const auto images = input_shape().d[0];
    const std::int32_t count = way.api == "executeV2" ? 1 : engine_->getNbOptimizationProfiles();  // others have bindings of their own
    for (std::int32_t i = 0; i < count; ++i) {
        const auto limit = [&](OptProfileSelector which) {
            return static_cast<std::size_t>(images < 0 ? engine_->getProfileShape(input_.c_str(), i, which).d[0] : images);
        };
        profiles_.push_back({limit(OptProfileSelector::kMIN), limit(OptProfileSelector::kOPT), limit(OptProfileSelector::kMAX)});
    }
    fixed_ = images >= 0 && engine_->getNbOptimizationProfiles() == 1;
    lanes_ = fixed_ || NV_TENSORRT_MAJOR >= 10 ? 1 : way.lanes;
    limits_ = limits_of(profiles_, lanes_);
}

// What a tensor holds an image: all behind its first dimension. Throws Error where another dimension is open.
Tensor Engine::tensor(const std::string& name) const {
    const nvinfer1::Dims dims = engine_->getTensorShape(name.c_str());
    Shape shape;
    for (int i = 1; i < dims.nbDims; ++i) {
        shape.push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(dims.d[i], 0)));
    }
    if (dims.nbDims < 1 || values_in(shape) == 0) {
        throw Error("the plan's tensor " + name + " is not of shape (N, ...) with N alone open");
    }
    return {type_of(name, engine_->getTensorDataType(name.c_str())), shape};
}

}  // namespace report
