#pragma once
/// Products of a warp on tiles in shared memory, their results in registers. With g = lane / 4 and t = lane % 4 a lane
/// holds of a result D[16,8·n]: d[j] = D[g, 8j + 2t], D[g, 8j + 2t + 1], D[g + 8, 8j + 2t], D[g + 8, 8j + 2t + 1], whatever
/// the type: tensor cores lay it so (mma.cuh), and the plain multiply-adds of f32 and f64 follow them.
///
/// A tile is rows of `pitch` elements: a width, zeros up to a multiple of what the products take at once, and 16 bytes that
/// put neighbouring rows into different banks.
#include "device/mma.cuh"
#include "device/warp.cuh"
#include "elements.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels::attention {

/// Columns of the other tile that a step takes, and of the result that a block makes at most.
template <class S>
inline constexpr int kStep = sizeof(S) == 8   ? 8
                             : sizeof(S) == 4 ? 16
                                              : 32;
template <class S>
inline constexpr int kWidestChunk = sizeof(S) == 8 ? 64 : 128;

/// Columns of a tile with the zeros behind them.
template <class S>
RONDO_HD constexpr std::int64_t padded(std::int64_t width) {
    constexpr std::int64_t kOf = sizeof(S) == 2 ? 16 : 8;
    return (width + kOf - 1) / kOf * kOf;
}
template <class S>
RONDO_HD constexpr std::int64_t pitch_of(std::int64_t width) {
    return padded<S>(width) + static_cast<std::int64_t>(16 / sizeof(S));
}

/// d[16,8·kBlocks] += A[16,K]·B[8·kBlocks,K]ᵀ; K = padded(width).
template <class S, int kBlocks>
RONDO_DEVICE void add_scores(Compute<S> (&d)[kBlocks][4], const S* a, const S* b, int pitch, int depth) {
    const int lane = static_cast<int>(device::lane_index());
    if constexpr (sizeof(S) == 2) {
        static_assert(kBlocks % 2 == 0, "two blocks a load");
        const S* const row_of_a = a + lane % 16 * pitch + lane / 16 * 8;
        const S* const row_of_b = b + (lane / 16 * 8 + lane % 8) * pitch + lane / 8 % 2 * 8;
        for (int k = 0; k < depth; k += 16) {
            std::uint32_t left[4];
            device::load_matrices(left, row_of_a + k);
#pragma unroll
            for (int j = 0; j < kBlocks; j += 2) {
                std::uint32_t right[4];
                device::load_matrices(right, row_of_b + j * 8 * pitch + k);
                const std::uint32_t first[2] = {right[0], right[1]}, second[2] = {right[2], right[3]};
                device::mma_m16n8k16<S>(d[j], left, first);
                device::mma_m16n8k16<S>(d[j + 1], left, second);
            }
        }
    } else {
        constexpr int kCount = kFull<S>;
        const S* const row_of_a = a + lane / 4 * pitch;
        const S* const row_of_b = b + lane % 4 * 2 * pitch;
        for (int k = 0; k < depth; k += kCount) {
            S left[2][kCount];
            load(left[0], row_of_a + k);
            load(left[1], row_of_a + 8 * pitch + k);
#pragma unroll
            for (int j = 0; j < kBlocks; ++j)
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    S right[kCount];
                    load(right, row_of_b + (8 * j + e) * pitch + k);
#pragma unroll
                    for (int i = 0; i < kCount; ++i) {
                        d[j][e] = math::fma(left[0][i], right[i], d[j][e]);
                        d[j][2 + e] = math::fma(left[1][i], right[i], d[j][2 + e]);
                    }
                }
        }
    }
}

/// out[16,8·kOut] += P[16,8·kIn]·B[8·kIn,8·kOut], P as scores lie; columns from `cols` on are left out. 16-bit types round P.
template <class S, int kIn, int kOut>
RONDO_DEVICE void add_weighted(Compute<S> (&out)[kOut][4], const Compute<S> (&p)[kIn][4], const S* b, int pitch,
                               int cols) {
    const int lane = static_cast<int>(device::lane_index());
    if constexpr (sizeof(S) == 2) {
        static_assert(kIn % 2 == 0 && kOut % 2 == 0, "two blocks at once");
        const S* const row = b + lane % 16 * pitch + lane / 16 * 8;
#pragma unroll
        for (int i = 0; i < kIn; i += 2) {
            std::uint32_t left[4];
#pragma unroll
            for (int w = 0; w < 4; ++w)
                left[w] =
                    device::pack(to_storage<S>(p[i + w / 2][w % 2 * 2]), to_storage<S>(p[i + w / 2][w % 2 * 2 + 1]));
#pragma unroll
            for (int j = 0; j < kOut; j += 2) {
                if (8 * j >= cols) break;
                std::uint32_t right[4];
                device::load_matrices_transposed(right, row + i * 8 * pitch + j * 8);
                const std::uint32_t first[2] = {right[0], right[1]}, second[2] = {right[2], right[3]};
                device::mma_m16n8k16<S>(out[j], left, first);
                device::mma_m16n8k16<S>(out[j + 1], left, second);
            }
        }
    } else {
        const int t = lane % 4;
#pragma unroll
        for (int i = 0; i < kIn; ++i)
#pragma unroll 1
            for (int flip = 0; flip < 4; ++flip)  // the lanes of a row exchange what they hold of it
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    const S upper = device::shuffle_xor(p[i][e], flip), lower = device::shuffle_xor(p[i][2 + e], flip);
                    const S* const row = b + (8 * i + 2 * (t ^ flip) + e) * pitch + 2 * t;
#pragma unroll
                    for (int j = 0; j < kOut; ++j) {
                        if (8 * j >= cols) break;
                        S right[2];
                        load(right, row + 8 * j);
#pragma unroll
                        for (int c = 0; c < 2; ++c) {
                            out[j][c] = math::fma(upper, right[c], out[j][c]);
                            out[j][2 + c] = math::fma(lower, right[c], out[j][2 + c]);
                        }
                    }
                }
    }
}

}  // namespace rondo::kernels::attention
