// What went wrong, in one line for a person: what it was and, where it is known, what to do.
#pragma once

#include <stdexcept>

namespace report {

struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The engine ran, and what it answered cannot be right.
struct WrongOutput : Error {
    using Error::Error;
};

}  // namespace report
