#pragma once
// A time loop backward in one launch; grid: groups x ranks blocks, directions in y (persistent.hpp)
//   every step: dh = carry + the sum of its slots + scale·dy + dstep; dgates, dstate = Cell::backward(dh, saved,
//   states); then dgates_h·W_hh on tensor cores, W_hh on chip: the next step's slots. Either all of dgates_h
//   [rows,G·H], gathered, times the own units' columns; or that of the own units times their rows, and the sums
//   [rows,H] are scattered
//   dgates_x, dgates_h [B,G,H]   state, next, dstate [B,H]   saved [B,R,H]; idle rows as in pointwise/backward.cuh
//   gradients of states never leave their block, scattering those of gates neither
//   traffic: (R + G + 2 + dy)·S + 2·(states - 1)·C bytes an element (G·S more of a cell with two kinds of dgates), and
//   what travels within the group; deterministic:
//   slots are added in their order, a warp's sums are as in forward.cuh
#include "device/launch.hpp"
#include "persistent/block.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

/// Makes half strips: of a pass and 16 units, lane 4g + t in turn row 2t or 2t+1, units 2g and 2g+1. That is where a
/// product of W_hhᵀ leaves them, if unit 2g + i of a strip is row g of its slab i.
template <class Cell, class S>
class BackwardBlock : LoopBlock<LoopBackward, S, 2> {
    static constexpr int kGates = Cell::kGates;
    using Base = LoopBlock<LoopBackward, S, 2>;
    using Base::a, Base::geometry, Base::shared, Base::H, Base::steps, Base::first_row, Base::rows, Base::first_unit;
    using Base::warp, Base::lane, Base::split, Base::strip_warp, Base::inbox, Base::weights;
    using typename Base::Element;

public:
    RONDO_DEVICE BackwardBlock(const LoopBackward& arguments, const Geometry& layout, unsigned char* shared_memory)
        : Base(arguments, layout, shared_memory) {}

    RONDO_DEVICE void run() {
        const int left = (geometry.gathers ? 1 : geometry.ranks) * block_strips() - first_strip();
        const int strips = left < geometry.strips ? left : geometry.strips;
        const int halves = this->passes() * block_strips() * 2, warps = geometry.threads() / 32;
        inbox.open(geometry.slots * this->passes() * block_strips() * kSumBytes);
        load(strips);
        this->take_lengths();
        clear_operands();
        take_later_dgates();
        this->carry(Cell::kStates, [&](int s, int index) {
            return a.carry[s] == nullptr          ? 0.0f
                   : s == 0 && a.carry_in_storage ? to_compute(static_cast<const S*>(a.carry[0])[index])
                                                  : static_cast<const float*>(a.carry[s])[index];
        });
        Inputs next[2];
        // In a grid not before an announcement, which waits for all that the block has asked memory for.
        const bool reads_ahead = !geometry.gathers;
        if (reads_ahead) read(next, 0, warp);
        for (int step = 0; step < steps; ++step) {
            product(step, [&] {
                if (!reads_ahead) read(next, step, warp);
                if (step > 0) write(step - 1);
            });
            for (int n = warp; n < halves; n += warps) {
                const Inputs in[2] = {next[0], next[1]};
                const bool ends = n + warps >= halves;
                if (!ends || (reads_ahead && step + 1 < steps))
                    read(next, ends ? step + 1 : step, ends ? warp : n + warps);
                float sums[2];
                add_slots(sums, step, n);
                make(step, n, in, sums);
            }
        }
        __syncthreads();
        write(steps - 1);
        inbox.end();
    }

private:
    static constexpr int kSumBytes = 32 * 4 * static_cast<int>(sizeof(float));  // of a pass and a strip

    RONDO_DEVICE int block_strips() const { return geometry.units / kStrip; }
    RONDO_DEVICE int first_strip() const { return strip_warp * geometry.strips; }
    /// Of this thread in the n-th half strip.
    RONDO_DEVICE Element element(int n, int i) const {
        const int strip = n / 2 % block_strips(), pass = n / 2 / block_strips();
        return Base::element(pass * kSlab + lane % 4 * 2 + n % 2, strip * kStrip + lane / 4 * 2 + i);
    }
    /// What is multiplied for step i, [rows][G·width()]: all units', gathered, or the own ones', in turn one of two.
    RONDO_DEVICE S* operand(int i) const {
        return geometry.gathers
                   ? reinterpret_cast<S*>(inbox.box(i))
                   : reinterpret_cast<S*>(shared + geometry.operand) + i % 2 * (geometry.rows * geometry.pitch);
    }
    RONDO_DEVICE int width() const { return geometry.gathers ? geometry.span() : geometry.units; }
    /// Of an operand: dgates_h of gate 0 of a unit of the block; other gates' are width() apart.
    RONDO_DEVICE S* own_dgates(int i, int row, int own) const {
        return operand(i) + row * geometry.pitch + (geometry.gathers ? first_unit : 0) + own;
    }

    /// All tiles of each strip of the warp. An operand's columns are rows of W_hh, a strip's units its columns.
    RONDO_DEVICE void load(int strips) {
        const S* const w = static_cast<const S*>(a.w);
        const bool aligned = H % 2 == 0 && device::is_aligned<2>(w);
        const int tiles = this->tiles();
        this->load_weights(strips * tiles, [&](Words(&words)[2], int n) {
            const int first = this->column(n % tiles), gate = first / width();
            const int first_from = (geometry.gathers ? 0 : first_unit) + first % width();
            const int to = (geometry.gathers ? first_unit : 0) + (first_strip() + n / tiles) * kStrip + lane / 4 * 2;
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
    /// Nobody fills the end of an operand's last tile; gathered ones begin as zeros. Then a barrier.
    RONDO_DEVICE void clear_operands() const {
        const int elements = geometry.gathers ? 0 : 2 * geometry.rows * geometry.pitch;
        for (int i = static_cast<int>(threadIdx.x); i < elements; i += static_cast<int>(blockDim.x))
            operand(0)[i] = S(0.0f);
        __syncthreads();
    }
    /// What the first step's slots are made of.
    RONDO_DEVICE void take_later_dgates() const {
        if (a.later_dgates == nullptr) return;
        const auto* const from = static_cast<const S*>(a.later_dgates) + first_row * kGates * H + first_unit;
        for (int i = static_cast<int>(threadIdx.x); i < rows * geometry.units; i += static_cast<int>(blockDim.x)) {
            const int row = i / geometry.units, own = i % geometry.units;
            if (first_unit + own >= H) continue;
#pragma unroll
            for (int gate = 0; gate < kGates; ++gate)
                own_dgates(0, row, own)[gate * width()] = from[(row * kGates + gate) * H + own];
        }
    }

    /// Of operand i, which all threads have written to, the slots of step i. All threads call it; meanwhile() once the
    /// block has sent what others wait for.
    template <class Meanwhile>
    RONDO_DEVICE void product(int i, const Meanwhile& meanwhile) {
        if (geometry.gathers) {
            inbox.announce();
            meanwhile();
            inbox.await(i);
        } else {
            __syncthreads();
        }
        multiply(i);
        if (geometry.gathers) return __syncthreads();
        meanwhile();
        inbox.await(i);
    }
    RONDO_DEVICE void multiply(int i) const {
        const int tiles = this->tiles();
        const int slot = (geometry.gathers ? 0 : first_unit / geometry.units * geometry.splits) + split;
        for (int pass = 0; pass < this->passes(); ++pass) {
            const S* const dgates =
                operand(i) + (pass * kSlab + lane / 4) * geometry.pitch + split * geometry.tiles * kTileElements<S>;
            int rank = first_strip() / block_strips(), strip = first_strip() % block_strips(), tile = 0;
            float d[2][4] = {};
            weights.for_each([&](const Words(&w)[2]) {
                const Words words = lane_words(dgates + tile * kTileElements<S>);
                // Summed apart, so that neither product of a tile waits for the other.
#pragma unroll
                for (int j = 0; j < 2; ++j) multiply_part<S>(d[j], w[0], w[1], words, j, geometry.threefold);
                if (++tile < tiles) return;
                const device::Vector<float, 4> sums{{d[0][0] + d[1][0], d[0][2] + d[1][2],  // of row 2t: both units
                                                     d[0][1] + d[1][1], d[0][3] + d[1][3]}};
                put(i, rank, place(slot, pass, strip), device::bit_cast<Words>(sums));
#pragma unroll
                for (int j = 0; j < 2; ++j)
#pragma unroll
                    for (int k = 0; k < 4; ++k) d[j][k] = 0;
                tile = 0;
                if (++strip == block_strips()) strip = 0, ++rank;
            });
        }
    }
    /// Slots of step i, and how they are filled.
    RONDO_DEVICE unsigned char* slots(int i) const { return geometry.gathers ? shared + geometry.sums : inbox.box(i); }
    RONDO_DEVICE void put(int i, int rank, int byte, const Words& words) const {
        if (geometry.gathers)
            device::store_vector(reinterpret_cast<std::uint32_t*>(slots(i) + byte), words);
        else
            inbox.put(i, rank, byte, words);
    }
    /// Of a slot, in bytes: where this lane's sums are.
    RONDO_DEVICE int place(int slot, int pass, int strip) const {
        return ((slot * (geometry.rows / kSlab) + pass) * block_strips() + strip) * kSumBytes + lane * 16;
    }
    /// dh of both elements, as far as it comes from the step that ran before.
    RONDO_DEVICE void add_slots(float (&sums)[2], int step, int n) const {
        const int pass = n / 2 / block_strips(), strip = n / 2 % block_strips(), half = n % 2;
        sums[0] = sums[1] = 0;
        for (int slot = 0; slot < geometry.slots; ++slot) {
            const auto two = device::load_vector<2>(
                reinterpret_cast<const float*>(slots(step) + place(slot, pass, strip)) + half * 2);
            sums[0] += two[0];
            sums[1] += two[1];
        }
    }

    /// What the cell is given besides sums, read while the half strip before it is made, or the product; in the types
    /// that memory has, which take fewer registers.
    struct Inputs {
        S h, next_h, dy;
        float state[Cell::kStates], next[Cell::kStates];  // from [1]
        S saved[rondo::detail::at_least_one(Cell::kSaved)];
    };
    /// Of what does not exist, any element's.
    RONDO_DEVICE void read(Inputs (&in)[2], int step, int n) const {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const Element at = element(n, i);
            const int row = at.exists ? at.batch_row : 0, unit = at.exists ? at.unit : 0, index = row * H + unit;
            Inputs& e = in[i];
            e.h = of_step<S>(a.state[0], step, a.state_step)[index];
            e.next_h = of_step<S>(a.next[0], step, a.state_step)[index];
#pragma unroll
            for (int s = 1; s < Cell::kStates; ++s) {
                e.state[s] = of_step<float>(a.state[s], step, a.state_step)[index];
                e.next[s] = of_step<float>(a.next[s], step, a.state_step)[index];
            }
            if constexpr (Cell::kSaved > 0) {
                const S* const saved = of_step<S>(a.saved, step, a.saved_step) + row * Cell::kSaved * H + unit;
#pragma unroll
                for (int r = 0; r < Cell::kSaved; ++r) e.saved[r] = saved[r * H];
            }
            e.dy = a.dy == nullptr ? S(0.0f)
                                   : of_step<S>(a.dy, step, a.dy_step)[row * static_cast<int>(a.dy_stride) + unit];
        }
    }

    /// A step of the n-th half strip: gradients of states, and those of gates to the operand. Both elements, of one row,
    /// go through the cell's map side by side, as does what does not exist or take the step: a branch would let one wait
    /// for the other.
    RONDO_DEVICE void make(int step, int n, const Inputs (&in)[2], const float (&sums)[2]) const {
        const Element both[2] = {element(n, 0), element(n, 1)};
        const int row = both[0].row;
        const bool exists = row < rows, active = exists && this->takes(row, step);
        const bool later = exists && (step > 0 || a.later_dgates != nullptr) && this->takes(row, step - 1);
        BackwardElement<Cell, float> elements[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const Element& at = both[i];
            BackwardElement<Cell, float>& e = elements[i];
            const bool asked = active && at.exists;
            float dh = this->carried(0, row, at.own);
            dh = later ? math::clamp(dh + sums[i], a.gradient_clip) : dh;
            dh += active ? to_compute(in[i].dy) * a.dy_scale : 0.0f;
            if (a.dstep[0] != nullptr && asked) dh += to_compute(of_step<S>(a.dstep[0], step, a.state_step)[at.index]);
            if (a.dh_told != nullptr && asked) of_step<float>(a.dh_told, step, a.state_step)[at.index] = dh;
            e.clip = a.clip;
            e.state[0] = to_compute(in[i].h);
            e.next[0] = to_compute(in[i].next_h);
            e.dnext[0] = dh;
#pragma unroll
            for (int s = 1; s < Cell::kStates; ++s) {
                e.state[s] = in[i].state[s];
                e.next[s] = in[i].next[s];
                e.dnext[s] = this->carried(s, row, at.own);
                if (a.dstep[s] != nullptr && asked)
                    e.dnext[s] += of_step<float>(a.dstep[s], step, a.state_step)[at.index];
            }
#pragma unroll
            for (int r = 0; r < Cell::kSaved; ++r) e.saved[r] = to_compute(in[i].saved[r]);
        }
#pragma unroll
        for (int i = 0; i < 2; ++i) Cell::template backward<0>(elements[i]);
        S* const sent = own_dgates(step + 1, row, both[0].own);
#pragma unroll
        for (int gate = 0; gate < kGates; ++gate) {
            device::Vector<S, 2> dgates;
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const bool asked = active && both[i].exists;
                const float dgate_x = asked ? elements[i].dgates_x[gate] : 0.0f;
                dgates[i] = to_storage<S>(dgate_x);
                if constexpr (!Cell::kSharedGateGradients) {
                    if (both[i].exists)
                        of_step<S>(a.dgates_x, step,
                                   a.dgates_step)[(both[i].batch_row * kGates + gate) * H + both[i].unit] = dgates[i];
                    dgates[i] = to_storage<S>(asked ? elements[i].dgates_h[gate] : 0.0f);
                }
            }
            device::store_vector(sent + gate * width(), dgates);
        }
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int s = 0; s < Cell::kStates; ++s) {
                const float before = active ? elements[i].dstate[s] : elements[i].dnext[s];
                this->carried(s, row, both[i].own) = before;
                if (step + 1 == steps && both[i].exists) static_cast<float*>(a.dstate[s])[both[i].index] = before;
            }
    }

    /// What make() has left of a step in the operand: gradients of gates, of those of h where the cell has two kinds.
    RONDO_DEVICE void write(int step) const {
        constexpr int kElements = kLaneElements<S>, kTogether = 2;
        S* const dgates = of_step<S>(Cell::kSharedGateGradients ? a.dgates_x : a.dgates_h, step, a.dgates_step);
        const bool aligned = H % kElements == 0 && device::is_aligned<kElements>(dgates);
        const int pieces = geometry.units / kElements, count = rows * kGates * pieces, threads = geometry.threads();
        for (int first = static_cast<int>(threadIdx.x); first < count; first += kTogether * threads) {
            device::Vector<S, kElements> values[kTogether];  // of a grid they come from L2: not one after the other
            S* to[kTogether];
            int left[kTogether];  // units that exist
#pragma unroll
            for (int k = 0; k < kTogether; ++k) {
                const unsigned i = static_cast<unsigned>(first + k * threads), by = static_cast<unsigned>(pieces);
                const int row_gate = static_cast<int>(i / by), own = static_cast<int>(i % by) * kElements;
                const int row = row_gate / kGates, gate = row_gate % kGates;
                left[k] = first + k * threads < count ? H - first_unit - own : 0;
                to[k] = dgates + (first_row * kGates + row_gate) * H + first_unit + own;
                if (left[k] > 0)
                    values[k] = device::load_vector<kElements>(own_dgates(step + 1, row, own) + gate * width());
            }
#pragma unroll
            for (int k = 0; k < kTogether; ++k) {
                if (aligned && left[k] > 0) {
                    device::store_vector(to[k], values[k]);
                } else {
#pragma unroll
                    for (int e = 0; e < kElements; ++e)
                        if (e < left[k]) to[k][e] = values[k][e];
                }
            }
        }
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
