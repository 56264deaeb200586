#include "files.hpp"

#include <openssl/evp.h>

#include <array>
#include <system_error>

#include "error.hpp"

namespace report {

std::ifstream open_file(const Path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) {
        throw Error(path.string() + ": no such file");
    }
    if (!std::filesystem::is_regular_file(status)) {
        throw Error(path.string() + ": not a regular file");
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw Error(path.string() + ": cannot be read; give yourself the right to");
    }
    return file;
}

std::vector<char> read_file(const Path& path) {
    std::ifstream file = open_file(path);
    std::vector<char> bytes(static_cast<std::size_t>(std::filesystem::file_size(path)));
    if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
        throw Error(path.string() + ": could not be read to its end");
    }
    return bytes;
}

void write_file(const Path& path, const std::string& bytes) {
    Path temporary = path;
    temporary += ".part";
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << bytes;
    file.close();
    std::error_code error;
    if (file) {
        std::filesystem::rename(temporary, path, error);
    }
    if (!file || error) {
        std::filesystem::remove(temporary, error);
        throw Error(path.string() + ": cannot be written; is the folder there, writable, and is there space on the disk?");
    }
}

std::string sha256(const std::vector<char>& bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
        throw Error("OpenSSL has no SHA-256");
    }
    std::string hex;
    for (unsigned i = 0; i < size; ++i) {
        hex += {"0123456789abcdef"[digest.at(i) / 16], "0123456789abcdef"[digest.at(i) % 16]};
    }
    return hex;
}

}  // namespace report
