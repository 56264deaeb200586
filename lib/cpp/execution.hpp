// The two ways TensorRT has been called: enqueueV3 with named tensors, and until 9.x also executeV2 with bindings.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuda.hpp"
#include "engine.hpp"

namespace report {

class Execution {
public:
    Execution() = default;
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;
    virtual ~Execution() = default;

    // From now on a call works on so many images. Throws Error where the plan's profile does not hold that many.
    virtual void set_batch(std::size_t batch) = 0;

    // Works on the images in device memory. enqueueV3 returns at once, executeV2 with the result there.
    virtual void run(const cuda::Stream& stream) = 0;
};

// The calls that the headers of this build have, the default first.
std::vector<std::string> apis();

// `input` and `output` are device memory for the largest batch that will be set; it must outlive the execution.
std::unique_ptr<Execution> make_execution(bool legacy, const Engine& engine, float* input, float* output);

}  // namespace report
