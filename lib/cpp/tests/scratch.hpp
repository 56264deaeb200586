// Files that a test writes, in a folder of this process that main removes, and small damage done to them.
#pragma once

#include <unistd.h>

#include <random>
#include <string>

#include "files.hpp"

namespace scratch {

inline std::filesystem::path folder() {
    const auto path = std::filesystem::temp_directory_path() / ("runner-tests-" + std::to_string(getpid()));
    std::filesystem::create_directories(path);
    return path;
}

inline std::filesystem::path file(const std::string& name, const std::string& content) {
    const auto path = folder() / name;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    return path;
}

// The content cut short, or with some bytes replaced; the same for the same seed.
inline std::string damaged(std::string content, unsigned seed) {
    std::mt19937 random(seed);
    const auto below = [&random](std::size_t end) { return static_cast<std::size_t>(random()) % end; };
    if (seed % 3 == 0) {
        content.resize(below(content.size()));
    }
    for (std::size_t k = 0; k < 1 + seed % 4 && !content.empty(); ++k) {
        content[below(std::min<std::size_t>(content.size(), seed % 2 == 0 ? 140 : content.size()))] = static_cast<char>(random());
    }
    return content;
}

}  // namespace scratch
