#include "engine.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <utility>

#include "error.hpp"

namespace report {
namespace {

using nvinfer1::OptProfileSelector;

constexpr int PROFILE = 0;

// The library that is there must be of the headers' major version: another one has other virtual functions.
void check_library() {
    const int version = getInferLibVersion();
    const int major = version >= 10000 ? version / 10000 : version / 1000;  // 10.0.0 is 100000, 8.5.3 is 8503
    if (major != NV_TENSORRT_MAJOR) {
        throw Error("built for TensorRT " + std::to_string(NV_TENSORRT_MAJOR) + ", but the library found is TensorRT " +
                    std::to_string(major) + "; build lib/cpp again");
    }
}

// The shape behind the first dimension, which counts images. Throws Error where another dimension is open.
Shape one_image(const std::string& name, const nvinfer1::Dims& shape) {
    Shape image;
    for (int i = 1; i < shape.nbDims; ++i) {
        image.push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(shape.d[i], 0)));
    }
    if (image.empty() || values_in(image) == 0) {
        throw Error("the plan's tensor " + name + " is not of shape (N, ...) with N alone open");
    }
    return image;
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

std::string Logger::take() { return std::exchange(errors_, {}); }

Engine::Engine(const std::vector<char>& plan) {
    check_library();
    runtime_.reset(nvinfer1::createInferRuntime(logger_));
    need(runtime_ != nullptr, "createInferRuntime");
    engine_.reset(runtime_->deserializeCudaEngine(plan.data(), plan.size()));
    need(engine_ != nullptr, "deserializeCudaEngine (build the plan again with this TensorRT on this GPU)");
    find_tensors();
    read_shapes();
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

void Engine::read_shapes() {
    const nvinfer1::Dims input = engine_->getTensorShape(input_.c_str());
    image_shape_ = one_image(input_, input);
    const Shape row = one_image(output_, engine_->getTensorShape(output_.c_str()));
    if (row.size() != 1) {
        throw Error("the plan's output " + output_ + " gives " + shape_text(row) + " an image, wanted (classes,)");
    }
    classes_ = row[0];
    const auto limit = [&](OptProfileSelector which) {
        return static_cast<std::size_t>(input.d[0] < 0 ? engine_->getProfileShape(input_.c_str(), PROFILE, which).d[0] : input.d[0]);
    };
    smallest_ = limit(OptProfileSelector::kMIN);
    largest_ = limit(OptProfileSelector::kMAX);
}

}  // namespace report
