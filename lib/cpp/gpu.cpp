#include "gpu.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#if NV_TENSORRT_MAJOR < 10
#define REPORT_LEGACY_API 1
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // the comparison with the old calls is what they are here for
#else
#define REPORT_LEGACY_API 0
#endif

namespace report {

std::vector<std::string> apis() {
    return REPORT_LEGACY_API ? std::vector<std::string>{"enqueueV3", "executeV2"} : std::vector<std::string>{"enqueueV3"};
}

Gpu::Gpu(const std::vector<char>& plan, const Way& way)
    : engine_(plan),
      legacy_(way.api == "executeV2"),
      graph_(way.graph),
      values_(values_in(engine_.image_shape())),
      host_input_(way.capacity * values_),
      host_output_(way.capacity * engine_.classes()),
      device_input_(host_input_.size()),
      device_output_(host_output_.size()) {
    bind();
}

void Gpu::load(const float* images, std::size_t batch) {
    if (batch * values_ > host_input_.size()) {
        throw Error("a batch of " + std::to_string(batch) + " is larger than was announced");
    }
    std::copy_n(images, batch * values_, host_input_.data());
    if (batch == batch_ && graph_all_.has_value() == graph_) {
        return;
    }
    graph_all_.reset();
    graph_compute_.reset();
    batch_ = 0;
    set_batch(batch);
    batch_ = batch;
    if (graph_) {
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

void Gpu::clear_output() {
    std::fill_n(host_output_.data(), host_output_.size(), std::numeric_limits<float>::quiet_NaN());
    cuda::check(cudaMemsetAsync(device_output_.data(), 0xFF, device_output_.bytes(), stream_.get()), "cudaMemsetAsync");  // NaN too
    stream_.wait();
}

std::vector<float> Gpu::output() const { return {host_output_.data(), host_output_.data() + batch_ * classes()}; }

void Gpu::bind() {
#if REPORT_LEGACY_API
    if (legacy_) {
        const auto index = [this](const std::string& name) {
            const int found = engine_.cuda_engine().getBindingIndex(name.c_str());
            engine_.need(found >= 0, "getBindingIndex");
            return static_cast<std::size_t>(found);
        };
        bindings_.resize(static_cast<std::size_t>(engine_.cuda_engine().getNbBindings()));
        bindings_.at(index(engine_.input())) = device_input_.data();
        bindings_.at(index(engine_.output())) = device_output_.data();
        return;
    }
#endif
    engine_.need(engine_.context().setTensorAddress(engine_.input().c_str(), device_input_.data()), "setTensorAddress");
    engine_.need(engine_.context().setTensorAddress(engine_.output().c_str(), device_output_.data()), "setTensorAddress");
}

void Gpu::set_batch(std::size_t batch) {
    const nvinfer1::Dims shape = engine_.input_shape(batch);
#if REPORT_LEGACY_API
    if (legacy_) {
        const int index = engine_.cuda_engine().getBindingIndex(engine_.input().c_str());
        engine_.need(engine_.context().setBindingDimensions(index, shape), "setBindingDimensions");
        return;
    }
#endif
    engine_.need(engine_.context().setInputShape(engine_.input().c_str(), shape), "setInputShape");
}

void Gpu::copy_in() const {
    const std::size_t bytes = batch_ * values_ * sizeof(float);
    cuda::check(cudaMemcpyAsync(device_input_.data(), host_input_.data(), bytes, cudaMemcpyHostToDevice, stream_.get()), "cudaMemcpyAsync");
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
    const std::size_t bytes = batch_ * classes() * sizeof(float);
    cuda::check(cudaMemcpyAsync(host_output_.data(), device_output_.data(), bytes, cudaMemcpyDeviceToHost, stream_.get()), "cudaMemcpyAsync");
}

}  // namespace report
