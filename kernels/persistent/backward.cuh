#pragma once
// A time loop backward in one launch; grid: groups x ranks blocks, directions in y (persistent.hpp)
//   every step: dgates_h·W_hh on tensor cores, W_hh on chip: the sums that dh is made of go to the blocks that make it;
//   dh = carry + the sum of its slots + scale·dy + dstep; dgates, dstate = Cell::backward(dh, saved, states): the next
//   step's operand. A block multiplies dgates_h of its own units, in a grid of all that it gathers from
//   dgates_x, dgates_h [B,G,H]   state, next, dstate [B,H]   saved [B,R,H]; idle rows as in pointwise/backward.cuh
//   gradients of states never leave their block, those of gates only in a grid
//   traffic: (R + G + 2 + dy)·S + 2·(states - 1)·C bytes an element (G·S more of a cell with two kinds of dgates), and
//   what travels within the group; deterministic: slots are added in their order, a warp's sums are as in forward.cuh
#include "device/launch.hpp"
#include "persistent/block.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

template <class Cell, class S>
class BackwardBlock : LoopBlock<LoopBackward, S, 2> {
    static constexpr int kGates = Cell::kGates;
    using Base = LoopBlock<LoopBackward, S, 2>;
    using Base::a, Base::geometry, Base::shared, Base::H, Base::steps, Base::first_row, Base::rows, Base::first_unit;
    using Base::passes, Base::waves;
    using Base::warp, Base::lane, Base::split, Base::strip_warp, Base::inbox, Base::board, Base::weights;
    using typename Base::Element;

public:
    RONDO_DEVICE BackwardBlock(const LoopBackward& arguments, const Geometry& layout, unsigned char* shared_memory)
        : Base(arguments, layout, shared_memory),
          block_strips(layout.units / kStrip),
          rank(static_cast<int>(blockIdx.x) % layout.cluster),
          first_strip(strip_warp * layout.strips),
          first_rank(first_strip / block_strips),
          gathered_before(static_cast<int>(blockIdx.x) % layout.ranks / layout.cluster * layout.units) {}

    RONDO_DEVICE void run() {
        const int pieces = passes * block_strips * kPieces, warps = geometry.threads() / 32;
        const bool grid = this->is_grid();
        inbox.open(geometry.slots * geometry.units * static_cast<int>(sizeof(float)), passes * kSlab);
        if (grid) board.open(rows, waves);
        load();
        this->take_lengths();
        if (!grid) clear_operands();
        take_later_dgates();
        this->carry(Cell::kStates, [&](int s, int index) {
            return a.carry[s] == nullptr          ? 0.0f
                   : s == 0 && a.carry_in_storage ? to_compute(static_cast<const S*>(a.carry[0])[index])
                                                  : static_cast<const float*>(a.carry[s])[index];
        });
        if (grid) {
            for (int wave = 0; wave < waves; ++wave) board.announce(0, wave);
            for (int wave = 0; wave < waves; ++wave) board.fetch(0, wave);
        }
        Piece piece = find(warp);
        Inputs inputs = read(0, piece);
        for (int step = 0; step < steps; ++step) {
            if (!grid) __syncthreads();
            for (int wave = 0; wave < waves; ++wave) multiply(step, wave);
            if (!grid && step > 0) write(step - 1);
            int n = warp;
            for (int wave = 0; wave < waves; ++wave) {
                inbox.await(step, wave, true);
                for (const int end = this->end_of(wave) * block_strips * kPieces; n < end; n += warps) {
                    const Piece made = piece;
                    const Inputs in = inputs;
                    if (n + warps < pieces) {
                        piece = find(n + warps);
                        inputs = read(step, piece);
                    }
                    make(step, made, in);
                }
                if (!grid || step + 1 == steps) continue;
                board.announce(step + 1, wave);
                // What the wave before has announced the others see by now.
                if (wave > 0) board.fetch(step + 1, wave - 1);
            }
            if (step + 1 == steps) break;
            piece = find(warp);
            inputs = read(step + 1, piece);
            if (!grid) continue;
            board.fetch(step + 1, waves - 1);
            if (step > 0) write(step - 1);
        }
        __syncthreads();
        if (grid && steps > 1) write(steps - 2);
        write(steps - 1);
        inbox.end();
    }

private:
    /// Of a pass and 16 units, two rows: a piece is what a warp makes in one go, an element a lane.
    static constexpr int kPieces = kSlab / 2;
    static constexpr int kSumBytes = kSlab * kStrip * static_cast<int>(sizeof(float));  // of a pass and a strip

    /// Units of which dgates_h are multiplied, of each gate.
    RONDO_DEVICE int width() const { return geometry.gathering * geometry.units; }
    /// What is multiplied for step i, [rows][G·width()], where it is made.
    RONDO_DEVICE S* operand(int i) const {
        return this->is_grid() ? reinterpret_cast<S*>(board.operand(i)) : in_shared(i % 2 * geometry.rows);
    }
    RONDO_DEVICE S* in_shared(int row) const {
        return reinterpret_cast<S*>(shared + geometry.operand) + row * geometry.pitch;
    }
    /// Where all of its rows begin, for reading a wave: in shared memory.
    RONDO_DEVICE const S* await(int i, int wave) {
        if (!this->is_grid()) return in_shared(i % 2 * geometry.rows);
        return in_shared((board.await(i, wave) - wave) * (geometry.wave * kSlab));
    }
    /// In an operand: dgates_h of gate 0 of a unit of the block; other gates' are width() apart.
    RONDO_DEVICE int own_dgates(int row, int own) const { return row * geometry.pitch + gathered_before + own; }

    /// All tiles of each strip of the warp. An operand's columns are rows of W_hh, a strip's units its columns: units of
    /// the cluster, of a strip 2g + i in row g of slab i, made from those of the blocks of this block's rank in each
    /// cluster.
    RONDO_DEVICE void load() {
        const S* const w = static_cast<const S*>(a.w);
        const bool aligned = H % 2 == 0 && device::is_aligned<2>(w);
        const int tiles = this->tiles(), left = geometry.cluster * block_strips - first_strip;
        const int strips = left < geometry.strips ? left : geometry.strips;
        this->load_weights(strips * tiles, [&](Words(&words)[2], int n) {
            const int first = this->column(n % tiles), gate = first / width(), gathered = first % width();
            const int block = gathered / geometry.units * geometry.cluster + rank;
            const int first_from = block * geometry.units + gathered % geometry.units;
            const int to = first_unit - rank * geometry.units + (first_strip + n / tiles) * kStrip + lane / 4 * 2;
            device::Vector<S, kLaneElements<S>> elements[2];
#pragma unroll
            for (int e = 0; e < kLaneElements<S>; ++e) {
                const bool exists = gate < kGates && first_from + e < H;
                const S* const from = w + (gate * H + first_from + e) * H + to;
                device::Vector<S, 2> two;
                if (aligned && exists && to < H) {
                    two = device::load_vector<2>(from);
                } else {
                    two[0] = exists && to < H ? from[0] : S(0.0f);
                    two[1] = exists && to + 1 < H ? from[1] : S(0.0f);
                }
                elements[0][e] = two[0];
                elements[1][e] = two[1];
            }
            words[0] = device::bit_cast<Words>(elements[0]);
            words[1] = device::bit_cast<Words>(elements[1]);
        });
    }
    /// Nobody fills the end of an operand's last tile; a grid's begins as zeros. Then a barrier.
    RONDO_DEVICE void clear_operands() const {
        const int elements = 2 * geometry.rows * geometry.pitch;
        for (int i = static_cast<int>(threadIdx.x); i < elements; i += static_cast<int>(blockDim.x))
            operand(0)[i] = S(0.0f);
        __syncthreads();
    }
    /// Operand 0: what the first step's sums are made of.
    RONDO_DEVICE void take_later_dgates() const {
        if (a.later_dgates == nullptr) return;
        const auto* const from = static_cast<const S*>(a.later_dgates) + first_row * kGates * H + first_unit;
        for (int i = static_cast<int>(threadIdx.x); i < rows * geometry.units; i += static_cast<int>(blockDim.x)) {
            const int row = i / geometry.units, own = i % geometry.units;
            if (first_unit + own >= H) continue;
#pragma unroll
            for (int gate = 0; gate < kGates; ++gate)
                operand(0)[own_dgates(row, own) + gate * width()] = from[(row * kGates + gate) * H + own];
        }
    }

    /// Of a wave of operand i, which all threads have written to, or in a grid all blocks, the slots of step i.
    RONDO_DEVICE void multiply(int i, int wave) {
        const S* const from = await(i, wave);
        const int tiles = this->tiles(), slot = rank * geometry.splits + split;
        const int chunk = lane % 4 * kSlab + (lane / 4 + lane % 4 * 2) % kSlab;
        for (int pass = wave * geometry.wave; pass < this->end_of(wave); ++pass) {
            const S* const dgates =
                from + (pass * kSlab + lane / 4) * geometry.pitch + split * geometry.tiles * kTileElements<S>;
            int to = first_rank, strip = first_strip - first_rank * block_strips, tile = 0;
            float d[2][4] = {};
            __syncwarp();  // lanes may have parted where some have no element; a tensor core wants all
            weights.for_each([&](const Words(&w)[2]) {
                const Words words = lane_words(dgates + tile * kTileElements<S>);
                // Summed apart, so that neither product of a tile waits for the other.
#pragma unroll
                for (int j = 0; j < 2; ++j) multiply_part<S>(d[j], w[0], w[1], words, j, geometry.threefold);
                if (++tile < tiles) return;
                const device::Vector<float, 4> sums{{d[0][0] + d[1][0], d[0][2] + d[1][2],  // of row 2t: both units
                                                     d[0][1] + d[1][1], d[0][3] + d[1][3]}};
                inbox.put(i, wave, to, place(slot, pass * block_strips + strip) + chunk * 16,
                          device::bit_cast<Words>(sums));
#pragma unroll
                for (int j = 0; j < 2; ++j)
#pragma unroll
                    for (int k = 0; k < 4; ++k) d[j][k] = 0;
                tile = 0;
                if (++strip == block_strips) strip = 0, ++to;
            });
        }
    }
    /// In a box, in bytes: where a slot's sums of a strip of all passes' begin: of 8 rows and 16 units, 16 bytes to a lane
    /// of a product, row 2t: units 2g, 2g+1, row 2t+1: likewise; of t together, and so that lanes of a product reach
    /// different banks, as those of a piece do.
    RONDO_DEVICE int place(int slot, int strip) const {
        return (slot * (geometry.rows / kSlab) * block_strips + strip) * kSumBytes;
    }

    /// What a lane makes of a piece: rows 2t and 2t+1 of a pass, 16 units of either.
    struct Piece : Element {
        int sums;  // bytes from a box's begin to those of slot 0
    };
    RONDO_DEVICE Piece find(int n) const {
        const int strip = n / kPieces, t = n % kPieces, unit = lane % kStrip;
        const int pass = strip / block_strips, own = (strip - pass * block_strips) * kStrip + unit;
        return {Base::element(pass * kSlab + t * 2 + lane / kStrip, own),
                place(0, strip) + (t * kSlab + (unit / 2 + t * 2) % kSlab) * 16 + lane / kStrip * 8 + unit % 2 * 4};
    }
    /// dh, as far as it comes from the step that ran before.
    RONDO_DEVICE float add_slots(int step, const Piece& at) const {
        const unsigned char* from = inbox.box(step) + at.sums;
        const int pitch = place(1, 0);
        float sum = 0;
        constexpr int kTogether = 8;  // loads under way
#pragma unroll 1
        for (int slot = 0; slot < geometry.slots; slot += kTogether) {
            float sums[kTogether];
#pragma unroll
            for (int k = 0; k < kTogether; ++k, from += pitch)
                sums[k] = slot + k < geometry.slots ? *reinterpret_cast<const float*>(from) : 0.0f;
#pragma unroll
            for (int k = 0; k < kTogether; ++k) sum += sums[k];
        }
        return sum;
    }

    /// What the cell is given besides sums, read while the piece before it is made, or the product; in the types that
    /// memory has, which take fewer registers.
    struct Inputs {
        S h, next_h, dy;
        float state[Cell::kStates], next[Cell::kStates];  // from [1]
        S saved[rondo::detail::at_least_one(Cell::kSaved)];
    };
    /// Of what does not exist, any element's.
    RONDO_DEVICE Inputs read(int step, const Piece& at) const {
        const int row = at.exists ? at.batch_row : 0, unit = at.exists ? at.unit : 0;
        const std::int64_t begin = this->begin_of(step), index = begin + (row * H + unit);
        Inputs e;
        e.h = static_cast<const S*>(a.state[0])[index];
        e.next_h = static_cast<const S*>(a.next[0])[index];
#pragma unroll
        for (int s = 1; s < Cell::kStates; ++s) {
            e.state[s] = static_cast<const float*>(a.state[s])[index];
            e.next[s] = static_cast<const float*>(a.next[s])[index];
        }
        if constexpr (Cell::kSaved > 0) {
            const S* const saved =
                static_cast<const S*>(a.saved) + begin * Cell::kSaved + (row * Cell::kSaved * H + unit);
#pragma unroll
            for (int r = 0; r < Cell::kSaved; ++r) e.saved[r] = saved[r * H];
        }
        e.dy = a.dy == nullptr
                   ? S(0.0f)
                   : (static_cast<const S*>(a.dy) + step * a.dy_step)[row * static_cast<int>(a.dy_stride) + unit];
        return e;
    }

    /// A step of a piece: gradients of states, and those of gates to the operand. What does not exist or take the step
    /// goes through the cell's map as well: a branch would let some lanes wait for others.
    RONDO_DEVICE void make(int step, const Piece& at, const Inputs& in) const {
        const int row = at.row;
        const bool takes = row < rows && this->takes(row, step), active = takes && at.exists;
        const bool later = row < rows && (step > 0 || a.later_dgates != nullptr) && this->takes(row, step - 1);
        BackwardElement<Cell, float> e;
        float dh = this->carried(0, row, at.own);
        const float sums = add_slots(step, at);
        dh = later ? math::clamp(dh + sums, a.gradient_clip) : dh;
        dh += takes ? to_compute(in.dy) * a.dy_scale : 0.0f;
        const std::int64_t index = this->begin_of(step) + at.index;
        if (a.dstep[0] != nullptr && active) dh += to_compute(static_cast<const S*>(a.dstep[0])[index]);
        if (a.dh_told != nullptr && active) static_cast<float*>(a.dh_told)[index] = dh;
        e.clip = a.clip;
        e.state[0] = to_compute(in.h);
        e.next[0] = to_compute(in.next_h);
        e.dnext[0] = dh;
#pragma unroll
        for (int s = 1; s < Cell::kStates; ++s) {
            e.state[s] = in.state[s];
            e.next[s] = in.next[s];
            e.dnext[s] = this->carried(s, row, at.own);
            if (a.dstep[s] != nullptr && active) e.dnext[s] += static_cast<const float*>(a.dstep[s])[index];
        }
#pragma unroll
        for (int r = 0; r < Cell::kSaved; ++r) e.saved[r] = to_compute(in.saved[r]);
        Cell::template backward<0>(e);

        S* const sent = operand(step + 1) + own_dgates(row, at.own);
#pragma unroll
        for (int gate = 0; gate < kGates; ++gate) {
            float dgate = 0;
            if constexpr (Cell::kSharedGateGradients)
                dgate = e.dgates_x[gate];
            else
                dgate = e.dgates_h[gate];
            sent[gate * width()] = to_storage<S>(active ? dgate : 0.0f);
        }
        if constexpr (!Cell::kSharedGateGradients) {
            S* const dgates_x = static_cast<S*>(a.dgates_x) + this->begin_of(step) * kGates;
#pragma unroll
            for (int gate = 0; gate < kGates; ++gate)
                if (at.exists)
                    dgates_x[(at.batch_row * kGates + gate) * H + at.unit] =
                        to_storage<S>(takes ? e.dgates_x[gate] : 0.0f);
        }
#pragma unroll
        for (int s = 0; s < Cell::kStates; ++s) {
            const float before = takes ? e.dstate[s] : e.dnext[s];
            this->carried(s, row, at.own) = before;
            if (step + 1 == steps && at.exists) static_cast<float*>(a.dstate[s])[at.index] = before;
        }
    }

    /// What make() has left of a step in the operand: gradients of gates, of those of h where the cell has two kinds.
    RONDO_DEVICE void write(int step) const {
        constexpr int kElements = kLaneElements<S>;
        const S* const from = operand(step + 1);
        S* const dgates =
            static_cast<S*>(Cell::kSharedGateGradients ? a.dgates_x : a.dgates_h) + this->begin_of(step) * kGates;
        const bool aligned = H % kElements == 0 && device::is_aligned<kElements>(dgates);
        const unsigned by = static_cast<unsigned>(geometry.units / kElements);
        const unsigned count = static_cast<unsigned>(rows * kGates) * by;
#pragma unroll 2  // loads under way
        for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
            const int row_gate = static_cast<int>(i / by), own = static_cast<int>(i % by) * kElements;
            const int left = H - first_unit - own;  // units that exist
            if (left <= 0) continue;
            const auto values =
                device::load_vector<kElements>(from + own_dgates(row_gate / kGates, own) + row_gate % kGates * width());
            S* const to = dgates + (first_row * kGates + row_gate) * H + first_unit + own;
            if (aligned) {
                device::store_vector(to, values);
            } else {
#pragma unroll
                for (int e = 0; e < kElements; ++e)
                    if (e < left) to[e] = values[e];
            }
        }
    }

    const int block_strips;     // of a block's units
    const int rank;             // in the cluster
    const int first_strip;      // of the warp's, of all units of the cluster
    const int first_rank;       // whose that is
    const int gathered_before;  // units of earlier blocks in an operand
};

template <class Cell, class S>
__global__ void __launch_bounds__(kLoopWarps * 32, 1)
    loop_backward(const __grid_constant__ Directions<LoopBackward> directions,
                  const __grid_constant__ Geometry geometry) {
    RONDO_DYNAMIC_SHARED(unsigned char, shared);
    BackwardBlock<Cell, S>(directions.of[blockIdx.y], geometry, shared).run();
}

}  // namespace rondo::kernels
