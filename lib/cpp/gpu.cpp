#include "gpu.hpp"

#include <algorithm>
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

Gpu::Gpu(const std::vector<char>& plan, const Way& way) : engine_(plan, way) {
    while (lanes_.size() < way.lanes) {
        lanes_.emplace_back(engine_, lanes_.size(), way);
    }
}

GpuLane::GpuLane(Engine& engine, std::size_t index, const Way& way)
    : engine_(engine), index_(index), legacy_(way.api == "executeV2"), graph_(way.graph), context_(engine.new_context()) {}

std::byte* GpuLane::prepare(std::size_t batch) {
    if (batch != batch_) {
        graph_all_.reset();
        graph_compute_.reset();
        batch_ = 0;
        set_batch(batch);
        if (batch > room_) {
            make_room(batch);
        }
        bind_all();
        batch_ = batch;
    }
    if (graph_ && !graph_all_) {
        capture();
    }
    return buffers_->host_input.data();
}

void GpuLane::launch() {
    if (graph_all_) {
        graph_all_->launch(stream_);
    } else {
        copy_in();
        enqueue();
        copy_out();
    }
}

std::optional<double> GpuLane::run_on_gpu() {
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

void GpuLane::fetch_output() {
    copy_out();
    stream_.wait();
}

// All bits set are NaN in float32 and in float16, -1 in int32.
void GpuLane::clear_output() {
    std::fill_n(buffers_->host_output.data(), buffers_->host_output.size(), std::byte{0xFF});
    const cuda::DeviceBytes& device = buffers_->device_output;
    cuda::check(cudaMemsetAsync(device.data(), 0xFF, device.size(), stream_.get()), "cudaMemsetAsync");
    stream_.wait();
}

std::vector<float> GpuLane::output() const {
    return to_floats(engine_.row().type, buffers_->host_output.data(), batch_ * values_in(engine_.row().shape));
}

// Tells the context its profile and the shape of its input.
void GpuLane::set_batch(std::size_t batch) {
    const std::int32_t profile = engine_.profile(batch, index_);
    if (!engine_.fixed() && context_->getOptimizationProfile() != profile) {
        engine_.need(context_->setOptimizationProfileAsync(profile, stream_.get()), "setOptimizationProfileAsync");
        stream_.wait();
    }
    nvinfer1::Dims shape = engine_.input_shape();
    if (shape.d[0] >= 0) {
        return;  // built for this batch alone
    }
    shape.d[0] = static_cast<std::decay_t<decltype(shape.d[0])>>(batch);  // 32 bits until 9.x, then 64
#if REPORT_LEGACY_API
    if (legacy_) {
        const int index = engine_.cuda_engine().getBindingIndex(engine_.input().c_str());
        engine_.need(context_->setBindingDimensions(index, shape), "setBindingDimensions");
        return;
    }
#endif
    engine_.need(context_->setInputShape(engine_.input().c_str(), shape), "setInputShape");
}

void GpuLane::make_room(std::size_t batch) {
    buffers_.reset();  // first, so that old and new are never there at once
    room_ = 0;
    const std::size_t input = batch * engine_.image().bytes();
    const std::size_t output = batch * engine_.row().bytes();
    buffers_.emplace(Buffers{cuda::PinnedBytes(input), cuda::PinnedBytes(output), cuda::DeviceBytes(input), cuda::DeviceBytes(output), {}});
    for (const std::string& name : engine_.other_outputs()) {
        const std::int64_t bytes = context_->getMaxOutputSize(name.c_str());
        engine_.need(bytes > 0, "getMaxOutputSize");
        buffers_->other_outputs.emplace_back(static_cast<std::size_t>(bytes));
    }
    room_ = batch;
}

// Tells the context where its tensors are; with another profile it may not know it any more.
void GpuLane::bind_all() {
    bind(engine_.input(), buffers_->device_input.data());
    bind(engine_.output(), buffers_->device_output.data());
    for (std::size_t i = 0; i < buffers_->other_outputs.size(); ++i) {
        bind(engine_.other_outputs()[i], buffers_->other_outputs[i].data());
    }
}

void GpuLane::bind(const std::string& tensor, void* memory) {
#if REPORT_LEGACY_API
    if (legacy_) {
        const int index = engine_.cuda_engine().getBindingIndex(tensor.c_str());
        engine_.need(index >= 0, "getBindingIndex");
        bindings_.resize(static_cast<std::size_t>(engine_.cuda_engine().getNbBindings()));
        bindings_.at(static_cast<std::size_t>(index)) = memory;
        return;
    }
#endif
    engine_.need(context_->setTensorAddress(tensor.c_str(), memory), "setTensorAddress");
}

void GpuLane::capture() {
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

void GpuLane::copy_in() const {
    const Buffers& at = *buffers_;
    const std::size_t bytes = batch_ * engine_.image().bytes();
    cuda::check(cudaMemcpyAsync(at.device_input.data(), at.host_input.data(), bytes, cudaMemcpyHostToDevice, stream_.get()),
                "cudaMemcpyAsync");
}

void GpuLane::enqueue() {
#if REPORT_LEGACY_API
    if (legacy_) {
        stream_.wait();  // executeV2 takes no stream: what ours still copies must be there before
        engine_.need(context_->executeV2(bindings_.data()), "executeV2");
        return;
    }
#endif
    engine_.need(context_->enqueueV3(stream_.get()), "enqueueV3");
}

void GpuLane::copy_out() const {
    const Buffers& at = *buffers_;
    const std::size_t bytes = batch_ * engine_.row().bytes();
    cuda::check(cudaMemcpyAsync(at.host_output.data(), at.device_output.data(), bytes, cudaMemcpyDeviceToHost, stream_.get()),
                "cudaMemcpyAsync");
}

}  // namespace report
