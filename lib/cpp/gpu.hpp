// An engine on the GPU: from images in pinned host memory to results in pinned host memory, with or without a CUDA graph.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cuda.hpp"
#include "engine.hpp"
#include "program.hpp"

namespace report {

// The calls that the headers of this build have, the default first: enqueueV3 with named tensors and, until 9.x, executeV2
// with bindings, which takes no stream and comes back with the result there.
std::vector<std::string> apis();

class Gpu : public Inference {
public:
    Gpu(const std::vector<char>& plan, const Way& way);

    Shape image_shape() const override { return engine_.image_shape(); }
    std::size_t classes() const override { return engine_.classes(); }
    std::size_t smallest_batch() const override { return engine_.smallest_batch(); }
    void load(const float* images, std::size_t batch) override;
    double run_end_to_end() override;
    std::optional<double> run_on_gpu() override;
    void fetch_output() override;
    void clear_output() override;
    std::vector<float> output() const override;
    void check() override { engine_.check(); }

private:
    void bind();
    void set_batch(std::size_t batch);
    void copy_in() const;
    void enqueue();
    void copy_out() const;

    Engine engine_;
    bool legacy_;
    bool graph_;
    std::size_t values_;  // of one image
    std::size_t batch_ = 0;
    cuda::PinnedFloats host_input_;
    cuda::PinnedFloats host_output_;
    cuda::DeviceFloats device_input_;
    cuda::DeviceFloats device_output_;
    std::vector<void*> bindings_;  // executeV2's tensors, by index
    cuda::Stream stream_;
    cuda::Event start_;
    cuda::Event stop_;
    std::optional<cuda::Graph> graph_all_;      // the copies too
    std::optional<cuda::Graph> graph_compute_;
};

}  // namespace report
