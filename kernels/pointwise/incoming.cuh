#pragma once
/// The gradient of h after a step, put together element by element.
#include "elements.cuh"
#include "pointwise/cell.hpp"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

/// carry + product, before any clip.
template <class S, int kCount>
RONDO_DEVICE void unclipped(Compute<S> (&d)[kCount], const Incoming& g, std::int64_t row, std::int64_t unit) {
    using C = Compute<S>;
    const std::int64_t element = row * g.width + unit;
    fill(d, 0);
    if (g.carry != nullptr) {
        if (g.carry_in_storage)
            load_any(d, static_cast<const S*>(g.carry) + element);
        else
            load_any(d, static_cast<const C*>(g.carry) + element);
    }
    if (g.product == nullptr || !takes(g.lengths, row, g.later)) return;
    C product[kCount];
    load(product, static_cast<const C*>(g.product) + element);
    if (g.mask != nullptr) {
        C mask[kCount];
        load_any(mask, static_cast<const C*>(g.mask) + element);
#pragma unroll
        for (int i = 0; i < kCount; ++i) product[i] *= mask[i];
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) d[i] += product[i];
}

/// All of it.
template <class S, int kCount>
RONDO_DEVICE void incoming(Compute<S> (&d)[kCount], const Incoming& g, std::int64_t row, std::int64_t unit) {
    using C = Compute<S>;
    unclipped<S>(d, g, row, unit);
    if (g.product != nullptr && takes(g.lengths, row, g.later)) {
        if (g.clip > 0) {
#pragma unroll
            for (int i = 0; i < kCount; ++i) d[i] = math::clamp(d[i], static_cast<C>(g.clip));
        }
        if (g.row_factor != nullptr) {
            const C factor = static_cast<const C*>(g.row_factor)[row];
#pragma unroll
            for (int i = 0; i < kCount; ++i) d[i] *= factor;
        }
    }
    if (!takes(g.lengths, row, g.t)) return;
    C value[kCount];
    if (g.dy != nullptr) {
        load_any(value, static_cast<const S*>(g.dy) + row * g.dy_stride + unit);
        const C scale = static_cast<C>(g.dy_scale);
#pragma unroll
        for (int i = 0; i < kCount; ++i) d[i] += value[i] * scale;
    }
    if (g.dstep != nullptr) {
        load_any(value, static_cast<const S*>(g.dstep) + row * g.width + unit);
#pragma unroll
        for (int i = 0; i < kCount; ++i) d[i] += value[i];
    }
}

}  // namespace rondo::kernels
