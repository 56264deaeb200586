#include "samples.hpp"

#include "csv.hpp"
#include "error.hpp"
#include "npy.hpp"

namespace report {

Samples read_samples(const Path& path) {
    if (path.extension() == ".csv") {
        return read_csv(path);
    }
    if (path.extension() == ".npy") {
        return read_npy(path);
    }
    throw Error(path.string() + ": samples are read from .csv or .npy files");
}

}  // namespace report
