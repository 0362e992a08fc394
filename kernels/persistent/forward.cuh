#pragma once
// A time loop forward in one launch; grid: groups x ranks blocks, directions in y (persistent.hpp)
//   every step: gates_h = h·W_hhᵀ on tensor cores, W_hh on chip; next, saved = Cell::forward(gates_x, gates_h + bias_h,
//   state); y = scale·h'; h' goes to the blocks of the group
//   gates_x [B,G,H]   state, next [B,H]   saved [B,R,H]   y [B,..]; idle rows as in pointwise/forward.cuh
//   states never leave their block, but for h; sums of gates go through shared memory where warps share out K
//   traffic: G·C + (R + 1 + y)·S + (states - 1)·C bytes an element, and h within the group; deterministic: sums are in
//   one order, which has nothing to do with other rows
#include "device/async_copy.cuh"
#include "device/launch.hpp"
#include "persistent/block.cuh"
#include "pointwise/output.cuh"

namespace rondo::kernels {

/// Of a pass and a slab of units, lane 4g + t makes unit g of rows 2t and 2t+1, in the warp whose turn it is.
template <class Cell, class S>
class ForwardBlock : LoopBlock<LoopForward, S, loop_unit_slabs(Cell::kGates) * Cell::kGates> {
    static constexpr int kGates = Cell::kGates, kUnits = loop_unit_slabs(kGates), kSlabs = kUnits * kGates;
    using Base = LoopBlock<LoopForward, S, kSlabs>;
    using Base::a, Base::geometry, Base::shared, Base::H, Base::steps, Base::first_row, Base::rows, Base::first_unit;
    using Base::warp, Base::lane, Base::split, Base::strip_warp, Base::inbox, Base::weights;
    using typename Base::Element;

public:
    RONDO_DEVICE ForwardBlock(const LoopForward& arguments, const Geometry& layout, unsigned char* shared_memory)
        : Base(arguments, layout, shared_memory) {}

    RONDO_DEVICE void run() {
        inbox.open(rows * geometry.span() * static_cast<int>(sizeof(S)));
        load();
        this->take_lengths();
        for (int i = static_cast<int>(threadIdx.x); i < kGates * geometry.units; i += static_cast<int>(blockDim.x)) {
            const int unit = first_unit + i % geometry.units;
            const bool exists = a.bias_h != nullptr && unit < H;
            bias(i) = exists ? static_cast<const float*>(a.bias_h)[i / geometry.units * H + unit] : 0.0f;
        }
        this->carry(Cell::kStates, [&](int s, int index) {
            return s == 0 ? to_compute(static_cast<const S*>(a.state[0])[index])
                          : static_cast<const float*>(a.state[s])[index];
        });
        send_first();

        int turn = 0, parity = 0;  // of the pass
        unsigned next = take_turns(turn);
        fetch(0, 0, next, 0);
        device::copy_async_commit();
        const int passes = this->passes();
        for (int step = 0; step < steps; ++step) {
            for (int pass = 0; pass < passes; ++pass, parity ^= 1) {
                const unsigned mine = next;
                const bool ends = pass + 1 == passes, last = ends && step + 1 == steps;
                if (ends) turn = 0;
                next = take_turns(turn);
                if (!last) fetch(ends ? step + 1 : step, ends ? 0 : pass + 1, next, parity ^ 1);
                device::copy_async_commit();
                if (pass == 0) inbox.await(step);
                float sums[kSlabs][2];
                multiply(sums, step, pass, mine, parity);
                device::copy_async_wait<1>();
                Made made[kUnits][2];
#pragma unroll
                for (int q = 0; q < kUnits; ++q) make(made[q], rows_of(mine, q), step, pass, q, parity, sums);
                if (step + 1 < steps) send(step + 1, pass, mine);
                if (ends && !last) inbox.announce();
                write(step, pass, mine, made);  // others wait for h; for this nobody does
            }
        }
        inbox.end();
    }

private:
    /// The first unit of the warp's q-th slab of units in its block.
    RONDO_DEVICE int slab(int q) const { return (strip_warp * kUnits + q) * kSlab; }
    /// What the warp makes of a pass, two bits for each slab of units, of the first and the second of a thread's two rows.
    /// Warps that share out K take turns over all passes one after the other: at both rows of a slab, which go faster side
    /// by side, or, where there are warps enough, at one. turn: whose the pass's first one is; in the end, the next pass's.
    RONDO_DEVICE unsigned take_turns(int& turn) const {
        const bool apart = geometry.makes_rows_apart();
        unsigned mine = 0;
#pragma unroll
        for (int n = 0; n < 2 * kUnits; ++n) {
            mine |= (turn == split ? 1u : 0u) << n;
            if (apart || n % 2 == 1) turn = turn + 1 == geometry.splits ? 0 : turn + 1;
        }
        return mine;
    }
    RONDO_DEVICE static unsigned rows_of(unsigned mine, int q) { return mine >> (2 * q) & 3; }
    RONDO_DEVICE static bool takes_turn(unsigned mine, int q, int c) { return (mine >> (2 * q + c) & 1) != 0; }
    /// The one that this thread makes in row c of its two.
    RONDO_DEVICE Element element(int pass, int q, int c) const {
        return Base::element(pass * kSlab + 2 * (lane % 4) + c, slab(q) + lane / 4);
    }

    /// A strip: of each slab of units all gates.
    RONDO_DEVICE void load() {
        constexpr int kElements = kLaneElements<S>;
        const S* const w = static_cast<const S*>(a.w);
        const bool aligned = H % kElements == 0 && device::is_aligned<kElements>(w);
        this->load_weights(this->tiles(), [&](Words(&words)[kSlabs], int tile) {
            const int column = this->column(tile);
#pragma unroll
            for (int i = 0; i < kSlabs; ++i) {
                const int unit = first_unit + slab(i / kGates) + lane / 4;
                const S* const from = w + (i % kGates * H + unit) * H + column;
                device::Vector<S, kElements> elements;
                if (aligned && unit < H && column < H) {
                    elements = device::load_vector<kElements>(from);
                } else {
#pragma unroll
                    for (int e = 0; e < kElements; ++e) elements[e] = unit < H && column + e < H ? from[e] : S(0.0f);
                }
                words[i] = device::bit_cast<Words>(elements);
            }
        });
    }
    /// sums = W_hh·hᵀ of a pass, whole where this warp makes something of them.
    RONDO_DEVICE void multiply(float (&sums)[kSlabs][2], int step, int pass, unsigned mine, int parity) const {
        const S* h = reinterpret_cast<const S*>(inbox.box(step)) + (pass * kSlab + lane / 4) * geometry.pitch +
                     split * geometry.tiles * kTileElements<S>;
        float d[kSlabs / 2][4] = {};
        __syncwarp();  // lanes may have parted where some have no element; a tensor core wants all
        weights.for_each([&](const Words(&w)[kSlabs]) {
            const Words words = lane_words(h);
            h += kTileElements<S>;
#pragma unroll
            for (int j = 0; j < 2; ++j)
#pragma unroll
                for (int m = 0; m < kSlabs / 2; ++m)
                    multiply_part<S>(d[m], w[2 * m], w[2 * m + 1], words, j, geometry.threefold);
        });
#pragma unroll
        for (int i = 0; i < kSlabs; ++i)
#pragma unroll
            for (int c = 0; c < 2; ++c) sums[i][c] = d[i / 2][i % 2 * 2 + c];
        if (geometry.splits == 1) return;
        const int place = geometry.splits * geometry.strip_warps * kSlabs * 64;
        add_splits(sums, reinterpret_cast<float*>(shared + geometry.partial) + parity * place, geometry, split,
                   strip_warp, [&](int i) { return rows_of(mine, i / kGates) != 0; });
    }

    /// Where a warp gathers what it sends of its q-th slab of units: [8 rows][8 units].
    RONDO_DEVICE S* stage(int q) const {
        return reinterpret_cast<S*>(shared + geometry.stage) + (warp * kUnits + q) * (kSlab * kSlab);
    }
    /// Sends all that the warp makes of a pass, as a part of operand i. The whole warp calls it.
    RONDO_DEVICE void send(int i, int pass, unsigned mine) const {
        constexpr int kElements = kLaneElements<S>, kPieces = kSlab / kElements;
        const int copies = geometry.exchange == Exchange::cluster ? geometry.ranks : 1;
        __syncwarp();
#pragma unroll
        for (int q = 0; q < kUnits; ++q)
            for (int n = lane; n < copies * kSlab * kPieces && rows_of(mine, q) != 0; n += 32) {
                const int from = n % (kSlab * kPieces), part = from % kPieces * kElements,
                          row = pass * kSlab + from / kPieces;
                if (row < rows && takes_turn(mine, q, row % 2))
                    inbox.put(
                        i, n / (kSlab * kPieces),
                        (row * geometry.pitch + first_unit + slab(q) + part) * static_cast<int>(sizeof(S)),
                        device::load_vector<4>(reinterpret_cast<const std::uint32_t*>(stage(q) + from * kElements)));
            }
        __syncwarp();
    }
    /// Operand 0: h before the first step.
    RONDO_DEVICE void send_first() const {
        for (int pass = 0, turn = 0; pass < this->passes(); ++pass) {
            for (int q = 0; q < kUnits; ++q)
                for (int i = lane; i < kSlab * kSlab; i += 32) {
                    const int row = pass * kSlab + i / kSlab;
                    stage(q)[i] = row < rows ? to_storage<S>(this->carried(0, row, slab(q) + i % kSlab)) : S(0.0f);
                }
            send(0, pass, take_turns(turn));
        }
        inbox.announce();
    }

    RONDO_DEVICE float& bias(int i) const { return reinterpret_cast<float*>(shared + geometry.biases)[i]; }
    /// gates_x on their way while products are made: of two passes, every thread its own.
    RONDO_DEVICE float* inputs(int place) const {
        return reinterpret_cast<float*>(shared + geometry.inputs) +
               (place * (geometry.threads() / 32) + warp) * (kSlabs * 2 * 32) + lane;
    }
    RONDO_DEVICE static int input(int q, int c, int gate) { return ((q * 2 + c) * kGates + gate) * 32; }
    RONDO_DEVICE void fetch(int step, int pass, unsigned mine, int place) const {
        const Element first = element(pass, 0, 0);
        const float* const gates_x =
            of_step<float>(a.gates_x, step, a.gates_x_step) + first.batch_row * kGates * H + first.unit;
        float* const to = inputs(place);
#pragma unroll
        for (int c = 0; c < 2; ++c)
#pragma unroll
            for (int gate = 0; gate < kGates; ++gate) {
                const float* const from = gates_x + (c * kGates + gate) * H;
#pragma unroll
                for (int q = 0; q < kUnits; ++q)
                    if (takes_turn(mine, q, c) && first.row + c < rows && first.unit + q * kSlab < H)
                        device::copy_async_word(to + input(q, c, gate), from + q * kSlab);
            }
    }

    /// Of an element, what is written of a step besides the states that are carried.
    struct Made {
        bool active;
        S saved[rondo::detail::at_least_one(Cell::kSaved)];
    };
    /// A step of the q-th slab's elements, in the rows that the warp has.
    RONDO_DEVICE void make(Made (&made)[2], unsigned which, int step, int pass, int q, int place,
                           const float (&sums)[kSlabs][2]) const {
        if (which == 3) return make<0, 2>(made, step, pass, q, place, sums);
        if (which == 1) make<0, 1>(made, step, pass, q, place, sums);
        if (which == 2) make<1, 2>(made, step, pass, q, place, sums);
    }
    /// States, and h to the stage. Both elements go through the cell's map side by side, as does what does not exist or take
    /// the step: a branch would let one wait for the other.
    template <int kBegin, int kEnd>
    RONDO_DEVICE void make(Made (&made)[2], int step, int pass, int q, int place,
                           const float (&sums)[kSlabs][2]) const {
        ForwardElement<Cell, float> elements[2];
        const float* const from = inputs(place);
#pragma unroll
        for (int c = kBegin; c < kEnd; ++c) {
            const Element at = element(pass, q, c);
            made[c].active = at.exists && this->takes(at.row, step);
            ForwardElement<Cell, float>& e = elements[c];
            e.clip = a.clip;
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s) e.state[s] = this->carried(s, at.row, at.own);
#pragma unroll
            for (int gate = 0; gate < kGates; ++gate) {
                e.gates_x[gate] = from[input(q, c, gate)];
                e.gates_h[gate] = sums[q * kGates + gate][c] + bias(gate * geometry.units + at.own);
            }
        }
#pragma unroll
        for (int c = kBegin; c < kEnd; ++c) {
            ForwardElement<Cell, float>& e = elements[c];
            Cell::template forward<0>(e);
            e.next[0] = rounded<S>(e.next[0]);
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s) e.next[s] = made[c].active ? e.next[s] : e.state[s];
#pragma unroll
            for (int r = 0; r < Cell::kSaved; ++r) made[c].saved[r] = to_storage<S>(made[c].active ? e.saved[r] : 0.0f);
        }
#pragma unroll
        for (int c = kBegin; c < kEnd; ++c) {
            const Element at = element(pass, q, c);
            const ForwardElement<Cell, float>& e = elements[c];
            stage(q)[(2 * (lane % 4) + c) * kSlab + lane / 4] = to_storage<S>(at.exists ? e.next[0] : 0.0f);
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s)
                if (made[c].active) this->carried(s, at.row, at.own) = e.next[s];
        }
    }
    /// What make() has left of a pass, to memory: y, saved, and the states that are wanted.
    RONDO_DEVICE void write(int step, int pass, unsigned mine, const Made (&made)[kUnits][2]) const {
        const Output<S> y{a.y == nullptr ? nullptr : of_step<S>(a.y, step, a.y_step), a.y_stride, a.y_scale, a.y_add};
#pragma unroll
        for (int c = 0; c < 2; ++c) {
            const Element first = element(pass, 0, c);
            S* const saved = a.saved == nullptr ? nullptr
                                                : of_step<S>(a.saved, step, a.saved_step) +
                                                      first.batch_row * Cell::kSaved * H + first.unit;
#pragma unroll
            for (int q = 0; q < kUnits; ++q) {
                if (!takes_turn(mine, q, c) || first.row >= rows || first.unit + q * kSlab >= H) continue;
                const float h[1] = {this->carried(0, first.row, first.own + q * kSlab)};
                if (made[q][c].active)
                    y.put(h, first.batch_row, first.unit + q * kSlab);
                else
                    y.template put_idle<1>(first.batch_row, first.unit + q * kSlab);
                if (saved != nullptr) {
#pragma unroll
                    for (int r = 0; r < Cell::kSaved; ++r) (saved + r * H)[q * kSlab] = made[q][c].saved[r];
                }
#pragma unroll
                for (int s = 0; s < Cell::kStates; ++s) {
                    if (!a.every[s] && step + 1 < steps) continue;
                    const int slot = a.every[s] ? step : 0;
                    if (s == 0)
                        (of_step<S>(a.next[0], slot, a.next_step) + first.index)[q * kSlab] = to_storage<S>(h[0]);
                    else
                        (of_step<float>(a.next[s], slot, a.next_step) + first.index)[q * kSlab] =
                            this->carried(s, first.row, first.own + q * kSlab);
                }
            }
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
