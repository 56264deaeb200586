#include "version.hpp"

namespace report {

std::string version_text(int number) {
    const int step = number >= 10000 ? 100 : 10;  // the minor version has two digits since 10.0
    return std::to_string(number / 100 / step) + "." + std::to_string(number / 100 % step) + "." + std::to_string(number % 100);
}

}  // namespace report
