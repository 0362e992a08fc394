// y = gain·z + bias, z = (x - mean)·scale, over each row; scale = 1/sqrt(mean of (x - mean)² + epsilon)
// dx = scale·(g - mean(g) - z·mean(g·z)), g = gain·dy
//   x, y, dy, dx [R,N] (dx may be dy)   gain, bias [N] in C   mean, scale [R] in C
//   a warp a row where rows are short, a block where they are long; the row is read again from the cache, the variance
//   taken around the mean
//   traffic: 2·S bytes an element forward, 3·S backward; memory-bound; deterministic
#include "device/warp.cuh"
#include "elements.cuh"
#include "feed_forward.hpp"

namespace rondo::kernels {
namespace {

constexpr int kNormThreads = 128;           // of a block
constexpr std::int64_t kColsOfWarp = 1024;  // more are a block's

}  // namespace

/// The threads of one row, a warp or a block, and the first of the rows they take.
template <int kRowThreads>
struct NormRow {
    RONDO_DEVICE static int thread() { return static_cast<int>(threadIdx.x) % kRowThreads; }
    RONDO_DEVICE static std::int64_t first() { return global_thread() / kRowThreads; }
    RONDO_DEVICE static std::int64_t step() { return grid_threads() / kRowThreads; }
    template <class C>
    RONDO_DEVICE static C sum(C value) {
        if constexpr (kRowThreads == 32)
            return device::warp_sum(value);
        else
            return device::block_sum<kRowThreads>(value);
    }
};

/// Σ term(x[i], i) over a row, known to all of its threads.
template <class Row, int kRowThreads, int kCount, class S, class Term>
RONDO_DEVICE Compute<S> sum_of_row(const S* x, std::int64_t cols, const Term& term) {
    Compute<S> sum = 0;
    for (std::int64_t i = Row::thread() * kCount; i < cols; i += kRowThreads * kCount) {
        Compute<S> value[kCount];
        load(value, x + i);
#pragma unroll
        for (int j = 0; j < kCount; ++j) sum += term(value[j]);
    }
    return Row::sum(sum);
}

template <class S, int kRowThreads, int kCount>
__global__ void __launch_bounds__(kNormThreads) layer_norm_forward_kernel(const LayerNormArrays a) {
    using C = Compute<S>;
    using Row = NormRow<kRowThreads>;
    const C cols = static_cast<C>(a.cols);
    for (std::int64_t row = Row::first(); row < a.rows; row += Row::step()) {
        const S* const x = static_cast<const S*>(a.x) + row * a.cols;
        const C mean = sum_of_row<Row, kRowThreads, kCount>(x, a.cols, [](C v) { return v; }) / cols;
        const C squares = sum_of_row<Row, kRowThreads, kCount>(x, a.cols, [&](C v) { return (v - mean) * (v - mean); });
        const C scale = C(1) / static_cast<C>(sqrt(squares / cols + static_cast<C>(a.epsilon)));
        for (std::int64_t i = Row::thread() * kCount; i < a.cols; i += kRowThreads * kCount) {
            C value[kCount], gain[kCount], bias[kCount];
            load(value, x + i);
            load_any(gain, static_cast<const C*>(a.gain) + i);
            load_any(bias, static_cast<const C*>(a.bias) + i);
#pragma unroll
            for (int j = 0; j < kCount; ++j) value[j] = gain[j] * ((value[j] - mean) * scale) + bias[j];
            store(static_cast<S*>(a.y) + row * a.cols + i, value);
        }
        if (Row::thread() == 0) {
            static_cast<C*>(a.mean)[row] = mean;
            static_cast<C*>(a.scale)[row] = scale;
        }
    }
}

template <class S, int kRowThreads, int kCount>
__global__ void __launch_bounds__(kNormThreads) layer_norm_backward_kernel(const LayerNormArrays a) {
    using C = Compute<S>;
    using Row = NormRow<kRowThreads>;
    for (std::int64_t row = Row::first(); row < a.rows; row += Row::step()) {
        const S* const x = static_cast<const S*>(a.x) + row * a.cols;
        const S* const dy = static_cast<const S*>(a.dy) + row * a.cols;
        const C mean = static_cast<const C*>(a.mean)[row], scale = static_cast<const C*>(a.scale)[row];
        C z[kCount], g[kCount], sum = 0, with_z = 0;
        const auto take = [&](std::int64_t i) {
            C gain[kCount];
            load(z, x + i);
            load(g, dy + i);
            load_any(gain, static_cast<const C*>(a.gain) + i);
#pragma unroll
            for (int j = 0; j < kCount; ++j) {
                z[j] = (z[j] - mean) * scale;
                g[j] *= gain[j];
            }
        };
        for (std::int64_t i = Row::thread() * kCount; i < a.cols; i += kRowThreads * kCount) {
            take(i);
#pragma unroll
            for (int j = 0; j < kCount; ++j) {
                sum += g[j];
                with_z += g[j] * z[j];
            }
        }
        const C mean_g = Row::sum(sum) / static_cast<C>(a.cols), mean_gz = Row::sum(with_z) / static_cast<C>(a.cols);
        for (std::int64_t i = Row::thread() * kCount; i < a.cols; i += kRowThreads * kCount) {
            take(i);
#pragma unroll
            for (int j = 0; j < kCount; ++j) g[j] = scale * (g[j] - mean_g - z[j] * mean_gz);
            store(static_cast<S*>(a.dx) + row * a.cols + i, g);
        }
    }
}

namespace {

// Few columns are a warp's work, more a block's; rows that are aligned are read 16 bytes at a time.
template <class S>
struct ForwardKernels {
    static auto choose(bool by_warps, bool wide) {
        return by_warps ? (wide ? layer_norm_forward_kernel<S, 32, kWide<S>> : layer_norm_forward_kernel<S, 32, 1>)
                        : (wide ? layer_norm_forward_kernel<S, kNormThreads, kWide<S>>
                                : layer_norm_forward_kernel<S, kNormThreads, 1>);
    }
};
template <class S>
struct BackwardKernels {
    static auto choose(bool by_warps, bool wide) {
        return by_warps ? (wide ? layer_norm_backward_kernel<S, 32, kWide<S>> : layer_norm_backward_kernel<S, 32, 1>)
                        : (wide ? layer_norm_backward_kernel<S, kNormThreads, kWide<S>>
                                : layer_norm_backward_kernel<S, kNormThreads, 1>);
    }
};

template <template <class> class Kernels, class... Pointers>
void launch_norm_rows(const char* name, const LayerNormArrays& a, cudaStream_t stream, const Pointers*... rows) {
    if (a.rows * a.cols == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        constexpr int kCount = kWide<S>;
        const bool wide = a.cols % kCount == 0 && all_aligned<kCount>(sizeof(S), rows...);
        const bool by_warps = a.cols <= kColsOfWarp;
        device::launch({.kernel = name,
                        .grid = striding_blocks(a.rows * (by_warps ? 32 : kNormThreads)),
                        .block = kNormThreads,
                        .stream = stream},
                       Kernels<S>::choose(by_warps, wide), a);
    });
}

}  // namespace

void layer_norm_forward(const LayerNormArrays& a, cudaStream_t stream) {
    launch_norm_rows<ForwardKernels>("layer_norm_forward", a, stream, a.x, a.y);
}

void layer_norm_backward(const LayerNormArrays& a, cudaStream_t stream) {
    launch_norm_rows<BackwardKernels>("layer_norm_backward", a, stream, a.x, a.dy, a.dx);
}

}  // namespace rondo::kernels
