#pragma once
/// A cell's forward map over a tile: vector loads, the cell's equations on packs, vector stores.
#include "cpu/isa/rows.hpp"

namespace rondo::cpu::RONDO_ISA {

/// One stage of one cell, to be called for each pack: see for_packs.
template <class Cell, class T, int kStage>
struct ForwardMap {
    static constexpr bool kLast = kStage + 1 == static_cast<int>(Cell::kStages.size());
    static constexpr int kFirst = Cell::kStages[kStage].first_gate, kGates = Cell::kStages[kStage].gates;
    using P = Pack<T>;

    const StepForward& step;
    const LoopLayer& layer;
    std::int64_t hidden;
    P clip;
    const T *gates_x, *bias, *vectors;
    T* saved;
    Output<T> y;

    explicit RONDO_HD ForwardMap(const StepForward& s)
        : step(s),
          layer(*s.layer),
          hidden(s.layer->hidden),
          clip(clip_of<T>(*s.layer)),
          gates_x(static_cast<const T*>(s.gates_x)),
          bias(static_cast<const T*>(s.bias_h)),
          vectors(static_cast<const T*>(s.layer->vectors)),
          saved(static_cast<T*>(s.saved)),
          y{static_cast<T*>(s.y), s.y_stride, static_cast<T>(s.y_scale), s.y_add} {}

    static void run(const StepForward& step, const Tile& tile) { for_packs<T>(tile, kGates, ForwardMap(step)); }

    template <bool kWhole>
    RONDO_HD void operator()(std::int64_t row, std::int64_t unit, int n, const T* product) const {
        if (!takes(layer, row, step.t)) {
            idle<kWhole>(row, unit, n);
            return;
        }
        const std::int64_t at = row * hidden + unit;
        ForwardElement<Cell, P> e;
        RONDO_UNROLL
        for (int g = 0; g < Cell::kGates; ++g)
            e.gates_x[g] = load<kWhole>(gates_x + (row * Cell::kGates + g) * hidden + unit, n);
        RONDO_UNROLL
        for (int g = 0; g < kGates; ++g) {
            P sum = P::load(product + g * kLanes<T>);
            if (bias) sum = sum + load<kWhole>(bias + g * hidden + unit, n);
            e.gates_h[kFirst + g] = sum;
        }
        RONDO_UNROLL
        for (int s = 0; s < Cell::kStates; ++s)  // a projected h is [B,P], and no cell's map reads it
            e.state[s] = s == 0 && layer.projected ? P(T(0)) : load<kWhole>(state(s) + at, n);
        RONDO_UNROLL
        for (int v = 0; v < Cell::kVectors; ++v) e.vectors[v] = load<kWhole>(vectors + v * hidden + unit, n);
        e.clip = clip;
        if constexpr (kStage > 0) {
            RONDO_UNROLL
            for (int p = 0; p < Cell::kSaved; ++p) e.saved[p] = load<kWhole>(plane(row, p) + unit, n);
        }

        Cell::template forward<kStage>(e);

        if (saved) {
            RONDO_UNROLL
            for (int p = 0; p < Cell::kSaved; ++p) store<kWhole>(e.saved[p], plane(row, p) + unit, n);
        }
        if constexpr (kLast) {
            RONDO_UNROLL
            for (int s = 0; s < Cell::kStates; ++s) {
                e.next[s] = zoned<T, kWhole>(step.zoneout[s], e.state[s], e.next[s], at, n);
                store<kWhole>(e.next[s], next(s) + at, n);
            }
            feed_back<T, kWhole>(layer, step.fed_back, e.next[0], at, n);
            y.template put<kWhole>(e.next[0], row, unit, n);
        }
    }

    /// A row past its length.
    template <bool kWhole>
    void idle(std::int64_t row, std::int64_t unit, int n) const {
        const std::int64_t at = row * hidden + unit;
        const P zero = T(0);
        if (saved)
            for (int p = 0; p < Cell::kSaved; ++p) store<kWhole>(zero, plane(row, p) + unit, n);
        if constexpr (kLast) {
            for (int s = 0; s < Cell::kStates; ++s)
                store<kWhole>(s == 0 && layer.projected ? zero : load<kWhole>(state(s) + at, n), next(s) + at, n);
            if (step.fed_back) feed_back<T, kWhole>(layer, step.fed_back, load<kWhole>(state(0) + at, n), at, n);
            y.template put_idle<kWhole>(row, unit, n);
        }
    }

    RONDO_HD T* plane(std::int64_t row, int p) const { return saved + (row * Cell::kSaved + p) * hidden; }
    RONDO_HD const T* state(int s) const { return static_cast<const T*>(step.state[s]); }
    RONDO_HD T* next(int s) const { return static_cast<T*>(step.next[s]); }
};

}  // namespace rondo::cpu::RONDO_ISA
