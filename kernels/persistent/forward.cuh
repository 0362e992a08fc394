#pragma once
// A time loop forward in one launch; grid: groups x ranks blocks, directions in y (persistent.hpp)
//   every step: gates_h = h·W_hhᵀ on tensor cores, W_hh on chip; next, saved = Cell::forward(gates_x, gates_h + bias_h,
//   state); y = scale·h'; h' goes to the blocks of the group
//   gates_x [B,G,H]   state, next [B,H]   saved [B,R,H]   y [B,..]; idle rows as in pointwise/forward.cuh
//   gates never leave their thread, nor states their block, but for h
//   traffic: G·C + (R + 2 + y)·S + (states - 1)·C bytes an element, and h within the group; deterministic: sums are in one
//   order, which has nothing to do with other rows
#include "device/async_copy.cuh"
#include "device/launch.hpp"
#include "persistent/block.cuh"
#include "pointwise/output.cuh"

namespace rondo::kernels {

template <class Cell, class S>
class ForwardBlock : LoopBlock<LoopForward, S, loop_unit_slabs(Cell::kGates, false),
                               loop_unit_slabs(Cell::kGates, false) * Cell::kGates, 1> {
    static constexpr int kGates = Cell::kGates, kUnits = loop_unit_slabs(kGates, false), kSlabs = kUnits * kGates;
    using Base = LoopBlock<LoopForward, S, kUnits, kSlabs, 1>;
    using Base::a, Base::geometry, Base::shared, Base::H, Base::steps, Base::first_unit, Base::lane, Base::operand;
    using typename Base::Element;

public:
    RONDO_DEVICE ForwardBlock(const LoopForward& arguments, const Geometry& layout, unsigned char* shared_memory)
        : Base(arguments, layout, shared_memory) {}

    RONDO_DEVICE void run() {
        this->load_weights([&](int slab, int row, int column) {
            const int unit = first_unit + this->slab(slab / kGates) + row;
            if (unit >= H || column >= H) return S(0.0f);
            return static_cast<const S*>(a.w)[(slab % kGates * H + unit) * H + column];
        });
        for (int i = static_cast<int>(threadIdx.x); i < kGates * geometry.units; i += static_cast<int>(blockDim.x)) {
            const int unit = first_unit + i % geometry.units;
            const bool exists = a.bias_h != nullptr && unit < H;
            bias(i) = exists ? static_cast<const float*>(a.bias_h)[i / geometry.units * H + unit] : 0.0f;
        }
        this->carry(Cell::kStates, [&](int s, int index) {
            return s == 0 ? to_compute(static_cast<const S*>(a.state[0])[index])
                          : static_cast<const float*>(a.state[s])[index];
        });
        this->send_first([&](int, int row, int own) { return to_storage<S>(this->carried(0, row, own)); });

        fetch(0, 0, 0);
        device::copy_async_commit();
        int parity = 0;  // of the pass
        const int passes = this->passes();
        for (int step = 0; step < steps; ++step) {
            for (int pass = 0; pass < passes; ++pass, parity ^= 1) {
                const bool ends = pass + 1 == passes;
                if (!ends || step + 1 < steps) fetch(ends ? step + 1 : step, ends ? 0 : pass + 1, parity ^ 1);
                device::copy_async_commit();
                if (pass == 0) operand.await(step);
                float sums[kSlabs][2];
                this->multiply(sums, step, pass, parity, [&](int slab) { return this->makes(pass, slab / kGates); });
                device::copy_async_wait<1>();
#pragma unroll
                for (int q = 0; q < kUnits; ++q) {
                    if (!this->makes(pass, q)) continue;
#pragma unroll
                    for (int c = 0; c < 2; ++c) make(step, pass, q, c, parity, sums);
                    if (step + 1 < steps) this->send(step + 1, pass, q);
                }
            }
            if (step + 1 < steps) operand.announce();
        }
        operand.end();
    }

private:
    RONDO_DEVICE float& bias(int i) const { return reinterpret_cast<float*>(shared + geometry.biases)[i]; }
    /// gates_x on their way while products are made: of two passes, every thread its own.
    RONDO_DEVICE float& input(int place, int q, int c, int gate) const {
        return reinterpret_cast<float*>(
            shared + geometry.inputs)[static_cast<unsigned>((((place * kUnits + q) * 2 + c) * kGates + gate) *
                                                            geometry.threads()) +
                                      threadIdx.x];
    }
    RONDO_DEVICE void fetch(int step, int pass, int place) const {
#pragma unroll
        for (int q = 0; q < kUnits; ++q)
#pragma unroll
            for (int c = 0; c < 2; ++c) {
                const Element e = this->element(pass, q, c);
                if (!this->makes(pass, q) || !e.exists) continue;
                const float* const gates_x =
                    of_step<float>(a.gates_x, step, a.gates_x_step) + e.batch_row * kGates * H + e.unit;
#pragma unroll
                for (int gate = 0; gate < kGates; ++gate)
                    device::copy_async_word(&input(place, q, c, gate), gates_x + gate * H);
            }
    }

    RONDO_DEVICE void make(int step, int pass, int q, int c, int place, const float (&sums)[kSlabs][2]) {
        const Element at = this->element(pass, q, c);
        S& sent = this->sent(0, 2 * (lane % 4) + c, lane / 4);
        sent = S(0.0f);
        if (!at.exists) return;
        const bool active = takes(a.lengths, at.batch_row, a.t + step * a.t_step);
        ForwardElement<Cell, float> e;
#pragma unroll
        for (int s = 0; s < Cell::kStates; ++s) e.next[s] = e.state[s] = this->carried(s, at.row, at.own);
        const Output<S> y{a.y == nullptr ? nullptr : of_step<S>(a.y, step, a.y_step), a.y_stride,
                          static_cast<float>(a.y_scale), a.y_add};
        if (active) {
            e.clip = a.clip > 0 ? static_cast<float>(a.clip) : HUGE_VALF;
#pragma unroll
            for (int gate = 0; gate < kGates; ++gate) {
                e.gates_x[gate] = input(place, q, c, gate);
                e.gates_h[gate] = sums[q * kGates + gate][c] + bias(gate * geometry.units + at.own);
            }
            Cell::template forward<0>(e);
            e.next[0] = rounded<S>(e.next[0]);
            const float h[1] = {e.next[0]};
            y.put(h, at.batch_row, at.unit);
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s) this->carried(s, at.row, at.own) = e.next[s];
        } else {
            y.template put_idle<1>(at.batch_row, at.unit);
        }
        if (a.saved != nullptr) {
            S* const saved = of_step<S>(a.saved, step, a.saved_step) + at.batch_row * Cell::kSaved * H + at.unit;
#pragma unroll
            for (int r = 0; r < Cell::kSaved; ++r) saved[r * H] = active ? to_storage<S>(e.saved[r]) : S(0.0f);
        }
        sent = to_storage<S>(e.next[0]);
#pragma unroll
        for (int s = 0; s < Cell::kStates; ++s) {
            if (!a.every[s] && step + 1 < steps) continue;
            const int slot = a.every[s] ? step : 0;
            if (s == 0)
                of_step<S>(a.next[0], slot, a.next_step)[at.index] = sent;
            else
                of_step<float>(a.next[s], slot, a.next_step)[at.index] = e.next[s];
        }
    }
};

template <class Cell, class S>
__global__ void __launch_bounds__(kLoopWarps * 32, 1)
    loop_forward(const __grid_constant__ Directions<LoopForward> directions,
                 const __grid_constant__ Geometry geometry) {
    RONDO_DYNAMIC_SHARED(unsigned char, shared);
    ForwardBlock<Cell, S>(directions.of[blockIdx.y], geometry, shared).run();
}

}  // namespace rondo::kernels
