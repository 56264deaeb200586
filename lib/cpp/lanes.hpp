// Lanes together: how they share a plan's optimization profiles, and that none of them still runs when something else begins.
#pragma once

#include <vector>

#include "inference.hpp"

namespace report {

// An optimization profile: the batches that it holds, and the one that it is best for.
struct Profile {
    std::size_t smallest;
    std::size_t best;
    std::size_t largest;
};

// The batches for which each lane has a profile of its own, from the smallest to the largest. Throws Error where there are none. Where
// contexts can share a profile, they are one lane here.
Limits limits_of(const std::vector<Profile>& profiles, std::size_t lanes);

// Index of a lane's profile: that of the first of `lanes` is the first of the profiles that hold the batch and are best for batches
// nearest to it, and so on, as lib/trt/lane.py has it. Throws Error where there are too few.
std::size_t profile_of(const std::vector<Profile>& profiles, std::size_t batch, std::size_t lane, std::size_t lanes);

// At its end no lane runs, however that came: after an error in one of them the others still read and write their buffers.
class Settled {
public:
    explicit Settled(Inference& engine) : engine_(engine) {}
    Settled(const Settled&) = delete;
    Settled& operator=(const Settled&) = delete;
    ~Settled();

private:
    Inference& engine_;
};

}  // namespace report
