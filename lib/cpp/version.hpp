// What a build of the runner is: which TensorRT it is for and what it can call.
#pragma once

#include <string>
#include <vector>

namespace report {

// apis: the calls of this build, the default first. tensorrt: the version of the headers it was compiled with, "8.5.3.1";
// library: of the library that is loaded, "8.5.3", as far as that tells.
struct Build {
    std::vector<std::string> apis;
    std::string tensorrt;
    std::string library;
};

// "8.5.3" of 8503, "10.6.0" of 100600: what getInferLibVersion gives (NvInferVersion.h).
std::string version_text(int number);

}  // namespace report
