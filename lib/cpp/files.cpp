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

NewFile::NewFile(Path path) : path_(std::move(path)), temporary_(path_.string() + ".part"), file_(temporary_, std::ios::binary) {
    if (!file_) {
        fail();
    }
}

NewFile::~NewFile() {
    std::error_code error;
    std::filesystem::remove(temporary_, error);  // is not there where it was kept
}

void NewFile::write(std::string_view bytes) {
    if (!file_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
        fail();
    }
}

void NewFile::keep() {
    file_.close();
    std::error_code error;
    if (file_) {
        std::filesystem::rename(temporary_, path_, error);
    }
    if (!file_ || error) {
        fail();
    }
}

void NewFile::fail() const {
    throw Error(path_.string() + ": cannot be written; is the folder there, writable, and is there space on the disk?");
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
