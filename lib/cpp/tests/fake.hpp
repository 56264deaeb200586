// An engine that is none: an image's answer is its first CLASSES values, divided by their sum.
#pragma once

#include <algorithm>
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
    explicit Engine(report::Tensor image, std::string what = "") : image_(std::move(image)), what_(std::move(what)) {}

    const report::Tensor& image() const override { return image_; }
    std::size_t smallest_batch() const override { return smallest; }
    std::size_t largest_batch() const override { return largest; }
    std::size_t classes() const override { return CLASSES; }

    std::byte* prepare(std::size_t batch) override {
        if (batch < smallest || batch > largest) {
            throw report::Error("a batch of " + std::to_string(batch) + " is outside the plan's profile");
        }
        images_.resize(batch * image_.bytes());
        batches.push_back(batch);
        return images_.data();
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
    bool logits = false;    // the values as they are
    bool reversed = false;  // the last class first
    std::vector<std::size_t> batches;
    std::size_t calls = 0;

private:
    void compute(bool wrong) {
        ++calls;
        if (what_ == "fails") {
            throw report::Error("enqueueV3: failed");
        }
        for (std::size_t i = 0; i < (wrong ? 0 : batches.back()); ++i) {
            std::vector<float> row = report::to_floats(image_.type, images_.data() + i * image_.bytes(), CLASSES);
            const float sum = logits ? 1 : std::accumulate(row.begin(), row.end(), 0.0F);
            std::transform(row.begin(), row.end(), row.begin(), [sum](float value) { return value / sum; });
            if (reversed) {
                std::reverse(row.begin(), row.end());
            }
            std::copy(row.begin(), row.end(), device_.begin() + static_cast<std::ptrdiff_t>(i * CLASSES));
        }
    }

    report::Tensor image_;
    std::string what_;
    std::vector<std::byte> images_;
    std::vector<float> device_;
    std::vector<float> host_;
};

}  // namespace fake
