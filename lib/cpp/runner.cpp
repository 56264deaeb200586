// The runner: the command line of program.hpp over TensorRT.
#include "gpu.hpp"
#include "program.hpp"

int main(int argc, char** argv) {
    return report::run_program(argc, argv, report::this_build(), [](const std::vector<char>& plan, const report::Way& way) {
        return std::make_unique<report::Gpu>(plan, way);
    });
}
