#include "samples.hpp"

#include "error.hpp"

namespace report {

std::unique_ptr<Samples> open_samples(const Path& path) {
    if (path.extension() == ".csv") {
        return open_csv(path);
    }
    if (path.extension() == ".npy") {
        return open_npy(path);
    }
    throw Error(path.string() + ": samples are read from .csv or .npy files");
}

}  // namespace report
