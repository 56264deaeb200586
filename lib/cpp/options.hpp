// What the runner is asked for on its command line.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "args.hpp"
#include "files.hpp"
#include "timing.hpp"

namespace report {

struct Options {
    Path plan;
    Path samples;
    std::string sha256;  // that the plan must have; "" to load any, which takes --insist
    std::size_t batch = 1;
    bool legacy = false;  // executeV2 with bindings in place of enqueueV3
    bool graph = false;
    std::string precision;  // as the record names it; a plan does not say
    Path predictions;  // "" to write none
    Path records;      // "" to measure nothing
    TimingSettings timing;
};

// The runner's arguments, to be parsed and asked for help. `apis`: what this build has, the default first.
Arguments runner_arguments(const std::vector<std::string>& apis);

// What parsed arguments say. Throws UsageError.
Options read_options(const Arguments& arguments, const std::vector<std::string>& apis);

}  // namespace report
