#pragma once
/// What element-wise code over a tile shares: the walk over its packs, idle rows, the writing of y, the gradient of h.
#include "cpu/isa/math.hpp"
#include "cpu/table.hpp"

namespace rondo::cpu::RONDO_ISA {

/// The cells' maps: cells_f32.cpp, cells_f64.cpp.
extern const CellTable kCellsF32, kCellsF64;

/// Whether a row takes step t.
RONDO_HD bool takes(const LoopLayer& layer, std::int64_t row, std::int64_t t) {
    return layer.lengths == nullptr || t < layer.lengths[row];
}

/// The cell clip, infinity for none.
template <class T>
RONDO_HD Pack<T> clip_of(const LoopLayer& layer) {
    return Pack<T>(static_cast<T>(layer.cell_clip > 0 ? layer.cell_clip : __builtin_inf()));
}

/// body<whole>(row, unit, valid lanes, the pack's products [gates][lanes] or null) for every pack of a tile.
template <class T, class Body>
RONDO_HD void for_packs(const Tile& tile, int gates, const Body& body) {
    constexpr std::int64_t kL = kLanes<T>;
    const std::int64_t row_stride = (tile.unit_end - tile.unit_begin + kL - 1) / kL * gates * kL;
    const T* values = static_cast<const T*>(tile.values);
    for (std::int64_t unit = tile.unit_begin; unit < tile.unit_end; unit += kL) {
        const std::int64_t left = tile.unit_end - unit;
        const T* product = values;
        if (left >= kL) {
            for (std::int64_t row = tile.row_begin; row < tile.row_end; ++row) {
                body.template operator()<true>(row, unit, static_cast<int>(kL), product);
                if (product) product += row_stride;
            }
        } else {
            for (std::int64_t row = tile.row_begin; row < tile.row_end; ++row) {
                body.template operator()<false>(row, unit, static_cast<int>(left), product);
                if (product) product += row_stride;
            }
        }
        if (values) values += gates * kL;
    }
}

/// y, the output of a layer at one step.
template <class T>
struct Output {
    T* y;  // null: none
    std::int64_t stride;
    T scale;
    bool add;

    template <bool kWhole>
    RONDO_HD void put(Pack<T> h, std::int64_t row, std::int64_t unit, int n) const {
        if (!y) return;
        T* const to = y + row * stride + unit;
        Pack<T> value = h * Pack<T>(scale);
        if (add) value = load<kWhole>(to, n) + value;
        store<kWhole>(value, to, n);
    }
    template <bool kWhole>
    RONDO_HD void put_idle(std::int64_t row, std::int64_t unit, int n) const {
        if (y && !add) store<kWhole>(Pack<T>(T(0)), y + row * stride + unit, n);
    }
};

/// A state after zoneout; `at` is its element. An idle row is not to come here.
template <class T, bool kWhole>
RONDO_HD Pack<T> zoned(const Zoneout& zoneout, Pack<T> state, Pack<T> candidate, std::int64_t at, int n) {
    if (!(zoneout.rate > 0)) return candidate;
    if (!zoneout.mask) return fma(Pack<T>(static_cast<T>(zoneout.rate)), state - candidate, candidate);
    if (zoneout.candidate) store<kWhole>(candidate, static_cast<T*>(zoneout.candidate) + at, n);
    return select(load<kWhole>(static_cast<const T*>(zoneout.mask) + at, n) == Pack<T>(T(0)), state, candidate);
}

/// h' as the next step's product reads it.
template <class T, bool kWhole>
RONDO_HD void feed_back(const LoopLayer& layer, void* fed_back, Pack<T> h, std::int64_t at, int n) {
    if (!fed_back) return;
    const Pack<T> mask = load<kWhole>(static_cast<const T*>(layer.recurrent_mask) + at, n);
    store<kWhole>(h * mask, static_cast<T*>(fed_back) + at, n);
}

/// IncomingGradient for one pack, but for the product, which is given, and the clip by norm, which needs whole rows.
template <class T>
struct Incoming {
    const LoopLayer& layer;
    std::int64_t t, later;
    const T *carry, *dy, *dstep, *mask;
    std::int64_t dy_stride;
    T dy_scale, limit;
    bool clips;

    RONDO_HD Incoming(const LoopLayer& l, std::int64_t t_, const IncomingGradient& g)
        : layer(l),
          t(t_),
          later(g.later),
          carry(static_cast<const T*>(g.carry)),
          dy(static_cast<const T*>(g.dy)),
          dstep(static_cast<const T*>(g.dstep)),
          mask(static_cast<const T*>(l.recurrent_mask)),
          dy_stride(g.dy_stride),
          dy_scale(static_cast<T>(g.dy_scale)),
          limit(static_cast<T>(l.recurrent_clip.limit)),
          clips(l.recurrent_clip.kind == RecurrentClip::Kind::value) {}

    /// What flows back through time.
    template <bool kWhole>
    RONDO_HD Pack<T> through_time(std::int64_t row, std::int64_t unit, int n, const T* product) const {
        Pack<T> d = carry ? load<kWhole>(carry + row * layer.width + unit, n) : Pack<T>(T(0));
        if (product && takes(layer, row, later)) {
            Pack<T> flow = Pack<T>::load(product);
            if (mask) flow = flow * load<kWhole>(mask + row * layer.width + unit, n);
            d = d + flow;
            if (clips) d = math::clamp(d, Pack<T>(limit));
        }
        return d;
    }
    /// d and what this step's own outputs bring.
    template <bool kWhole>
    RONDO_HD Pack<T> and_outputs(Pack<T> d, std::int64_t row, std::int64_t unit, int n) const {
        if (!takes(layer, row, t)) return d;
        if (dy) d = d + load<kWhole>(dy + row * dy_stride + unit, n) * Pack<T>(dy_scale);
        if (dstep) d = d + load<kWhole>(dstep + row * layer.width + unit, n);
        return d;
    }
};

}  // namespace rondo::cpu::RONDO_ISA
