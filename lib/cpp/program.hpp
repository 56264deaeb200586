// The runner's command line, over whatever opens an engine. `runner --help` says what it takes.
#pragma once

#include <functional>
#include <memory>

#include "inference.hpp"
#include "version.hpp"

namespace report {

// How an engine is called. api: one of the build's; graph: each call replayed as a CUDA graph; lanes: how many batches run side by side;
// output: name of the one that is meant, "" for the only one.
struct Way {
    std::string api;
    bool graph = false;
    std::size_t lanes = 1;
    std::string output;
};

using Open = std::function<std::unique_ptr<Inference>(const std::vector<char>& plan, const Way& way)>;

// Returns the exit code: 1 for what failed, 2 for wrong arguments, 3 for outputs that cannot be right.
int run_program(int argc, const char* const* argv, const Build& build, const Open& open);

}  // namespace report
