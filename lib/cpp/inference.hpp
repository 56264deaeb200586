// What answers images and is timed: an engine on a GPU (gpu.hpp), or in tests a stand-in.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "tensor.hpp"

namespace report {

class Inference {
public:
    Inference() = default;
    Inference(const Inference&) = delete;
    Inference& operator=(const Inference&) = delete;
    virtual ~Inference() = default;

    // What it takes: `image` as often as a batch has images, from smallest_batch to largest_batch of them.
    virtual const Tensor& image() const = 0;
    virtual std::size_t smallest_batch() const = 0;
    virtual std::size_t largest_batch() const = 0;

    virtual std::size_t classes() const = 0;

    // From now on each call works on the `batch` images that are written to what is returned, in host memory, which stays its own.
    // Throws Error where the engine does not take so many.
    virtual std::byte* prepare(std::size_t batch) = 0;

    // Host memory to host memory. Returns wall clock ms.
    virtual double run_end_to_end() = 0;

    // On what is in device memory; nothing where the call cannot be timed apart. Returns ms between two CUDA events around it.
    virtual std::optional<double> run_on_gpu() = 0;

    // The result on the device to the host: after run_on_gpu, which leaves it there.
    virtual void fetch_output() = 0;

    // Overwrite the results on host and device with NaN, so that what fails without a word cannot pass off the ones before.
    virtual void clear_output() = 0;

    // The result on the host, rows of classes.
    virtual std::vector<float> output() const = 0;

    // Throws Error if something was logged as an error that no return code told.
    virtual void check() = 0;
};

}  // namespace report
