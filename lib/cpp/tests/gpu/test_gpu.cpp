// The runner's lanes on a TensorRT and a CUDA that are none (the headers beside this file), as their version 8 and as their version 10.
#include "gpu.hpp"

#include "../check.hpp"
#include "../memory.hpp"
#include "lanes.hpp"
#include "predictions.hpp"

namespace {

constexpr std::size_t VALUES = stand_in::VALUES;
constexpr bool SHARED = NV_TENSORRT_MAJOR >= 10;

report::Way way(std::size_t lanes, bool graph = false) { return {"enqueueV3", graph, lanes, "y"}; }

stand_in::TensorRT& fresh(std::vector<std::array<int, 3>> profiles) {
    stand_in::tensorrt = {};
    stand_in::tensorrt.profiles = std::move(profiles);
    stand_in::cuda = {};
    return stand_in::tensorrt;
}

// One profile where that is enough for all lanes.
std::vector<std::array<int, 3>> alike(std::size_t lanes) { return std::vector<std::array<int, 3>>(SHARED ? 1 : lanes, {1, 8, 64}); }

std::vector<float> numbers(std::size_t images) {
    std::vector<float> values(images * VALUES);
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(i * 7 % 31);
    }
    return values;
}

std::vector<float> predict(report::Gpu& gpu, std::size_t images, std::size_t batch, report::Outputs outputs = report::Outputs::logits) {
    memory::Images samples(images, {VALUES}, numbers(images));
    std::vector<float> all;
    const auto take = [&all](std::size_t, std::vector<float>& rows) { all.insert(all.end(), rows.begin(), rows.end()); };
    report::predict(gpu, samples, batch, outputs, take);
    return all;
}

}  // namespace

TEST(lanes_with_and_without_graphs_answer_in_order) {
    for (const std::size_t lanes : {1U, 2U, 5U}) {
        for (const bool graph : {false, true}) {
            for (const std::size_t batch : {1U, 3U, 8U, 64U}) {
                fresh(alike(lanes));
                {
                    report::Gpu gpu({}, way(lanes, graph));
                    CHECK(predict(gpu, 50, batch) == numbers(50) && predict(gpu, 9, 2) == numbers(9));  // batches change, buffers stay
                    CHECK((stand_in::cuda.graph_launches > 0) == graph);
                    gpu.check();
                }
                CHECK(stand_in::cuda.held == 0);
            }
        }
    }
}

TEST(a_lane_needs_a_profile_where_contexts_cannot_share_one) {
    const auto& tensorrt = fresh(std::vector<std::array<int, 3>>(2, {1, 8, 64}));
    if (SHARED) {
        report::Gpu gpu({}, way(3));
        CHECK(predict(gpu, 9, 2) == numbers(9) && tensorrt.chosen.empty());
    } else {
        CHECK_ERROR("no batch has 3 of the plan's 2; build it with that many alike, or give fewer --lanes", report::Gpu({}, way(3)));
        report::Gpu gpu({}, way(2));
        CHECK(predict(gpu, 9, 2) == numbers(9) && tensorrt.chosen == std::vector<int>{1});
    }
}

TEST(a_plan_for_one_batch_takes_no_profiles) {
    fresh({{4, 4, 4}}).fixed = 4;
    report::Gpu gpu({}, way(3, true));
    CHECK(predict(gpu, 13, 1) == numbers(13) && stand_in::tensorrt.chosen.empty());
}

TEST(profiles_of_one_batch_are_one_for_each_lane) {
    for (const bool graph : {false, true}) {
        auto& tensorrt = fresh({{1, 1, 1}, {1, 1, 1}, {1, 1, 1}});
        tensorrt.fixed = 1;
        report::Gpu gpu({}, way(3, graph));
        CHECK(predict(gpu, 13, 1) == numbers(13));
        CHECK(tensorrt.chosen == (SHARED ? std::vector<int>{} : std::vector<int>{1, 2}));
    }
}

TEST(the_profile_goes_with_the_batch) {
    for (const bool graph : {false, true}) {
        const auto& tensorrt = fresh({{1, 1, 1}, {1, 1, 1}, {2, 8, 64}, {2, 8, 64}});
        report::Gpu gpu({}, way(2, graph));
        CHECK(gpu.limits().smallest == 1 && gpu.limits().largest == 64);
        CHECK(predict(gpu, 12, 4) == numbers(12) && predict(gpu, 3, 1) == numbers(3) && predict(gpu, 12, 6) == numbers(12));
        CHECK(tensorrt.chosen == (SHARED ? std::vector<int>{2, 2, 0, 0, 2, 2} : std::vector<int>{2, 3, 0, 1, 2, 3}));
    }
}

TEST(an_error_in_one_lane_leaves_all_of_them_usable) {
    for (const bool graph : {false, true}) {
        auto& tensorrt = fresh(alike(3));
        report::Gpu gpu({}, way(3, graph));
        tensorrt.fail_at = 5;  // with graphs while one is captured
        CHECK_ERROR("enqueueV3: a kernel did not start", predict(gpu, 50, 4));
        CHECK(predict(gpu, 50, 4) == numbers(50));
    }
}

TEST(what_no_lane_wrote_is_no_answer) {
    for (const bool classes : {false, true}) {
        auto& tensorrt = fresh(alike(2));
        tensorrt.classes = classes;
        const auto outputs = classes ? report::Outputs::classes : report::Outputs::logits;
        report::Gpu gpu({}, way(2, true));
        const auto right = predict(gpu, 10, 4, outputs);
        CHECK(right.size() == (classes ? 10 : 10 * VALUES));
        tensorrt.silent = true;
        CHECK_WRONG_OUTPUT(classes ? "c[0] = -1" : "z[0]: NaN", predict(gpu, 10, 4, outputs));
    }
}

TEST(no_memory_is_one_line_and_smaller_batches_still_run) {
    fresh(alike(2));
    report::Gpu gpu({}, way(2));
    stand_in::cuda.room = 16 * VALUES * sizeof(float);
    CHECK_ERROR("use smaller batches or fewer lanes", predict(gpu, 64, 64));
    CHECK(predict(gpu, 64, 16) == numbers(64));
}

TEST(one_lane_is_timed_on_the_gpu) {
    for (const bool graph : {false, true}) {
        fresh(alike(1));
        report::Gpu gpu({}, way(1, graph));
        memory::Images(5, {VALUES}, numbers(5)).read(0, 5, gpu.lane(0).prepare(5));
        gpu.lane(0).launch();
        gpu.lane(0).wait();
        gpu.lane(0).clear_output();
        CHECK(gpu.lane(0).run_on_gpu() == 0.25);
        gpu.lane(0).fetch_output();
        CHECK(gpu.lane(0).output() == numbers(5));
    }
}

#if NV_TENSORRT_MAJOR < 10
TEST(calls_with_bindings_have_the_first_profile) {
    fresh({{1, 8, 64}, {65, 80, 90}});
    report::Gpu gpu({}, {"executeV2", false, 1, "y"});
    CHECK(gpu.limits().largest == 64 && predict(gpu, 50, 7) == numbers(50));
    CHECK(!gpu.lane(0).run_on_gpu());
}
#endif
