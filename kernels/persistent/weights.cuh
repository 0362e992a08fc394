#pragma once
/// A warp's share of W_hh, which stays where it is for a whole time loop, and its products.
///
/// A slab is 8 rows of W_hh, backward of W_hhᵀ; a strip is those that a warp multiplies together. A tile is 64 bytes of
/// each row: lane 4g + t has bytes [16t, 16t+16) of row g, and of the operand's row g (a row of the batch) the same.
/// Which of those elements meet in which of the tile's two products does not matter, as long as both sides agree.
#include "device/mma.cuh"
#include "device/vector.cuh"
#include "persistent/persistent.hpp"
#include "types.cuh"

namespace rondo::kernels {

/// 16 bytes of a row.
using Words = device::Vector<std::uint32_t, 4>;

/// Elements in them, and in a row of a tile.
template <class S>
inline constexpr int kLaneElements = static_cast<int>(16 / sizeof(S));
template <class S>
inline constexpr int kTileElements = 4 * kLaneElements<S>;

/// This lane's 16 bytes of a tile; row: its own of the operand, at the tile's first element.
template <class S>
RONDO_DEVICE Words lane_words(const S* row) {
    return device::load_vector<4>(
        reinterpret_cast<const std::uint32_t*>(row + device::lane_index() % 4 * kLaneElements<S>));
}

/// d[16,8] += a·b of the j-th part of a tile; a: of two slabs.
template <class S>
RONDO_DEVICE void multiply_part(float (&d)[4], const Words& upper, const Words& lower, const Words& b, int j,
                                bool threefold) {
    const std::uint32_t a_words[4] = {upper[2 * j], lower[2 * j], upper[2 * j + 1], lower[2 * j + 1]};
    const std::uint32_t b_words[2] = {b[2 * j], b[2 * j + 1]};
    if constexpr (sizeof(S) == 2) {
        device::mma_m16n8k16<S>(d, a_words, b_words);
    } else {
        // What to_tf32 leaves of a float is a tf32 again, but for the last two bits of 24.
        std::uint32_t a_large[4], b_large[2], a_small[4], b_small[2];
        const auto split = [](std::uint32_t word, std::uint32_t& large, std::uint32_t& small) {
            RONDO_PTX(asm volatile("" : "+r"(word)));  // or the parts of all weights would be held as well
            const float x = device::bit_cast<float>(word);
            large = device::to_tf32(x);
            const float whole = device::bit_cast<float>(large);
            small = device::to_tf32(fabsf(whole) < HUGE_VALF ? x - whole : 0.0f);  // of infinity there is no rest
        };
#pragma unroll
        for (int i = 0; i < 4; ++i) split(a_words[i], a_large[i], a_small[i]);
#pragma unroll
        for (int i = 0; i < 2; ++i) split(b_words[i], b_large[i], b_small[i]);
        if (threefold) {
            device::mma_m16n8k8_tf32(d, a_small, b_large);
            device::mma_m16n8k8_tf32(d, a_large, b_small);
        }
        device::mma_m16n8k8_tf32(d, a_large, b_large);
    }
}

template <class S, int kSlabs>
class Weights {
public:
    static_assert(kSlabs % 2 == 0, "a tensor core takes two");
    static constexpr int kHeld = held_tiles(sizeof(S), kSlabs);  // tiles in registers

    /// `count` tiles; rest: shared memory [count - kHeld][kSlabs][32] for those that registers do not hold.
    /// get(words, i): of tile i this lane's 16 bytes of each slab.
    template <class Get>
    RONDO_DEVICE void load(int count, Words* rest, const Get& get) {
        count_ = count;
        rest_ = rest + device::lane_index();
#pragma unroll
        for (int i = 0; i < kHeld; ++i)
            if (i < count) {
                get(held_[i], i);
                RONDO_PTX(asm volatile("" ::: "memory"));  // or too many loads are under way for the registers
            }
        for (int i = kHeld; i < count; ++i) {
            Words words[kSlabs];
            get(words, i);
#pragma unroll
            for (int slab = 0; slab < kSlabs; ++slab) rest_[((i - kHeld) * kSlabs + slab) * 32] = words[slab];
        }
    }

    /// use(words) of all tiles in turn.
    template <class Use>
    RONDO_DEVICE void for_each(const Use& use) const {
#pragma unroll
        for (int i = 0; i < kHeld; ++i)
            if (i < count_) use(held_[i]);
#pragma unroll 1  // unrolled, it would take registers from the others
        for (int i = kHeld; i < count_; ++i) {
            Words words[kSlabs];
#pragma unroll
            for (int slab = 0; slab < kSlabs; ++slab) words[slab] = rest_[((i - kHeld) * kSlabs + slab) * 32];
            use(words);
        }
    }

private:
    Words held_[kHeld][kSlabs];
    Words* rest_;
    int count_;
};

}  // namespace rondo::kernels
