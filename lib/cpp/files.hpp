// Files that are read with clear errors, and written whole or not at all.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace report {

using Path = std::filesystem::path;

// A regular file, opened for reading in binary mode. Throws Error where there is none or it cannot be read.
std::ifstream open_file(const Path& path);

// All bytes of a file.
std::vector<char> read_file(const Path& path);

// Replace `path` by `bytes`: a reader sees the old file or the new one. Throws Error where it cannot be written.
void write_file(const Path& path, const std::string& bytes);

// SHA-256 in 64 lower-case hex digits.
std::string sha256(const std::vector<char>& bytes);

}  // namespace report
