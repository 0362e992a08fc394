// deltas[t] = dout[t]·out[t]
// dq[t] = Σ_s ds[t,s]·k[s],  ds = scale·w·(dout[t]·v[s] - deltas[t]),  w[t,s] = exp(scale·q[t]·k[s] - log_sums[t])
//   shapes as in forward.cu; a block owns a tile of queries, and tiles of keys and values pass by in order: no atomics
//   16-bit types on tensor cores with float sums, ds rounded for the last product; f32 and f64 by plain FMA
#include "attention/tiles.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

using namespace attention;

template <class S>
__global__ void __launch_bounds__(kThreads) attention_deltas_kernel(const AttentionArrays a) {
    using C = Compute<S>;
    const std::int64_t count = a.queries * a.batch * a.heads;
    for (std::int64_t i = global_thread() / 32; i < count; i += grid_threads() / 32) {
        const Place row = place_of(i, a.heads), step = place_of(row.row, a.batch);
        const std::int64_t at = row.row * a.out_stride + row.column * a.value_width;
        C sum = 0;
        if (takes(a.query_lengths, step.column, step.row))
            for (std::int64_t c = device::lane_index(); c < a.value_width; c += 32)
                sum += to_compute(static_cast<const S*>(a.dout)[at + c]) *
                       to_compute(static_cast<const S*>(a.out)[at + c]);
        sum = device::warp_sum(sum);
        if (device::lane_index() == 0) static_cast<C*>(a.deltas)[i] = sum;
    }
}

template <class S, int kChunk>
__global__ void __launch_bounds__(kMostWarps * 32, 1)
    attention_backward_queries_kernel(const AttentionArrays a, std::int64_t tiles, std::int64_t chunks) {
    using C = Compute<S>;
    constexpr int kIn = kStep<S> / 8, kOut = kChunk / 8;
    RONDO_DYNAMIC_SHARED(S, q_tile);
    const Part part(a, tiles, chunks);
    const Rows<S> q(a.q, a.q_stride, a.width, a, part.b, part.h), k(a.k, a.k_stride, a.width, a, part.b, part.h);
    const Rows<S> v(a.v, a.v_stride, a.value_width, a, part.b, part.h);
    const Rows<S> dout(a.dout, a.out_stride, a.value_width, a, part.b, part.h);
    S* const dout_tile = q_tile + part.rows * q.pitch();
    S* const k_tile = dout_tile + part.rows * v.pitch();
    S* const v_tile = k_tile + kStep<S> * q.pitch();
    load_tile(q_tile, q, part.begin, part.rows, part.queries);
    load_tile(dout_tile, dout, part.begin, part.rows, part.queries);

    const int lane = static_cast<int>(device::lane_index());
    const int own = static_cast<int>(device::warp_index()) * kRowsOfWarp;
    std::int64_t seen[2];
    C log_sum[2] = {0, 0}, delta[2] = {0, 0};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const std::int64_t t = part.warp_begin + lane / 4 + 8 * half;
        seen[half] = part.allowed(a, t);
        if (seen[half] == 0) continue;
        log_sum[half] = static_cast<const C*>(a.log_sums)[index_of(a, t, part.b, part.h)];
        delta[half] = static_cast<const C*>(a.deltas)[index_of(a, t, part.b, part.h)];
    }
    const std::int64_t reach = part.reach(a, part.warp_begin, kRowsOfWarp);
    const std::int64_t block_reach = part.reach(a, part.begin, part.rows);
    const C scale = static_cast<C>(a.scale);
    const Rows<S> dq(a.dq, a.q_stride, a.width, a, part.b, part.h, part.chunk * kChunk, kChunk);
    C out[kOut][4] = {};
    for (std::int64_t s = 0; s < block_reach; s += kStep<S>) {
        __syncthreads();  // the tiles before have been read
        load_tile(k_tile, k, s, kStep<S>, part.keys);
        load_tile(v_tile, v, s, kStep<S>, part.keys);
        __syncthreads();
        if (s >= reach) continue;
        C p[kIn][4] = {}, d[kIn][4] = {};
        add_scores<S>(p, q_tile + own * q.pitch(), k_tile, q.pitch(), q.depth());
        add_scores<S>(d, dout_tile + own * v.pitch(), v_tile, v.pitch(), v.depth());
#pragma unroll
        for (int i = 0; i < 4 * kIn; ++i) {
            const int half = i % 4 / 2;
            const std::int64_t key = s + i / 4 * 8 + lane % 4 * 2 + i % 2;
            const C weight = math::exp(p[i / 4][i % 4] * scale - log_sum[half]);
            C& x = d[i / 4][i % 4];
            x = key < seen[half] ? weight * (x - delta[half]) * scale : C(0);
        }
        add_weighted<S>(out, d, k_tile + part.chunk * kChunk, q.pitch(), dq.cols);
    }
    store_rows(dq, part.warp_begin, a.queries, out, false);
}

void attention_deltas(const AttentionArrays& a, cudaStream_t stream) {
    const std::int64_t count = a.queries * a.batch * a.heads;
    if (count == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        device::launch(
            {.kernel = "attention_deltas", .grid = striding_blocks(count * 32), .block = kThreads, .stream = stream},
            attention_deltas_kernel<S>, a);
    });
}

void attention_backward_queries(const AttentionArrays& a, cudaStream_t stream) {
    if (a.queries * a.batch * a.heads == 0) return;
    with_chunk(a.dtype, a.width, [&]<class S, int kChunk>() {
        const std::int64_t of_row = row_bytes<S>(a.width) + row_bytes<S>(a.value_width);
        const Geometry how = geometry_of(a.queries, device::ceil_div(a.width, kChunk), of_row, kStep<S> * of_row);
        device::launch({.kernel = "attention_backward_queries",
                        .grid = device::blocks_for(how.tiles * how.chunks * a.batch * a.heads, 1),
                        .block = dim3(static_cast<unsigned>(how.warps * 32)),
                        .shared_bytes = how.shared_bytes,
                        .stream = stream},
                       attention_backward_queries_kernel<S, kChunk>, a, how.tiles, how.chunks);
    });
}

}  // namespace rondo::kernels
