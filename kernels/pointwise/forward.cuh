#pragma once
// Fused cell forward, one thread per (b, kCount neighbouring h):
//   next, saved = Cell::forward<stage>(gates_x, gates_h + bias_h, state);  y = scale·h'
//   gates_x [B,G,H]   gates_h [B,Gs,H]   state, next [B,H]   saved [B,R,H]   y [B,..]
//   idle rows (t >= lengths[b]): next = state, saved = 0, y = 0, whatever the gates hold
//   traffic: (G + Gs)·C + (R + 2 + y)·S + 2·(states - 1)·C bytes an element; memory-bound; deterministic
#include "device/launch.hpp"
#include "pointwise/cell.hpp"
#include "pointwise/output.cuh"
#include "pointwise/rows.cuh"
#include "rondo/cell/registry.hpp"

namespace rondo::kernels {

/// A stage of a cell, as constants that device code may use.
template <class Cell, int kIndex>
struct StageOf {
    static constexpr Stage kStage = Cell::kStages[kIndex];
    static constexpr int kGates = kStage.gates, kFirst = kStage.first_gate;
    static constexpr bool kLast = kIndex + 1 == static_cast<int>(Cell::kStages.size());
    static constexpr int kSaved = rondo::detail::at_least_one(Cell::kSaved);
};

// One block at least: unasked, ptxas would rather spill a few words than take more registers.
template <class Cell, int kStage, class S, int kCount>
__global__ void __launch_bounds__(kThreads, 1)
    cell_forward(const __grid_constant__ Directions<CellForward> directions) {
    const CellForward& a = directions.of[blockIdx.y];
    using C = Compute<S>;
    using Of = StageOf<Cell, kStage>;
    const std::int64_t H = a.hidden;
    const std::int64_t index = global_thread() * kCount;
    if (index >= a.batch * H) return;
    const Place at = place_of(index, H);
    const std::int64_t row = at.row, unit = at.column, element = row * H + unit;

    const auto* gates_x = static_cast<const C*>(a.gates_x) + row * Cell::kGates * H + unit;
    const auto* gates_h = static_cast<const C*>(a.gates_h) + row * Of::kGates * H + unit;
    S* const saved_to = a.saved ? static_cast<S*>(a.saved) + row * Cell::kSaved * H + unit : nullptr;
    const Output<S> y{static_cast<S*>(a.y), a.y_stride, static_cast<C>(a.y_scale), a.y_add};

    C state[Cell::kStates][kCount];
    fill(state[0], 0);
    if (!a.projected) load(state[0], static_cast<const S*>(a.state[0]) + element);
#pragma unroll
    for (int s = 1; s < Cell::kStates; ++s) load(state[s], static_cast<const C*>(a.state[s]) + element);

    C saved[Of::kSaved][kCount], next[Cell::kStates][kCount];
    if (takes(a.lengths, row, a.t)) {
        ForwardElement<Cell, C> e[kCount];
        C value[kCount];
#pragma unroll
        for (int g = 0; g < Cell::kGates; ++g) {
            load(value, gates_x + g * H);
#pragma unroll
            for (int i = 0; i < kCount; ++i) e[i].gates_x[g] = value[i];
        }
#pragma unroll
        for (int g = 0; g < Of::kGates; ++g) {
            C bias[kCount];
            fill(bias, 0);
            if (a.bias_h) load(bias, static_cast<const C*>(a.bias_h) + g * H + unit);
            load(value, gates_h + g * H);
#pragma unroll
            for (int i = 0; i < kCount; ++i) e[i].gates_h[Of::kFirst + g] = value[i] + bias[i];
        }
#pragma unroll
        for (int v = 0; v < Cell::kVectors; ++v) {
            load(value, static_cast<const C*>(a.vectors) + v * H + unit);
#pragma unroll
            for (int i = 0; i < kCount; ++i) e[i].vectors[v] = value[i];
        }
        if constexpr (kStage > 0) {
#pragma unroll
            for (int r = 0; r < Cell::kSaved; ++r) load(saved[r], saved_to + r * H);
        }
#pragma unroll
        for (int i = 0; i < kCount; ++i) {
            e[i].clip = a.clip > 0 ? static_cast<C>(a.clip) : static_cast<C>(HUGE_VAL);
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s) e[i].state[s] = state[s][i];
            if constexpr (kStage > 0) {
#pragma unroll
                for (int r = 0; r < Cell::kSaved; ++r) e[i].saved[r] = saved[r][i];
            }
            Cell::template forward<kStage>(e[i]);
#pragma unroll
            for (int r = 0; r < Cell::kSaved; ++r) saved[r][i] = e[i].saved[r];
            if constexpr (Of::kLast) {
#pragma unroll
                for (int s = 0; s < Cell::kStates; ++s) next[s][i] = e[i].next[s];
            }
        }
        if constexpr (Of::kLast) {
            zone_out<S, S>(next[0], state[0], a.zoneout[0], element);
#pragma unroll
            for (int s = 1; s < Cell::kStates; ++s) zone_out<S, C>(next[s], state[s], a.zoneout[s], element);
#pragma unroll
            for (int i = 0; i < kCount; ++i) next[0][i] = rounded<S>(next[0][i]);
            y.put(next[0], row, unit);
        }
    } else {
#pragma unroll
        for (int r = 0; r < Cell::kSaved; ++r) fill(saved[r], 0);
        if constexpr (Of::kLast) {
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s)
#pragma unroll
                for (int i = 0; i < kCount; ++i) next[s][i] = state[s][i];
            y.template put_idle<kCount>(row, unit);
        }
    }

    if (saved_to != nullptr) {
#pragma unroll
        for (int r = 0; r < Cell::kSaved; ++r) store(saved_to + r * H, saved[r]);
    }
    if constexpr (Of::kLast) {
        store(static_cast<S*>(a.next[0]) + element, next[0]);
        feed_back<S>(a.fed_back, a.recurrent_mask, next[0], element);
#pragma unroll
        for (int s = 1; s < Cell::kStates; ++s) store(static_cast<C*>(a.next[s]) + element, next[s]);
    }
}

/// Whether the kernel may take kCount elements to a thread.
template <class Cell, class S>
bool is_wide(const CellForward& a) {
    using C = Compute<S>;
    constexpr int kCount = kWide<S>;
    bool wide = a.hidden % kCount == 0 && all_aligned<kCount>(sizeof(S), a.state[0], a.next[0], a.saved) &&
                all_aligned<kCount>(sizeof(C), a.gates_x, a.gates_h, a.bias_h, a.vectors);
    for (int s = 1; s < Cell::kStates; ++s) wide = wide && all_aligned<kCount>(sizeof(C), a.state[s], a.next[s]);
    return wide;
}

template <class Cell, int kStage, class S>
void launch_forward(const Directions<CellForward>& directions, cudaStream_t stream) {
    constexpr int kCount = kWide<S>;
    bool wide = true;
    for (int d = 0; d < directions.count; ++d) wide = wide && is_wide<Cell, S>(directions.of[d]);
    const std::int64_t elements = directions.of[0].batch * directions.of[0].hidden;
    device::launch({.kernel = "cell_forward",
                    .grid = blocks_of_directions(wide ? elements / kCount : elements, directions.count),
                    .block = kThreads,
                    .stream = stream},
                   wide ? cell_forward<Cell, kStage, S, kCount> : cell_forward<Cell, kStage, S, 1>, directions);
}

template <DType kType>
LaunchForward find_forward(std::string_view cell, CellOptions options, int stage) {
    LaunchForward found = nullptr;
    visit_cell(cell, options, [&]<class Cell>() {
        if constexpr (kRowWise<Cell>)
            found = launch_row_forward<Cell, Storage<kType>>;
        else if constexpr (!kScanned<Cell>)
            found = launch_forward<Cell, 0, Storage<kType>>;
        if constexpr (Cell::kStages.size() > 1)
            if (stage == 1) found = launch_forward<Cell, 1, Storage<kType>>;
    });
    return found;
}

}  // namespace rondo::kernels
