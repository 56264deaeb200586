// An engine on the GPU: from images in pinned host memory to results in pinned host memory, in lanes, with or without CUDA graphs.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "cuda.hpp"
#include "engine.hpp"
#include "program.hpp"

namespace report {

// The calls that its headers have are enqueueV3 with named tensors and, until 9.x, executeV2 with bindings, which takes no stream and
// comes back with the result there.
Build this_build();

// A context of an engine with a stream, buffers and graphs of its own.
class GpuLane : public Lane {
public:
    GpuLane(Engine& engine, std::size_t index, const Way& way);

    std::byte* prepare(std::size_t batch) override;
    void launch() override;
    void wait() override { stream_.wait(); }
    std::optional<double> run_on_gpu() override;
    void fetch_output() override;
    void clear_output() override;
    std::vector<float> output() const override;

private:
    // One batch's, in host memory that is pinned and on the device.
    struct Buffers {
        cuda::PinnedBytes host_input;
        cuda::PinnedBytes host_output;
        cuda::DeviceBytes device_input;
        cuda::DeviceBytes device_output;
        std::vector<cuda::DeviceBytes> other_outputs;  // which TensorRT writes and nobody reads
    };

    void set_batch(std::size_t batch);
    void make_room(std::size_t batch);
    void bind_all();
    void bind(const std::string& tensor, void* memory);
    void capture();
    void copy_in() const;
    void enqueue();
    void copy_out() const;

    Engine& engine_;
    std::size_t index_;
    bool legacy_;
    bool graph_;
    std::size_t batch_ = 0;
    std::size_t room_ = 0;  // images that the buffers hold
    std::optional<Buffers> buffers_;
    std::vector<void*> bindings_;  // executeV2's tensors, by index
    cuda::Stream stream_;
    std::unique_ptr<nvinfer1::IExecutionContext> context_;
    cuda::Event start_;
    cuda::Event stop_;
    std::optional<cuda::Graph> graph_all_;      // the copies too
    std::optional<cuda::Graph> graph_compute_;
};

class Gpu : public Inference {
public:
    Gpu(const std::vector<char>& plan, const Way& way);

    const Tensor& image() const override { return engine_.image(); }
    const Tensor& row() const override { return engine_.row(); }
    Limits limits() const override { return engine_.limits(); }
    std::size_t lanes() const override { return lanes_.size(); }
    Lane& lane(std::size_t index) override { return lanes_.at(index); }
    void check() override { engine_.check(); }

private:
    Engine engine_;  // the lanes refer to it: first to be made, last to go
    std::deque<GpuLane> lanes_;
};

}  // namespace report
