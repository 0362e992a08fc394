#pragma once
/// What a block of an attention kernel works on: a tile of rows of one head and row of the batch, sixteen rows a warp, and
/// a chunk of the result's columns (narrow heads have one).
#include <algorithm>

#include "attention/attention.hpp"
#include "attention/fragments.cuh"

namespace rondo::kernels::attention {

inline constexpr int kRowsOfWarp = 16, kMostWarps = 4;
/// What every GPU from sm_80 on lets a block have.
inline constexpr std::int64_t kMostSharedBytes = 99 * 1024;

/// The columns of one head, row by row; `wide`: 16 bytes at a time.
template <class S>
struct Rows {
    S* first;
    std::int64_t step;
    int cols;
    bool wide;

    /// begin: of a chunk of `cols` columns.
    RONDO_DEVICE Rows(const void* base, std::int64_t stride, std::int64_t width, const AttentionArrays& a,
                      std::int64_t b, std::int64_t h, std::int64_t begin, std::int64_t chunk)
        : first(static_cast<S*>(const_cast<void*>(base)) + b * stride + h * width + begin),
          step(a.batch * stride),
          cols(static_cast<int>(width - begin < chunk ? width - begin : chunk)) {
        wide = device::is_aligned<kFull<S>>(first) && step % kFull<S> == 0 && cols % kFull<S> == 0;
    }
    RONDO_DEVICE Rows(const void* base, std::int64_t stride, std::int64_t width, const AttentionArrays& a,
                      std::int64_t b, std::int64_t h)
        : Rows(base, stride, width, a, b, h, 0, width) {}

    RONDO_DEVICE int pitch() const { return static_cast<int>(pitch_of<S>(cols)); }
    RONDO_DEVICE int depth() const { return static_cast<int>(padded<S>(cols)); }
};

/// Rows [begin, begin + count) into a tile; those from `end` on, whatever they hold, and what is behind the columns are 0.
template <class S>
RONDO_DEVICE void load_tile(S* tile, const Rows<S>& rows, std::int64_t begin, int count, std::int64_t end) {
    constexpr int kCount = kFull<S>;
    const int words = rows.depth() / kCount, pitch = rows.pitch();
    for (int i = static_cast<int>(threadIdx.x); i < count * words; i += static_cast<int>(blockDim.x)) {
        const int row = i / words, column = i % words * kCount;
        const S* const from = rows.first + (begin + row) * rows.step + column;
        device::Vector<S, kCount> value;
#pragma unroll
        for (int j = 0; j < kCount; ++j) value[j] = to_storage<S>(0);
        if (begin + row < end && rows.wide && column < rows.cols) {
            value = device::load_vector<kCount>(from);
        } else if (begin + row < end) {
#pragma unroll
            for (int j = 0; j < kCount; ++j)
                if (column + j < rows.cols) value[j] = from[j];
        }
        device::store_vector(tile + row * pitch + column, value);
    }
}

/// A warp's sixteen rows from `begin` on, of which those before `end` are written, or added to.
template <class S, int kBlocks>
RONDO_DEVICE void store_rows(const Rows<S>& rows, std::int64_t begin, std::int64_t end,
                             const Compute<S> (&value)[kBlocks][4], bool add) {
    const int lane = static_cast<int>(device::lane_index());
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const std::int64_t row = begin + lane / 4 + 8 * half;
        if (row >= end) continue;
#pragma unroll
        for (int j = 0; j < kBlocks; ++j) {
            const int column = 8 * j + lane % 4 * 2;
            if (column >= rows.cols) break;
            S* const to = rows.first + row * rows.step + column;
            Compute<S> pair[2] = {value[j][2 * half], value[j][2 * half + 1]};
            if (rows.wide && !add) {
                store(to, pair);
                continue;
            }
#pragma unroll
            for (int e = 0; e < 2; ++e)
                if (column + e < rows.cols) to[e] = to_storage<S>(add ? to_compute(to[e]) + pair[e] : pair[e]);
        }
    }
}

/// The block's part of the work, and the first of its warp's rows.
struct Part {
    std::int64_t b, h, chunk, begin, warp_begin;
    std::int64_t queries, keys;  ///< of this row of the batch
    std::int64_t first;          ///< keys before query 0
    int rows;

    RONDO_DEVICE Part(const AttentionArrays& a, std::int64_t tiles, std::int64_t chunks) {
        const Place tile = place_of(blockIdx.x, tiles), part = place_of(tile.row, chunks);
        const Place pair = place_of(part.row, a.heads);
        b = pair.row;
        h = pair.column;
        chunk = part.column;
        rows = static_cast<int>(blockDim.x) / 32 * kRowsOfWarp;
        begin = tile.column * rows;
        warp_begin = begin + device::warp_index() * kRowsOfWarp;
        queries = a.query_lengths == nullptr ? a.queries : a.query_lengths[b];
        keys = a.key_lengths == nullptr ? a.keys : a.key_lengths[b];
        first = a.begins == nullptr ? 0 : a.begins[b];
    }

    /// How many keys query t may look at.
    RONDO_DEVICE std::int64_t allowed(const AttentionArrays& a, std::int64_t t) const {
        if (t >= queries) return 0;
        return a.causal && first + t + 1 < keys ? first + t + 1 : keys;
    }
    /// The most that any of `count` queries from t on may look at: the last sees most.
    RONDO_DEVICE std::int64_t reach(const AttentionArrays& a, std::int64_t t, int count) const {
        if (t >= queries) return 0;
        return allowed(a, t + count <= queries ? t + count - 1 : queries - 1);
    }
};

/// Of a query, in an array [T,B,heads].
RONDO_DEVICE std::int64_t index_of(const AttentionArrays& a, std::int64_t t, std::int64_t b, std::int64_t h) {
    return (t * a.batch + b) * a.heads + h;
}

/// How a kernel is launched: warps, tiles of their rows, chunks of columns, bytes of shared memory.
struct Geometry {
    int warps;
    std::int64_t tiles, chunks;
    std::size_t shared_bytes;
};

/// As many warps as shared memory allows where a row of the block's own tiles takes `of_row` bytes, the other's `of_step`.
inline Geometry geometry_of(std::int64_t rows, std::int64_t chunks, std::int64_t of_row, std::int64_t of_step) {
    int warps = static_cast<int>(std::clamp<std::int64_t>(device::ceil_div(rows, kRowsOfWarp), 1, kMostWarps));
    while (warps > 1 && warps * kRowsOfWarp * of_row + of_step > kMostSharedBytes) --warps;
    return {warps, device::ceil_div(rows, warps * kRowsOfWarp), chunks,
            static_cast<std::size_t>(warps * kRowsOfWarp * of_row + of_step)};
}

/// Bytes of a row in a tile.
template <class S>
constexpr std::int64_t row_bytes(std::int64_t width) {
    return pitch_of<S>(width) * static_cast<std::int64_t>(sizeof(S));
}

template <class S>
inline constexpr int kNarrowChunk = kWidestChunk<S> < 64 ? kWidestChunk<S> : 64;

/// f.operator()<S, columns of a chunk>() for the type and the width of the results.
template <class F>
void with_chunk(DType dtype, std::int64_t width, const F& f) {
    with_storage(dtype, [&]<class S>() {
        if (width <= kNarrowChunk<S> || kWidestChunk<S> == kNarrowChunk<S>)
            return f.template operator()<S, kNarrowChunk<S>>();
        f.template operator()<S, kWidestChunk<S>>();
    });
}

}  // namespace rondo::kernels::attention
