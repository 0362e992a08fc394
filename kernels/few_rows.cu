// c[m,n] = (accumulate ? c[m,n] : 0) + a[m,k]·b[n,k]ᵀ + bias[n], m of one or two: a warp a row of b
//   a [M,K]   b [N,K]   c [M,N], rows a_stride, b_stride and c_stride apart   bias [N] or null; a batch of them in z
//   traffic: S bytes an element of b, once; memory-bound, where a tensor core would have 14 of 16 rows idle
//   sums in the type that S accumulates in, lane by lane and then over the lanes: deterministic, and the same however
//   the operands are aligned
#include "device/warp.cuh"
#include "elements.cuh"
#include "few_rows.hpp"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

/// to = from[0..kCount), zeros from `left` on. Aligned: all of them are there, and may be read together.
template <bool kAligned, int kCount, class S>
RONDO_DEVICE void load_part(Compute<S> (&to)[kCount], const S* from, std::int64_t left) {
    if constexpr (kAligned) {
        load(to, from);
    } else {
#pragma unroll
        for (int i = 0; i < kCount; ++i) to[i] = i < left ? to_compute(from[i]) : Compute<S>(0);
    }
}

template <class S, class Out, bool kAligned>
__global__ void __launch_bounds__(kThreads) few_rows_kernel(const FewRows a) {
    using C = Compute<S>;
    constexpr int kCount = kFull<S>;
    const std::int64_t column = global_thread() / 32;
    if (column >= a.n) return;
    const S* const rows = static_cast<const S*>(a.a) + blockIdx.z * a.a_batch;
    const S* const b = static_cast<const S*>(a.b) + blockIdx.z * a.b_batch + column * a.b_stride;
    C sums[kFewRows] = {};
#pragma unroll 4  // loads under way
    for (std::int64_t i = device::lane_index() * kCount; i < a.k; i += 32 * kCount) {
        C weights[kCount];
        load_part<kAligned>(weights, b + i, a.k - i);
#pragma unroll
        for (int r = 0; r < kFewRows; ++r) {
            if (r >= a.m) continue;
            C x[kCount];
            load_part<kAligned>(x, rows + r * a.a_stride + i, a.k - i);
#pragma unroll
            for (int j = 0; j < kCount; ++j) sums[r] = math::fma(x[j], weights[j], sums[r]);
        }
    }
#pragma unroll
    for (int r = 0; r < kFewRows; ++r) {
        if (r >= a.m) continue;
        C sum = device::warp_sum(sums[r]);
        if (device::lane_index() != 0) continue;
        Out* const to = static_cast<Out*>(a.c) + blockIdx.z * a.c_batch + r * a.c_stride + column;
        if (a.bias != nullptr) sum += to_compute(static_cast<const Out*>(a.bias)[column]);
        if (a.accumulate) sum += to_compute(*to);
        *to = to_storage<Out>(sum);
    }
}

namespace {

template <class S, class Out>
void launch_few_rows(const FewRows& a, cudaStream_t stream) {
    constexpr int kCount = kFull<S>;
    const auto whole = [](std::int64_t elements) { return elements % kCount == 0; };
    const bool aligned = whole(a.k) && whole(a.a_stride) && whole(a.b_stride) && whole(a.a_batch) && whole(a.b_batch) &&
                         all_aligned<kCount>(sizeof(S), a.a, a.b);
    dim3 grid = device::blocks_for(a.n * 32, kThreads);
    grid.z = static_cast<unsigned>(a.batches);
    device::launch({.kernel = "few_rows", .grid = grid, .block = kThreads, .stream = stream},
                   aligned ? few_rows_kernel<S, Out, true> : few_rows_kernel<S, Out, false>, a);
}

}  // namespace

void few_rows(const FewRows& a, cudaStream_t stream) {
    with_storage(a.dtype, [&]<class S>() {
        if (a.c_dtype == a.dtype)
            launch_few_rows<S, S>(a, stream);
        else
            launch_few_rows<S, Compute<S>>(a, stream);
    });
}

}  // namespace rondo::kernels
