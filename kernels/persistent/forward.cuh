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
    using Base::passes, Base::waves;
    using Base::warp, Base::lane, Base::split, Base::strip_warp, Base::inbox, Base::board, Base::weights;
    using typename Base::Element;

public:
    RONDO_DEVICE ForwardBlock(const LoopForward& arguments, const Geometry& layout, unsigned char* shared_memory)
        : Base(arguments, layout, shared_memory) {}

    RONDO_DEVICE void run() {
        if (this->is_grid())
            board.open(rows);
        else
            inbox.open(geometry.ranks * geometry.units * static_cast<int>(sizeof(S)), rows);
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
        for (int step = 0; step < steps; ++step) {
            for (int wave = 0; wave < waves; ++wave) {
                const S* h = nullptr;
                for (int pass = wave * geometry.wave; pass < this->end_of(wave); ++pass, parity ^= 1) {
                    const unsigned mine = next;
                    const bool ends = pass + 1 == passes, last = ends && step + 1 == steps;
                    const bool ends_wave = pass + 1 == this->end_of(wave);
                    if (ends) turn = 0;
                    next = take_turns(turn);
                    if (!last) fetch(ends ? step + 1 : step, ends ? 0 : pass + 1, next, parity ^ 1);
                    device::copy_async_commit();
                    if (pass == wave * geometry.wave) h = await(step, wave);
                    float sums[kSlabs][2];
                    multiply(sums, h + pass * kSlab * geometry.pitch, mine, parity);
                    // Other waves were announced long ago; one that is alone is announced below.
                    if (ends_wave && !last && waves > 1) gather(ends ? step + 1 : step, ends ? 0 : wave + 1);
                    device::copy_async_wait<1>();
                    Made made[kUnits][2];
#pragma unroll
                    for (int q = 0; q < kUnits; ++q) make(made[q], rows_of(mine, q), step, pass, q, parity, sums);
                    if (step + 1 < steps) {
                        send(step + 1, wave, pass, mine);
                        if (ends_wave) announce(step + 1, wave);
                        if (ends_wave && waves == 1) gather(step + 1, 0);
                    }
                    write(step, pass, mine, made);  // others wait for h; for this nobody does
                }
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
        const bool apart = geometry.rows_apart;
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
    /// Waits for a wave's h before a step, [rows][pitch], and returns where all rows begin.
    RONDO_DEVICE const S* await(int step, int wave) {
        if (this->is_grid()) {
            const int landed = board.await(step, wave) - wave;
            return reinterpret_cast<const S*>(shared + geometry.operand) +
                   landed * geometry.wave * kSlab * geometry.pitch;
        }
        inbox.await(step, wave);
        return reinterpret_cast<const S*>(inbox.box(step));
    }
    RONDO_DEVICE void announce(int step, int wave) {
        if (this->is_grid()) board.announce(step, wave);
    }
    /// Grid: after a wave's products. All threads call it.
    RONDO_DEVICE void gather(int step, int wave) {
        if (!this->is_grid()) return;
        if (geometry.splits == 1 && waves > 1) __syncthreads();  // or add_splits() had its barrier
        board.fetch(step, wave);
    }
    /// sums = W_hh·hᵀ of a pass, whole where this warp makes something of them; h: the pass's first row.
    RONDO_DEVICE void multiply(float (&sums)[kSlabs][2], const S* h, unsigned mine, int parity) const {
        h += lane / 4 * geometry.pitch + split * geometry.tiles * kTileElements<S>;
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
    RONDO_DEVICE void send(int i, int wave, int pass, unsigned mine) const {
        constexpr int kElements = kLaneElements<S>, kPieces = kSlab / kElements;
        const int copies = geometry.cluster;
        __syncwarp();
#pragma unroll
        for (int q = 0; q < kUnits; ++q)
            for (int n = lane; n < copies * kSlab * kPieces && rows_of(mine, q) != 0; n += 32) {
                const int from = n % (kSlab * kPieces), part = from % kPieces * kElements,
                          row = pass * kSlab + from / kPieces;
                if (row >= rows || !takes_turn(mine, q, row % 2)) continue;
                const auto* const words = reinterpret_cast<const std::uint32_t*>(stage(q) + from * kElements);
                const int to = (row * geometry.pitch + first_unit + slab(q) + part) * static_cast<int>(sizeof(S));
                if (this->is_grid())
                    device::store_vector(reinterpret_cast<std::uint32_t*>(board.operand(i) + to),
                                         device::load_vector<4>(words));
                else
                    inbox.put(i, wave, n / (kSlab * kPieces), to, device::load_vector<4>(words));
            }
        __syncwarp();
    }
    /// Operand 0: h before the first step.
    RONDO_DEVICE void send_first() {
        int turn = 0;
        for (int wave = 0, pass = 0; wave < waves; ++wave) {
            for (; pass < this->end_of(wave); ++pass) {
                for (int q = 0; q < kUnits; ++q)
                    for (int i = lane; i < kSlab * kSlab; i += 32) {
                        const int row = pass * kSlab + i / kSlab;
                        stage(q)[i] = row < rows ? to_storage<S>(this->carried(0, row, slab(q) + i % kSlab)) : S(0.0f);
                    }
                send(0, wave, pass, take_turns(turn));
            }
            announce(0, wave);
        }
        if (this->is_grid()) board.fetch(0, 0);
    }

    RONDO_DEVICE float& bias(int i) const { return reinterpret_cast<float*>(shared + geometry.biases)[i]; }
    /// gates_x on their way while products are made: of two passes, every thread its own, of all elements that it may
    /// make of a pass.
    RONDO_DEVICE float* inputs(int place) const {
        const int floats = geometry.rows_apart ? kGates : kSlabs * 2;
        return reinterpret_cast<float*>(shared + geometry.inputs) +
               (place * (geometry.threads() / 32) + warp) * (floats * 32) + lane;
    }
    RONDO_DEVICE int input(int q, int c, int gate) const {
        return ((geometry.rows_apart ? 0 : q * 2 + c) * kGates + gate) * 32;
    }
    RONDO_DEVICE void fetch(int step, int pass, unsigned mine, int place) const {
        const Element first = element(pass, 0, 0);
        const float* const gates_x = static_cast<const float*>(a.gates_x) + this->begin_of(step) * kGates +
                                     first.batch_row * kGates * H + first.unit;
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
        const Output<S> y{a.y == nullptr ? nullptr : static_cast<S*>(a.y) + step * a.y_step, a.y_stride, a.y_scale,
                          a.y_add};
#pragma unroll
        for (int c = 0; c < 2; ++c) {
            const Element first = element(pass, 0, c);
            S* const saved = a.saved == nullptr ? nullptr
                                                : static_cast<S*>(a.saved) + this->begin_of(step) * Cell::kSaved +
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
                    const std::int64_t begin = a.every[s] ? this->begin_of(step) : 0;
                    if (s == 0)
                        (static_cast<S*>(a.next[0]) + begin + first.index)[q * kSlab] = to_storage<S>(h[0]);
                    else
                        (static_cast<float*>(a.next[s]) + begin + first.index)[q * kSlab] =
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
