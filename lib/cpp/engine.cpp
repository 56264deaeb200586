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

constexpr int PROFILE = 0;

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
        default:
            throw Error("the plan's tensor " + name + " is not float32, float16 or uint8");
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

Engine::Engine(const std::vector<char>& plan, const std::string& output) {
    check_library();
    cuda::check_device();  // without one TensorRT 10 ends the process
    runtime_.reset(nvinfer1::createInferRuntime(logger_));
    need(runtime_ != nullptr, "createInferRuntime");
    engine_.reset(runtime_->deserializeCudaEngine(plan.data(), plan.size()));
    need(engine_ != nullptr, "deserializeCudaEngine (build the plan again with this TensorRT on this GPU)");
    find_tensors(output);
    read_limits();
    context_.reset(engine_->createExecutionContext());
    need(context_ != nullptr, "createExecutionContext");
}

nvinfer1::Dims Engine::input_shape(std::size_t batch) const {
    if (batch < smallest_ || batch > largest_) {
        throw Error("a batch of " + std::to_string(batch) + " is outside the plan's profile, " + std::to_string(smallest_) + " to " +
                    std::to_string(largest_));
    }
    nvinfer1::Dims shape = engine_->getTensorShape(input_.c_str());
    shape.d[0] = static_cast<std::decay_t<decltype(shape.d[0])>>(batch);  // 32 bits until 9.x, then 64
    return shape;
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
    classes_ = classes_in(output_, row_.shape);
    if (row_.type == Type::uint8) {
        throw Error("the plan's output " + output_ + " is uint8, wanted float32 or float16");
    }
    std::copy_if(outputs.begin(), outputs.end(), std::back_inserter(other_outputs_), [this](const auto& name) { return name != output_; });
}

void Engine::read_limits() {
    const auto images = engine_->getTensorShape(input_.c_str()).d[0];
    const auto limit = [&](OptProfileSelector which) {
        return static_cast<std::size_t>(images < 0 ? engine_->getProfileShape(input_.c_str(), PROFILE, which).d[0] : images);
    };
    smallest_ = limit(OptProfileSelector::kMIN);
    largest_ = limit(OptProfileSelector::kMAX);
}

// What a tensor holds an image: all behind its first dimension. Throws Error where another dimension is open.
Tensor Engine::tensor(const std::string& name) const {
    const nvinfer1::Dims dims = engine_->getTensorShape(name.c_str());
    Shape shape;
    for (int i = 1; i < dims.nbDims; ++i) {
        shape.push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(dims.d[i], 0)));
    }
    if (shape.empty() || values_in(shape) == 0) {
        throw Error("the plan's tensor " + name + " is not of shape (N, ...) with N alone open");
    }
    return {type_of(name, engine_->getTensorDataType(name.c_str())), shape};
}

}  // namespace report
