// An engine that is none: an image's answer is its first CLASSES values, divided by their sum.
#pragma once

#include <limits>
#include <numeric>
#include <string>

#include "error.hpp"
#include "inference.hpp"

namespace fake {

constexpr std::size_t CLASSES = 10;

class Engine : public report::Inference {
public:
    // what: "wrong" writes no result, "wrong on gpu" only end to end, "fails" throws, "logs" tells an error by its log alone.
    explicit Engine(report::Shape shape = {32, 32, 3}, std::string what = "") : shape_(std::move(shape)), what_(std::move(what)) {}

    report::Shape image_shape() const override { return shape_; }
    std::size_t classes() const override { return CLASSES; }
    std::size_t smallest_batch() const override { return smallest; }

    void load(const float* images, std::size_t batch) override {
        if (batch < smallest || batch > largest) {
            throw report::Error("a batch of " + std::to_string(batch) + " is outside the plan's profile");
        }
        images_.assign(images, images + batch * report::values_in(shape_));
        batches.push_back(batch);
    }

    double run_end_to_end() override {
        compute(what_ == "wrong");
        fetch_output();
        return 0.5;
    }

    std::optional<double> run_on_gpu() override {
        if (!events) {
            return std::nullopt;
        }
        compute(what_ == "wrong" || what_ == "wrong on gpu");
        return 0.25;
    }

    void fetch_output() override { host_ = device_; }

    void clear_output() override {
        device_.assign(batches.back() * CLASSES, std::numeric_limits<float>::quiet_NaN());
        host_ = device_;
    }

    std::vector<float> output() const override { return host_; }

    void check() override {
        if (what_ == "logs") {
            throw report::Error("TensorRT logged an error: \xFF");  // no UTF-8
        }
    }

    std::size_t smallest = 1;
    std::size_t largest = 64;
    bool events = true;
    std::vector<std::size_t> batches;
    std::size_t calls = 0;

private:
    void compute(bool wrong) {
        ++calls;
        if (what_ == "fails") {
            throw report::Error("enqueueV3: failed");
        }
        for (std::size_t i = 0; i < (wrong ? 0 : batches.back()); ++i) {
            const float* image = images_.data() + i * report::values_in(shape_);
            const float sum = std::accumulate(image, image + CLASSES, 0.0F);
            for (std::size_t c = 0; c < CLASSES; ++c) {
                device_.at(i * CLASSES + c) = image[c] / sum;
            }
        }
    }

    report::Shape shape_;
    std::string what_;
    std::vector<float> images_;
    std::vector<float> device_;
    std::vector<float> host_;
};

}  // namespace fake
