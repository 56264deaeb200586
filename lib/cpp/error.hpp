// What went wrong, in one line for a person: what it was and, where it is known, what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace report {

struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Wrong arguments: the program ends with exit code 2.
struct UsageError : Error {
    using Error::Error;
};

}  // namespace report
