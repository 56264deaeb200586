#include "check.hpp"
#include "sha256.hpp"

namespace {

std::string hash(const std::string& text) { return report::sha256(text.data(), text.size()); }

}  // namespace

// The examples that NIST publishes with FIPS 180-4.
TEST(published_examples) {
    CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(hash(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(every_length_around_a_block_differs) {
    for (std::size_t size = 54; size < 66; ++size) {
        CHECK(hash(std::string(size, 'a')) != hash(std::string(size + 1, 'a')));
    }
}
