// dv[s] = Σ_t w[t,s]·dout[t],  dk[s] = Σ_t ds[t,s]·q[t], written or added; w and ds as in backward_queries.cu
//   a block owns a tile of keys, and tiles of queries pass by in order: no atomics
//   16-bit types on tensor cores with float sums, w and ds rounded for the last products; f32 and f64 by plain FMA
#include "attention/tiles.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

using namespace attention;

template <class S, int kChunk>
__global__ void __launch_bounds__(kMostWarps * 32, 1)
    attention_backward_keys_kernel(const AttentionArrays a, std::int64_t tiles, std::int64_t chunks) {
    using C = Compute<S>;
    constexpr int kIn = kStep<S> / 8, kOut = kChunk / 8;
    RONDO_DYNAMIC_SHARED(S, k_tile);
    const Part part(a, tiles, chunks);
    const Rows<S> q(a.q, a.q_stride, a.width, a, part.b, part.h), k(a.k, a.k_stride, a.width, a, part.b, part.h);
    const Rows<S> v(a.v, a.v_stride, a.value_width, a, part.b, part.h);
    const Rows<S> dout(a.dout, a.out_stride, a.value_width, a, part.b, part.h);
    S* const v_tile = k_tile + part.rows * k.pitch();
    S* const q_tile = v_tile + part.rows * v.pitch();
    S* const dout_tile = q_tile + kStep<S> * k.pitch();
    C* const log_sums = reinterpret_cast<C*>(dout_tile + kStep<S> * v.pitch());
    C* const deltas = log_sums + kStep<S>;
    load_tile(k_tile, k, part.begin, part.rows, part.keys);
    load_tile(v_tile, v, part.begin, part.rows, part.keys);

    const int lane = static_cast<int>(device::lane_index());
    const int own = static_cast<int>(device::warp_index()) * kRowsOfWarp;
    const std::int64_t key[2] = {part.warp_begin + lane / 4, part.warp_begin + lane / 4 + 8};
    const std::int64_t first = a.causal ? part.begin / kStep<S> * kStep<S> : 0;  // of the queries that see a key
    const std::int64_t end = part.begin < part.keys ? part.queries : 0;
    const std::int64_t column = part.chunk * kChunk;
    const bool has_dk = a.dk != nullptr && column < a.width, has_dv = a.dv != nullptr && column < a.value_width;
    const C scale = static_cast<C>(a.scale);
    C dk[kOut][4] = {}, dv[kOut][4] = {};
    for (std::int64_t t = first; t < end; t += kStep<S>) {
        __syncthreads();  // the tiles before have been read
        load_tile(q_tile, q, t, kStep<S>, part.queries);
        load_tile(dout_tile, dout, t, kStep<S>, part.queries);
        if (const int i = static_cast<int>(threadIdx.x); i < kStep<S> && t + i < part.queries) {
            log_sums[i] = static_cast<const C*>(a.log_sums)[index_of(a, t + i, part.b, part.h)];
            deltas[i] = static_cast<const C*>(a.deltas)[index_of(a, t + i, part.b, part.h)];
        }
        __syncthreads();
        if (part.warp_begin >= part.keys || (a.causal && t + kStep<S> <= part.warp_begin)) continue;
        C p[kIn][4] = {}, d[kIn][4] = {};
        add_scores<S>(p, k_tile + own * k.pitch(), q_tile, k.pitch(), k.depth());
        add_scores<S>(d, v_tile + own * v.pitch(), dout_tile, v.pitch(), v.depth());
#pragma unroll
        for (int i = 0; i < 4 * kIn; ++i) {
            const int at = i / 4 * 8 + lane % 4 * 2 + i % 2;
            const std::int64_t row = key[i % 4 / 2];
            const bool sees =
                t + at < part.queries && row < (a.causal && t + at + 1 < part.keys ? t + at + 1 : part.keys);
            C &weight = p[i / 4][i % 4], &x = d[i / 4][i % 4];
            weight = sees ? math::exp(weight * scale - log_sums[at]) : C(0);
            x = sees ? weight * (x - deltas[at]) * scale : C(0);
        }
        if (has_dv) add_weighted<S>(dv, p, dout_tile + column, v.pitch(), static_cast<int>(a.value_width - column));
        if (has_dk) add_weighted<S>(dk, d, q_tile + column, k.pitch(), static_cast<int>(a.width - column));
    }
    if (has_dk)
        store_rows(Rows<S>(a.dk, a.k_stride, a.width, a, part.b, part.h, column, kChunk), part.warp_begin, a.keys, dk,
                   a.accumulate);
    if (has_dv)
        store_rows(Rows<S>(a.dv, a.v_stride, a.value_width, a, part.b, part.h, column, kChunk), part.warp_begin, a.keys,
                   dv, a.accumulate);
}

void attention_backward_keys(const AttentionArrays& a, cudaStream_t stream) {
    if (a.keys * a.batch * a.heads == 0) return;
    const std::int64_t widest = std::max(a.width, a.value_width);
    with_chunk(a.dtype, widest, [&]<class S, int kChunk>() {
        const std::int64_t of_row = row_bytes<S>(a.width) + row_bytes<S>(a.value_width);
        const auto of_numbers = 2 * static_cast<std::int64_t>(sizeof(Compute<S>));
        const Geometry how =
            geometry_of(a.keys, device::ceil_div(widest, kChunk), of_row, kStep<S> * (of_row + of_numbers));
        device::launch({.kernel = "attention_backward_keys",
                        .grid = device::blocks_for(how.tiles * how.chunks * a.batch * a.heads, 1),
                        .block = dim3(static_cast<unsigned>(how.warps * 32)),
                        .shared_bytes = how.shared_bytes,
                        .stream = stream},
                       attention_backward_keys_kernel<S, kChunk>, a, how.tiles, how.chunks);
    });
}

}  // namespace rondo::kernels
