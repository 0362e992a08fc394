#pragma once
// A time loop forward in one launch; grid: groups x ranks blocks, directions in y (persistent.hpp)
//   every step: gates_h = h·W_hhᵀ on tensor cores, W_hh on chip; next, saved = Cell::forward(gates_x, gates_h + bias_h,
//   state); y = scale·h'; h' goes to the blocks of the group
//   gates_x [B,G,H]   state, next [B,H]   saved [B,R,H]   y [B,..]; idle rows as in pointwise/forward.cuh
//   states never leave their block, but for h; sums of gates go through shared memory
//   traffic: G·C + (R + 1 + y)·S + (states - 1)·C bytes an element, and h within the group; deterministic: sums are in
//   one order, which has nothing to do with other rows
#include "device/async_copy.cuh"
#include "device/launch.hpp"
#include "persistent/block.cuh"
#include "pointwise/output.cuh"

namespace rondo::kernels {

/// An item is what a warp makes in one go: of a pass, a slab of units and both rows of two, or one, lane 4g + t makes
/// unit g of rows 2t and 2t + 1, or 2t + c, which is where a product of W_hh leaves its sums. Those go through shared
/// memory all the same: an item then finds its own, whichever it is, without a copy of the code for each.
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
            board.open(rows, waves);
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

        int parity = 0;  // of the round
        fetch(0, 0, 0);
        device::copy_async_commit();
        for (int step = 0; step < steps; ++step) {
            for (int wave = 0; wave < waves; ++wave) {
                const S* h = nullptr;
                for (int pass = wave * geometry.wave; pass < this->end_of(wave); pass += geometry.round, parity ^= 1) {
                    const int next = pass + geometry.round;
                    const bool ends_wave = next >= this->end_of(wave), ends = next >= passes;
                    const bool last = ends && step + 1 == steps;
                    if (!last) fetch(ends ? step + 1 : step, ends ? 0 : next, parity ^ 1);
                    device::copy_async_commit();
                    if (pass == wave * geometry.wave) h = await(step, wave);
                    for (int i = 0; i < geometry.round && pass + i < passes; ++i)
                        multiply(h + (pass + i) * kSlab * geometry.pitch, i, parity);
                    if (this->is_grid() && waves > 1) device::fence_before_bulk_copy();  // h was read
                    if (geometry.splits > 1) __syncthreads();  // or every thread reads its own sums
                    // Other waves were announced long ago; one that is alone is announced below.
                    if (ends_wave && !last && waves > 1) gather(ends ? step + 1 : step, ends ? 0 : wave + 1);
                    device::copy_async_wait<1>();
                    if (geometry.item_rows == 2)
                        make_items<2>(step, wave, pass, parity);
                    else
                        make_items<1>(step, wave, pass, parity);
                }
            }
        }
        inbox.end();
    }

private:
    /// The first unit of the warp's q-th slab of units in its block.
    RONDO_DEVICE int slab(int q) const { return (strip_warp * kUnits + q) * kSlab; }
    /// Of a pass and a strip: item q of its q-th slab of units, or 2q + c. A round's second pass goes on after the first.
    /// Warps that share out K make one after the other, each always the same; where there are more of them than
    /// items, the last ones none: so that a grid's courier has nothing else to do.
    RONDO_DEVICE int items() const { return 2 * kUnits / geometry.item_rows; }
    RONDO_DEVICE int items_from(int pass) const {
        return geometry.round > 1 && pass + 1 < passes ? 2 * items() : items();
    }
    template <int kRows>
    RONDO_DEVICE static int slab_of(int n) {
        return kRows == 2 ? n : n / 2;
    }
    /// Of a lane's two rows the item's first.
    template <int kRows>
    RONDO_DEVICE static int row_of(int n) {
        return kRows == 2 ? 0 : n % 2;
    }
    /// The i-th one that this thread makes of an item.
    template <int kRows>
    RONDO_DEVICE Element element(int pass, int n, int i) const {
        return Base::element(pass * kSlab + 2 * (lane % 4) + row_of<kRows>(n) + i, slab(slab_of<kRows>(n)) + lane / 4);
    }

    /// All that the warp makes of a round. What others wait for goes out before what nobody waits for, as far as registers
    /// go: the last item's.
    template <int kRows>
    RONDO_DEVICE void make_items(int step, int wave, int pass, int parity) {
        const bool ends_wave = pass + geometry.round >= this->end_of(wave), goes_on = step + 1 < steps;
        const int all = items_from(pass);
        const float* inputs = this->inputs(parity);
        Made made[kRows];
        int n = split;
        for (; n + geometry.splits < all; n += geometry.splits, inputs += kRows * kGates * 32) {
            const int second = n >= items() ? 1 : 0, item = n - second * items();
            make(made, step, pass + second, item, inputs, partial(second, parity, 0));
            if (goes_on) send<kRows>(step + 1, wave, pass + second, item);
            write(step, pass + second, item, made);
        }
        const bool makes = n < all;
        const int second = n >= items() ? 1 : 0, item = n - second * items();
        if (makes) make(made, step, pass + second, item, inputs, partial(second, parity, 0));
        if (makes && goes_on) send<kRows>(step + 1, wave, pass + second, item);
        if (ends_wave && goes_on) announce(step + 1, wave);
        if (ends_wave && goes_on && waves == 1) gather(step + 1, 0);
        if (makes) write(step, pass + second, item, made);
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
        if (geometry.splits == 1 && waves > 1) __syncthreads();  // or there was a barrier after the product
        board.fetch(step, wave);
    }
    /// The warp's share of W_hh·hᵀ of a round's i-th pass, into shared memory; h: the pass's first row. All threads call
    /// it.
    RONDO_DEVICE void multiply(const S* h, int i, int parity) const {
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
        if (geometry.round > 1 && i == 0 && geometry.splits > 1) __syncthreads();  // sums of the round before were read
        float* const to = partial(i, parity, split);
#pragma unroll
        for (int slab = 0; slab < kSlabs; ++slab)
#pragma unroll
            for (int c = 0; c < 2; ++c) to[(slab * 2 + c) * 32] = d[slab / 2][slab % 2 * 2 + c];
    }
    /// Shares of sums of a round's i-th pass: this lane's, of slab s of the strip and row c (s * 2 + c) * 32 further on.
    /// Rounds of one pass have in turn one of two places, for some warps may still read the other one.
    RONDO_DEVICE float* partial(int i, int parity, int of_split) const {
        const int warps = geometry.strip_warps * geometry.splits;
        const int place = geometry.round > 1 ? i : geometry.splits > 1 ? parity : 0;
        return reinterpret_cast<float*>(shared + geometry.partial) +
               (place * warps + of_split * geometry.strip_warps + strip_warp) * (kSlabs * 2 * 32) + lane;
    }

    /// Where a warp gathers what it sends of an item: [4·kRows rows][8 units].
    RONDO_DEVICE S* stage() const { return reinterpret_cast<S*>(shared + geometry.stage) + warp * (kSlab * kSlab); }
    template <int kRows>
    RONDO_DEVICE S& staged(int i) const {
        return stage()[(lane % 4 * kRows + i) * kSlab + lane / 4];
    }
    /// Sends item n of a pass, as a part of operand i. The whole warp calls it.
    template <int kRows>
    RONDO_DEVICE void send(int i, int wave, int pass, int n) const {
        constexpr int kElements = kLaneElements<S>, kPieces = kSlab / kElements, kAll = kSlab / 2 * kRows * kPieces;
        __syncwarp();
        for (int k = lane; k < geometry.cluster * kAll; k += 32) {
            const int from = k % kAll, row = pass * kSlab + from / kPieces * (2 / kRows) + row_of<kRows>(n);
            if (row >= rows) continue;
            const Words words =
                device::load_vector<4>(reinterpret_cast<const std::uint32_t*>(stage() + from * kElements));
            const int unit = first_unit + slab(slab_of<kRows>(n)) + from % kPieces * kElements;
            const int to = (row * geometry.pitch + unit) * static_cast<int>(sizeof(S));
            if (this->is_grid())
                device::store_vector(reinterpret_cast<std::uint32_t*>(board.operand(i) + to), words);
            else
                inbox.put(i, wave, k / kAll, to, words);
        }
        __syncwarp();
    }
    /// Operand 0: h before the first step.
    RONDO_DEVICE void send_first() {
        for (int wave = 0, pass = 0; wave < waves; ++wave) {
            for (; pass < this->end_of(wave); ++pass)
                for (int n = split; n < 2 * kUnits; n += geometry.splits) {
                    const Element at = element<1>(pass, n, 0);
                    staged<1>(0) = to_storage<S>(at.exists ? this->carried(0, at.row, at.own) : 0.0f);
                    send<1>(0, wave, pass, n);
                }
            announce(0, wave);
        }
        if (this->is_grid()) board.fetch(0, 0);
    }

    RONDO_DEVICE float& bias(int i) const { return reinterpret_cast<float*>(shared + geometry.biases)[i]; }
    /// gates_x on their way while products are made: of two rounds, every thread its own, of each of its items.
    RONDO_DEVICE float* inputs(int place) const {
        return reinterpret_cast<float*>(shared + geometry.inputs) +
               (place * (geometry.threads() / 32) + warp) * (geometry.items * geometry.item_rows * kGates * 32) + lane;
    }
    RONDO_DEVICE void fetch(int step, int pass, int place) const {
        if (geometry.item_rows == 2)
            fetch_items<2>(step, pass, inputs(place));
        else
            fetch_items<1>(step, pass, inputs(place));
    }
    template <int kRows>
    RONDO_DEVICE void fetch_items(int step, int pass, float* to) const {
        const float* const gates_x = static_cast<const float*>(a.gates_x) + this->begin_of(step) * kGates;
        const int all = items_from(pass);
        for (int n = split; n < all; n += geometry.splits, to += kRows * kGates * 32) {
            const int second = n >= items() ? 1 : 0;
            const Element at = element<kRows>(pass + second, n - second * items(), 0);
            if (at.unit >= H) continue;
            const float* const from = gates_x + (at.batch_row * kGates * H + at.unit);
#pragma unroll
            for (int i = 0; i < kRows; ++i)
#pragma unroll
                for (int gate = 0; gate < kGates; ++gate)
                    if (at.row + i < rows)
                        device::copy_async_word(to + (i * kGates + gate) * 32, from + (i * kGates + gate) * H);
        }
    }

    /// Of an element, what is written of a step besides the states that are carried.
    struct Made {
        bool active;
        S saved[rondo::detail::at_least_one(Cell::kSaved)];
    };
    /// A step of item n: states, and h to the stage. Two elements go through the cell's map side by side; what does not
    /// exist or take the step goes as well: a branch would let some lanes wait for others.
    template <int kRows>
    RONDO_DEVICE void make(Made (&made)[kRows], int step, int pass, int n, const float* inputs,
                           const float* shares_of_sums) const {
        ForwardElement<Cell, float> elements[kRows];
        float sums[kRows][kGates] = {};
        const float* from = shares_of_sums + (slab_of<kRows>(n) * kGates * 2 + row_of<kRows>(n)) * 32;
        constexpr int kTogether = 4 / kRows;  // loads under way of each sum
#pragma unroll 1
        for (int of_split = 0; of_split < geometry.splits; of_split += kTogether) {
            float shares[kTogether][kRows][kGates];
#pragma unroll
            for (int k = 0; k < kTogether; ++k, from += geometry.strip_warps * (kSlabs * 2 * 32))
#pragma unroll
                for (int i = 0; i < kRows; ++i)
#pragma unroll
                    for (int gate = 0; gate < kGates; ++gate)
                        shares[k][i][gate] = of_split + k < geometry.splits ? from[(gate * 2 + i) * 32] : 0.0f;
#pragma unroll
            for (int k = 0; k < kTogether; ++k)
#pragma unroll
                for (int i = 0; i < kRows; ++i)
#pragma unroll
                    for (int gate = 0; gate < kGates; ++gate) sums[i][gate] += shares[k][i][gate];
        }
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            const Element at = element<kRows>(pass, n, i);
            made[i].active = at.exists && this->takes(at.row, step);
            ForwardElement<Cell, float>& e = elements[i];
            e.clip = a.clip;
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s) e.state[s] = this->carried(s, at.row, at.own);
#pragma unroll
            for (int gate = 0; gate < kGates; ++gate) {
                e.gates_x[gate] = inputs[(i * kGates + gate) * 32];
                e.gates_h[gate] = sums[i][gate] + bias(gate * geometry.units + at.own);
            }
        }
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            ForwardElement<Cell, float>& e = elements[i];
            Cell::template forward<0>(e);
            e.next[0] = rounded<S>(e.next[0]);
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s) e.next[s] = made[i].active ? e.next[s] : e.state[s];
#pragma unroll
            for (int r = 0; r < Cell::kSaved; ++r) made[i].saved[r] = to_storage<S>(made[i].active ? e.saved[r] : 0.0f);
        }
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            const Element at = element<kRows>(pass, n, i);
            const ForwardElement<Cell, float>& e = elements[i];
            staged<kRows>(i) = to_storage<S>(at.exists ? e.next[0] : 0.0f);
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s)
                if (made[i].active) this->carried(s, at.row, at.own) = e.next[s];
        }
    }
    /// What make() has left of an item, to memory: y, saved, and the states that are wanted.
    template <int kRows>
    RONDO_DEVICE void write(int step, int pass, int n, const Made (&made)[kRows]) const {
        const std::int64_t begin = this->begin_of(step);
        const Output<S> y{a.y == nullptr ? nullptr : static_cast<S*>(a.y) + step * a.y_step, a.y_stride, a.y_scale,
                          a.y_add};
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            const Element at = element<kRows>(pass, n, i);
            if (!at.exists) continue;
            const float h[1] = {this->carried(0, at.row, at.own)};
            if (made[i].active)
                y.put(h, at.batch_row, at.unit);
            else
                y.template put_idle<1>(at.batch_row, at.unit);
            if (Cell::kSaved > 0 && a.saved != nullptr) {
                S* const saved =
                    static_cast<S*>(a.saved) + begin * Cell::kSaved + (at.batch_row * Cell::kSaved * H + at.unit);
#pragma unroll
                for (int r = 0; r < Cell::kSaved; ++r) saved[r * H] = made[i].saved[r];
            }
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s) {
                if (!a.every[s] && step + 1 < steps) continue;
                const std::int64_t to = (a.every[s] ? begin : 0) + at.index;
                if (s == 0)
                    static_cast<S*>(a.next[0])[to] = to_storage<S>(h[0]);
                else
                    static_cast<float*>(a.next[s])[to] = this->carried(s, at.row, at.own);
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
