#pragma once
/// What becomes of h' and the other states: zoneout, the layer's output y, which two directions may share, and the operand
/// of the next product.
#include "elements.cuh"
#include "pointwise/cell.hpp"
#include "rondo/cell/math.hpp"

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

/// fed_back = h∘mask at an element; h: as it was stored.
template <class S, int kCount>
RONDO_DEVICE void feed_back(void* fed_back, const void* recurrent_mask, const Compute<S> (&h)[kCount],
                            std::int64_t element) {
    using C = Compute<S>;
    if (fed_back == nullptr) return;
    C value[kCount];
    load_any(value, static_cast<const C*>(recurrent_mask) + element);
#pragma unroll
    for (int i = 0; i < kCount; ++i) value[i] *= h[i];
    store_any(static_cast<S*>(fed_back) + element, value);
}

/// A state's next values after zoneout. W: what the state is stored as.
template <class S, class W, int kCount>
RONDO_DEVICE void zone_out(Compute<S> (&next)[kCount], const Compute<S> (&state)[kCount], const ZoneoutOf& zoneout,
                           std::int64_t element) {
    using C = Compute<S>;
    if (!(zoneout.rate > 0)) return;
    if (zoneout.mask == nullptr) {
        const C rate = static_cast<C>(zoneout.rate);
#pragma unroll
        for (int i = 0; i < kCount; ++i) next[i] = math::fma(rate, state[i] - next[i], next[i]);
        return;
    }
    C mask[kCount];
    load_any(mask, static_cast<const S*>(zoneout.mask) + element);
    store_any(static_cast<W*>(zoneout.candidate) + element, next);
#pragma unroll
    for (int i = 0; i < kCount; ++i)
        if (mask[i] == C(0)) next[i] = state[i];
}

}  // namespace rondo::kernels
