#pragma once
/// The maps of every cell over a tile: vector loads, the cell's equations on packs, vector stores.
#include "cpu/isa/rows.hpp"
#include "rondo/cell/registry.hpp"

namespace rondo::cpu::RONDO_ISA {

extern const CellTable kCellsF32, kCellsF64;

/// Element (row, plane, unit) of a [rows, planes, hidden] array.
template <class T>
RONDO_HD T* plane(T* base, std::int64_t row, std::int64_t planes, std::int64_t p, std::int64_t hidden,
                  std::int64_t unit) {
    return base + (row * planes + p) * hidden + unit;
}

template <class Cell, class T>
struct Maps {
    static constexpr int kStages = static_cast<int>(Cell::kStages.size());
    static constexpr T kInfinity = static_cast<T>(__builtin_inf());

    static RONDO_HD Pack<T> clip_of(const LoopLayer& layer) {
        return Pack<T>(layer.cell_clip > 0 ? static_cast<T>(layer.cell_clip) : kInfinity);
    }

    template <int kStage>
    static void forward(const StepForward& step, const Tile& tile) {
        constexpr int kFirst = Cell::kStages[kStage].first_gate, kGates = Cell::kStages[kStage].gates;
        constexpr bool kLast = kStage + 1 == kStages;
        const LoopLayer& layer = *step.layer;
        const std::int64_t hidden = layer.hidden;
        const Pack<T> clip = clip_of(layer);
        const T* const gates_x = static_cast<const T*>(step.gates_x);
        const T* const bias = static_cast<const T*>(step.bias_h);
        const T* const vectors = static_cast<const T*>(layer.vectors);
        T* const saved = static_cast<T*>(step.saved);
        const Output<T> y{static_cast<T*>(step.y), step.y_stride, static_cast<T>(step.y_scale), step.y_add};

        for_packs<T>(
            tile, kGates,
            [&]<bool kWhole>(std::int64_t row, std::int64_t unit, int n, const T* product)
                __attribute__((always_inline)) {
                    const std::int64_t at = row * hidden + unit;
                    if (!takes(layer, row, step.t)) {
                        idle_forward<kWhole, kLast>(step, y, row, unit, n);
                        return;
                    }
                    ForwardElement<Cell, Pack<T>> e;
                    RONDO_UNROLL
                    for (int g = 0; g < Cell::kGates; ++g)
                        e.gates_x[g] = load<kWhole>(plane(gates_x, row, Cell::kGates, g, hidden, unit), n);
                    RONDO_UNROLL
                    for (int g = 0; g < kGates; ++g) {
                        Pack<T> sum = Pack<T>::load(product + g * kLanes<T>);
                        if (bias) sum = sum + load<kWhole>(bias + g * hidden + unit, n);
                        e.gates_h[kFirst + g] = sum;
                    }
                    e.state[0] =
                        layer.projected ? Pack<T>(T(0)) : load<kWhole>(static_cast<const T*>(step.state[0]) + at, n);
                    RONDO_UNROLL
                    for (int s = 1; s < Cell::kStates; ++s)
                        e.state[s] = load<kWhole>(static_cast<const T*>(step.state[s]) + at, n);
                    RONDO_UNROLL
                    for (int v = 0; v < Cell::kVectors; ++v)
                        e.vectors[v] = load<kWhole>(vectors + v * hidden + unit, n);
                    e.clip = clip;
                    if constexpr (kStage > 0) {
                        RONDO_UNROLL
                        for (int p = 0; p < Cell::kSaved; ++p)
                            e.saved[p] = load<kWhole>(plane(saved, row, Cell::kSaved, p, hidden, unit), n);
                    }
                    Cell::template forward<kStage>(e);
                    if (saved) {
                        RONDO_UNROLL
                        for (int p = 0; p < Cell::kSaved; ++p)
                            store<kWhole>(e.saved[p], plane(saved, row, Cell::kSaved, p, hidden, unit), n);
                    }
                    if constexpr (kLast) {
                        RONDO_UNROLL
                        for (int s = 0; s < Cell::kStates; ++s)
                            store<kWhole>(e.next[s], static_cast<T*>(step.next[s]) + at, n);
                        y.template put<kWhole>(e.next[0], row, unit, n);
                    }
                });
    }

    template <bool kWhole, bool kLast>
    static void idle_forward(const StepForward& step, const Output<T>& y, std::int64_t row, std::int64_t unit, int n) {
        const LoopLayer& layer = *step.layer;
        const std::int64_t at = row * layer.hidden + unit;
        const Pack<T> zero = T(0);
        if (step.saved)
            for (int p = 0; p < Cell::kSaved; ++p)
                store<kWhole>(zero, plane(static_cast<T*>(step.saved), row, Cell::kSaved, p, layer.hidden, unit), n);
        if constexpr (kLast) {
            for (int s = 0; s < Cell::kStates; ++s) {
                const bool unprojected = s == 0 && layer.projected;
                const Pack<T> kept = unprojected ? zero : load<kWhole>(static_cast<const T*>(step.state[s]) + at, n);
                store<kWhole>(kept, static_cast<T*>(step.next[s]) + at, n);
            }
            y.template put_idle<kWhole>(row, unit, n);
        }
    }

    template <int kStage>
    static void backward(const StepBackward& step, const Tile& tile) {
        constexpr bool kLast = kStage + 1 == kStages;
        const LoopLayer& layer = *step.layer;
        const std::int64_t hidden = layer.hidden;
        const Pack<T> clip = clip_of(layer), zero = T(0);
        const T* const vectors = static_cast<const T*>(layer.vectors);
        const T* const saved = static_cast<const T*>(step.saved);
        T* const dgates_x = static_cast<T*>(step.dgates_x);
        T* const dgates_h = static_cast<T*>(step.dgates_h);
        T* const dvectors = static_cast<T*>(step.dvectors);
        const Incoming<T> incoming(layer, step.t, step.dh);

        for_packs<T>(
            tile, 1,
            [&]<bool kWhole>(std::int64_t row, std::int64_t unit, int n, const T* product)
                __attribute__((always_inline)) {
                    const std::int64_t at = row * hidden + unit;
                    BackwardElement<Cell, Pack<T>> e;
                    if constexpr (kLast) {
                        if (layer.projected) {
                            e.dnext[0] = Pack<T>::load(product);
                        } else {
                            const Pack<T> d = incoming.template through_time<kWhole>(row, unit, n, product);
                            e.dnext[0] = incoming.template and_outputs<kWhole>(d, row, unit, n);
                        }
                    } else {
                        e.doperand = Pack<T>::load(product);
                    }
                    if (!takes(layer, row, step.t)) {
                        idle_backward<kWhole, kLast>(step, e.dnext[0], row, unit, n);
                        return;
                    }
                    RONDO_UNROLL
                    for (int s = 0; s < Cell::kStates; ++s) {
                        const bool projected = s == 0 && layer.projected;
                        e.state[s] = projected ? zero : load<kWhole>(static_cast<const T*>(step.state[s]) + at, n);
                        e.next[s] = projected ? zero : load<kWhole>(static_cast<const T*>(step.next[s]) + at, n);
                        if constexpr (!kLast) {
                            e.dstate[s] = load<kWhole>(static_cast<const T*>(step.dstate[s]) + at, n);
                        } else if (s > 0) {
                            const T* const after = static_cast<const T*>(step.dnext[s]);
                            const T* const output = static_cast<const T*>(step.dstep[s]);
                            Pack<T> d = after ? load<kWhole>(after + at, n) : zero;
                            if (output) d = d + load<kWhole>(output + at, n);
                            e.dnext[s] = d;
                        }
                    }
                    RONDO_UNROLL
                    for (int p = 0; p < Cell::kSaved; ++p)
                        e.saved[p] = load<kWhole>(plane(saved, row, Cell::kSaved, p, hidden, unit), n);
                    RONDO_UNROLL
                    for (int v = 0; v < Cell::kVectors; ++v)
                        e.vectors[v] = load<kWhole>(vectors + v * hidden + unit, n);
                    e.clip = clip;
                    if constexpr (!kLast) {
                        RONDO_UNROLL
                        for (int g = 0; g < Cell::kGates; ++g) {
                            e.dgates_x[g] = load<kWhole>(plane(dgates_x, row, Cell::kGates, g, hidden, unit), n);
                            if constexpr (!Cell::kSharedGateGradients)
                                e.dgates_h[g] = load<kWhole>(plane(dgates_h, row, Cell::kGates, g, hidden, unit), n);
                        }
                    }
                    Cell::template backward<kStage>(e);
                    RONDO_UNROLL
                    for (int g = 0; g < Cell::kGates; ++g) {
                        store<kWhole>(e.dgates_x[g], plane(dgates_x, row, Cell::kGates, g, hidden, unit), n);
                        if constexpr (!Cell::kSharedGateGradients)
                            store<kWhole>(e.dgates_h[g], plane(dgates_h, row, Cell::kGates, g, hidden, unit), n);
                    }
                    RONDO_UNROLL
                    for (int s = 0; s < Cell::kStates; ++s)
                        if (s > 0 || !layer.projected)
                            store<kWhole>(e.dstate[s], static_cast<T*>(step.dstate[s]) + at, n);
                    if constexpr (Cell::kVectors > 0) {
                        RONDO_UNROLL
                        for (int v = 0; v < Cell::kVectors; ++v) {
                            T* const sum = plane(dvectors, row, Cell::kVectors, v, hidden, unit);
                            store<kWhole>(load<kWhole>(sum, n) + e.dvectors[v], sum, n);
                        }
                    }
                });
    }

    /// dh: the gradient of h after the step, of the last stage.
    template <bool kWhole, bool kLast>
    static void idle_backward(const StepBackward& step, Pack<T> dh, std::int64_t row, std::int64_t unit, int n) {
        const LoopLayer& layer = *step.layer;
        const std::int64_t at = row * layer.hidden + unit;
        const Pack<T> zero = T(0);
        for (int g = 0; g < Cell::kGates; ++g) {
            store<kWhole>(zero, plane(static_cast<T*>(step.dgates_x), row, Cell::kGates, g, layer.hidden, unit), n);
            if constexpr (!Cell::kSharedGateGradients)
                store<kWhole>(zero, plane(static_cast<T*>(step.dgates_h), row, Cell::kGates, g, layer.hidden, unit), n);
        }
        if constexpr (kLast) {
            if (!layer.projected) store<kWhole>(dh, static_cast<T*>(step.dstate[0]) + at, n);
            for (int s = 1; s < Cell::kStates; ++s) {
                const T* const after = static_cast<const T*>(step.dnext[s]);
                store<kWhole>(after ? load<kWhole>(after + at, n) : zero, static_cast<T*>(step.dstate[s]) + at, n);
            }
        }
    }

    static constexpr CellKernels kernels() {
        static_assert(kStages <= kMaxStages && Cell::kStates <= kMaxStates);
        CellKernels k{};
        k.stages = kStages;
        for (int i = 0; i < kStages; ++i) k.stage[i] = Cell::kStages[static_cast<std::size_t>(i)];
        k.forward[0] = forward<0>;
        k.backward[0] = backward<0>;
        if constexpr (kStages > 1) {
            k.forward[1] = forward<1>;
            k.backward[1] = backward<1>;
        }
        return k;
    }
};

template <class T, class... Cells>
constexpr CellTable make_cell_table(TypeList<Cells...>) {
    return {{Maps<Cells, T>::kernels()...}};
}

}  // namespace rondo::cpu::RONDO_ISA
