#pragma once
/// What a block of a time loop's launch is, forward and backward: whose rows and units it has, its share of W_hh, its
/// shared memory, and how a product gets to the threads that make something of it.
///
/// A pass is 8 rows of the batch. Of a pass and a slab of units, lane 4g + t makes unit g of rows 2t and 2t+1, in the
/// warp that `makes` says: where warps share out K, they take turns.
#include "elements.cuh"
#include "persistent/operand.cuh"

namespace rondo::kernels {

/// What a step reads or writes. The same for all threads: indices into it are the only addresses that each computes.
template <class T>
RONDO_DEVICE const T* of_step(const void* values, int step, std::int64_t elements) {
    return static_cast<const T*>(values) + step * elements;
}
template <class T>
RONDO_DEVICE T* of_step(void* values, int step, std::int64_t elements) {
    return static_cast<T*>(values) + step * elements;
}

/// kUnits: slabs of units of a warp; kSlabs: of W_hh; kPlanes: of an operand. Arguments: LoopForward or LoopBackward.
template <class Arguments, class S, int kUnits, int kSlabs, int kPlanes>
class LoopBlock {
protected:
    RONDO_DEVICE LoopBlock(const Arguments& arguments, const Geometry& layout, unsigned char* shared_memory)
        : a(arguments),
          geometry(layout),
          shared(shared_memory),
          H(static_cast<int>(arguments.hidden)),
          steps(static_cast<int>(arguments.steps)),
          first_row(static_cast<int>(blockIdx.x) / layout.ranks * layout.rows),
          rows(arguments.batch - first_row < layout.rows ? static_cast<int>(arguments.batch - first_row) : layout.rows),
          first_unit(static_cast<int>(blockIdx.x) % layout.ranks * layout.units),
          split(static_cast<int>(device::warp_index()) / layout.unit_warps),
          unit_warp(static_cast<int>(device::warp_index()) % layout.unit_warps),
          lane(static_cast<int>(device::lane_index())),
          operand(layout, arguments.exchange, shared_memory, rows, kPlanes) {}

    RONDO_DEVICE int passes() const { return (rows + kSlab - 1) / kSlab; }
    /// The warp's q-th slab of units in its block.
    RONDO_DEVICE int slab(int q) const { return (unit_warp * kUnits + q) * kSlab; }
    RONDO_DEVICE bool makes(int pass, int q) const { return (pass * kUnits + q) % geometry.splits == split; }

    /// The element that this thread makes in row c of its two.
    struct Element {
        int row, own;         ///< within the group; unit within the block
        int batch_row, unit;  ///< within all
        bool exists;
        int index;  ///< of [B,H]
    };
    RONDO_DEVICE Element element(int pass, int q, int c) const {
        Element e;
        e.row = pass * kSlab + 2 * (lane % 4) + c;
        e.own = slab(q) + lane / 4;
        e.batch_row = first_row + e.row;
        e.unit = first_unit + e.own;
        e.exists = e.row < rows && e.unit < H;
        e.index = e.batch_row * H + e.unit;
        return e;
    }
    /// What a block carries from step to step: state s (backward: its gradient) of a row and unit of its own.
    RONDO_DEVICE float& carried(int s, int row, int own) const {
        return reinterpret_cast<float*>(shared + geometry.carried)[(s * geometry.rows + row) * geometry.units + own];
    }
    /// value(s, index of [B,H]) of all that exist; 0 elsewhere. Then a barrier.
    template <class Value>
    RONDO_DEVICE void carry(int states, const Value& value) const {
        const int units = geometry.units;
        for (int i = static_cast<int>(threadIdx.x); i < rows * units; i += static_cast<int>(blockDim.x)) {
            const int row = i / units, unit = first_unit + i % units;
            for (int s = 0; s < states; ++s)
                carried(s, row, i % units) = unit < H ? value(s, (first_row + row) * H + unit) : 0.0f;
        }
        __syncthreads();
    }

    /// weight(slab of W_hh, row in it, column): of columns as an operand has them.
    template <class Weight>
    RONDO_DEVICE void load_weights(const Weight& weight) {
        const int left = geometry.all_tiles - split * geometry.tiles, first_column = split * geometry.tiles * kTile;
        weights.load(left < geometry.tiles ? left : geometry.tiles,
                     reinterpret_cast<Words*>(shared + geometry.rest) +
                         static_cast<int>(device::warp_index()) * geometry.rest_tiles * kSlabs * 32,
                     [&](int of_slab, int k) { return weight(of_slab, lane / 4, first_column + k); });
    }
    /// sums = W_hh·operandᵀ of a pass, whole where `wanted` says that this warp makes something of a slab of W_hh.
    template <class Wanted>
    RONDO_DEVICE void multiply(float (&sums)[kSlabs][2], int step, int pass, int parity, const Wanted& wanted) const {
        weights.multiply(
            sums, operand.rows(step) + (pass * kSlab + lane / 4) * geometry.pitch + split * geometry.tiles * kTile,
            geometry.threefold);
        if (geometry.splits == 1) return;
        const int place = geometry.splits * geometry.unit_warps * kSlabs * 64;
        add_splits(sums, reinterpret_cast<float*>(shared + geometry.partial) + parity * place, geometry, split,
                   unit_warp, wanted);
    }

    /// Where a warp gathers what it sends of a slab of units: [kPlanes][8 rows][8 units].
    RONDO_DEVICE S& sent(int plane, int row, int unit) const { return stage()[(plane * kSlab + row) * kSlab + unit]; }
    /// Sends it as a part of operand i. The whole warp calls it.
    RONDO_DEVICE void send(int i, int pass, int q) {
        constexpr int kPieces = kSlab / kLaneElements<S>;
        __syncwarp();
        for (int n = lane; n < operand.copies() * kPlanes * kSlab * kPieces; n += 32) {
            const int part = n % kPieces * kLaneElements<S>, row = n / kPieces % kSlab;
            const int plane = n / (kPieces * kSlab) % kPlanes, copy = n / (kPieces * kSlab * kPlanes);
            if (pass * kSlab + row < rows)
                operand.put(i, copy, pass * kSlab + row, plane * geometry.span() + first_unit + slab(q) + part,
                            device::load_vector<4>(reinterpret_cast<const std::uint32_t*>(&sent(plane, row, part))));
        }
        __syncwarp();
    }
    /// Operand 0: value(plane, row, unit in the block) of rows that there are.
    template <class Value>
    RONDO_DEVICE void send_first(const Value& value) {
        for (int pass = split; pass < passes(); pass += geometry.splits)
            for (int q = 0; q < kUnits; ++q) {
                for (int i = lane; i < kPlanes * kSlab * kSlab; i += 32) {
                    const int row = pass * kSlab + i / kSlab % kSlab;
                    stage()[i] = row < rows ? value(i / (kSlab * kSlab), row, slab(q) + i % kSlab) : S(0.0f);
                }
                send(0, pass, q);
            }
        operand.announce();
    }

    static constexpr int kTile = 4 * kLaneElements<S>;  // elements

    const Arguments& a;
    const Geometry& geometry;
    unsigned char* const shared;
    const int H, steps;
    const int first_row, rows;  // of the group, as many as there are
    const int first_unit;
    const int split, unit_warp, lane;
    Operand<S> operand;
    Weights<S, kSlabs> weights;

private:
    RONDO_DEVICE S* stage() const {
        return reinterpret_cast<S*>(shared + geometry.stage) + device::warp_index() * (kPlanes * kSlab * kSlab);
    }
};

}  // namespace rondo::kernels
