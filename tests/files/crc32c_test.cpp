#include "files/crc32c.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace rondo::files {
namespace {

/// Bit by bit, as the definition has it.
std::uint32_t slow_crc(const std::string& text) {
    std::uint32_t crc = ~0u;
    for (const char c : text) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0u);
    }
    return ~crc;
}

TEST(Crc32c, KnownAnswers) {
    EXPECT_EQ(crc32c(0, "", 0), 0u);
    EXPECT_EQ(crc32c(0, "123456789", 9), 0xE3069283u);
    const std::string zeros(32, '\0');  // RFC 3720, B.4
    EXPECT_EQ(crc32c(0, zeros.data(), zeros.size()), 0x8A9136AAu);
}

TEST(Crc32c, EqualsTheDefinitionHoweverItIsCut) {
    std::mt19937 random(1);
    for (std::size_t size = 0; size < 80; ++size) {
        std::string text;
        for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(random());
        for (std::size_t cut = 0; cut <= size; ++cut)
            ASSERT_EQ(crc32c(crc32c(0, text.data(), cut), text.data() + cut, size - cut), slow_crc(text));
    }
}

}  // namespace
}  // namespace rondo::files
