// Conversions against the definition: nearest neighbour in the target, the even one of two equally near.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <rondo/convert.hpp>
#include <vector>

namespace rondo {
namespace {

double widen(DType type, std::uint16_t bits) {
    double value;
    convert_elements(DType::f64, &value, type, &bits, 1);
    return value;
}
std::uint16_t narrow(DType type, double value) {
    std::uint16_t bits;
    convert_elements(type, &bits, DType::f64, &value, 1);
    return bits;
}

class SmallFormat : public testing::TestWithParam<DType> {
protected:
    std::uint16_t infinity() const { return GetParam() == DType::f16 ? 0x7c00 : 0x7f80; }
};

TEST_P(SmallFormat, EveryValueSurvivesTheRoundTrip) {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        const double value = widen(GetParam(), static_cast<std::uint16_t>(bits));
        if ((bits & 0x7fff) > infinity()) {
            ASSERT_TRUE(std::isnan(value)) << std::hex << bits;
            ASSERT_TRUE(std::isnan(widen(GetParam(), narrow(GetParam(), value)))) << std::hex << bits;
        } else {
            ASSERT_EQ(narrow(GetParam(), value), bits) << std::hex << bits;
        }
    }
}

TEST_P(SmallFormat, RoundsToNearestAndTiesToEven) {
    for (std::uint16_t bits = 0; bits + 1 < infinity(); ++bits) {
        const double low = widen(GetParam(), bits), high = widen(GetParam(), static_cast<std::uint16_t>(bits + 1));
        const double middle = (low + high) / 2;  // exact in double
        const std::uint16_t even = bits % 2 == 0 ? bits : static_cast<std::uint16_t>(bits + 1);
        ASSERT_EQ(narrow(GetParam(), middle), even) << std::hex << bits;
        ASSERT_EQ(narrow(GetParam(), std::nextafter(middle, 0.0)), bits) << std::hex << bits;
        ASSERT_EQ(narrow(GetParam(), std::nextafter(middle, high)), bits + 1) << std::hex << bits;
        ASSERT_EQ(narrow(GetParam(), -middle), even | 0x8000) << std::hex << bits;
    }
}

TEST_P(SmallFormat, BeyondTheRangeIsInfinity) {
    const double largest = widen(GetParam(), static_cast<std::uint16_t>(infinity() - 1));
    const double step = largest - widen(GetParam(), static_cast<std::uint16_t>(infinity() - 2));
    EXPECT_EQ(narrow(GetParam(), std::nextafter(largest + step / 2, 0.0)), infinity() - 1);
    EXPECT_EQ(narrow(GetParam(), largest + step / 2), infinity());
    EXPECT_EQ(narrow(GetParam(), -1e308), infinity() | 0x8000);
    EXPECT_EQ(narrow(GetParam(), std::numeric_limits<double>::infinity()), infinity());
}

INSTANTIATE_TEST_SUITE_P(Convert, SmallFormat, testing::Values(DType::f16, DType::bf16),
                         [](const auto& type) { return std::string(name_of(type.param)); });

TEST(Convert, Bf16IsTheUpperHalfOfAnF32) {
    std::mt19937 random(7);
    for (int i = 0; i < 200000; ++i) {
        const auto bits = static_cast<std::uint32_t>(random());
        const auto value = std::bit_cast<float>(bits);
        if (std::isnan(value)) continue;
        std::uint16_t stored;
        convert_elements(DType::bf16, &stored, DType::f32, &value, 1);
        const std::uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
        ASSERT_EQ(stored, rounded >> 16) << std::hex << bits;
    }
}

TEST(Convert, WidensIntegersAndRefusesTheRest) {
    const std::int32_t from[2] = {-5, 7};
    std::int64_t to[2];
    convert_elements(DType::i64, to, DType::i32, from, 2);
    EXPECT_EQ(to[0], -5);
    EXPECT_EQ(to[1], 7);
    EXPECT_THROW(convert_elements(DType::f32, to, DType::i32, from, 2), Error);
    EXPECT_THROW(convert_elements(DType::i32, to, DType::i64, from, 1), Error);
    EXPECT_THROW(convert_elements(DType::i64, to, DType::f64, from, 1), Error);
}

}  // namespace
}  // namespace rondo
