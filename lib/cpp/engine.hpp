// A plan, deserialised: what it takes and gives, and the contexts that run it.
#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <string>
#include <vector>

#include "lanes.hpp"
#include "program.hpp"

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

// One network with one input (N, ...), and an output (N, ...) that is meant.
class Engine {
public:
    // Throws Error where TensorRT refuses the plan, or it has other inputs or outputs, or too few profiles for the lanes. Loading runs
    // code from the plan.
    Engine(const std::vector<char>& plan, const Way& way);

    // Its profile is for its lane to choose.
    std::unique_ptr<nvinfer1::IExecutionContext> new_context();

    nvinfer1::ICudaEngine& cuda_engine() const { return *engine_; }
    const std::string& input() const { return input_; }
    const std::string& output() const { return output_; }
    const std::vector<std::string>& other_outputs() const { return other_outputs_; }
    const Tensor& image() const { return image_; }
    const Tensor& row() const { return row_; }  // of the output, an image
    Limits limits() const { return limits_; }

    // The input's shape as the plan has it: the first dimension is -1 where the batch is open.
    nvinfer1::Dims input_shape() const { return engine_->getTensorShape(input_.c_str()); }

    // Whether there is no profile to choose, for the network has one batch. Profiles of one batch make a fixed shape too, but before
    // TensorRT 10 each context wants one of them all the same.
    bool fixed() const { return fixed_; }

    // The profile that a lane has for such batches. Throws Error where the plan has none.
    std::int32_t profile(std::size_t batch, std::size_t lane) const;

    // Throws Error "CALL: the errors TensorRT logged" unless it succeeded.
    void need(bool succeeded, const std::string& call);

    // Throws Error if an error was logged that no return code told.
    void check();

private:
    void find_tensors(const std::string& output);
    void read_profiles(const Way& way);
    Tensor tensor(const std::string& name) const;

    Logger logger_;  // the rest refers to it: first to be made, last to go
    std::unique_ptr<nvinfer1::IRuntime> runtime_;
    std::unique_ptr<nvinfer1::ICudaEngine> engine_;
    std::string input_;
    std::string output_;
    std::vector<std::string> other_outputs_;
    Tensor image_;
    Tensor row_;
    Limits limits_;
    std::vector<Profile> profiles_;
    bool fixed_ = false;
    std::size_t lanes_ = 1;  // that need a profile each
};

}  // namespace report
