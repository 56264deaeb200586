#include "lanes.hpp"

#include <algorithm>
#include <string>

#include "error.hpp"

namespace report {
namespace {

// Those that hold a batch, by index.
std::vector<std::size_t> holding(const std::vector<Profile>& profiles, std::size_t batch) {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < profiles.size(); ++i) {
        if (profiles[i].smallest <= batch && batch <= profiles[i].largest) {
            found.push_back(i);
        }
    }
    return found;
}

// "1 to 64", or of several "1 to 1, 2 to 64", each once.
std::string text_of(const std::vector<Profile>& profiles) {
    std::string text;
    for (const Profile& profile : profiles) {
        const std::string one = std::to_string(profile.smallest) + " to " + std::to_string(profile.largest);
        if ((", " + text + ",").find(", " + one + ",") == std::string::npos) {
            text += (text.empty() ? "" : ", ") + one;
        }
    }
    return text;
}

}  // namespace

Limits limits_of(const std::vector<Profile>& profiles, std::size_t lanes) {
    std::vector<std::size_t> ends;  // the smallest and the largest batch are an end of a profile each
    for (const Profile& profile : profiles) {
        for (const std::size_t end : {profile.smallest, profile.largest}) {
            if (holding(profiles, end).size() >= lanes) {
                ends.push_back(end);
            }
        }
    }
    if (ends.empty()) {
        throw Error("before TensorRT 10 lanes need an optimization profile each: no batch has " + std::to_string(lanes) +
                    " of the plan's " + std::to_string(profiles.size()) + "; build it with that many alike, or give fewer --lanes");
    }
    const auto [smallest, largest] = std::minmax_element(ends.begin(), ends.end());
    return {*smallest, *largest};
}

std::size_t profile_of(const std::vector<Profile>& profiles, std::size_t batch, std::size_t lane, std::size_t lanes) {
    std::vector<std::size_t> found = holding(profiles, batch);
    if (found.size() < lanes) {
        throw Error("a batch of " + std::to_string(batch) + " is outside the plan's profiles, " + text_of(profiles) +
                    (lanes == 1 ? "" : ", of which each lane needs one"));
    }
    const auto far = [&](std::size_t i) { return std::max(profiles[i].best, batch) - std::min(profiles[i].best, batch); };
    std::stable_sort(found.begin(), found.end(), [&](std::size_t one, std::size_t other) { return far(one) < far(other); });
    std::sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(lanes));
    return found.at(lane);
}

Settled::~Settled() {
    for (std::size_t i = 0; i < engine_.lanes(); ++i) {
        try {
            engine_.lane(i).wait();
        } catch (...) {
            // what matters was thrown before
        }
    }
}

}  // namespace report
