/// Dot-product attention in tiles of queries and blocks of keys, with a running softmax: no T x S matrix. A block of keys
/// is transposed first, so that scores are made for many keys at once, in a fixed order of sums.
#include "cpu/isa/attention.hpp"

#include "cpu/isa/math.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

constexpr std::int64_t kQueries = 32, kKeys = kAttentionKeys;

template <class T>
RONDO_HD void fill_zero(T* p, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) p[i] = T(0);
}

/// to[:] += Σ_i coefficients[i·step]·rows[i·row_step + :], i < count, in order.
template <class T>
RONDO_HD void combine(T* to, std::int64_t width, const T* coefficients, std::int64_t step, std::int64_t count,
                      const T* rows, std::int64_t row_step) {
    std::int64_t c = 0;
    for (; c + kLanes<T> <= width; c += kLanes<T>) {
        Pack<T> sum = Pack<T>::load(to + c);
        for (std::int64_t i = 0; i < count; ++i)
            sum = fma(Pack<T>(coefficients[i * step]), Pack<T>::load(rows + i * row_step + c), sum);
        sum.store(to + c);
    }
    if (const int rest = static_cast<int>(width - c); rest > 0) {
        Pack<T> sum = load_first(to + c, rest);
        for (std::int64_t i = 0; i < count; ++i)
            sum = fma(Pack<T>(coefficients[i * step]), load_first(rows + i * row_step + c, rest), sum);
        store_first(sum, to + c, rest);
    }
}

/// out[s] = factor·Σ_i x[i]·columns[i][s], all keys of a block.
template <class T>
RONDO_HD void products(const T* x, const T* columns, std::int64_t width, T factor, T* out) {
    constexpr std::int64_t kL = kLanes<T>, kWays = 4;
    for (std::int64_t s = 0; s < kKeys; s += kWays * kL) {
        Pack<T> sums[kWays];
        for (Pack<T>& sum : sums) sum = T(0);
        for (std::int64_t i = 0; i < width; ++i)
            for (std::int64_t w = 0; w < kWays; ++w)
                sums[w] = fma(Pack<T>(x[i]), Pack<T>::load(columns + i * kKeys + s + w * kL), sums[w]);
        for (std::int64_t w = 0; w < kWays; ++w) (sums[w] * Pack<T>(factor)).store(out + s + w * kL);
    }
}

/// p[s] = e^(p[s] - shift) for the first `count`, 0 for the rest of the block. Returns their sum.
template <class T>
RONDO_HD T exponentials(T* p, std::int64_t count, T shift) {
    for (std::int64_t s = 0; s < kKeys; s += kLanes<T>) exp(Pack<T>::load(p + s) - Pack<T>(shift)).store(p + s);
    fill_zero(p + count, kKeys - count);
    Pack<T> sums = T(0);
    for (std::int64_t s = 0; s < kKeys; s += kLanes<T>) sums = sums + Pack<T>::load(p + s);
    T lanes[kLanes<T>], sum = 0;
    sums.store(lanes);
    for (const T lane : lanes) sum += lane;
    return sum;
}

/// One row of the batch and one head.
template <class T>
struct Head {
    RONDO_HD Head(const Attention& attention, std::int64_t pair, std::byte* scratch)
        : a(attention),
          b(pair / attention.heads),
          h(pair % attention.heads),
          queries(a.query_lengths ? a.query_lengths[b] : a.queries),
          keys(a.key_lengths ? a.key_lengths[b] : a.keys),
          first(a.begins ? a.begins[b] : 0),
          transposed_k(reinterpret_cast<T*>(scratch)),
          transposed_v(transposed_k + a.width * kKeys) {}

    const Attention& a;
    std::int64_t b, h, queries, keys;
    std::int64_t first;              ///< keys before query 0
    T *transposed_k, *transposed_v;  ///< [width][kKeys], [value_width][kKeys]

    RONDO_HD std::int64_t at(std::int64_t step, std::int64_t stride, std::int64_t width) const {
        return (step * a.batch + b) * stride + h * width;
    }
    RONDO_HD const T* q(std::int64_t t) const { return static_cast<const T*>(a.q) + at(t, a.q_stride, a.width); }
    RONDO_HD const T* k(std::int64_t s) const { return static_cast<const T*>(a.k) + at(s, a.k_stride, a.width); }
    RONDO_HD const T* v(std::int64_t s) const { return static_cast<const T*>(a.v) + at(s, a.v_stride, a.value_width); }
    RONDO_HD T* dq(std::int64_t t) const { return static_cast<T*>(a.dq) + at(t, a.q_stride, a.width); }
    RONDO_HD T* dk(std::int64_t s) const { return static_cast<T*>(a.dk) + at(s, a.k_stride, a.width); }
    RONDO_HD T* dv(std::int64_t s) const { return static_cast<T*>(a.dv) + at(s, a.v_stride, a.value_width); }
    RONDO_HD T* out(std::int64_t t) const { return static_cast<T*>(a.out) + at(t, a.out_stride, a.value_width); }
    RONDO_HD const T* dout(std::int64_t t) const {
        return static_cast<const T*>(a.dout) + at(t, a.out_stride, a.value_width);
    }
    RONDO_HD std::int64_t statistic(std::int64_t t) const { return (t * a.batch + b) * a.heads + h; }
    RONDO_HD T& log_sum(std::int64_t t) const { return static_cast<T*>(a.log_sums)[statistic(t)]; }
    RONDO_HD T& delta(std::int64_t t) const { return static_cast<T*>(a.scratch)[statistic(t)]; }

    /// How many keys query t may look at, and how many of a block from s on.
    RONDO_HD std::int64_t allowed(std::int64_t t) const {
        return t >= queries ? 0 : a.causal ? smaller(keys, first + t + 1) : keys;
    }
    RONDO_HD std::int64_t seen(std::int64_t t, std::int64_t s) const { return smaller(kKeys, allowed(t) - s); }

    RONDO_HD void transpose(T* to, const T* rows, std::int64_t row_step, std::int64_t count, std::int64_t width) const {
        for (std::int64_t i = 0; i < width; ++i) {
            for (std::int64_t s = 0; s < count; ++s) to[i * kKeys + s] = rows[s * row_step + i];
            fill_zero(to + i * kKeys + count, kKeys - count);
        }
    }
    RONDO_HD void transpose_keys(std::int64_t s) const {
        transpose(transposed_k, k(s), a.batch * a.k_stride, smaller(kKeys, keys - s), a.width);
    }
    RONDO_HD void scores(std::int64_t t, T* p) const {
        products(q(t), transposed_k, a.width, static_cast<T>(a.scale), p);
    }

    RONDO_HD void forward() const {
        for (std::int64_t t = 0; t < a.queries; t += kQueries) tile(t, smaller(a.queries, t + kQueries));
    }

    RONDO_HD void tile(std::int64_t begin, std::int64_t end) const {
        T largest[kQueries], sum[kQueries];
        for (std::int64_t t = begin; t < end; ++t) {
            largest[t - begin] = -T(__builtin_inf());
            sum[t - begin] = 0;
            fill_zero(out(t), a.value_width);
        }
        const std::int64_t reach = queries > begin ? allowed(smaller(end, queries) - 1) : 0;  // the last sees most
        for (std::int64_t s = 0; s < reach; s += kKeys) {
            transpose_keys(s);
            for (std::int64_t t = begin; t < end; ++t)
                if (seen(t, s) > 0) absorb(t, s, largest[t - begin], sum[t - begin]);
        }
        for (std::int64_t t = begin; t < end; ++t) {
            const T total = sum[t - begin];
            if (a.log_sums)
                log_sum(t) = allowed(t) > 0
                                 ? largest[t - begin] + static_cast<T>(__builtin_log(static_cast<double>(total)))
                                 : largest[t - begin];
            for (std::int64_t i = 0; allowed(t) > 0 && i < a.value_width; ++i) out(t)[i] /= total;
        }
    }

    /// The block of keys from s on into query t's running softmax.
    RONDO_HD void absorb(std::int64_t t, std::int64_t s, T& largest, T& sum) const {
        T p[kKeys];
        scores(t, p);
        T top = largest;
        for (std::int64_t i = 0; i < seen(t, s); ++i) top = p[i] > top ? p[i] : top;
        if (top == -T(__builtin_inf())) top = 0;  // scores of -inf: exp(-inf - 0) is the 0 they weigh
        if (largest != top) {
            const T shrink = static_cast<T>(__builtin_exp(static_cast<double>(largest - top)));
            sum *= shrink;
            for (std::int64_t i = 0; i < a.value_width; ++i) out(t)[i] *= shrink;
        }
        largest = top;
        sum += exponentials(p, seen(t, s), top);
        combine(out(t), a.value_width, p, 1, seen(t, s), v(s), a.batch * a.v_stride);
    }

    RONDO_HD void backward() const {
        for (std::int64_t t = 0; t < a.queries; ++t) begin_query(t);
        for (std::int64_t s = 0; !a.accumulate && s < a.keys; ++s) {
            if (a.dk) fill_zero(dk(s), a.width);
            if (a.dv) fill_zero(dv(s), a.value_width);
        }
        for (std::int64_t s = 0; s < keys; s += kKeys) {
            transpose_keys(s);
            transpose(transposed_v, v(s), a.batch * a.v_stride, smaller(kKeys, keys - s), a.value_width);
            for (std::int64_t t = a.causal ? s / kQueries * kQueries : 0; t < queries; t += kQueries)
                tile_backward(t, smaller(kQueries, queries - t), s);
        }
    }

    RONDO_HD void begin_query(std::int64_t t) const {
        if (a.dq) fill_zero(dq(t), a.width);
        T sum = 0;
        for (std::int64_t i = 0; allowed(t) > 0 && i < a.value_width; ++i) sum += dout(t)[i] * out(t)[i];
        delta(t) = sum;
    }

    /// With p the weights and dp[s] = dout·v[s]: dscore = p·(dp - delta), delta = dout·out.
    RONDO_HD void tile_backward(std::int64_t begin, std::int64_t count, std::int64_t s) const {
        T weights[kQueries * kKeys], dscores[kQueries * kKeys];
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t t = begin + i;
            T *p = weights + i * kKeys, *d = dscores + i * kKeys;
            if (seen(t, s) <= 0) {
                fill_zero(p, kKeys);
                fill_zero(d, kKeys);
                continue;
            }
            scores(t, p);
            exponentials(p, seen(t, s), log_sum(t));
            products(dout(t), transposed_v, a.value_width, T(1), d);
            for (std::int64_t j = 0; j < kKeys; ++j) d[j] = p[j] * (d[j] - delta(t)) * static_cast<T>(a.scale);
            if (a.dq) combine(dq(t), a.width, d, 1, seen(t, s), k(s), a.batch * a.k_stride);
        }
        for (std::int64_t j = 0; j < smaller(kKeys, keys - s); ++j) {
            if (a.dk) combine(dk(s + j), a.width, dscores + j, kKeys, count, q(begin), a.batch * a.q_stride);
            if (a.dv) combine(dv(s + j), a.value_width, weights + j, kKeys, count, dout(begin), a.batch * a.out_stride);
        }
    }

    RONDO_HD void share_of_weights(T* to) const {
        for (std::int64_t t = 0; h == 0 && t < a.queries; ++t) fill_zero(to + (t * a.batch + b) * a.keys, a.keys);
        for (std::int64_t s = 0; s < keys; s += kKeys) {
            transpose_keys(s);
            for (std::int64_t t = 0; t < queries; ++t) {
                if (seen(t, s) <= 0) continue;
                T p[kKeys];
                scores(t, p);
                exponentials(p, seen(t, s), log_sum(t));
                T* row = to + (t * a.batch + b) * a.keys + s;
                for (std::int64_t i = 0; i < seen(t, s); ++i) row[i] += p[i] / static_cast<T>(a.heads);
            }
        }
    }
};

}  // namespace

template <class T>
void attention_forward(const Attention& attention, std::int64_t pair, std::byte* scratch) {
    Head<T>(attention, pair, scratch).forward();
}
template <class T>
void attention_backward(const Attention& attention, std::int64_t pair, std::byte* scratch) {
    Head<T>(attention, pair, scratch).backward();
}
template <class T>
void attention_weights(const Attention& attention, void* weights, std::int64_t pair, std::byte* scratch) {
    Head<T>(attention, pair, scratch).share_of_weights(static_cast<T*>(weights));
}

template void attention_forward<float>(const Attention&, std::int64_t, std::byte*);
template void attention_forward<double>(const Attention&, std::int64_t, std::byte*);
template void attention_backward<float>(const Attention&, std::int64_t, std::byte*);
template void attention_backward<double>(const Attention&, std::int64_t, std::byte*);
template void attention_weights<float>(const Attention&, void*, std::int64_t, std::byte*);
template void attention_weights<double>(const Attention&, void*, std::int64_t, std::byte*);

}  // namespace rondo::cpu::RONDO_ISA
