// A plan, deserialised: what it takes and gives, and the context that runs it.
#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <string>
#include <vector>

#include "tensor.hpp"

namespace report {

// Of the TensorRT that this is compiled with, "8.5.3.1", and of the library that is loaded, "8.5.3".
std::string headers_version();
std::string library_version();

// Warnings go to stderr; errors are kept, to say in one line why a call failed.
class Logger : public nvinfer1::ILogger {
public:
    void log(Severity severity, const nvinfer1::AsciiChar* message) noexcept override;

    // The errors that TensorRT logged since they were last asked for.
    std::string take();

private:
    std::string errors_;
};

// One network with one input (N, ...) of float32, float16 or uint8, and an output (N, classes) of float32 or float16 that is meant.
class Engine {
public:
    // output: the name of the one that is meant, "" for the only one. Throws Error where TensorRT refuses the plan or its inputs and
    // outputs are others. Loading runs code from the plan.
    Engine(const std::vector<char>& plan, const std::string& output);

    nvinfer1::ICudaEngine& cuda_engine() const { return *engine_; }
    nvinfer1::IExecutionContext& context() const { return *context_; }
    const std::string& input() const { return input_; }
    const std::string& output() const { return output_; }
    const std::vector<std::string>& other_outputs() const { return other_outputs_; }
    const Tensor& image() const { return image_; }
    const Tensor& row() const { return row_; }  // of the output, an image
    std::size_t classes() const { return classes_; }
    std::size_t smallest_batch() const { return smallest_; }
    std::size_t largest_batch() const { return largest_; }

    // The input's shape with `batch` images. Throws Error where the plan's profile does not hold that many.
    nvinfer1::Dims input_shape(std::size_t batch) const;

    // Throws Error "CALL: the errors TensorRT logged" unless it succeeded.
    void need(bool succeeded, const std::string& call);

    // Throws Error if an error was logged that no return code told.
    void check();

private:
    void find_tensors(const std::string& output);
    void read_limits();
    Tensor tensor(const std::string& name) const;

    Logger logger_;  // the rest refers to it: first to be made, last to go
    std::unique_ptr<nvinfer1::IRuntime> runtime_;
    std::unique_ptr<nvinfer1::ICudaEngine> engine_;
    std::unique_ptr<nvinfer1::IExecutionContext> context_;
    std::string input_;
    std::string output_;
    std::vector<std::string> other_outputs_;
    Tensor image_;
    Tensor row_;
    std::size_t classes_ = 0;
    std::size_t smallest_ = 1;
    std::size_t largest_ = 1;
};

}  // namespace report
