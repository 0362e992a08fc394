#include "cpu/isa/softmax.hpp"

#include "cpu/isa/math.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

template <class T>
RONDO_HD Pack<T> larger(Pack<T> a, Pack<T> b) {
    return select(a > b, a, b);
}

/// NaN does not count: it shows in the sum.
template <class T>
RONDO_HD T row_maximum(const T* x, std::int64_t classes) {
    constexpr int kStep = kLanes<T>, kWays = 4;
    const Pack<T> lowest = -T(__builtin_inf());
    Pack<T> best[kWays] = {lowest, lowest, lowest, lowest};
    std::int64_t i = 0;
    for (; i + kWays * kStep <= classes; i += kWays * kStep)
        for (int w = 0; w < kWays; ++w) best[w] = larger(Pack<T>::load(x + i + w * kStep), best[w]);
    for (; i + kStep <= classes; i += kStep) best[0] = larger(Pack<T>::load(x + i), best[0]);
    best[0] = larger(larger(best[0], best[1]), larger(best[2], best[3]));
    T lanes[kStep];
    best[0].store(lanes);
    T maximum = lanes[0];
    for (int l = 1; l < kStep; ++l) maximum = lanes[l] > maximum ? lanes[l] : maximum;
    for (; i < classes; ++i) maximum = x[i] > maximum ? x[i] : maximum;
    return maximum;
}

template <class T>
RONDO_HD double lane_sum(Pack<T> p) {
    T lanes[kLanes<T>];
    p.store(lanes);
    double sum = 0;
    for (T l : lanes) sum += static_cast<double>(l);
    return sum;
}

/// The sum of e^(x - maximum), which is also written to out.
template <class T, bool kWrite>
RONDO_HD double row_exponentials(const T* x, T* out, std::int64_t classes, T maximum) {
    constexpr int kStep = kLanes<T>;
    constexpr std::int64_t kStretch = 64 * kStep;
    const Pack<T> m = maximum;
    double sum = 0;
    std::int64_t i = 0;
    while (i + kStep <= classes) {
        const std::int64_t end = i + kStretch < classes ? i + kStretch : classes;
        Pack<T> part = T(0);
        for (; i + kStep <= end; i += kStep) {
            const Pack<T> e = exp(Pack<T>::load(x + i) - m);
            if constexpr (kWrite) e.store(out + i);
            part = part + e;
        }
        sum += lane_sum(part);
    }
    const int rest = static_cast<int>(classes - i);
    if (rest > 0) {
        // Lanes without an element hold the maximum's place in no sum: they are dropped when stored and added.
        const Pack<T> e = exp(load_first(x + i, rest) - m);
        T lanes[kStep];
        e.store(lanes);
        for (int l = 0; l < rest; ++l) {
            sum += static_cast<double>(lanes[l]);
            if constexpr (kWrite) out[i + l] = lanes[l];
        }
    }
    return sum;
}

template <class T>
RONDO_HD void multiply(T* x, std::int64_t count, T factor) {
    constexpr int kStep = kLanes<T>;
    const Pack<T> f = factor;
    std::int64_t i = 0;
    for (; i + kStep <= count; i += kStep) (Pack<T>::load(x + i) * f).store(x + i);
    for (; i < count; ++i) x[i] *= factor;
}

}  // namespace

template <class T>
SoftmaxRow softmax_row(const void* x, void* out, std::int64_t classes, double factor) {
    const T* from = static_cast<const T*>(x);
    T* to = static_cast<T*>(out);
    const T maximum = row_maximum(from, classes);
    if (!to) return {static_cast<double>(maximum), row_exponentials<T, false>(from, to, classes, maximum)};
    const double sum = row_exponentials<T, true>(from, to, classes, maximum);
    multiply(to, classes, static_cast<T>(factor / sum));
    return {static_cast<double>(maximum), sum};
}

template SoftmaxRow softmax_row<float>(const void*, void*, std::int64_t, double);
template SoftmaxRow softmax_row<double>(const void*, void*, std::int64_t, double);

}  // namespace rondo::cpu::RONDO_ISA
