#pragma once
// A time loop backward in one launch; grid: groups x ranks blocks, directions in y (persistent.hpp)
//   every step: dh = carry + dgates_h(later)·W_hh on tensor cores, W_hh on chip, + scale·dy + dstep;
//   dgates, dstate = Cell::backward(dh, saved, states); dgates_h goes to the blocks of the group
//   dgates_x, dgates_h [B,G,H]   state, next, dstate [B,H]   saved [B,R,H]; idle rows as in pointwise/backward.cuh
//   gradients of states never leave their block
//   traffic: (R + G + 2 + dy)·S + 2·(states - 1)·C bytes an element, and dgates_h within the group; deterministic as
//   forward.cuh
#include "device/launch.hpp"
#include "persistent/block.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

template <class Cell, class S>
class BackwardBlock : LoopBlock<LoopBackward, S, loop_unit_slabs(Cell::kGates, true),
                                loop_unit_slabs(Cell::kGates, true), Cell::kGates> {
    static constexpr int kGates = Cell::kGates, kUnits = loop_unit_slabs(kGates, true);
    using Base = LoopBlock<LoopBackward, S, kUnits, kUnits, kGates>;
    using Base::a, Base::geometry, Base::H, Base::steps, Base::first_row, Base::first_unit, Base::lane, Base::operand;
    using typename Base::Element;

public:
    RONDO_DEVICE BackwardBlock(const LoopBackward& arguments, const Geometry& layout, unsigned char* shared_memory)
        : Base(arguments, layout, shared_memory) {}

    RONDO_DEVICE void run() {
        this->load_weights([&](int slab, int row, int column) {
            const int unit = first_unit + this->slab(slab) + row;
            const int gate = column / geometry.span(), from = column % geometry.span();
            if (unit >= H || gate >= kGates || from >= H) return S(0.0f);
            return static_cast<const S*>(a.w)[(gate * H + from) * H + unit];
        });
        this->carry(Cell::kStates, [&](int s, int index) {
            return a.carry[s] == nullptr          ? 0.0f
                   : s == 0 && a.carry_in_storage ? to_compute(static_cast<const S*>(a.carry[0])[index])
                                                  : static_cast<const float*>(a.carry[s])[index];
        });
        this->send_first([&](int gate, int row, int own) {
            const int unit = first_unit + own;
            if (a.later_dgates == nullptr || unit >= H) return S(0.0f);
            return static_cast<const S*>(a.later_dgates)[((first_row + row) * kGates + gate) * H + unit];
        });

        int parity = 0;  // of the pass
        const int passes = this->passes();
        for (int step = 0; step < steps; ++step) {
            for (int pass = 0; pass < passes; ++pass, parity ^= 1) {
                Inputs in[kUnits][2];
                read(in, step, pass);
                if (pass == 0) operand.await(step);
                float sums[kUnits][2];
                this->multiply(sums, step, pass, parity, [&](int q) { return this->makes(pass, q); });
#pragma unroll
                for (int q = 0; q < kUnits; ++q) {
                    if (!this->makes(pass, q)) continue;
#pragma unroll
                    for (int c = 0; c < 2; ++c) make(step, pass, q, c, in[q][c], sums[q][c]);
                    if (step + 1 < steps) this->send(step + 1, pass, q);
                }
            }
            if (step + 1 < steps) operand.announce();
        }
        operand.end();
    }

private:
    /// What the cell is given besides its product, read while that is under way; in the types that memory has, which take
    /// fewer registers.
    struct Inputs {
        S h, next_h, dy;
        float state[Cell::kStates], next[Cell::kStates];  // from [1]
        S saved[rondo::detail::at_least_one(Cell::kSaved)];
    };
    RONDO_DEVICE void read(Inputs (&in)[kUnits][2], int step, int pass) const {
#pragma unroll
        for (int q = 0; q < kUnits; ++q)
#pragma unroll
            for (int c = 0; c < 2; ++c) {
                const Element at = this->element(pass, q, c);
                if (!this->makes(pass, q) || !at.exists) continue;
                Inputs& e = in[q][c];
                e.h = of_step<S>(a.state[0], step, a.state_step)[at.index];
                e.next_h = of_step<S>(a.next[0], step, a.state_step)[at.index];
#pragma unroll
                for (int s = 1; s < Cell::kStates; ++s) {
                    e.state[s] = of_step<float>(a.state[s], step, a.state_step)[at.index];
                    e.next[s] = of_step<float>(a.next[s], step, a.state_step)[at.index];
                }
                if constexpr (Cell::kSaved > 0) {
                    const S* const saved =
                        of_step<S>(a.saved, step, a.saved_step) + at.batch_row * Cell::kSaved * H + at.unit;
#pragma unroll
                    for (int r = 0; r < Cell::kSaved; ++r) e.saved[r] = saved[r * H];
                }
                if (a.dy != nullptr)
                    e.dy = of_step<S>(a.dy, step, a.dy_step)[at.batch_row * static_cast<int>(a.dy_stride) + at.unit];
            }
    }

    RONDO_DEVICE void make(int step, int pass, int q, int c, const Inputs& in, float sum) {
        const Element at = this->element(pass, q, c);
        const auto sent = [&](int gate) -> S& { return this->sent(gate, 2 * (lane % 4) + c, lane / 4); };
#pragma unroll
        for (int gate = 0; gate < kGates; ++gate) sent(gate) = S(0.0f);
        if (!at.exists) return;
        const auto carry = [&](int s) -> float& { return this->carried(s, at.row, at.own); };
        const std::int64_t t = a.t + step * a.t_step;
        float dh = carry(0);
        if ((step > 0 || a.later_dgates != nullptr) && takes(a.lengths, at.batch_row, t - a.t_step)) {
            dh += sum;
            if (a.gradient_clip > 0) dh = math::clamp(dh, static_cast<float>(a.gradient_clip));
        }
        const bool active = takes(a.lengths, at.batch_row, t);
        BackwardElement<Cell, float> e;
        if (active) {
            if (a.dy != nullptr) dh += to_compute(in.dy) * static_cast<float>(a.dy_scale);
            if (a.dstep[0] != nullptr) dh += to_compute(of_step<S>(a.dstep[0], step, a.state_step)[at.index]);
            if (a.dh_told != nullptr) of_step<float>(a.dh_told, step, a.state_step)[at.index] = dh;
            e.clip = a.clip > 0 ? static_cast<float>(a.clip) : HUGE_VALF;
            e.state[0] = to_compute(in.h);
            e.next[0] = to_compute(in.next_h);
            e.dnext[0] = dh;
#pragma unroll
            for (int s = 1; s < Cell::kStates; ++s) {
                e.state[s] = in.state[s];
                e.next[s] = in.next[s];
                e.dnext[s] = carry(s);
                if (a.dstep[s] != nullptr) e.dnext[s] += of_step<float>(a.dstep[s], step, a.state_step)[at.index];
            }
#pragma unroll
            for (int r = 0; r < Cell::kSaved; ++r) e.saved[r] = to_compute(in.saved[r]);
            Cell::template backward<0>(e);
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s) carry(s) = e.dstate[s];
        } else {
            carry(0) = dh;
        }
        const int to = at.batch_row * kGates * H + at.unit;
#pragma unroll
        for (int gate = 0; gate < kGates; ++gate) {
            const S dgate_x = active ? to_storage<S>(e.dgates_x[gate]) : S(0.0f);
            of_step<S>(a.dgates_x, step, a.dgates_step)[to + gate * H] = dgate_x;
            S dgate_h = dgate_x;
            if constexpr (!Cell::kSharedGateGradients) {
                dgate_h = active ? to_storage<S>(e.dgates_h[gate]) : S(0.0f);
                of_step<S>(a.dgates_h, step, a.dgates_step)[to + gate * H] = dgate_h;
            }
            sent(gate) = dgate_h;
        }
        if (step + 1 < steps) return;
#pragma unroll
        for (int s = 0; s < Cell::kStates; ++s) static_cast<float*>(a.dstate[s])[at.index] = carry(s);
    }
};

template <class Cell, class S>
__global__ void __launch_bounds__(kLoopWarps * 32, 1)
    loop_backward(const __grid_constant__ Directions<LoopBackward> directions,
                  const __grid_constant__ Geometry geometry) {
    RONDO_DYNAMIC_SHARED(unsigned char, shared);
    BackwardBlock<Cell, S>(directions.of[blockIdx.y], geometry, shared).run();
}

}  // namespace rondo::kernels
