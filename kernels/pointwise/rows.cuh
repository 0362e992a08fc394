#pragma once
// Fused forward and backward of a cell that needs whole rows (rondo/cell/layer_norm.hpp), one block a row:
//   its sums over the row's units are block sums in a fixed order; K planes of C a row are scratch
//   gates_x, gates_h [B,G,H]   state, next [B,H]   saved [B,R,H]   dgates_x, dgates_h [B,G,H]   dvectors [B,V,H]
//   idle rows as in forward.cuh and backward.cuh
//   traffic: several passes over a row, all but the first from a cache; deterministic
#include "device/launch.hpp"
#include "device/warp.cuh"
#include "pointwise/incoming.cuh"
#include "pointwise/output.cuh"
#include "rondo/cell/registry.hpp"

namespace rondo::kernels {

inline constexpr int kCellRowThreads = 128;

/// What the maps of a row have in common. A unit is always the same thread's.
template <class Cell, class S>
class CellRow {
public:
    using Value = Compute<S>;
    using Real = Compute<S>;
    const std::int64_t units;

    template <class Body>
    RONDO_DEVICE void each(const Body& body) const {
        for (std::int64_t u = threadIdx.x; u < units; u += kCellRowThreads) body(u);
    }
    template <class Term>
    RONDO_DEVICE Real sum(const Term& term) const {
        Real sum = 0;
        for (std::int64_t u = threadIdx.x; u < units; u += kCellRowThreads) sum += term(u);
        return device::block_sum<kCellRowThreads>(sum);
    }

    RONDO_DEVICE Value vector(int v, std::int64_t u) const { return vectors[v * units + u]; }
    RONDO_DEVICE Value scratch(int k, std::int64_t u) const { return own[k * units + u]; }
    RONDO_DEVICE void put_scratch(int k, std::int64_t u, Value v) { own[k * units + u] = v; }

protected:
    template <class Arguments>
    RONDO_DEVICE explicit CellRow(const Arguments& a)
        : units(a.hidden),
          row(blockIdx.x),
          vectors(static_cast<const Value*>(a.vectors)),
          own(static_cast<Value*>(a.scratch) + row * Cell::kScratch * units) {}

    /// Plane p of `planes` of a row of T.
    template <class T>
    RONDO_DEVICE Value plane(const void* values, int planes, int p, std::int64_t u) const {
        return to_compute(static_cast<const T*>(values)[(row * planes + p) * units + u]);
    }
    template <class T>
    RONDO_DEVICE void put_plane(void* values, int planes, int p, std::int64_t u, Value v) const {
        static_cast<T*>(values)[(row * planes + p) * units + u] = to_storage<T>(v);
    }

    const std::int64_t row;
    const Value* const vectors;
    Value* const own;
};

template <class Cell, class S>
class ForwardRow : public CellRow<Cell, S> {
public:
    using Value = Compute<S>;
    RONDO_DEVICE explicit ForwardRow(const CellForward& arguments) : CellRow<Cell, S>(arguments), a(arguments) {}

    RONDO_DEVICE Value gates_x(int g, std::int64_t u) const {
        return this->template plane<Value>(a.gates_x, Cell::kGates, g, u);
    }
    RONDO_DEVICE Value gates_h(int g, std::int64_t u) const {
        return this->template plane<Value>(a.gates_h, Cell::kGates, g, u);
    }
    RONDO_DEVICE Value state(int s, std::int64_t u) const {
        return s == 0 ? this->template plane<S>(a.state[s], 1, 0, u) : this->template plane<Value>(a.state[s], 1, 0, u);
    }
    RONDO_DEVICE void put_saved(int p, std::int64_t u, Value v) {
        if (a.saved != nullptr) this->template put_plane<S>(a.saved, Cell::kSaved, p, u, v);
    }
    RONDO_DEVICE void put_next(int s, std::int64_t u, Value v) {
        const std::int64_t element = this->row * this->units + u;
        Value next[1] = {v};
        const Value before[1] = {state(s, u)};
        if (s > 0) {
            zone_out<S, Value>(next, before, a.zoneout[s], element);
            return this->template put_plane<Value>(a.next[s], 1, 0, u, next[0]);
        }
        zone_out<S, S>(next, before, a.zoneout[0], element);
        next[0] = rounded<S>(next[0]);
        put_h(next, u);
        output().put(next, this->row, u);
    }
    /// Past its length.
    RONDO_DEVICE void idle() {
        this->each([&](std::int64_t u) {
            for (int p = 0; p < Cell::kSaved; ++p) put_saved(p, u, 0);
            const Value h[1] = {state(0, u)};
            put_h(h, u);
            for (int s = 1; s < Cell::kStates; ++s) this->template put_plane<Value>(a.next[s], 1, 0, u, state(s, u));
            output().template put_idle<1>(this->row, u);
        });
    }

private:
    RONDO_DEVICE Output<S> output() const {
        return {static_cast<S*>(a.y), a.y_stride, static_cast<Value>(a.y_scale), a.y_add};
    }
    RONDO_DEVICE void put_h(const Value (&h)[1], std::int64_t u) {
        this->template put_plane<S>(a.next[0], 1, 0, u, h[0]);
        feed_back<S>(a.fed_back, a.recurrent_mask, h, this->row * this->units + u);
    }

    const CellForward& a;
};

template <class Cell, class S>
class BackwardRow : public CellRow<Cell, S> {
public:
    using Value = Compute<S>;
    RONDO_DEVICE explicit BackwardRow(const CellBackward& arguments) : CellRow<Cell, S>(arguments), a(arguments) {}

    RONDO_DEVICE Value saved(int p, std::int64_t u) const {
        return this->template plane<S>(a.saved, Cell::kSaved, p, u);
    }
    RONDO_DEVICE Value state(int s, std::int64_t u) const { return of_state(a.state[s], s, u); }
    RONDO_DEVICE Value next(int s, std::int64_t u) const { return of_state(a.next[s], s, u); }
    /// Of what the cell made: nothing where zoneout took the old state.
    RONDO_DEVICE Value dnext(int s, std::int64_t u) const { return stays(s, u) ? Value(0) : whole(s, u); }
    RONDO_DEVICE void put_dstate(int s, std::int64_t u, Value v) {
        if (stays(s, u)) v += whole(s, u);
        this->template put_plane<Value>(a.dstate[s], 1, 0, u, v);
    }
    RONDO_DEVICE void put_dgates_x(int g, std::int64_t u, Value v) {
        this->template put_plane<S>(a.dgates_x, Cell::kGates, g, u, v);
    }
    RONDO_DEVICE void put_dgates_h(int g, std::int64_t u, Value v) {
        this->template put_plane<S>(a.dgates_h, Cell::kGates, g, u, v);
    }
    RONDO_DEVICE void add_dvector(int v, std::int64_t u, Value d) {
        static_cast<Value*>(a.dvectors)[(this->row * Cell::kVectors + v) * this->units + u] += d;
    }
    /// The incoming gradient of h, for who wants to see it.
    RONDO_DEVICE void tell() {
        if (a.dh_told == nullptr) return;
        this->each([&](std::int64_t u) { this->template put_plane<Value>(a.dh_told, 1, 0, u, carried(0, u)); });
    }
    /// Past its length.
    RONDO_DEVICE void idle() {
        this->each([&](std::int64_t u) {
            for (int g = 0; g < Cell::kGates; ++g) {
                put_dgates_x(g, u, 0);
                put_dgates_h(g, u, 0);
            }
            for (int s = 0; s < Cell::kStates; ++s)
                this->template put_plane<Value>(a.dstate[s], 1, 0, u, carried(s, u));
        });
    }

private:
    RONDO_DEVICE Value of_state(const void* values, int s, std::int64_t u) const {
        return s == 0 ? this->template plane<S>(values, 1, 0, u) : this->template plane<Value>(values, 1, 0, u);
    }
    RONDO_DEVICE bool stays(int s, std::int64_t u) const {
        return a.zoneout[s] != nullptr && this->template plane<S>(a.zoneout[s], 1, 0, u) == Value(0);
    }
    /// Of a state that passes by: of h with what an active row's outputs bring.
    RONDO_DEVICE Value carried(int s, std::int64_t u) const {
        if (s > 0) return a.dnext[s] ? this->template plane<Value>(a.dnext[s], 1, 0, u) : Value(0);
        Value dh[1];
        incoming<S>(dh, a.dh, this->row, u);
        return dh[0];
    }
    RONDO_DEVICE Value whole(int s, std::int64_t u) const {
        const Value d = carried(s, u);
        return s > 0 && a.dstep[s] ? d + this->template plane<Value>(a.dstep[s], 1, 0, u) : d;
    }

    const CellBackward& a;
};

template <class Cell, class S>
__global__ void __launch_bounds__(kCellRowThreads)
    row_forward(const __grid_constant__ Directions<CellForward> directions) {
    const CellForward& a = directions.of[blockIdx.y];
    ForwardRow<Cell, S> row(a);
    if (takes(a.lengths, blockIdx.x, a.t))
        Cell::forward(row);
    else
        row.idle();
}

template <class Cell, class S>
__global__ void __launch_bounds__(kCellRowThreads)
    row_backward(const __grid_constant__ Directions<CellBackward> directions) {
    const CellBackward& a = directions.of[blockIdx.y];
    BackwardRow<Cell, S> row(a);
    row.tell();  // before dstate, which may be what it is made of
    if (takes(a.lengths, blockIdx.x, a.t))
        Cell::backward(row);
    else
        row.idle();
}

template <class Arguments>
dim3 blocks_of_rows(const Directions<Arguments>& directions) {
    dim3 blocks = device::blocks_for(directions.of[0].batch, 1);
    blocks.y = static_cast<unsigned>(directions.count);
    return blocks;
}

template <class Cell, class S>
void launch_row_forward(const Directions<CellForward>& directions, cudaStream_t stream) {
    device::launch(
        {.kernel = "row_forward", .grid = blocks_of_rows(directions), .block = kCellRowThreads, .stream = stream},
        row_forward<Cell, S>, directions);
}
template <class Cell, class S>
void launch_row_backward(const Directions<CellBackward>& directions, cudaStream_t stream) {
    device::launch(
        {.kernel = "row_backward", .grid = blocks_of_rows(directions), .block = kCellRowThreads, .stream = stream},
        row_backward<Cell, S>, directions);
}

}  // namespace rondo::kernels
