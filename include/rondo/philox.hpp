#pragma once
/// Random numbers from a counter: Philox4x32-10, and how Rondo draws dropout masks from it.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
///
/// Nothing here has a state, so that the same (seed, step, site, element) gives the same bits on every device, in any
/// order, on any number of threads.
#include <cstdint>

#include "rondo/cell/math.hpp"  // RONDO_HD

namespace rondo {

/// Four words: a counter, or what is drawn for it.
struct Philox4 {
    std::uint32_t word[4];
    friend constexpr bool operator==(const Philox4&, const Philox4&) = default;
};

struct PhiloxKey {
    std::uint32_t word[2];
    friend constexpr bool operator==(const PhiloxKey&, const PhiloxKey&) = default;
};

/// 128 random bits for a counter: ten rounds, the key raised by Weyl constants between them.
RONDO_HD Philox4 philox4x32(Philox4 c, PhiloxKey key) {
    std::uint32_t k0 = key.word[0], k1 = key.word[1];
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c.word[0];
        const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c.word[2];
        c = {{static_cast<std::uint32_t>(p1 >> 32) ^ c.word[1] ^ k0, static_cast<std::uint32_t>(p1),
              static_cast<std::uint32_t>(p0 >> 32) ^ c.word[3] ^ k1, static_cast<std::uint32_t>(p0)}};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

RONDO_HD Philox4 philox_counter(std::uint64_t low, std::uint64_t high) {
    return {{static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(low >> 32), static_cast<std::uint32_t>(high),
             static_cast<std::uint32_t>(high >> 32)}};
}

RONDO_HD PhiloxKey philox_key(std::uint64_t seed) {
    return {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
}

/// The seed of a named place under a seed: the sites of a model draw independently of one another.
RONDO_HD std::uint64_t philox_subseed(std::uint64_t seed, std::uint64_t site) {
    const Philox4 r = philox4x32(philox_counter(site, 0x5eedu), philox_key(seed));
    return r.word[0] | std::uint64_t{r.word[1]} << 32;
}

/// Uniform in [0, 1), a multiple of 2^-53.
RONDO_HD double philox_uniform(std::uint32_t low, std::uint32_t high) {
    return static_cast<double>((low | std::uint64_t{high} << 32) >> 11) * 0x1p-53;
}

/// A number of [j/n, (j + 1)/n), the j-th of n equal parts of [0, 1): the same on every device, since it is not rounded
/// but once, and 32 bits keep it off the part's end as long as n is below 2^20.
RONDO_HD double stratified_uniform(std::uint64_t seed, std::uint64_t step, std::int64_t j, std::int64_t n) {
    const Philox4 drawn = philox4x32(philox_counter(static_cast<std::uint64_t>(j), step), philox_key(seed));
    return (static_cast<double>(j) + static_cast<double>(drawn.word[0]) * 0x1p-32) / static_cast<double>(n);
}

/// Which elements dropout keeps. Element e draws word e % 4 of counter (e / 4, step) under the key of (seed, site).
struct DropoutMask {
    PhiloxKey key;
    std::uint64_t step;
    std::uint64_t threshold;  ///< a word below it is dropped: rate · 2^32

    /// The words of the elements 4·group to 4·group + 3.
    RONDO_HD Philox4 words(std::uint64_t group) const { return philox4x32(philox_counter(group, step), key); }
    RONDO_HD bool keeps(std::uint32_t word) const { return word >= threshold; }
    RONDO_HD bool keeps_element(std::uint64_t element) const { return keeps(words(element / 4).word[element % 4]); }
};

/// rate in [0, 1]: 0 keeps all, 1 none.
RONDO_HD DropoutMask dropout_mask(std::uint64_t seed, std::uint64_t step, std::uint64_t site, double rate) {
    return {philox_key(philox_subseed(seed, site)), step, static_cast<std::uint64_t>(rate * 0x1p32 + 0.5)};
}

}  // namespace rondo
