/// Philox against the vectors published with it (Random123 1.14, kat_vectors), and the masks drawn from it.
#include "rondo/philox.hpp"

#include <gtest/gtest.h>

#include <set>

namespace rondo {
namespace {

TEST(Philox, GivesThePublishedVectors) {
    struct Vector {
        Philox4 counter;
        PhiloxKey key;
        Philox4 expected;
    };
    const Vector vectors[] = {
        {{{0, 0, 0, 0}}, {{0, 0}}, {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}}},
        {{{~0u, ~0u, ~0u, ~0u}}, {{~0u, ~0u}}, {{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}}},
        {{{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}},
         {{0xa4093822u, 0x299f31d0u}},
         {{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}}},
    };
    for (const Vector& v : vectors) EXPECT_EQ(philox4x32(v.counter, v.key), v.expected);
}

TEST(Philox, CounterAndKeyTakeAllBits) {
    EXPECT_EQ(philox_counter(0x1122334455667788u, 0x99aabbccddeeff00u),
              (Philox4{{0x55667788u, 0x11223344u, 0xddeeff00u, 0x99aabbccu}}));
    EXPECT_EQ(philox_key(0x1122334455667788u), (PhiloxKey{{0x55667788u, 0x11223344u}}));
}

TEST(Philox, SubseedsDiffer) {
    std::set<std::uint64_t> seen;
    for (std::uint64_t seed = 0; seed < 30; ++seed)
        for (std::uint64_t site = 0; site < 30; ++site) seen.insert(philox_subseed(seed, site));
    EXPECT_EQ(seen.size(), 900u);
}

TEST(Philox, UniformStaysBelowOne) {
    EXPECT_EQ(philox_uniform(0, 0), 0);
    EXPECT_EQ(philox_uniform(~0u, ~0u), 1 - 0x1p-53);
    EXPECT_EQ(philox_uniform(0, 0x80000000u), 0.5);
}

TEST(Philox, MasksKeepWhatTheRateSays) {
    for (double rate : {0.0, 0.1, 0.5, 0.9, 1.0}) {
        const DropoutMask mask = dropout_mask(7, 3, 2, rate);
        const int count = 100000;
        int kept = 0;
        for (std::uint64_t e = 0; e < count; ++e) kept += mask.keeps_element(e);
        // Five standard deviations of a binomial; none at the ends.
        EXPECT_NEAR(kept, count * (1 - rate), 5 * std::sqrt(count * rate * (1 - rate))) << rate;
    }
}

TEST(Philox, MasksOfSeedsStepsAndSitesAreUnrelated) {
    const DropoutMask base = dropout_mask(1, 1, 1, 0.5);
    const DropoutMask others[] = {dropout_mask(2, 1, 1, 0.5), dropout_mask(1, 2, 1, 0.5), dropout_mask(1, 1, 2, 0.5)};
    for (const DropoutMask& other : others) {
        const int count = 40000;
        int equal = 0;
        for (std::uint64_t e = 0; e < count; ++e) equal += base.keeps_element(e) == other.keeps_element(e);
        EXPECT_NEAR(equal, count / 2, 5 * std::sqrt(count * 0.25));
    }
}

}  // namespace
}  // namespace rondo
