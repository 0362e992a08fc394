#pragma once
/// Writing h' to a layer's output y, which two directions may share.
#include "elements.cuh"

namespace rondo::kernels {

template <class S>
struct Output {
    S* y;  ///< null: none
    std::int64_t stride;
    Compute<S> scale;
    bool add;

    /// h: as it was stored.
    template <int kCount>
    RONDO_DEVICE void put(const Compute<S> (&h)[kCount], std::int64_t row, std::int64_t unit) const {
        if (y == nullptr) return;
        S* const to = y + row * stride + unit;
        Compute<S> value[kCount];
        fill(value, 0);
        if (add) load_any(value, to);
#pragma unroll
        for (int i = 0; i < kCount; ++i) value[i] += h[i] * scale;
        store_any(to, value);
    }
    template <int kCount>
    RONDO_DEVICE void put_idle(std::int64_t row, std::int64_t unit) const {
        if (y == nullptr || add) return;
        Compute<S> zero[kCount];
        fill(zero, 0);
        store_any(y + row * stride + unit, zero);
    }
};

}  // namespace rondo::kernels
