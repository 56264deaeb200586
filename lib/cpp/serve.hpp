// Times an engine slice by slice, as asked: one JSON object a line in, one out, until the input ends. No statistics here.
#pragma once

#include <chrono>
#include <functional>
#include <iosfwd>

#include "inference.hpp"
#include "outputs.hpp"
#include "samples.hpp"

namespace report {

using Clock = std::function<std::chrono::steady_clock::time_point()>;

// {"batch": 32, "seconds": 0.05} asks for calls on the first 32 images, in every lane, for about so many seconds: end to end, each lane
// launched again as soon as its result is there, then, where there is one lane, on the GPU between CUDA events. One turn through the
// lanes does not count; at least one turn and at most 4000 calls do.
// Answers {"latencies_ms": [...], "gpu_ms": [...] or null, "enqueue_ms": ...}: times from one completed batch to the next, whose mean
// is wall time over batches and which of one lane are those of its calls; and the median of what launching a batch took on the host.
// Or {"error": "...", "kind": ...}, and goes on. kind: "command" for what is no such command, "wrong_output" for outputs of any lane
// that cannot be right (what fails is fast), else "failed".
void serve(Inference& engine, Samples& samples, Outputs outputs, std::istream& in, std::ostream& out,
           const Clock& clock = std::chrono::steady_clock::now);

}  // namespace report
