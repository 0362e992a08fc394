// ids[r] = the class drawn from softmax(x[r,:] / temperature), cut to the top_k and then to the top_p most likely
//   one block a row, and no sort: "the most likely" are the classes above a threshold and the first few that equal it.
//   Thresholds are found by bisection over the bits of a logit, made to rise with it; the draw then walks the classes in
//   order, a contiguous share a thread.
//   x [R,V]   ids [R]: -1 where a logit is NaN   fed [R] or null: 0 there   seed, step in device memory
//   traffic: S bytes a logit for each reading of the row, nearly all from the cache: 4 readings, and for each of top_k
//   and top_p as many again as a logit has bits (32; 64 in f64)
//   weights and sums in double, in fixed order: deterministic, and as the host draws but where rounding decides
#include "device/launch.hpp"
#include "device/warp.cuh"
#include "rondo/cell/math.hpp"
#include "rondo/philox.hpp"
#include "sample.hpp"
#include "types.cuh"

namespace rondo::kernels {
namespace {

constexpr int kRowThreads = 256;

}  // namespace

/// A number's bits as an integer that rises with the number; both zeros are the same one.
template <class C>
using Key = std::conditional_t<sizeof(C) == 8, std::uint64_t, std::uint32_t>;
template <class C>
inline constexpr Key<C> kSign = Key<C>(1) << (8 * sizeof(C) - 1);

template <class C>
RONDO_DEVICE Key<C> key_of(C x) {
    const auto bits = device::bit_cast<Key<C>>(x == C(0) ? C(0) : x);
    return (bits & kSign<C>) != 0 ? ~bits : bits | kSign<C>;
}
template <class C>
RONDO_DEVICE C number_of(Key<C> key) {
    return device::bit_cast<C>((key & kSign<C>) != 0 ? key & ~kSign<C> : ~key);
}

/// The classes that stay: those above `key`, and the first `equals` of those that equal it (a whole number, or more than
/// there are).
template <class C>
struct Cut {
    Key<C> key;
    double equals;
};

template <class S>
struct Logits {
    using C = Compute<S>;
    const S* x;
    std::int64_t classes;
    C maximum;
    double coldness;  // 1 / temperature

    RONDO_DEVICE C at(std::int64_t i) const { return to_compute(x[i]); }
    /// e^((v - maximum) / temperature); of the maximum 1 also where it is infinite or the temperature zero.
    RONDO_DEVICE double weight(C v) const {
        if (v == maximum) return 1;
        return math::exp((static_cast<double>(v) - static_cast<double>(maximum)) * coldness);
    }
    RONDO_DEVICE Key<C> end() const { return key_of(maximum) + 1; }
};

/// The greatest key at or above which term(logit) adds up to `target` (`low` if there is none above it), and the sum over
/// what is above that key. Every reading of the row adds what lies between the middle and `high`.
template <class C>
struct Threshold {
    Key<C> key;
    double above;
};
template <class S, class C = Compute<S>, class Term>
RONDO_DEVICE Threshold<C> find_threshold(const Logits<S>& row, Key<C> low, double target, const Term& term) {
    Key<C> high = row.end();
    double above = 0;
    while (high - low > 1) {
        const Key<C> middle = low + (high - low) / 2;
        double sum = 0;
#pragma unroll 4
        for (std::int64_t i = threadIdx.x; i < row.classes; i += kRowThreads) {
            const C v = row.at(i);
            const Key<C> key = key_of(v);
            if (key >= middle && key < high) sum += term(v);
        }
        sum = device::block_sum<kRowThreads>(sum);
        if (above + sum >= target) {
            low = middle;
        } else {
            above += sum;
            high = middle;
        }
    }
    return {low, above};
}

template <class S, class C = Compute<S>>
RONDO_DEVICE Cut<C> find_cut(const Logits<S>& row, const SampleRows& a) {
    const C infinity = static_cast<C>(HUGE_VAL);
    if (a.temperature == 0 || row.maximum == infinity || row.maximum == -infinity) return {key_of(row.maximum), 1};
    Cut<C> cut{key_of(-infinity), 0};  // which has no weight: nothing is cut
    if (a.top_k > 0 && a.top_k < row.classes) {
        const auto k = static_cast<double>(a.top_k);
        const Threshold<C> found = find_threshold<S>(row, cut.key, k, [](C) { return 1.0; });
        cut = {found.key, k - found.above};
    }
    if (a.top_p < 1) {
        const auto weight = [&](C v) { return row.weight(v); };
        double sum = 0;
#pragma unroll 1
        for (std::int64_t i = threadIdx.x; i < row.classes; i += kRowThreads)
            if (const C v = row.at(i); key_of(v) > cut.key) sum += weight(v);
        sum = device::block_sum<kRowThreads>(sum) + cut.equals * weight(number_of<C>(cut.key));
        const double target = a.top_p * sum;
        const Threshold<C> found = find_threshold<S>(row, cut.key, target, weight);
        // As many equals as it takes to reach the target, but none that top_k has cut.
        const double equals = ceil((target - found.above) / weight(number_of<C>(found.key)));
        cut = {found.key, found.key == cut.key && cut.equals < equals ? cut.equals : equals};
    }
    return cut;
}

/// visit(class, weight) for what is left of this thread's share, in order. `equals`: how many logits of the shares before
/// it equal the threshold.
template <class S, class C = Compute<S>, class Visit>
RONDO_DEVICE void visit_share(const Logits<S>& row, const Cut<C>& cut, std::int64_t begin, std::int64_t end,
                              double equals, const Visit& visit) {
#pragma unroll 1
    for (std::int64_t i = begin; i < end; ++i) {
        const C v = row.at(i);
        const Key<C> key = key_of(v);
        if (key < cut.key) continue;
        if (key == cut.key && equals++ >= cut.equals) continue;
        if (const double weight = row.weight(v); weight > 0) visit(i, weight);
    }
}

/// The first class at which the sum of the weights exceeds uniform() · their total. Threads but one return -1.
template <class S, class C = Compute<S>, class Uniform>
RONDO_DEVICE std::int32_t draw(const Logits<S>& row, const Cut<C>& cut, const Uniform& uniform) {
    const std::int64_t share = (row.classes + kRowThreads - 1) / kRowThreads, first = share * threadIdx.x;
    const std::int64_t begin = first < row.classes ? first : row.classes;
    const std::int64_t end = row.classes - begin < share ? row.classes : begin + share;
    double equal = 0, own = 0;
    for (std::int64_t i = begin; i < end; ++i) equal += key_of(row.at(i)) == cut.key ? 1 : 0;
    equal = device::block_scan<kRowThreads>(equal).before;
    visit_share(row, cut, begin, end, equal, [&](std::int64_t, double weight) { own += weight; });
    const device::Scan<double> sums = device::block_scan<kRowThreads>(own);
    const double wanted = uniform() * sums.total;
    // The last thread that begins at or before it, so that one is found whatever rounding does.
    const bool reaches = own > 0 && sums.before <= wanted;
    const int chosen = device::block_max<kRowThreads>(reaches ? static_cast<int>(threadIdx.x) : -1);
    std::int32_t id = -1;
    if (static_cast<int>(threadIdx.x) != chosen) return id;
    double reached = sums.before;
    visit_share(row, cut, begin, end, equal, [&](std::int64_t i, double weight) {
        if (id >= 0 && reached > wanted) return;
        id = static_cast<std::int32_t>(i);
        reached += weight;
    });
    return id;
}

RONDO_DEVICE void give(const SampleRows& a, std::int64_t r, std::int32_t id) {
    a.ids[r] = id;
    if (a.fed != nullptr) a.fed[r] = id < 0 ? 0 : id;
}

template <class S>
__global__ void __launch_bounds__(kRowThreads) sample_rows(const SampleRows a) {
    using C = Compute<S>;
    const std::int64_t r = blockIdx.x;
    const S* const x = static_cast<const S*>(a.logits) + r * a.classes;
    C maximum = -static_cast<C>(HUGE_VAL);
    for (std::int64_t i = threadIdx.x; i < a.classes; i += kRowThreads)
        maximum = device::Maximum{}(maximum, to_compute(x[i]));
    maximum = device::block_max<kRowThreads>(maximum);
    if (maximum != maximum) {
        if (threadIdx.x == 0) give(a, r, -1);
        return;
    }
    const Logits<S> row{x, a.classes, maximum, 1 / a.temperature};
    const Cut<C> cut = find_cut(row, a);
    const std::int32_t id = draw(row, cut, [&] {
        const Philox4 words = philox4x32(philox_counter(*a.step, static_cast<std::uint64_t>(r)), philox_key(*a.seed));
        return philox_uniform(words.word[0], words.word[1]);
    });
    if (id >= 0) give(a, r, id);
}

void sample(const SampleRows& a, cudaStream_t stream) {
    if (a.rows == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        device::launch(
            {.kernel = "sample_rows", .grid = device::blocks_for(a.rows, 1), .block = kRowThreads, .stream = stream},
            sample_rows<S>, a);
    });
}

}  // namespace rondo::kernels
