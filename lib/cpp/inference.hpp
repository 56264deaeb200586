// From images in pinned host memory to probabilities in pinned host memory, with or without a CUDA graph.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "cuda.hpp"
#include "engine.hpp"
#include "execution.hpp"
#include "options.hpp"

namespace report {

class Inference {
public:
    // Takes memory for the options' batch size on host and device, and copies all images into pinned memory.
    Inference(const Engine& engine, const Options& options, const std::vector<float>& pixels);

    // Probabilities of all images: batches of the options' size, the last one shorter where they do not divide.
    std::vector<float> predict_all();

    // From now on each call works on the `batch` images from `first` on. With --graph, run_end_to_end replays one
    // graph with both copies inside; predict_all, where the images move on, one of the computation alone.
    void prepare(std::size_t first, std::size_t batch);

    // Copies in, computes, copies out, waits. Returns wall clock ms.
    double run_end_to_end();

    // Computes on what is in device memory. Returns ms between two CUDA events around it. Not for executeV2.
    double run_on_gpu();

    // The results of the last call, `batch` rows of classes.
    std::vector<float> output() const;

    // Overwrite the results on host and device, so that what fails without a word cannot pass off the ones before.
    void clear_output();

private:
    void select(std::size_t first, std::size_t batch);
    void copy_in() const;
    void compute();
    void copy_out() const;

    const Engine& engine_;
    const Options& options_;
    std::size_t images_;
    std::size_t first_ = 0;
    std::size_t batch_ = 0;
    cuda::PinnedFloats host_input_;
    cuda::PinnedFloats host_output_;
    cuda::DeviceFloats device_input_;
    cuda::DeviceFloats device_output_;
    cuda::Stream stream_;
    cuda::Event start_;
    cuda::Event stop_;
    std::unique_ptr<Execution> execution_;
    std::optional<cuda::Graph> graph_all_;
    std::optional<cuda::Graph> graph_compute_;
};

}  // namespace report
