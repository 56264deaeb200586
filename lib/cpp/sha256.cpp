#include "sha256.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace report {
namespace {

constexpr std::size_t BLOCK = 64;

constexpr std::array<std::uint32_t, 64> K{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using State = std::array<std::uint32_t, 8>;

std::uint32_t rotate(std::uint32_t x, unsigned n) { return (x >> n) | (x << (32 - n)); }

std::array<std::uint32_t, 64> schedule(const unsigned char* block) {
    std::array<std::uint32_t, 64> w{};
    for (std::size_t t = 0; t < 16; ++t) {
        for (std::size_t k = 0; k < 4; ++k) {
            w[t] = (w[t] << 8) | block[4 * t + k];
        }
    }
    for (std::size_t t = 16; t < 64; ++t) {
        const std::uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ (w[t - 15] >> 3);
        const std::uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ (w[t - 2] >> 10);
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    return w;
}

void add_block(State& hash, const unsigned char* block) {
    const auto w = schedule(block);
    auto [a, b, c, d, e, f, g, h] = hash;
    for (std::size_t t = 0; t < 64; ++t) {
        const std::uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + w[t];
        const std::uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const State added{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < hash.size(); ++i) {
        hash[i] += added[i];
    }
}

// The last bytes, a one bit, zeros, and the message's length in bits: one block or two.
void add_end(State& hash, const unsigned char* rest, std::size_t left, std::uint64_t bits) {
    std::array<unsigned char, 2 * BLOCK> end{};
    if (left > 0) {
        std::memcpy(end.data(), rest, left);
    }
    end[left] = 0x80;
    const std::size_t size = left + 9 > BLOCK ? 2 * BLOCK : BLOCK;
    for (std::size_t k = 0; k < 8; ++k) {
        end[size - 1 - k] = static_cast<unsigned char>(bits >> (8 * k));
    }
    for (std::size_t at = 0; at < size; at += BLOCK) {
        add_block(hash, end.data() + at);
    }
}

}  // namespace

std::string sha256(const void* data, std::size_t size) {
    State hash{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const auto* bytes = static_cast<const unsigned char*>(data);
    const std::size_t whole = size / BLOCK * BLOCK;
    for (std::size_t at = 0; at < whole; at += BLOCK) {
        add_block(hash, bytes + at);
    }
    add_end(hash, bytes + whole, size - whole, std::uint64_t{size} * 8);
    std::string hex;
    for (const std::uint32_t word : hash) {
        for (unsigned shift = 32; shift > 0; shift -= 4) {
            hex += "0123456789abcdef"[(word >> (shift - 4)) & 15];
        }
    }
    return hex;
}

}  // namespace report
