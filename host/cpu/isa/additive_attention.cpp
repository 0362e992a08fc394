/// A query and a key at a time, a pack of units after the other: nearly all of the time goes into their tanh.
#include "cpu/isa/additive_attention.hpp"

#include "cpu/isa/math.hpp"
#include "cpu/isa/softmax.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

template <class T>
RONDO_HD void fill_zero(T* p, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) p[i] = T(0);
}

/// f<whole>(i, n) for packs of n elements from i on.
template <class T, class F>
RONDO_HD void each_pack(std::int64_t width, const F& f) {
    constexpr int kN = kLanes<T>;
    std::int64_t i = 0;
    for (; i + kN <= width; i += kN) f.template operator()<true>(i, kN);
    if (i < width) f.template operator()<false>(i, static_cast<int>(width - i));
}

template <class T>
RONDO_HD T lane_sum(Pack<T> p) {
    T lanes[kLanes<T>], sum = 0;
    p.store(lanes);
    for (const T lane : lanes) sum += lane;
    return sum;
}

/// Σ x·y
template <class T>
RONDO_HD T dot(const T* x, const T* y, std::int64_t width) {
    Pack<T> sums = T(0);
    each_pack<T>(width, [&]<bool kWhole>(std::int64_t i, int n) {
        sums = fma(load<kWhole>(x + i, n), load<kWhole>(y + i, n), sums);
    });
    return lane_sum(sums);
}

/// to += factor·x
template <class T>
RONDO_HD void add_multiple(T* to, T factor, const T* x, std::int64_t width) {
    each_pack<T>(width, [&]<bool kWhole>(std::int64_t i, int n) {
        store<kWhole>(fma(Pack<T>(factor), load<kWhole>(x + i, n), load<kWhole, T>(to + i, n)), to + i, n);
    });
}

template <class T>
struct Row {
    RONDO_HD Row(const AdditiveAttention& attention, std::int64_t row)
        : a(attention),
          b(row),
          queries(a.query_lengths ? a.query_lengths[b] : a.queries),
          keys(a.key_lengths ? a.key_lengths[b] : a.keys),
          vector(static_cast<const T*>(a.vector)) {}

    const AdditiveAttention& a;
    std::int64_t b, queries, keys;
    const T* vector;

    RONDO_HD const T* in(const void* base, std::int64_t step, std::int64_t width) const {
        return static_cast<const T*>(base) + (step * a.batch + b) * width;
    }
    RONDO_HD T* out(void* base, std::int64_t step, std::int64_t width) const {
        return static_cast<T*>(base) + (step * a.batch + b) * width;
    }

    RONDO_HD T score(const T* q, const T* k) const {
        Pack<T> sums = T(0);
        each_pack<T>(a.width, [&]<bool kWhole>(std::int64_t i, int n) {
            sums = fma(load<kWhole>(vector + i, n), tanh(load<kWhole>(q + i, n) + load<kWhole>(k + i, n)), sums);
        });
        return lane_sum(sums);
    }

    RONDO_HD void forward() const {
        for (std::int64_t t = 0; t < a.queries; ++t) {
            T *w = out(a.weights, t, a.keys), *y = out(a.out, t, a.value_width);
            fill_zero(w, a.keys);
            fill_zero(y, a.value_width);
            if (t >= queries || keys == 0) continue;
            for (std::int64_t s = 0; s < keys; ++s) w[s] = score(in(a.q, t, a.width), in(a.k, s, a.width));
            softmax_row<T>(w, w, keys, 1);
            for (std::int64_t s = 0; s < keys; ++s) add_multiple(y, w[s], in(a.v, s, a.value_width), a.value_width);
        }
    }

    RONDO_HD void backward(T* dvector) const {
        fill_zero(dvector, a.width);
        for (std::int64_t s = 0; s < a.keys && !a.accumulate; ++s) {
            if (a.dk) fill_zero(out(a.dk, s, a.width), a.width);
            if (a.dv) fill_zero(out(a.dv, s, a.value_width), a.value_width);
        }
        for (std::int64_t t = 0; t < a.queries; ++t) {
            if (a.dq) fill_zero(out(a.dq, t, a.width), a.width);
            if (t < queries && keys > 0) query_backward(t, dvector);
        }
    }

private:
    RONDO_HD void query_backward(std::int64_t t, T* dvector) const {
        const T *w = in(a.weights, t, a.keys), *dy = in(a.dout, t, a.value_width);
        T *d = out(a.scratch, t, a.keys), mean = 0;
        for (std::int64_t s = 0; s < keys; ++s) {
            d[s] = dot(dy, in(a.v, s, a.value_width), a.value_width);
            mean += w[s] * d[s];
        }
        for (std::int64_t s = 0; s < keys; ++s) {
            score_backward(t, s, w[s] * (d[s] - mean), dvector);
            if (a.dv) add_multiple(out(a.dv, s, a.value_width), w[s], dy, a.value_width);
        }
    }

    /// From the gradient of score(q[t], k[s]).
    RONDO_HD void score_backward(std::int64_t t, std::int64_t s, T dscore, T* dvector) const {
        const T *q = in(a.q, t, a.width), *k = in(a.k, s, a.width);
        T* dq = a.dq ? out(a.dq, t, a.width) : nullptr;
        T* dk = a.dk ? out(a.dk, s, a.width) : nullptr;
        each_pack<T>(a.width, [&]<bool kWhole>(std::int64_t i, int n) {
            const Pack<T> y = tanh(load<kWhole>(q + i, n) + load<kWhole>(k + i, n));
            const Pack<T> dx = Pack<T>(dscore) * load<kWhole>(vector + i, n) * (Pack<T>(T(1)) - y * y);
            store<kWhole>(fma(Pack<T>(dscore), y, load<kWhole, T>(dvector + i, n)), dvector + i, n);
            if (dq) store<kWhole>(load<kWhole, T>(dq + i, n) + dx, dq + i, n);
            if (dk) store<kWhole>(load<kWhole, T>(dk + i, n) + dx, dk + i, n);
        });
    }
};

}  // namespace

template <class T>
void additive_attention_forward(const AdditiveAttention& attention, std::int64_t row) {
    Row<T>(attention, row).forward();
}

template <class T>
void additive_attention_backward(const AdditiveAttention& attention, std::int64_t row, void* dvector) {
    Row<T>(attention, row).backward(static_cast<T*>(dvector));
}

template void additive_attention_forward<float>(const AdditiveAttention&, std::int64_t);
template void additive_attention_forward<double>(const AdditiveAttention&, std::int64_t);
template void additive_attention_backward<float>(const AdditiveAttention&, std::int64_t, void*);
template void additive_attention_backward<double>(const AdditiveAttention&, std::int64_t, void*);

}  // namespace rondo::cpu::RONDO_ISA
