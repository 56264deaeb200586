#include "inference.hpp"

#include <algorithm>

#include "error.hpp"
#include "predictions.hpp"
#include "samples.hpp"

namespace report {

Inference::Inference(const Engine& engine, const Options& options, const std::vector<float>& pixels)
    : engine_(engine),
      options_(options),
      images_(pixels.size() / PIXELS),
      host_input_(pixels.size()),
      host_output_(options.batch * engine.classes()),
      device_input_(options.batch * PIXELS),
      device_output_(host_output_.size()),
      execution_(make_execution(options.legacy, engine, device_input_.data(), device_output_.data())) {
    std::copy(pixels.begin(), pixels.end(), host_input_.data());
}

std::vector<float> Inference::predict_all() {
    std::vector<float> all;
    all.reserve(images_ * engine_.classes());
    for (std::size_t first = 0; first < images_; first += options_.batch) {
        select(first, std::min(options_.batch, images_ - first));
        clear_output();
        run_end_to_end();
        const std::vector<float> rows = output();
        check_probabilities(rows.data(), batch_, engine_.classes());
        all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
}

void Inference::prepare(std::size_t first, std::size_t batch) {
    select(first, batch);
    if (options_.graph) {
        graph_all_.emplace(stream_, [this] {
            copy_in();
            execution_->run(stream_);
            copy_out();
        });
    }
}

void Inference::select(std::size_t first, std::size_t batch) {
    graph_all_.reset();
    first_ = first;
    if (batch == batch_) {
        return;
    }
    graph_compute_.reset();
    execution_->set_batch(batch);
    batch_ = batch;
    if (options_.graph) {
        execution_->run(stream_);  // TensorRT wants one call after a change of shape before it can be captured
        stream_.wait();
        graph_compute_.emplace(stream_, [this] { execution_->run(stream_); });
    }
}

double Inference::run_end_to_end() {
    const double start_s = steady_clock_s();
    if (graph_all_) {
        graph_all_->launch(stream_);
    } else {
        copy_in();
        compute();
        copy_out();
    }
    stream_.wait();
    return (steady_clock_s() - start_s) * 1e3;
}

double Inference::run_on_gpu() {
    start_.record(stream_);
    compute();
    stop_.record(stream_);
    stream_.wait();
    return stop_.ms_since(start_);
}

std::vector<float> Inference::output() const {
    return std::vector<float>(host_output_.data(), host_output_.data() + batch_ * engine_.classes());
}

void Inference::clear_output() {
    std::fill_n(host_output_.data(), host_output_.size(), 0.0F);
    cuda::check(cudaMemsetAsync(device_output_.data(), 0, device_output_.bytes(), stream_.get()), "cudaMemsetAsync");
    stream_.wait();
}

void Inference::copy_in() const {
    const float* from = host_input_.data() + first_ * PIXELS;
    const std::size_t bytes = batch_ * PIXELS * sizeof(float);
    cuda::check(cudaMemcpyAsync(device_input_.data(), from, bytes, cudaMemcpyHostToDevice, stream_.get()), "cudaMemcpyAsync");
}

void Inference::compute() {
    if (graph_compute_) {
        graph_compute_->launch(stream_);
    } else {
        execution_->run(stream_);
    }
}

void Inference::copy_out() const {
    const std::size_t bytes = batch_ * engine_.classes() * sizeof(float);
    cuda::check(cudaMemcpyAsync(host_output_.data(), device_output_.data(), bytes, cudaMemcpyDeviceToHost, stream_.get()), "cudaMemcpyAsync");
}

}  // namespace report
