#include "lanes.hpp"

#include "check.hpp"
#include "fake.hpp"

using Profiles = std::vector<report::Profile>;

namespace {

bool limits_are(const Profiles& profiles, std::size_t lanes, std::size_t smallest, std::size_t largest) {
    const report::Limits limits = report::limits_of(profiles, lanes);
    return limits.smallest == smallest && limits.largest == largest;
}

// Those of all lanes, the first one's first.
std::vector<std::size_t> given(const Profiles& profiles, std::size_t batch, std::size_t lanes) {
    std::vector<std::size_t> found;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        found.push_back(report::profile_of(profiles, batch, lane, lanes));
    }
    return found;
}

}  // namespace

TEST(each_lane_needs_a_profile) {
    const Profiles alike(8, {1, 8, 64});
    CHECK(limits_are(alike, 1, 1, 64) && limits_are(alike, 8, 1, 64) && limits_are(Profiles(8, {4, 4, 4}), 3, 4, 4));
    CHECK(given(alike, 32, 8) == (std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7}));
    const std::string words = "no batch has 3 of the plan's 2; build it with that many alike, or give fewer --lanes";
    CHECK_ERROR(words, report::limits_of(Profiles(2, {1, 8, 64}), 3));
    CHECK_ERROR("no batch has 2 of the plan's 2", report::limits_of({{1, 1, 1}, {2, 8, 64}}, 2));
    CHECK_ERROR("no batch has 1 of the plan's 0", report::limits_of({}, 1));
}

TEST(a_lane_has_the_profile_that_is_best_for_the_batch) {
    const Profiles regimes{{1, 1, 1}, {2, 32, 64}, {1, 4096, 8192}};
    CHECK(limits_are(regimes, 1, 1, 8192) && limits_are(regimes, 2, 1, 64));
    for (const auto& [batch, profile] : {std::pair(1U, 0U), {2U, 1U}, {64U, 1U}, {65U, 2U}, {8192U, 2U}}) {
        CHECK(report::profile_of(regimes, batch, 0, 1) == profile);
    }
    const Profiles twice{{1, 1, 64}, {1, 1, 64}, {1, 32, 64}, {1, 32, 64}, {32, 4096, 8192}};
    CHECK(given(twice, 1, 2) == (std::vector<std::size_t>{0, 1}) && given(twice, 40, 2) == (std::vector<std::size_t>{2, 3}));
    CHECK(given(twice, 40, 3) == (std::vector<std::size_t>{0, 2, 3}));  // in the plan's order: the first context has the first by itself
    CHECK_ERROR("a batch of 9000 is outside the plan's profiles, 1 to 64, 32 to 8192", report::profile_of(twice, 9000, 0, 1));
    CHECK_ERROR("1 to 64, 32 to 8192, of which each lane needs one", report::profile_of(twice, 100, 1, 2));
}

TEST(every_lane_of_a_batch_has_a_profile_of_its_own) {
    const Profiles profiles{{1, 8, 8}, {4, 4, 16}, {1, 32, 64}, {8, 8, 8}, {2, 3, 4}};
    for (std::size_t lanes = 1; lanes <= 4; ++lanes) {
        const report::Limits limits = report::limits_of(profiles, lanes);
        for (const std::size_t batch : {limits.smallest, limits.largest}) {
            const std::vector<std::size_t> found = given(profiles, batch, lanes);
            CHECK(std::is_sorted(found.begin(), found.end()) && std::adjacent_find(found.begin(), found.end()) == found.end());
            CHECK(std::all_of(found.begin(), found.end(), [&](std::size_t i) {
                return profiles[i].smallest <= batch && batch <= profiles[i].largest;
            }));
        }
    }
}

TEST(whatever_ends_it_waits_for_all_lanes) {
    fake::Engine engine({report::Type::float32, {12}}, "fails", 3);
    engine.profiles.assign(3, {1, 8, 64});
    for (std::size_t i = 0; i < 3; ++i) {
        engine.lane(i).prepare(1);
    }
    {
        const report::Settled settled(engine);
        engine.lane(0).launch();
        engine.lane(2).launch();
    }
    CHECK(engine.settled() && engine.calls == 2);
}
