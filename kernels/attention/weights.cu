// weights[t,b,s] = mean over the heads of exp(scale·q[t]·k[s] - log_sums[t]), 0 where t may not look at s
//   shapes as in forward.cu   weights [T,B,S] in C; for people to look at, and so not made fast
//   a block makes kStep columns of a tile of queries, head after head: deterministic
#include "attention/tiles.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

using namespace attention;

template <class S>
__global__ void __launch_bounds__(kMostWarps * 32)
    attention_weights_kernel(const AttentionArrays a, Compute<S>* weights, std::int64_t tiles, std::int64_t steps) {
    using C = Compute<S>;
    constexpr int kIn = kStep<S> / 8;
    RONDO_DYNAMIC_SHARED(S, q_tile);
    const Place step = place_of(blockIdx.x, steps), tile = place_of(step.row, tiles);
    const std::int64_t b = tile.row, s = step.column * kStep<S>;
    const int rows = static_cast<int>(blockDim.x) / 32 * kRowsOfWarp, lane = static_cast<int>(device::lane_index());
    const int own = static_cast<int>(device::warp_index()) * kRowsOfWarp;
    const std::int64_t begin = tile.column * rows;
    const std::int64_t queries = a.query_lengths == nullptr ? a.queries : a.query_lengths[b];
    const std::int64_t keys = a.key_lengths == nullptr ? a.keys : a.key_lengths[b];
    C mean[kIn][4] = {};
    for (std::int64_t h = 0; h < a.heads; ++h) {
        const Rows<S> q(a.q, a.q_stride, a.width, a, b, h), k(a.k, a.k_stride, a.width, a, b, h);
        S* const k_tile = q_tile + rows * q.pitch();
        __syncthreads();  // the tiles before have been read
        load_tile(q_tile, q, begin, rows, queries);
        load_tile(k_tile, k, s, kStep<S>, keys);
        __syncthreads();
        C p[kIn][4] = {};
        add_scores<S>(p, q_tile + own * q.pitch(), k_tile, q.pitch(), q.depth());
#pragma unroll
        for (int i = 0; i < 4 * kIn; ++i) {
            const std::int64_t t = begin + own + lane / 4 + i % 4 / 2 * 8;
            const std::int64_t key = s + i / 4 * 8 + lane % 4 * 2 + i % 2;
            if (t >= queries || key >= keys || (a.causal && key > t)) continue;
            const C log_sum = static_cast<const C*>(a.log_sums)[index_of(a, t, b, h)];
            mean[i / 4][i % 4] +=
                math::exp(p[i / 4][i % 4] * static_cast<C>(a.scale) - log_sum) / static_cast<C>(a.heads);
        }
    }
#pragma unroll
    for (int i = 0; i < 4 * kIn; ++i) {
        const std::int64_t t = begin + own + lane / 4 + i % 4 / 2 * 8;
        const std::int64_t key = s + i / 4 * 8 + lane % 4 * 2 + i % 2;
        if (t < a.queries && key < a.keys) weights[(t * a.batch + b) * a.keys + key] = mean[i / 4][i % 4];
    }
}

void attention_weights(const AttentionArrays& a, void* weights, cudaStream_t stream) {
    if (a.queries * a.batch * a.keys == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        const std::int64_t steps = device::ceil_div(a.keys, kStep<S>);
        const Geometry how = geometry_of(a.queries, 1, row_bytes<S>(a.width), kStep<S> * row_bytes<S>(a.width));
        device::launch({.kernel = "attention_weights",
                        .grid = device::blocks_for(steps * how.tiles * a.batch, 1),
                        .block = dim3(static_cast<unsigned>(how.warps * 32)),
                        .shared_bytes = how.shared_bytes,
                        .stream = stream},
                       attention_weights_kernel<S>, a, static_cast<Compute<S>*>(weights), how.tiles, steps);
    });
}

}  // namespace rondo::kernels
