// The samples' CSV: header sample_id,pixel_0,...,pixel_3071, then one image a line.
#pragma once

#include "samples.hpp"

namespace report {

// Read samples. Lines may end in LF or CRLF, the last one in nothing. Ids are whole numbers, pixels finite float32.
// Throws Error "FILE:LINE: what is wrong": short or long row, text, NaN, out of range, wrong header, no rows.
Samples read_csv(const Path& path);

}  // namespace report
