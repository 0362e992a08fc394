#pragma once
/// A warp's share of W_hh, which stays where it is for a whole time loop, and its products.
///
/// A slab is 8 rows of W_hh. A tile is 64 bytes of each of them: lane 4g + t has bytes [16t, 16t+16) of row g, and of the
/// operand's row g (a row of the batch) the same. Which of those elements meet in which of the tile's two products does
/// not matter, as long as both sides agree.
#include "device/mma.cuh"
#include "device/vector.cuh"
#include "persistent/persistent.hpp"
#include "types.cuh"

namespace rondo::kernels {

/// 16 bytes of a row.
using Words = device::Vector<std::uint32_t, 4>;

/// Elements in them.
template <class S>
inline constexpr int kLaneElements = static_cast<int>(16 / sizeof(S));

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
            small = device::to_tf32(x - device::bit_cast<float>(large));
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
    static constexpr int kHeld = held_slab_tiles(sizeof(S)) / kSlabs;  // tiles in registers

    /// `tiles` of them; rest: shared memory [tiles - kHeld][kSlabs][32] for those that registers do not hold.
    /// element(slab, k): of this lane's row of a slab; k from the warp's first.
    template <class Element>
    RONDO_DEVICE void load(int tiles, Words* rest, const Element& element) {
        constexpr int kTile = 4 * kLaneElements<S>;
        tiles_ = tiles;
        rest_ = rest + device::lane_index();
        const int first = static_cast<int>(device::lane_index() % 4) * kLaneElements<S>;
        const auto words = [&](int slab, int tile) {
            device::Vector<S, kLaneElements<S>> elements;
#pragma unroll
            for (int e = 0; e < kLaneElements<S>; ++e) elements[e] = element(slab, tile * kTile + first + e);
            return device::bit_cast<Words>(elements);
        };
#pragma unroll
        for (int tile = 0; tile < kHeld; ++tile)
#pragma unroll
            for (int slab = 0; slab < kSlabs; ++slab)
                if (tile < tiles) {
                    held_[tile][slab] = words(slab, tile);
                    RONDO_PTX(asm volatile("" ::: "memory"));  // or too many loads are under way for the registers
                }
        for (int tile = kHeld; tile < tiles; ++tile)
            for (int slab = 0; slab < kSlabs; ++slab) rest_[((tile - kHeld) * kSlabs + slab) * 32] = words(slab, tile);
    }

    /// sums = W·operandᵀ: of each slab this lane's row g and the operand's rows 2t, 2t+1. operand: this lane's row, at the
    /// warp's first tile. threefold: see Geometry.
    RONDO_DEVICE void multiply(float (&sums)[kSlabs][2], const S* operand, bool threefold) const {
        constexpr int kTile = 4 * kLaneElements<S>;
        const S* const b = operand + device::lane_index() % 4 * kLaneElements<S>;
        float d[kSlabs / 2][4] = {};
#pragma unroll
        for (int tile = 0; tile < kHeld; ++tile)
            if (tile < tiles_) multiply_tile(d, held_[tile], words_of(b + tile * kTile), threefold);
#pragma unroll 1  // unrolled, it would take registers from the weights
        for (int tile = kHeld; tile < tiles_; ++tile) {
            Words w[kSlabs];
#pragma unroll
            for (int slab = 0; slab < kSlabs; ++slab) w[slab] = rest_[((tile - kHeld) * kSlabs + slab) * 32];
            multiply_tile(d, w, words_of(b + tile * kTile), threefold);
        }
#pragma unroll
        for (int slab = 0; slab < kSlabs; ++slab)
#pragma unroll
            for (int c = 0; c < 2; ++c) sums[slab][c] = d[slab / 2][slab % 2 * 2 + c];
    }

private:
    RONDO_DEVICE static Words words_of(const S* p) {
        return device::load_vector<4>(reinterpret_cast<const std::uint32_t*>(p));
    }
    RONDO_DEVICE static void multiply_tile(float (&d)[kSlabs / 2][4], const Words (&w)[kSlabs], const Words& b,
                                           bool threefold) {
#pragma unroll
        for (int j = 0; j < 2; ++j)
#pragma unroll
            for (int m = 0; m < kSlabs / 2; ++m) multiply_part<S>(d[m], w[2 * m], w[2 * m + 1], b, j, threefold);
    }

    Words held_[kHeld][kSlabs];
    Words* rest_;
    int tiles_;
};

/// Adds the sums of the warps that share out K, in their order, where wanted(slab). `partial`: in turn one of two places
/// [splits][unit_warps][kSlabs][32][2]. A barrier of the block.
template <int kSlabs, class Wanted>
RONDO_DEVICE void add_splits(float (&sums)[kSlabs][2], float* partial, const Geometry& geometry, int split,
                             int unit_warp, const Wanted& wanted) {
    using Pair = device::Vector<float, 2>;
    const auto place = [&](int of_split, int slab) {
        return partial + (((of_split * geometry.unit_warps + unit_warp) * kSlabs + slab) * 32 +
                          static_cast<int>(device::lane_index())) *
                             2;
    };
#pragma unroll
    for (int slab = 0; slab < kSlabs; ++slab)
        device::store_vector(place(split, slab), Pair{{sums[slab][0], sums[slab][1]}});
    __syncthreads();
#pragma unroll
    for (int slab = 0; slab < kSlabs; ++slab) {
        if (!wanted(slab)) continue;
        sums[slab][0] = sums[slab][1] = 0;
        for (int of_split = 0; of_split < geometry.splits; ++of_split) {
            const Pair other = device::load_vector<2>(place(of_split, slab));
            sums[slab][0] += other[0];
            sums[slab][1] += other[1];
        }
    }
}

}  // namespace rondo::kernels
