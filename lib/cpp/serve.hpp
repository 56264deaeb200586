// Times an engine slice by slice, as asked: one JSON object a line in, one out, until the input ends. No statistics here.
#pragma once

#include <iosfwd>

#include "inference.hpp"
#include "outputs.hpp"
#include "samples.hpp"

namespace report {

// {"batch": 32, "seconds": 0.05} asks for calls on the first 32 images, one right after the other, for about so many seconds:
// end to end, then on the GPU between CUDA events, each after one call that does not count. At least one, at most 4000 each.
// Answers {"latencies_ms": [...], "gpu_ms": [...] or null}, or {"error": "...", "kind": ...} and goes on. kind: "command" for
// what is no such command, "wrong_output" for outputs that cannot be right (what fails is fast), else "failed".
void serve(Inference& engine, Samples& samples, Outputs outputs, std::istream& in, std::ostream& out);

}  // namespace report
