/// Activations and layer normalisation. Sums over a row are in double.
#include <cmath>
#include <numbers>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"

namespace rondo {

using cpu::kGrain;
using cpu::with_type;

namespace {

using Kind = ActivationSpec::Kind;

/// Φ, the normal distribution's.
template <class T>
T normal_cdf(T x) {
    return T(0.5) * std::erfc(-x * static_cast<T>(1 / std::numbers::sqrt2));
}

template <Kind kKind, class T>
T value(T x) {
    if constexpr (kKind == Kind::tanh) return std::tanh(x);
    if constexpr (kKind == Kind::sigmoid) return 1 / (1 + std::exp(-x));
    if constexpr (kKind == Kind::relu) return x > 0 || x != x ? x : T(0);
    if constexpr (kKind == Kind::gelu) return x * normal_cdf(x);
}

template <Kind kKind, class T>
T slope(T x) {
    const T y = value<kKind>(x);
    if constexpr (kKind == Kind::tanh) return 1 - y * y;
    if constexpr (kKind == Kind::sigmoid) return y * (1 - y);
    if constexpr (kKind == Kind::relu) return x > 0 ? T(1) : T(0);
    if constexpr (kKind == Kind::gelu)
        return normal_cdf(x) +
               x * std::exp(-x * x / 2) * static_cast<T>(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

/// f.operator()<kind>()
template <class F>
void with_kind(Kind kind, F f) {
    switch (kind) {
        case Kind::tanh:
            return f.template operator()<Kind::tanh>();
        case Kind::sigmoid:
            return f.template operator()<Kind::sigmoid>();
        case Kind::relu:
            return f.template operator()<Kind::relu>();
        case Kind::gelu:
            return f.template operator()<Kind::gelu>();
    }
}

}  // namespace

void CpuBackend::activation_forward(const Activation& a, Stream) {
    with_type(a.dtype, [&]<class T>() {
        with_kind(a.kind, [&]<Kind kKind>() {
            pool_.parallel_for(a.count, kGrain / 8, [&](std::int64_t begin, std::int64_t end, int) {
                const T* x = static_cast<const T*>(a.x);
                T* y = static_cast<T*>(a.y);
                for (std::int64_t i = begin; i < end; ++i) y[i] = value<kKind>(x[i]);
            });
        });
    });
}

void CpuBackend::activation_backward(const Activation& a, Stream) {
    with_type(a.dtype, [&]<class T>() {
        with_kind(a.kind, [&]<Kind kKind>() {
            pool_.parallel_for(a.count, kGrain / 8, [&](std::int64_t begin, std::int64_t end, int) {
                const T *x = static_cast<const T*>(a.x), *dy = static_cast<const T*>(a.dy);
                T* dx = static_cast<T*>(a.dx);
                for (std::int64_t i = begin; i < end; ++i) dx[i] = dy[i] * slope<kKind>(x[i]);
            });
        });
    });
}

namespace {

template <class T>
void normalise_row(const LayerNorm& n, std::int64_t r) {
    const T* x = static_cast<const T*>(n.x) + r * n.cols;
    const T *gain = static_cast<const T*>(n.gain), *bias = static_cast<const T*>(n.bias);
    T* y = static_cast<T*>(n.y) + r * n.cols;
    double sum = 0, squares = 0;
    for (std::int64_t i = 0; i < n.cols; ++i) sum += static_cast<double>(x[i]);
    const double mean = sum / static_cast<double>(n.cols);
    for (std::int64_t i = 0; i < n.cols; ++i) {
        const double d = static_cast<double>(x[i]) - mean;
        squares += d * d;
    }
    const T scale = static_cast<T>(1 / std::sqrt(squares / static_cast<double>(n.cols) + n.epsilon));
    const T centre = static_cast<T>(mean);
    static_cast<T*>(n.mean)[r] = centre;
    static_cast<T*>(n.scale)[r] = scale;
    for (std::int64_t i = 0; i < n.cols; ++i) y[i] = gain[i] * ((x[i] - centre) * scale) + bias[i];
}

/// With z = (x - mean)·scale and g = gain·dy: dx = scale·(g - mean(g) - z·mean(g·z)).
template <class T>
void normalise_row_backward(const LayerNorm& n, std::int64_t r) {
    const T *x = static_cast<const T*>(n.x) + r * n.cols, *dy = static_cast<const T*>(n.dy) + r * n.cols;
    const T* gain = static_cast<const T*>(n.gain);
    T* dx = static_cast<T*>(n.dx) + r * n.cols;
    const T mean = static_cast<const T*>(n.mean)[r], scale = static_cast<const T*>(n.scale)[r];
    double sum = 0, with_z = 0;
    for (std::int64_t i = 0; i < n.cols; ++i) {
        const double g = static_cast<double>(gain[i]) * static_cast<double>(dy[i]);
        sum += g;
        with_z += g * static_cast<double>((x[i] - mean) * scale);
    }
    const T mean_g = static_cast<T>(sum / static_cast<double>(n.cols));
    const T mean_gz = static_cast<T>(with_z / static_cast<double>(n.cols));
    for (std::int64_t i = 0; i < n.cols; ++i)
        dx[i] = scale * (gain[i] * dy[i] - mean_g - (x[i] - mean) * scale * mean_gz);
}

/// Columns [begin, end) of dgain and dbias, rows in order.
template <class T>
void normalise_parameters_backward(const LayerNorm& n, std::int64_t begin, std::int64_t end) {
    const T *x = static_cast<const T*>(n.x), *dy = static_cast<const T*>(n.dy);
    const T *mean = static_cast<const T*>(n.mean), *scale = static_cast<const T*>(n.scale);
    T *dgain = static_cast<T*>(n.dgain), *dbias = static_cast<T*>(n.dbias);
    if (!n.accumulate) {
        std::fill(dgain + begin, dgain + end, T(0));
        std::fill(dbias + begin, dbias + end, T(0));
    }
    for (std::int64_t r = 0; r < n.rows; ++r)
        for (std::int64_t i = begin; i < end; ++i) {
            dgain[i] += dy[r * n.cols + i] * ((x[r * n.cols + i] - mean[r]) * scale[r]);
            dbias[i] += dy[r * n.cols + i];
        }
}

}  // namespace

void CpuBackend::layer_norm_forward(const LayerNorm& n, Stream) {
    with_type(n.dtype, [&]<class T>() {
        pool_.parallel_for(n.rows, 1 + kGrain / (4 * n.cols + 1), [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t r = begin; r < end; ++r) normalise_row<T>(n, r);
        });
    });
}

void CpuBackend::layer_norm_backward(const LayerNorm& n, Stream) {
    with_type(n.dtype, [&]<class T>() {
        // First, since dx may lie where dy does.
        pool_.parallel_for(n.cols, 1 + kGrain / (4 * n.rows + 1), [&](std::int64_t begin, std::int64_t end, int) {
            normalise_parameters_backward<T>(n, begin, end);
        });
        if (!n.dx) return;
        pool_.parallel_for(n.rows, 1 + kGrain / (4 * n.cols + 1), [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t r = begin; r < end; ++r) normalise_row_backward<T>(n, r);
        });
    });
}

}  // namespace rondo
