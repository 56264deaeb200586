// An engine that is none: an image's answer is its first CLASSES values, divided by their sum. Its lanes run on a GPU that is none, which
// computes one batch after the other, and answers when it is waited for; `clock` tells the time there.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <limits>
#include <numeric>
#include <string>

#include "error.hpp"
#include "inference.hpp"
#include "lanes.hpp"

namespace fake {

constexpr std::size_t CLASSES = 10;

class Engine : public report::Inference {
public:
    // what: "wrong" writes no result, "wrong on gpu" only end to end, "wrong at the end" in the last lane, "fails" throws, "fails
    // later" in the last lane the second time, "logs" tells an error by its log alone.
    explicit Engine(report::Tensor image, std::string what = "", std::size_t lanes = 1) : image_(std::move(image)), what_(std::move(what)) {
        while (lanes_.size() < lanes) {
            lanes_.emplace_back(*this, lanes_.size());
        }
    }

    const report::Tensor& image() const override { return image_; }
    const report::Tensor& row() const override { return row_; }
    report::Limits limits() const override { return report::limits_of(profiles, lanes_.size()); }
    std::size_t lanes() const override { return lanes_.size(); }
    report::Lane& lane(std::size_t index) override { return lanes_.at(index); }

    void check() override {
        if (what_ == "logs") {
            throw report::Error("TensorRT logged an error: \xFF");  // no UTF-8
        }
    }

    // Answers are the classes: the first of the largest values.
    void give_classes() { row_ = {report::Type::int32, {}}; }

    // Whether no lane is under way.
    bool settled() const {
        return std::none_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) { return lane.running; });
    }

    std::chrono::steady_clock::time_point clock() const { return now_; }

    std::vector<report::Profile> profiles{{1, 8, 64}};
    bool events = true;
    bool logits = false;    // the values as they are
    bool reversed = false;  // the last class first
    std::vector<std::size_t> batches;
    std::vector<std::size_t> launched;  // lanes, in order
    std::size_t calls = 0;

private:
    class Lane : public report::Lane {
    public:
        Lane(Engine& engine, std::size_t index) : engine_(engine), index_(index) {}

        std::byte* prepare(std::size_t batch) override {
            idle();
            static_cast<void>(report::profile_of(engine_.profiles, batch, index_, engine_.lanes_.size()));
            images_.resize(batch * engine_.image_.bytes());
            engine_.batches.push_back(batch);
            return images_.data();
        }

        void launch() override {
            idle();
            engine_.launched.push_back(index_);
            engine_.now_ += std::chrono::microseconds(125);
            engine_.free_ = done_ = std::max(engine_.now_, engine_.free_) + std::chrono::microseconds(375);
            if (engine_.what_ == "fails later" && last() && launches_++ > 0) {
                throw report::Error("enqueueV3: failed");
            }
            running = true;
        }

        void wait() override {
            if (running) {
                running = false;
                engine_.now_ = std::max(engine_.now_, done_);
                compute(engine_.what_ == "wrong" || (engine_.what_ == "wrong at the end" && last()));
                host_ = device_;
            }
        }

        std::optional<double> run_on_gpu() override {
            idle();
            if (!engine_.events) {
                return std::nullopt;
            }
            compute(engine_.what_ == "wrong" || engine_.what_ == "wrong on gpu");
            return 0.25;
        }

        void fetch_output() override { host_ = device_; }

        void clear_output() override {
            idle();
            device_.assign(size() * engine_.row_.bytes(), std::byte{0xFF});
            host_ = device_;
        }

        std::vector<float> output() const override {
            idle();
            return report::to_floats(engine_.row_.type, host_.data(), size() * report::values_in(engine_.row_.shape));
        }

        bool running = false;

    private:
        std::size_t size() const { return images_.size() / engine_.image_.bytes(); }
        bool last() const { return index_ + 1 == engine_.lanes_.size(); }

        // What a test is about, and no Error that would be answered.
        void idle() const {
            if (running) {
                throw std::logic_error("a lane that runs was touched");
            }
        }

        void compute(bool wrong) {
            ++engine_.calls;
            if (engine_.what_ == "fails") {
                throw report::Error("enqueueV3: failed");
            }
            for (std::size_t i = 0; i < (wrong ? 0 : size()); ++i) {
                std::vector<float> row = report::to_floats(engine_.image_.type, images_.data() + i * engine_.image_.bytes(), CLASSES);
                const float sum = engine_.logits ? 1 : std::accumulate(row.begin(), row.end(), 0.0F);
                std::transform(row.begin(), row.end(), row.begin(), [sum](float value) { return value / sum; });
                if (engine_.reversed) {
                    std::reverse(row.begin(), row.end());
                }
                const auto best = static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
                const void* const answer = engine_.row_.type == report::Type::int32 ? static_cast<const void*>(&best) : row.data();
                std::memcpy(device_.data() + i * engine_.row_.bytes(), answer, engine_.row_.bytes());
            }
        }

        Engine& engine_;
        std::size_t index_;
        std::size_t launches_ = 0;
        std::chrono::steady_clock::time_point done_;
        std::vector<std::byte> images_;
        std::vector<std::byte> device_;
        std::vector<std::byte> host_;
    };

    report::Tensor image_;
    report::Tensor row_{report::Type::float32, {CLASSES}};
    std::string what_;
    std::deque<Lane> lanes_;
    std::chrono::steady_clock::time_point now_;
    std::chrono::steady_clock::time_point free_;
};

}  // namespace fake
