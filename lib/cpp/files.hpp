// Files that are read with clear errors, and written whole or not at all.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace report {

using Path = std::filesystem::path;

// A regular file, opened for reading in binary mode. Throws Error where there is none or it cannot be read.
std::ifstream open_file(const Path& path);

// All bytes of a file.
std::vector<char> read_file(const Path& path);

// A file that appears whole or not at all: it is written beside `path`, which it replaces once it is kept. Throws Error where it
// cannot be written.
class NewFile {
public:
    explicit NewFile(Path path);
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    ~NewFile();

    void write(std::string_view bytes);
    void keep();

private:
    [[noreturn]] void fail() const;

    Path path_;
    Path temporary_;
    std::ofstream file_;
};

// SHA-256 in 64 lower-case hex digits.
std::string sha256(const std::vector<char>& bytes);

}  // namespace report
