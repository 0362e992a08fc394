#pragma once
// Fused cell backward, one thread per (b, kCount neighbouring h):
//   dgates, dstate = Cell::backward<stage>(dh, saved, states);  dh is put together here from carry, product, dy and clip
//   product, dstate [B,H]   saved [B,R,H]   dgates_x, dgates_h [B,G,H]   state, next [B,H]   dvectors [B,V,H]
//   idle rows (t >= lengths[b]): dgates = 0, dstate = the gradient after the step, unchanged
//   traffic: (2 + 2·states)·C + (R + G + 2)·S bytes an element; memory-bound; deterministic
#include "device/launch.hpp"
#include "pointwise/forward.cuh"
#include "pointwise/incoming.cuh"

namespace rondo::kernels {

/// dstate[0] of a projected layer: what is left of dh once it has gone through the projection.
template <class S, int kCount>
RONDO_DEVICE void store_projected_carry(const CellBackward& a, bool active, std::int64_t row, std::int64_t unit) {
    using C = Compute<S>;
    auto* const to = static_cast<C*>(a.dstate[0]);
    const auto* const whole = static_cast<const S*>(a.dh_whole);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
        const std::int64_t column = unit + i;
        if (column < a.width) to[row * a.width + column] = active ? C(0) : to_compute(whole[row * a.width + column]);
    }
}

/// The last stage on a row that did not take the step.
template <class Cell, class S, int kCount>
RONDO_DEVICE void pass_idle(const CellBackward& a, const Compute<S> (&dh)[kCount], std::int64_t row,
                            std::int64_t unit) {
    using C = Compute<S>;
    const std::int64_t H = a.hidden, element = row * H + unit;
    C value[kCount];
    fill(value, 0);
#pragma unroll
    for (int g = 0; g < Cell::kGates; ++g) {
        store(static_cast<S*>(a.dgates_x) + (row * Cell::kGates + g) * H + unit, value);
        if constexpr (!Cell::kSharedGateGradients)
            store(static_cast<S*>(a.dgates_h) + (row * Cell::kGates + g) * H + unit, value);
    }
    if (a.projected)
        store_projected_carry<S, kCount>(a, false, row, unit);
    else
        store(static_cast<C*>(a.dstate[0]) + element, dh);
#pragma unroll
    for (int s = 1; s < Cell::kStates; ++s) {
        fill(value, 0);
        if (a.dnext[s]) load(value, static_cast<const C*>(a.dnext[s]) + element);
        store(static_cast<C*>(a.dstate[s]) + element, value);
    }
}

template <class Cell, int kStage, class S, int kCount>
__global__ void __launch_bounds__(kThreads) cell_backward(const __grid_constant__ Directions<CellBackward> directions) {
    const CellBackward& a = directions.of[blockIdx.y];
    using C = Compute<S>;
    using Of = StageOf<Cell, kStage>;
    const std::int64_t H = a.hidden;
    const std::int64_t index = global_thread() * kCount;
    if (index >= a.batch * H) return;
    const Place at = place_of(index, H);
    const std::int64_t row = at.row, unit = at.column, element = row * H + unit;
    const bool active = takes(a.lengths, row, a.t);

    C dh[kCount];  // of the last stage; of earlier ones the gradient of the next stage's operand
    if (Of::kLast && !a.projected) {
        incoming<S>(dh, a.dh, row, unit);
        if (a.dh_told != nullptr) store(static_cast<C*>(a.dh_told) + element, dh);
    } else {
        load(dh, static_cast<const C*>(a.product) + element);
    }
    if (!active) {
        if constexpr (Of::kLast) pass_idle<Cell, S>(a, dh, row, unit);
        return;
    }

    S* const dgates_x = static_cast<S*>(a.dgates_x) + row * Cell::kGates * H + unit;
    BackwardElement<Cell, C> e[kCount];
    C value[kCount];
#pragma unroll
    for (int s = 0; s < Cell::kStates; ++s) {
        fill(value, 0);
        if (s > 0)
            load(value, static_cast<const C*>(a.state[s]) + element);
        else if (!a.projected)
            load(value, static_cast<const S*>(a.state[0]) + element);
#pragma unroll
        for (int i = 0; i < kCount; ++i) e[i].state[s] = value[i];
        fill(value, 0);
        if (s > 0)
            load(value, static_cast<const C*>(a.next[s]) + element);
        else if (!a.projected)
            load(value, static_cast<const S*>(a.next[0]) + element);
#pragma unroll
        for (int i = 0; i < kCount; ++i) e[i].next[s] = value[i];
    }
#pragma unroll
    for (int r = 0; r < Cell::kSaved; ++r) {
        load(value, static_cast<const S*>(a.saved) + (row * Cell::kSaved + r) * H + unit);
#pragma unroll
        for (int i = 0; i < kCount; ++i) e[i].saved[r] = value[i];
    }
#pragma unroll
    for (int v = 0; v < Cell::kVectors; ++v) {
        load(value, static_cast<const C*>(a.vectors) + v * H + unit);
#pragma unroll
        for (int i = 0; i < kCount; ++i) e[i].vectors[v] = value[i];
    }
    if constexpr (Of::kLast) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) e[i].dnext[0] = dh[i];
#pragma unroll
        for (int s = 1; s < Cell::kStates; ++s) {
            C from_step[kCount];
            fill(value, 0);
            fill(from_step, 0);
            if (a.dnext[s]) load(value, static_cast<const C*>(a.dnext[s]) + element);
            if (a.dstep[s]) load_any(from_step, static_cast<const C*>(a.dstep[s]) + element);
#pragma unroll
            for (int i = 0; i < kCount; ++i) e[i].dnext[s] = value[i] + from_step[i];
        }
    } else {
#pragma unroll
        for (int g = 0; g < Cell::kGates; ++g) {
            load(value, dgates_x + g * H);
#pragma unroll
            for (int i = 0; i < kCount; ++i) e[i].dgates_x[g] = value[i];
        }
#pragma unroll
        for (int s = 0; s < Cell::kStates; ++s) {
            load(value, static_cast<const C*>(a.dstate[s]) + element);
#pragma unroll
            for (int i = 0; i < kCount; ++i) e[i].dstate[s] = value[i];
        }
    }
    C stayed[Cell::kStates][kCount];  // what flows past the cell to states that stayed as they were
    if constexpr (Of::kLast) {
#pragma unroll
        for (int s = 0; s < Cell::kStates; ++s) {
            if (a.zoneout[s] == nullptr) continue;
            load_any(value, static_cast<const S*>(a.zoneout[s]) + element);
#pragma unroll
            for (int i = 0; i < kCount; ++i) {
                const bool stays = value[i] == C(0);
                stayed[s][i] = stays ? e[i].dnext[s] : C(0);
                if (stays) e[i].dnext[s] = C(0);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
        e[i].clip = a.clip > 0 ? static_cast<C>(a.clip) : static_cast<C>(HUGE_VAL);
        e[i].doperand = dh[i];
        Cell::template backward<kStage>(e[i]);
    }

#pragma unroll
    for (int g = 0; g < Cell::kGates; ++g) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) value[i] = e[i].dgates_x[g];
        store(dgates_x + g * H, value);
        if constexpr (!Cell::kSharedGateGradients) {
#pragma unroll
            for (int i = 0; i < kCount; ++i) value[i] = e[i].dgates_h[g];
            store(static_cast<S*>(a.dgates_h) + (row * Cell::kGates + g) * H + unit, value);
        }
    }
#pragma unroll
    for (int s = 0; s < Cell::kStates; ++s) {
        if (s == 0 && a.projected) {
            store_projected_carry<S, kCount>(a, true, row, unit);
            continue;
        }
#pragma unroll
        for (int i = 0; i < kCount; ++i) value[i] = e[i].dstate[s];
        if (Of::kLast && a.zoneout[s] != nullptr) {
#pragma unroll
            for (int i = 0; i < kCount; ++i) value[i] += stayed[s][i];
        }
        store(static_cast<C*>(a.dstate[s]) + element, value);
    }
#pragma unroll
    for (int v = 0; v < Cell::kVectors; ++v) {
        C* const sum = static_cast<C*>(a.dvectors) + (row * Cell::kVectors + v) * H + unit;
        load(value, sum);
#pragma unroll
        for (int i = 0; i < kCount; ++i) value[i] += e[i].dvectors[v];
        store(sum, value);
    }
}

/// Whether the kernel may take kCount elements to a thread.
template <class Cell, class S>
bool is_wide(const CellBackward& a) {
    using C = Compute<S>;
    constexpr int kCount = kWide<S>;
    bool wide = a.hidden % kCount == 0 &&
                all_aligned<kCount>(sizeof(S), a.state[0], a.next[0], a.saved, a.dgates_x, a.dgates_h) &&
                all_aligned<kCount>(sizeof(C), a.dh.product, a.product, a.vectors, a.dvectors, a.dstate[0], a.dh_told);
    for (int s = 1; s < Cell::kStates; ++s)
        wide = wide && all_aligned<kCount>(sizeof(C), a.state[s], a.next[s], a.dnext[s], a.dstate[s]);
    return wide;
}

template <class Cell, int kStage, class S>
void launch_backward(const Directions<CellBackward>& directions, cudaStream_t stream) {
    constexpr int kCount = kWide<S>;
    bool wide = true;
    for (int d = 0; d < directions.count; ++d) wide = wide && is_wide<Cell, S>(directions.of[d]);
    const std::int64_t elements = directions.of[0].batch * directions.of[0].hidden;
    device::launch({.kernel = "cell_backward",
                    .grid = blocks_of_directions(wide ? elements / kCount : elements, directions.count),
                    .block = kThreads,
                    .stream = stream},
                   wide ? cell_backward<Cell, kStage, S, kCount> : cell_backward<Cell, kStage, S, 1>, directions);
}

template <DType kType>
LaunchBackward find_backward(std::string_view cell, CellOptions options, int stage) {
    LaunchBackward found = nullptr;
    visit_cell(cell, options, [&]<class Cell>() {
        if constexpr (kRowWise<Cell>)
            found = launch_row_backward<Cell, Storage<kType>>;
        else if constexpr (!kScanned<Cell>)
            found = launch_backward<Cell, 0, Storage<kType>>;
        if constexpr (Cell::kStages.size() > 1)
            if (stage == 1) found = launch_backward<Cell, 1, Storage<kType>>;
    });
    return found;
}

}  // namespace rondo::kernels
