// NumPy's .npy files, as far as samples need them.
#pragma once

#include "samples.hpp"

namespace report {

// Read samples from little-endian float32 in C order of shape (N, 32, 32, 3) or (N, 3072); ids are 0 to N-1.
// Throws Error that says what differs: not a .npy file, version, header, type, order, shape, size, NaN.
// Source: numpy.lib.format, versions 1.0 and 2.0.
Samples read_npy(const Path& path);

}  // namespace report
