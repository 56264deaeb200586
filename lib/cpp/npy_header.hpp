// The header of a .npy file: a Python dictionary such as {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace report {

struct NpyHeader {
    std::string type;
    bool fortran_order = false;
    std::vector<std::uint64_t> shape;

    std::string shape_text() const;
};

// Throws Error for anything but exactly these three keys, once each.
NpyHeader parse_npy_header(std::string_view text);

}  // namespace report
