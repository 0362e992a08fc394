// out[t] = Σ_s w[t,s]·v[s], w = softmax over the allowed s of (scale·q[t]·k[s]), exact: tiles of queries stay in shared
//   memory, tiles of keys and values pass by, and each row's maximum and sum run along (FlashAttention, Dao et al. 2022)
//   q [T,B,heads·W]   k [S,B,heads·W]   v [S,B,heads·V]   out [T,B,heads·V]   log_sums [T,B,heads] in C
//   16-bit types on tensor cores with float sums, their weights rounded for the second product; f32 and f64 by plain FMA
//   causal tiles that nothing sees are not read; keys in order, no atomics: deterministic
#include "attention/tiles.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

using namespace attention;

template <class S, int kChunk>
__global__ void __launch_bounds__(kMostWarps * 32, 1)
    attention_forward_kernel(const AttentionArrays a, std::int64_t tiles, std::int64_t chunks) {
    using C = Compute<S>;
    constexpr int kIn = kStep<S> / 8, kOut = kChunk / 8;
    constexpr C kNever = -static_cast<C>(HUGE_VAL);
    RONDO_DYNAMIC_SHARED(S, q_tile);
    const Part part(a, tiles, chunks);
    const Rows<S> q(a.q, a.q_stride, a.width, a, part.b, part.h), k(a.k, a.k_stride, a.width, a, part.b, part.h);
    const Rows<S> v(a.v, a.v_stride, a.value_width, a, part.b, part.h, part.chunk * kChunk, kChunk);
    S* const k_tile = q_tile + part.rows * q.pitch();
    S* const v_tile = k_tile + kStep<S> * k.pitch();
    load_tile(q_tile, q, part.begin, part.rows, part.queries);

    const int lane = static_cast<int>(device::lane_index());
    const std::int64_t row[2] = {part.warp_begin + lane / 4, part.warp_begin + lane / 4 + 8};
    const std::int64_t seen[2] = {part.allowed(a, row[0]), part.allowed(a, row[1])};
    const std::int64_t reach = part.reach(a, part.warp_begin, kRowsOfWarp);
    const std::int64_t block_reach = part.reach(a, part.begin, part.rows);
    C out[kOut][4] = {}, top[2] = {kNever, kNever}, sum[2] = {0, 0};
    for (std::int64_t s = 0; s < block_reach; s += kStep<S>) {
        __syncthreads();  // the tiles before have been read
        load_tile(k_tile, k, s, kStep<S>, part.keys);
        load_tile(v_tile, v, s, kStep<S>, part.keys);
        __syncthreads();
        if (s >= reach) continue;
        C p[kIn][4] = {};
        add_scores<S>(p, q_tile + device::warp_index() * kRowsOfWarp * q.pitch(), k_tile, q.pitch(), q.depth());
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            C most = top[half];
#pragma unroll
            for (int i = 0; i < 2 * kIn; ++i) {
                C& x = p[i / 2][2 * half + i % 2];
                const std::int64_t key = s + i / 2 * 8 + lane % 4 * 2 + i % 2;
                x = key < seen[half] ? x * static_cast<C>(a.scale) : kNever;
                most = device::Maximum{}(most, x);
            }
            most = device::warp_max<4>(most);
            if (most == kNever) most = 0;  // scores of -inf: exp(-inf - 0) is the 0 they weigh
            const C shrink = math::exp(top[half] - most);
            top[half] = most;
            sum[half] *= shrink;
#pragma unroll
            for (int i = 0; i < 2 * kIn; ++i) {
                C& x = p[i / 2][2 * half + i % 2];
                x = math::exp(x - most);
                sum[half] += x;
            }
#pragma unroll
            for (int i = 0; i < 2 * kOut; ++i) out[i / 2][2 * half + i % 2] *= shrink;
        }
        add_weighted<S>(out, p, v_tile, v.pitch(), v.cols);
    }

#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const C total = device::warp_sum<4>(sum[half]);
#pragma unroll
        for (int i = 0; i < 2 * kOut; ++i) {
            C& x = out[i / 2][2 * half + i % 2];
            x = seen[half] > 0 ? x / total : C(0);
        }
        if (a.log_sums != nullptr && part.chunk == 0 && lane % 4 == 0 && row[half] < a.queries)
            static_cast<C*>(a.log_sums)[index_of(a, row[half], part.b, part.h)] =
                seen[half] > 0 ? top[half] + math::log(total) : kNever;
    }
    const Rows<S> to(a.out, a.out_stride, a.value_width, a, part.b, part.h, part.chunk * kChunk, kChunk);
    store_rows(to, part.warp_begin, a.queries, out, false);
}

void attention_forward(const AttentionArrays& a, cudaStream_t stream) {
    if (a.queries * a.batch * a.heads == 0) return;
    with_chunk(a.dtype, a.value_width, [&]<class S, int kChunk>() {
        const std::int64_t of_v = row_bytes<S>(std::min<std::int64_t>(a.value_width, kChunk));
        const Geometry how = geometry_of(a.queries, device::ceil_div(a.value_width, kChunk), row_bytes<S>(a.width),
                                         kStep<S> * (row_bytes<S>(a.width) + of_v));
        device::launch({.kernel = "attention_forward",
                        .grid = device::blocks_for(how.tiles * how.chunks * a.batch * a.heads, 1),
                        .block = dim3(static_cast<unsigned>(how.warps * 32)),
                        .shared_bytes = how.shared_bytes,
                        .stream = stream},
                       attention_forward_kernel<S, kChunk>, a, how.tiles, how.chunks);
    });
}

}  // namespace rondo::kernels
