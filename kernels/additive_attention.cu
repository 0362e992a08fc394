// w[t,s] = softmax over s of (vector · tanh(q[t] + k[s])),  out[t] = Σ_s w[t,s]·v[s]
// With d[t,s] = w·(dout[t]·v[s] - Σ_s w·dout[t]·v[s]) and y = tanh(q[t] + k[s]):
//   dq[t] = Σ_s d·vector·(1 - y²)   dk[s] = Σ_t d·vector·(1 - y²)   dv[s] = Σ_t w·dout[t]   dvector = Σ_b Σ_t Σ_s d·y
//   q, k [T or S,B,W]   v [S,B,V]   out [T,B,V]   vector [W], weights [T,B,S], d [T,B,S] in C
//   a block a query forward, and backward for d and dq; a block a key for dk and dv; 32 columns of a row for its share of
//   dvector. tanh is computed again by each: there is no room for [T,S,W] of it
//   bound by tanh, 1·T·S·W forward and 3·T·S·W backward a row; sums in fixed order, no atomics: deterministic
#include "additive_attention.hpp"
#include "device/warp.cuh"
#include "rondo/cell/math.hpp"
#include "shares.cuh"

namespace rondo::kernels {
namespace {

constexpr int kPairThreads = 128;
constexpr int kShareColumns = 32, kShareRows = 8;  // of a block that makes a share of dvector

}  // namespace

/// Where one row of the batch lies.
template <class S>
struct AdditiveRow {
    using C = Compute<S>;
    const AdditiveAttentionArrays& a;
    std::int64_t b, queries, keys;

    RONDO_DEVICE AdditiveRow(const AdditiveAttentionArrays& arrays, std::int64_t row)
        : a(arrays),
          b(row),
          queries(a.query_lengths == nullptr ? a.queries : a.query_lengths[b]),
          keys(a.key_lengths == nullptr ? a.keys : a.key_lengths[b]) {}

    template <class U>
    RONDO_DEVICE U* at(const void* base, std::int64_t step, std::int64_t width) const {
        return static_cast<U*>(const_cast<void*>(base)) + (step * a.batch + b) * width;
    }
    RONDO_DEVICE C y(std::int64_t t, std::int64_t s, std::int64_t i) const {
        return math::tanh(to_compute(at<S>(a.q, t, a.width)[i]) + to_compute(at<S>(a.k, s, a.width)[i]));
    }
    RONDO_DEVICE C vector(std::int64_t i) const { return static_cast<const C*>(a.vector)[i]; }
    /// d·vector[i]·(1 - y²)
    RONDO_DEVICE C through_tanh(std::int64_t t, std::int64_t s, std::int64_t i, C d) const {
        return d * vector(i) * math::d_tanh(y(t, s, i));
    }
};

/// to[s] = the warp's product(s, i) summed over the columns i, for every key: a key a warp.
template <class C, class Product>
RONDO_DEVICE void sums_of_keys(C* to, std::int64_t keys, std::int64_t width, const Product& product) {
    for (std::int64_t s = device::warp_index(); s < keys; s += kPairThreads / 32) {
        C sum = 0;
        for (std::int64_t i = device::lane_index(); i < width; i += 32) sum += product(s, i);
        sum = device::warp_sum(sum);
        if (device::lane_index() == 0) to[s] = sum;
    }
    __syncthreads();
}

template <class S>
__global__ void __launch_bounds__(kPairThreads) additive_forward_kernel(const AdditiveAttentionArrays a) {
    using C = Compute<S>;
    const Place step = place_of(blockIdx.x, a.batch);
    const AdditiveRow<S> row(a, step.column);
    const std::int64_t t = step.row, keys = t < row.queries ? row.keys : 0;
    C* const w = row.template at<C>(a.weights, t, a.keys);
    sums_of_keys(w, keys, a.width, [&](std::int64_t s, std::int64_t i) { return row.vector(i) * row.y(t, s, i); });
    C most = -static_cast<C>(HUGE_VAL), sum = 0;
    for (std::int64_t s = threadIdx.x; s < keys; s += kPairThreads) most = device::Maximum{}(w[s], most);
    most = device::block_max<kPairThreads>(most);
    for (std::int64_t s = threadIdx.x; s < keys; s += kPairThreads) sum += w[s] = math::exp(w[s] - most);
    sum = device::block_sum<kPairThreads>(sum);
    for (std::int64_t s = threadIdx.x; s < a.keys; s += kPairThreads) w[s] = s < keys ? w[s] / sum : C(0);
    __syncthreads();
    for (std::int64_t c = threadIdx.x; c < a.value_width; c += kPairThreads) {
        C out = 0;
        for (std::int64_t s = 0; s < keys; ++s) out += w[s] * to_compute(row.template at<S>(a.v, s, a.value_width)[c]);
        row.template at<S>(a.out, t, a.value_width)[c] = to_storage<S>(out);
    }
}

/// d of one query, and its dq.
template <class S>
__global__ void __launch_bounds__(kPairThreads) additive_backward_queries(const AdditiveAttentionArrays a) {
    using C = Compute<S>;
    const Place step = place_of(blockIdx.x, a.batch);
    const AdditiveRow<S> row(a, step.column);
    const std::int64_t t = step.row, keys = t < row.queries ? row.keys : 0;
    const C* const w = row.template at<const C>(a.weights, t, a.keys);
    const S* const dout = row.template at<const S>(a.dout, t, a.value_width);
    C* const d = row.template at<C>(a.scratch, t, a.keys);
    sums_of_keys(d, keys, a.value_width, [&](std::int64_t s, std::int64_t c) {
        return to_compute(dout[c]) * to_compute(row.template at<const S>(a.v, s, a.value_width)[c]);
    });
    C mean = 0;
    for (std::int64_t s = threadIdx.x; s < keys; s += kPairThreads) mean += w[s] * d[s];
    mean = device::block_sum<kPairThreads>(mean);
    for (std::int64_t s = threadIdx.x; s < keys; s += kPairThreads) d[s] = w[s] * (d[s] - mean);
    __syncthreads();
    if (a.dq == nullptr) return;
    for (std::int64_t i = threadIdx.x; i < a.width; i += kPairThreads) {
        C sum = 0;
        for (std::int64_t s = 0; s < keys; ++s) sum += row.through_tanh(t, s, i, d[s]);
        row.template at<S>(a.dq, t, a.width)[i] = to_storage<S>(sum);
    }
}

/// dk and dv of one key.
template <class S>
__global__ void __launch_bounds__(kPairThreads) additive_backward_keys(const AdditiveAttentionArrays a) {
    using C = Compute<S>;
    const Place step = place_of(blockIdx.x, a.batch);
    const AdditiveRow<S> row(a, step.column);
    const std::int64_t s = step.row, queries = s < row.keys ? row.queries : 0;
    const auto put = [&](S* to, C sum) { *to = to_storage<S>(a.accumulate ? to_compute(*to) + sum : sum); };
    for (std::int64_t i = threadIdx.x; i < a.width && a.dk != nullptr; i += kPairThreads) {
        C sum = 0;
        for (std::int64_t t = 0; t < queries; ++t)
            sum += row.through_tanh(t, s, i, row.template at<const C>(a.scratch, t, a.keys)[s]);
        put(row.template at<S>(a.dk, s, a.width) + i, sum);
    }
    for (std::int64_t c = threadIdx.x; c < a.value_width && a.dv != nullptr; c += kPairThreads) {
        C sum = 0;
        for (std::int64_t t = 0; t < queries; ++t)
            sum += row.template at<const C>(a.weights, t, a.keys)[s] *
                   to_compute(row.template at<const S>(a.dout, t, a.value_width)[c]);
        put(row.template at<S>(a.dv, s, a.value_width) + c, sum);
    }
}

/// A row's share of dvector: blockIdx.y's, of 32 columns.
template <class S>
__global__ void __launch_bounds__(kShareColumns* kShareRows)
    additive_vector_shares(const AdditiveAttentionArrays a, Compute<S>* shares, std::int64_t column_blocks) {
    using C = Compute<S>;
    RONDO_SHARED(C, sums, [kShareRows][kShareColumns]);
    const Place block = place_of(blockIdx.x, column_blocks);
    const AdditiveRow<S> row(a, block.row);
    const std::int64_t column = block.column * kShareColumns + threadIdx.x;
    C sum = 0;
    if (column < a.width)
        for (std::int64_t t = threadIdx.y; t < row.queries; t += kShareRows)
            for (std::int64_t s = 0; s < row.keys; ++s)
                sum += row.template at<const C>(a.scratch, t, a.keys)[s] * row.y(t, s, column);
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || column >= a.width) return;
    for (int i = 1; i < kShareRows; ++i) sum += sums[i][threadIdx.x];
    shares[row.b * a.width + column] = sum;
}

void additive_attention_forward(const AdditiveAttentionArrays& a, cudaStream_t stream) {
    if (a.queries * a.batch == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        device::launch({.kernel = "additive_forward",
                        .grid = device::blocks_for(a.queries * a.batch, 1),
                        .block = kPairThreads,
                        .stream = stream},
                       additive_forward_kernel<S>, a);
    });
}

void additive_attention_backward(const AdditiveAttentionArrays& a, cudaStream_t stream) {
    with_storage(a.dtype, [&]<class S>() {
        using C = Compute<S>;
        const auto launch = [&](const char* name, std::int64_t rows, auto kernel) {
            if (rows > 0)
                device::launch(
                    {.kernel = name, .grid = device::blocks_for(rows, 1), .block = kPairThreads, .stream = stream},
                    kernel, a);
        };
        launch("additive_backward_queries", a.queries * a.batch, additive_backward_queries<S>);
        if (a.dk != nullptr || a.dv != nullptr)
            launch("additive_backward_keys", a.keys * a.batch, additive_backward_keys<S>);
        if (a.batch * a.width == 0) return;
        C* const shares = static_cast<C*>(a.scratch) + a.queries * a.batch * a.keys;
        const std::int64_t column_blocks = device::ceil_div(a.width, kShareColumns);
        device::launch({.kernel = "additive_vector_shares",
                        .grid = device::blocks_for(a.batch * column_blocks, 1),
                        .block = dim3(kShareColumns, kShareRows),
                        .stream = stream},
                       additive_vector_shares<S>, a, shares, column_blocks);
        launch_sum_of_shares(static_cast<C*>(a.dvector), shares, a.batch, a.width, a.width, a.add_to_dvector, stream);
    });
}

}  // namespace rondo::kernels
