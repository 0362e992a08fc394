/// Dot-product attention in tiles of queries and blocks of keys, with a running softmax: no T x S matrix. A block of keys
/// is transposed first, so that the innermost loops run over neighbouring keys or columns and none of them is a sum that
/// a compiler may not reorder.
#include <cmath>
#include <limits>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"
#include "cpu/table.hpp"

namespace rondo {

using cpu::with_type;

namespace {

constexpr std::int64_t kQueries = 32, kKeys = 64;

/// One row of the batch and one head.
template <class T>
struct Head {
    Head(const Attention& attention, std::int64_t pair, std::byte* scratch, std::size_t scratch_bytes)
        : a(attention),
          b(pair / attention.heads),
          h(pair % attention.heads),
          queries(a.query_lengths ? a.query_lengths[b] : a.queries),
          keys(a.key_lengths ? a.key_lengths[b] : a.keys),
          block(block_of(a, scratch_bytes)),
          transposed(reinterpret_cast<T*>(scratch)) {}

    /// Keys whose transposed k and v fit.
    static std::int64_t block_of(const Attention& a, std::size_t scratch_bytes) {
        const auto room = static_cast<std::int64_t>(scratch_bytes / sizeof(T)) / (a.width + a.value_width);
        return std::min(kKeys, room);
    }
    static void check(const Attention& a, const cpu::Context& context) {
        require(block_of(a, context.scratch_bytes) >= 1, "width", a.width,
                "is more than attention on the CPU has scratch memory for");
    }

    const Attention& a;
    std::int64_t b, h, queries, keys, block;
    T* transposed;  ///< [width or value_width][block]

    const T* q(std::int64_t t) const { return at<const T>(a.q, t, a.q_stride, a.width); }
    const T* k(std::int64_t s) const { return at<const T>(a.k, s, a.k_stride, a.width); }
    const T* v(std::int64_t s) const { return at<const T>(a.v, s, a.v_stride, a.value_width); }
    T* dq(std::int64_t t) const { return at<T>(a.dq, t, a.q_stride, a.width); }
    T* dk(std::int64_t s) const { return at<T>(a.dk, s, a.k_stride, a.width); }
    T* dv(std::int64_t s) const { return at<T>(a.dv, s, a.v_stride, a.value_width); }
    T* out(std::int64_t t) const { return at<T>(a.out, t, a.out_stride, a.value_width); }
    const T* dout(std::int64_t t) const { return at<const T>(a.dout, t, a.out_stride, a.value_width); }
    T& log_sum(std::int64_t t) const { return static_cast<T*>(a.log_sums)[(t * a.batch + b) * a.heads + h]; }
    T& delta(std::int64_t t) const { return static_cast<T*>(a.scratch)[(t * a.batch + b) * a.heads + h]; }

    /// How many keys query t may look at.
    std::int64_t allowed(std::int64_t t) const { return t >= queries ? 0 : a.causal ? std::min(keys, t + 1) : keys; }

    template <class Row>
    void transpose(T* to, Row row, std::int64_t begin, std::int64_t count, std::int64_t width) const {
        for (std::int64_t s = 0; s < count; ++s)
            for (std::int64_t i = 0; i < width; ++i) to[i * block + s] = row(begin + s)[i];
    }
    void transpose_keys(std::int64_t begin, std::int64_t count) const {
        transpose(
            transposed, [&](std::int64_t s) { return k(s); }, begin, count, a.width);
    }
    void transpose_values(std::int64_t begin, std::int64_t count) const {
        transpose(
            transposed + a.width * block, [&](std::int64_t s) { return v(s); }, begin, count, a.value_width);
    }

    /// out[s] = factor·Σ_i x[i]·columns[i][s]
    void products(const T* x, const T* columns, std::int64_t width, std::int64_t count, T factor, T* out) const {
        std::fill(out, out + count, T(0));
        for (std::int64_t i = 0; i < width; ++i)
            for (std::int64_t s = 0; s < count; ++s) out[s] += x[i] * columns[i * block + s];
        for (std::int64_t s = 0; s < count; ++s) out[s] *= factor;
    }
    void scores(std::int64_t t, std::int64_t count, T* out) const {
        products(q(t), transposed, a.width, count, static_cast<T>(a.scale), out);
    }

    void forward() const {
        for (std::int64_t t = 0; t < a.queries; t += kQueries) tile(t, std::min(a.queries, t + kQueries));
    }

    void backward() const {
        for (std::int64_t t = 0; t < a.queries; ++t) begin_query(t);
        if (!a.accumulate) begin_keys();
        for (std::int64_t s = 0; s < keys; s += block) block_backward(s, std::min(block, keys - s));
    }

    /// Its share of the mean over the heads, [T,B,S]; the first head clears the row.
    void weights(T* to) const {
        for (std::int64_t t = 0; h == 0 && t < a.queries; ++t) {
            T* row = to + (t * a.batch + b) * a.keys;
            std::fill(row, row + a.keys, T(0));
        }
        for (std::int64_t s = 0; s < keys; s += block) {
            const std::int64_t count = std::min(block, keys - s);
            transpose_keys(s, count);
            for (std::int64_t t = 0; t < queries; ++t) {
                const std::int64_t seen = std::min(count, allowed(t) - s);
                if (seen <= 0) continue;
                T p[kKeys];
                scores(t, seen, p);
                T* row = to + (t * a.batch + b) * a.keys + s;
                for (std::int64_t i = 0; i < seen; ++i) row[i] += std::exp(p[i] - log_sum(t)) / static_cast<T>(a.heads);
            }
        }
    }

private:
    template <class U>
    U* at(std::conditional_t<std::is_const_v<U>, const void*, void*> base, std::int64_t step, std::int64_t stride,
          std::int64_t width) const {
        return static_cast<U*>(base) + (step * a.batch + b) * stride + h * width;
    }

    void tile(std::int64_t begin, std::int64_t end) const {
        T largest[kQueries], sum[kQueries];
        std::fill(largest, largest + kQueries, -std::numeric_limits<T>::infinity());
        std::fill(sum, sum + kQueries, T(0));
        for (std::int64_t t = begin; t < end; ++t) std::fill(out(t), out(t) + a.value_width, T(0));
        const std::int64_t reach = queries > begin ? allowed(std::min(end, queries) - 1) : 0;  // the last sees most
        for (std::int64_t s = 0; s < reach; s += block) {
            const std::int64_t count = std::min(block, reach - s);
            transpose_keys(s, count);
            for (std::int64_t t = begin; t < end; ++t)
                if (const std::int64_t seen = std::min(count, allowed(t) - s); seen > 0)
                    absorb(t, s, seen, largest[t - begin], sum[t - begin]);
        }
        for (std::int64_t t = begin; t < end; ++t) {
            const T total = sum[t - begin];
            if (a.log_sums) log_sum(t) = allowed(t) > 0 ? largest[t - begin] + std::log(total) : largest[t - begin];
            for (std::int64_t i = 0; allowed(t) > 0 && i < a.value_width; ++i) out(t)[i] /= total;
        }
    }

    /// Keys [s, s + count) into query t's running softmax.
    void absorb(std::int64_t t, std::int64_t s, std::int64_t count, T& largest, T& sum) const {
        T p[kKeys];
        scores(t, count, p);
        T* y = out(t);
        T top = largest;
        for (std::int64_t i = 0; i < count; ++i) top = std::max(top, p[i]);
        if (top == -std::numeric_limits<T>::infinity()) top = 0;  // scores of -inf: exp(-inf - 0) is the 0 they weigh
        if (const T shrink = std::exp(largest - top); shrink != 1) {
            sum *= shrink;
            for (std::int64_t i = 0; i < a.value_width; ++i) y[i] *= shrink;
        }
        largest = top;
        for (std::int64_t i = 0; i < count; ++i) {
            p[i] = std::exp(p[i] - top);
            sum += p[i];
            const T* row = v(s + i);
            for (std::int64_t c = 0; c < a.value_width; ++c) y[c] += p[i] * row[c];
        }
    }

    void begin_query(std::int64_t t) const {
        if (a.dq) std::fill(dq(t), dq(t) + a.width, T(0));
        T sum = 0;
        for (std::int64_t i = 0; allowed(t) > 0 && i < a.value_width; ++i) sum += dout(t)[i] * out(t)[i];
        delta(t) = sum;
    }
    void begin_keys() const {
        for (std::int64_t s = 0; s < a.keys; ++s) {
            if (a.dk) std::fill(dk(s), dk(s) + a.width, T(0));
            if (a.dv) std::fill(dv(s), dv(s) + a.value_width, T(0));
        }
    }

    void block_backward(std::int64_t s, std::int64_t count) const {
        transpose_keys(s, count);
        transpose_values(s, count);
        for (std::int64_t t = a.causal ? s : 0; t < queries; ++t)
            if (const std::int64_t seen = std::min(count, allowed(t) - s); seen > 0) query_backward(t, s, seen);
    }

    /// With p the weights and dp[s] = dout·v[s]: dscore = p·(dp - delta), delta = dout·out.
    void query_backward(std::int64_t t, std::int64_t s, std::int64_t count) const {
        T p[kKeys], d[kKeys];
        scores(t, count, p);
        products(dout(t), transposed + a.width * block, a.value_width, count, T(1), d);
        for (std::int64_t i = 0; i < count; ++i) {
            p[i] = std::exp(p[i] - log_sum(t));
            d[i] = p[i] * (d[i] - delta(t)) * static_cast<T>(a.scale);
        }
        for (std::int64_t i = 0; i < count; ++i) {
            if (a.dq) add(dq(t), d[i], k(s + i), a.width);
            if (a.dk) add(dk(s + i), d[i], q(t), a.width);
            if (a.dv) add(dv(s + i), p[i], dout(t), a.value_width);
        }
    }

    static void add(T* to, T factor, const T* x, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) to[i] += factor * x[i];
    }
};

}  // namespace

void CpuBackend::attention_forward(const Attention& a, Stream) {
    const cpu::Context c = context();
    with_type(a.dtype, [&]<class T>() {
        Head<T>::check(a, c);
        pool_.parallel_for(a.batch * a.heads, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
            std::byte* scratch = c.scratch + static_cast<std::size_t>(thread) * c.scratch_bytes;
            for (std::int64_t i = begin; i < end; ++i) Head<T>(a, i, scratch, c.scratch_bytes).forward();
        });
    });
}

void CpuBackend::attention_backward(const Attention& a, Stream) {
    const cpu::Context c = context();
    with_type(a.dtype, [&]<class T>() {
        Head<T>::check(a, c);
        pool_.parallel_for(a.batch * a.heads, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
            std::byte* scratch = c.scratch + static_cast<std::size_t>(thread) * c.scratch_bytes;
            for (std::int64_t i = begin; i < end; ++i) Head<T>(a, i, scratch, c.scratch_bytes).backward();
        });
    });
}

void CpuBackend::attention_weights(const AttentionWeights& w, Stream) {
    const Attention& a = *w.attention;
    const cpu::Context c = context();
    with_type(a.dtype, [&]<class T>() {
        Head<T>::check(a, c);
        pool_.parallel_for(a.batch, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
            std::byte* scratch = c.scratch + static_cast<std::size_t>(thread) * c.scratch_bytes;
            for (std::int64_t b = begin; b < end; ++b)
                for (std::int64_t h = 0; h < a.heads; ++h)
                    Head<T>(a, b * a.heads + h, scratch, c.scratch_bytes).weights(static_cast<T*>(w.weights));
        });
    });
}

}  // namespace rondo
