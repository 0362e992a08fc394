/// Attention whose scores are vector · tanh(q + k).
#include <cmath>
#include <limits>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"

namespace rondo {

using cpu::with_type;

namespace {

/// One row of the batch.
template <class T>
struct Row {
    Row(const AdditiveAttention& attention, std::int64_t row)
        : a(attention),
          b(row),
          queries(a.query_lengths ? a.query_lengths[b] : a.queries),
          keys(a.key_lengths ? a.key_lengths[b] : a.keys) {}

    const AdditiveAttention& a;
    std::int64_t b, queries, keys;

    template <class U>
    U* at(std::conditional_t<std::is_const_v<U>, const void*, void*> base, std::int64_t step,
          std::int64_t width) const {
        return static_cast<U*>(base) + (step * a.batch + b) * width;
    }
    const T* q(std::int64_t t) const { return at<const T>(a.q, t, a.width); }
    const T* k(std::int64_t s) const { return at<const T>(a.k, s, a.width); }
    const T* v(std::int64_t s) const { return at<const T>(a.v, s, a.value_width); }
    const T* vector() const { return static_cast<const T*>(a.vector); }

    void forward() const {
        for (std::int64_t t = 0; t < a.queries; ++t) {
            T *w = at<T>(a.weights, t, a.keys), *y = at<T>(a.out, t, a.value_width);
            std::fill(w, w + a.keys, T(0));
            std::fill(y, y + a.value_width, T(0));
            if (t >= queries || keys == 0) continue;
            T largest = -std::numeric_limits<T>::infinity(), sum = 0;
            for (std::int64_t s = 0; s < keys; ++s) {
                w[s] = score(q(t), k(s));
                largest = std::max(largest, w[s]);
            }
            for (std::int64_t s = 0; s < keys; ++s) sum += w[s] = std::exp(w[s] - largest);
            for (std::int64_t s = 0; s < keys; ++s) {
                w[s] /= sum;
                for (std::int64_t c = 0; c < a.value_width; ++c) y[c] += w[s] * v(s)[c];
            }
        }
    }

    /// dvector: this row's share, [width].
    void backward(T* dvector) const {
        std::fill(dvector, dvector + a.width, T(0));
        if (!a.accumulate) clear_keys();
        for (std::int64_t t = 0; t < a.queries; ++t) {
            if (a.dq) std::fill(at<T>(a.dq, t, a.width), at<T>(a.dq, t, a.width) + a.width, T(0));
            if (t < queries && keys > 0) query_backward(t, dvector);
        }
    }

private:
    T score(const T* query, const T* key) const {
        T sum = 0;
        for (std::int64_t i = 0; i < a.width; ++i) sum += vector()[i] * std::tanh(query[i] + key[i]);
        return sum;
    }

    void clear_keys() const {
        for (std::int64_t s = 0; s < a.keys; ++s) {
            if (a.dk) std::fill(at<T>(a.dk, s, a.width), at<T>(a.dk, s, a.width) + a.width, T(0));
            if (a.dv) std::fill(at<T>(a.dv, s, a.value_width), at<T>(a.dv, s, a.value_width) + a.value_width, T(0));
        }
    }

    void query_backward(std::int64_t t, T* dvector) const {
        const T *w = at<const T>(a.weights, t, a.keys), *dy = at<const T>(a.dout, t, a.value_width);
        T* d = at<T>(a.scratch, t, a.keys);
        T mean = 0;
        for (std::int64_t s = 0; s < keys; ++s) {
            d[s] = 0;
            for (std::int64_t c = 0; c < a.value_width; ++c) d[s] += dy[c] * v(s)[c];
            mean += w[s] * d[s];
        }
        for (std::int64_t s = 0; s < keys; ++s) {
            const T dscore = w[s] * (d[s] - mean);
            for (std::int64_t i = 0; i < a.width; ++i) {
                const T y = std::tanh(q(t)[i] + k(s)[i]), dx = dscore * vector()[i] * (1 - y * y);
                dvector[i] += dscore * y;
                if (a.dq) at<T>(a.dq, t, a.width)[i] += dx;
                if (a.dk) at<T>(a.dk, s, a.width)[i] += dx;
            }
            for (std::int64_t c = 0; a.dv && c < a.value_width; ++c) at<T>(a.dv, s, a.value_width)[c] += w[s] * dy[c];
        }
    }
};

}  // namespace

void CpuBackend::additive_attention_forward(const AdditiveAttention& a, Stream) {
    with_type(a.dtype, [&]<class T>() {
        pool_.parallel_for(a.batch, 1, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t b = begin; b < end; ++b) Row<T>(a, b).forward();
        });
    });
}

void CpuBackend::additive_attention_backward(const AdditiveAttention& a, Stream) {
    with_type(a.dtype, [&]<class T>() {
        T* shares = static_cast<T*>(a.scratch) + a.queries * a.batch * a.keys;
        pool_.parallel_for(a.batch, 1, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t b = begin; b < end; ++b) Row<T>(a, b).backward(shares + b * a.width);
        });
        T* dvector = static_cast<T*>(a.dvector);
        if (!a.add_to_dvector) std::fill(dvector, dvector + a.width, T(0));
        for (std::int64_t b = 0; b < a.batch; ++b)
            for (std::int64_t i = 0; i < a.width; ++i) dvector[i] += shares[b * a.width + i];
    });
}

}  // namespace rondo
