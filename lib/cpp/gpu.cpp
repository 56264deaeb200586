#include "gpu.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

#if NV_TENSORRT_MAJOR < 10
#define REPORT_LEGACY_API 1
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // the comparison with the old calls is what they are here for
#else
#define REPORT_LEGACY_API 0
#endif

namespace report {

Build this_build() {
    Build build{{"enqueueV3"}, headers_version(), library_version()};
    if (REPORT_LEGACY_API) {
        build.apis.emplace_back("executeV2");
    }
    return build;
}

Gpu::Gpu(const std::vector<char>& plan, const Way& way)
    : engine_(plan, way.output), legacy_(way.api == "executeV2"), graph_(way.graph) {}

std::byte* Gpu::prepare(std::size_t batch) {
    if (batch != batch_) {
        graph_all_.reset();
        graph_compute_.reset();
        batch_ = 0;
        set_batch(batch);
        if (batch > room_) {
            make_room(batch);
        }
        batch_ = batch;
    }
    if (graph_ && !graph_all_) {
        capture();
    }
    return buffers_->host_input.data();
}

double Gpu::run_end_to_end() {
    const auto start = std::chrono::steady_clock::now();
    if (graph_all_) {
        graph_all_->launch(stream_);
    } else {
        copy_in();
        enqueue();
        copy_out();
    }
    stream_.wait();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

std::optional<double> Gpu::run_on_gpu() {
    if (legacy_) {
        return std::nullopt;
    }
    start_.record(stream_);
    if (graph_compute_) {
        graph_compute_->launch(stream_);
    } else {
        enqueue();
    }
    stop_.record(stream_);
    stream_.wait();
    return stop_.ms_since(start_);
}

void Gpu::fetch_output() {
    copy_out();
    stream_.wait();
}

// All bits set are NaN in float32 and in float16.
void Gpu::clear_output() {
    std::fill_n(buffers_->host_output.data(), buffers_->host_output.size(), std::byte{0xFF});
    const cuda::DeviceBytes& device = buffers_->device_output;
    cuda::check(cudaMemsetAsync(device.data(), 0xFF, device.size(), stream_.get()), "cudaMemsetAsync");
    stream_.wait();
}

std::vector<float> Gpu::output() const { return to_floats(engine_.row().type, buffers_->host_output.data(), batch_ * classes()); }

void Gpu::set_batch(std::size_t batch) {
    const nvinfer1::Dims shape = engine_.input_shape(batch);
    if (engine_.cuda_engine().getTensorShape(engine_.input().c_str()).d[0] >= 0) {
        return;  // built for this batch alone
    }
#if REPORT_LEGACY_API
    if (legacy_) {
        const int index = engine_.cuda_engine().getBindingIndex(engine_.input().c_str());
        engine_.need(engine_.context().setBindingDimensions(index, shape), "setBindingDimensions");
        return;
    }
#endif
    engine_.need(engine_.context().setInputShape(engine_.input().c_str(), shape), "setInputShape");
}

void Gpu::make_room(std::size_t batch) {
    buffers_.reset();  // first, so that old and new are never there at once
    room_ = 0;
    const std::size_t input = batch * image().bytes();
    const std::size_t output = batch * engine_.row().bytes();
    buffers_.emplace(Buffers{cuda::PinnedBytes(input), cuda::PinnedBytes(output), cuda::DeviceBytes(input), cuda::DeviceBytes(output), {}});
    bind(engine_.input(), buffers_->device_input.data());
    bind(engine_.output(), buffers_->device_output.data());
    for (const std::string& name : engine_.other_outputs()) {
        const std::int64_t bytes = engine_.context().getMaxOutputSize(name.c_str());
        engine_.need(bytes > 0, "getMaxOutputSize");
        bind(name, buffers_->other_outputs.emplace_back(static_cast<std::size_t>(bytes)).data());
    }
    room_ = batch;
}

void Gpu::bind(const std::string& tensor, void* memory) {
#if REPORT_LEGACY_API
    if (legacy_) {
        const int index = engine_.cuda_engine().getBindingIndex(tensor.c_str());
        engine_.need(index >= 0, "getBindingIndex");
        bindings_.resize(static_cast<std::size_t>(engine_.cuda_engine().getNbBindings()));
        bindings_.at(static_cast<std::size_t>(index)) = memory;
        return;
    }
#endif
    engine_.need(engine_.context().setTensorAddress(tensor.c_str(), memory), "setTensorAddress");
}

void Gpu::capture() {
    copy_in();
    enqueue();  // TensorRT wants one call after a change of shape before it can be captured
    stream_.wait();
    graph_compute_.emplace(stream_, [this] { enqueue(); });
    graph_all_.emplace(stream_, [this] {
        copy_in();
        enqueue();
        copy_out();
    });
}

void Gpu::copy_in() const {
    const Buffers& at = *buffers_;
    const std::size_t bytes = batch_ * image().bytes();
    cuda::check(cudaMemcpyAsync(at.device_input.data(), at.host_input.data(), bytes, cudaMemcpyHostToDevice, stream_.get()),
                "cudaMemcpyAsync");
}

void Gpu::enqueue() {
#if REPORT_LEGACY_API
    if (legacy_) {
        stream_.wait();  // executeV2 takes no stream: what ours still copies must be there before
        engine_.need(engine_.context().executeV2(bindings_.data()), "executeV2");
        return;
    }
#endif
    engine_.need(engine_.context().enqueueV3(stream_.get()), "enqueueV3");
}

void Gpu::copy_out() const {
    const Buffers& at = *buffers_;
    const std::size_t bytes = batch_ * engine_.row().bytes();
    cuda::check(cudaMemcpyAsync(at.host_output.data(), at.device_output.data(), bytes, cudaMemcpyDeviceToHost, stream_.get()),
                "cudaMemcpyAsync");
}

}  // namespace report
