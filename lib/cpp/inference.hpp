// What answers images and is timed: an engine on a GPU (gpu.hpp), or in tests a stand-in. Its lanes run side by side.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "tensor.hpp"

namespace report {

// How many images a batch has, from the smallest to the largest.
struct Limits {
    std::size_t smallest = 1;
    std::size_t largest = 1;
};

// One execution of an engine, which the others of that engine neither wait for nor disturb.
class Lane {
public:
    Lane() = default;
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;
    virtual ~Lane() = default;

    // From now on each call works on the `batch` images that are written to what is returned, in host memory, which stays its own.
    // Throws Error where the engine does not take so many. Not while something runs, like all that follows but wait.
    virtual std::byte* prepare(std::size_t batch) = 0;

    // Start a batch, host memory to host memory; whether that comes back before its end is up to the call.
    virtual void launch() = 0;

    // Until what was launched, if anything, is over.
    virtual void wait() = 0;

    // On what is in device memory; nothing where the call cannot be timed apart. Returns ms between two CUDA events around it.
    virtual std::optional<double> run_on_gpu() = 0;

    // The result on the device to the host: after run_on_gpu, which leaves it there.
    virtual void fetch_output() = 0;

    // Set all bits of the results on host and device, which are NaN or no class, so that what fails without a word cannot pass off the
    // ones before.
    virtual void clear_output() = 0;

    // The result on the host, a row an image.
    virtual std::vector<float> output() const = 0;
};

class Inference {
public:
    Inference() = default;
    Inference(const Inference&) = delete;
    Inference& operator=(const Inference&) = delete;
    virtual ~Inference() = default;

    // What it takes, and answers to each: a batch has them as often as `limits` says, in every lane.
    virtual const Tensor& image() const = 0;
    virtual const Tensor& row() const = 0;
    virtual Limits limits() const = 0;

    virtual std::size_t lanes() const = 0;  // at least one
    virtual Lane& lane(std::size_t index) = 0;

    // Throws Error if something was logged as an error that no return code told.
    virtual void check() = 0;
};

}  // namespace report
