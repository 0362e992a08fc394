#pragma once
/// A cell's backward map over a tile.
#include "cpu/isa/rows.hpp"

namespace rondo::cpu::RONDO_ISA {

/// One stage of one cell, to be called for each pack: see for_packs. The tile's product is that of the incoming gradient
/// of h (last stage) or of the operand of the stage after this one.
template <class Cell, class T, int kStage>
struct BackwardMap {
    static constexpr bool kLast = kStage + 1 == static_cast<int>(Cell::kStages.size());
    static constexpr bool kShared = Cell::kSharedGateGradients;
    using P = Pack<T>;

    const StepBackward& step;
    const LoopLayer& layer;
    std::int64_t hidden;
    P clip;
    const T *vectors, *saved;
    T *dgates_x, *dgates_h, *dvectors, *dh_told;
    Incoming<T> incoming;

    explicit RONDO_HD BackwardMap(const StepBackward& s)
        : step(s),
          layer(*s.layer),
          hidden(s.layer->hidden),
          clip(clip_of<T>(*s.layer)),
          vectors(static_cast<const T*>(s.layer->vectors)),
          saved(static_cast<const T*>(s.saved)),
          dgates_x(static_cast<T*>(s.dgates_x)),
          dgates_h(static_cast<T*>(s.dgates_h)),
          dvectors(static_cast<T*>(s.dvectors)),
          dh_told(static_cast<T*>(s.dh_told)),
          incoming(*s.layer, s.t, s.dh) {}

    static void run(const StepBackward& step, const Tile& tile) { for_packs<T>(tile, 1, BackwardMap(step)); }

    template <bool kWhole>
    RONDO_HD void operator()(std::int64_t row, std::int64_t unit, int n, const T* product) const {
        BackwardElement<Cell, P> e;
        P dh = T(0);
        if constexpr (!kLast) {
            e.doperand = P::load(product);
        } else if (layer.projected) {
            dh = P::load(product);
        } else {
            dh = incoming.template through_time<kWhole>(row, unit, n, product);
            dh = incoming.template and_outputs<kWhole>(dh, row, unit, n);
            if (dh_told) store<kWhole>(dh, dh_told + row * hidden + unit, n);
        }
        if (!takes(layer, row, step.t)) {
            idle<kWhole>(dh, row, unit, n);
            return;
        }
        const std::int64_t at = row * hidden + unit;
        e.dnext[0] = dh;
        RONDO_UNROLL
        for (int s = 0; s < Cell::kStates; ++s) {
            const bool projected = s == 0 && layer.projected;  // h is [B,P], and no cell's map reads it
            e.state[s] = projected ? P(T(0)) : load<kWhole>(in(step.state[s]) + at, n);
            e.next[s] = projected ? P(T(0)) : load<kWhole>(in(step.next[s]) + at, n);
            if constexpr (!kLast) e.dstate[s] = load<kWhole>(in(step.dstate[s]) + at, n);
            if (kLast && s > 0) {
                P d = step.dnext[s] ? load<kWhole>(in(step.dnext[s]) + at, n) : P(T(0));
                if (step.dstep[s]) d = d + load<kWhole>(in(step.dstep[s]) + at, n);
                e.dnext[s] = d;
            }
        }
        RONDO_UNROLL
        for (int p = 0; p < Cell::kSaved; ++p)
            e.saved[p] = load<kWhole>(saved + (row * Cell::kSaved + p) * hidden + unit, n);
        RONDO_UNROLL
        for (int v = 0; v < Cell::kVectors; ++v) e.vectors[v] = load<kWhole>(vectors + v * hidden + unit, n);
        e.clip = clip;
        P stayed[Cell::kStates];  // what flows past the cell to states that stayed as they were
        if constexpr (kLast) {
            RONDO_UNROLL
            for (int s = 0; s < Cell::kStates; ++s) {
                stayed[s] = T(0);
                if (!step.zoneout[s]) continue;
                const auto stays = load<kWhole>(in(step.zoneout[s]) + at, n) == P(T(0));
                stayed[s] = select(stays, e.dnext[s], P(T(0)));
                e.dnext[s] = select(stays, P(T(0)), e.dnext[s]);
            }
        }
        if constexpr (!kLast) {
            RONDO_UNROLL
            for (int g = 0; g < Cell::kGates; ++g) {
                e.dgates_x[g] = load<kWhole>(gate(dgates_x, row, g) + unit, n);
                if constexpr (!kShared) e.dgates_h[g] = load<kWhole>(gate(dgates_h, row, g) + unit, n);
            }
        }

        Cell::template backward<kStage>(e);

        RONDO_UNROLL
        for (int g = 0; g < Cell::kGates; ++g) {
            store<kWhole>(e.dgates_x[g], gate(dgates_x, row, g) + unit, n);
            if constexpr (!kShared) store<kWhole>(e.dgates_h[g], gate(dgates_h, row, g) + unit, n);
        }
        RONDO_UNROLL
        for (int s = 0; s < Cell::kStates; ++s) {
            if (kLast && step.zoneout[s]) e.dstate[s] = e.dstate[s] + stayed[s];
            if (s > 0 || !layer.projected) store<kWhole>(e.dstate[s], out(step.dstate[s]) + at, n);
        }
        RONDO_UNROLL
        for (int v = 0; v < Cell::kVectors; ++v) {
            T* const sum = dvectors + (row * Cell::kVectors + v) * hidden + unit;
            store<kWhole>(load<kWhole>(sum, n) + e.dvectors[v], sum, n);
        }
    }

    /// A row past its length; dh is the gradient of h after the step, in the last stage.
    template <bool kWhole>
    void idle(P dh, std::int64_t row, std::int64_t unit, int n) const {
        const std::int64_t at = row * hidden + unit;
        const P zero = T(0);
        for (int g = 0; g < Cell::kGates; ++g) {
            store<kWhole>(zero, gate(dgates_x, row, g) + unit, n);
            if constexpr (!kShared) store<kWhole>(zero, gate(dgates_h, row, g) + unit, n);
        }
        if constexpr (kLast) {
            if (!layer.projected) store<kWhole>(dh, out(step.dstate[0]) + at, n);
            for (int s = 1; s < Cell::kStates; ++s)
                store<kWhole>(step.dnext[s] ? load<kWhole>(in(step.dnext[s]) + at, n) : zero, out(step.dstate[s]) + at,
                              n);
        }
    }

    RONDO_HD T* gate(T* gates, std::int64_t row, int g) const { return gates + (row * Cell::kGates + g) * hidden; }
    static RONDO_HD const T* in(const void* p) { return static_cast<const T*>(p); }
    static RONDO_HD T* out(void* p) { return static_cast<T*>(p); }
};

}  // namespace rondo::cpu::RONDO_ISA
