#pragma once
/// What a block of a time loop's launch is, forward and backward: whose rows and units it has, its share of W_hh, its
/// shared memory and its inbox. A pass is 8 rows of the batch.
#include <climits>

#include "elements.cuh"
#include "persistent/board.cuh"
#include "persistent/inbox.cuh"

namespace rondo::kernels {

/// Arguments: LoopForward or LoopBackward; kSlabs: of a strip of W_hh.
template <class Arguments, class S, int kSlabs>
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
          passes((rows + kSlab - 1) / kSlab),
          waves((passes + layout.wave - 1) / layout.wave),
          first_unit(static_cast<int>(blockIdx.x) % layout.ranks * layout.units),
          warp(static_cast<int>(device::warp_index())),
          lane(static_cast<int>(device::lane_index())),
          split(warp / layout.strip_warps),
          strip_warp(warp % layout.strip_warps),
          inbox(layout, arguments.exchange, shared_memory),
          board(layout, arguments.exchange, shared_memory) {}

    /// The pass after a wave's last one.
    RONDO_DEVICE int end_of(int wave) const {
        const int end = (wave + 1) * geometry.wave;
        return end < passes ? end : passes;
    }
    RONDO_DEVICE bool is_grid() const { return geometry.exchange == Exchange::grid; }
    /// Where the `step`-th step's elements [B,H] begin in what has one of each, as the first step's pointer sees it; of
    /// planes [B,n,H] n times as far.
    RONDO_DEVICE std::int64_t begin_of(int step) const {
        return static_cast<std::int64_t>(step * static_cast<int>(a.t_step)) * (static_cast<int>(a.batch) * H);
    }
    /// How many the warp's split has.
    RONDO_DEVICE int tiles() const {
        const int left = geometry.all_tiles - split * geometry.tiles;
        return left < geometry.tiles ? left : geometry.tiles;
    }
    /// The first column of tile i of its split that this lane has.
    RONDO_DEVICE int column(int i) const {
        return (split * geometry.tiles + i) * kTileElements<S> + lane % 4 * kLaneElements<S>;
    }

    struct Element {
        int row, own;         ///< within the group; unit within the block
        int batch_row, unit;  ///< within all
        bool exists;
        int index;  ///< of [B,H]
    };
    RONDO_DEVICE Element element(int row, int own) const {
        Element e;
        e.row = row;
        e.own = own;
        e.batch_row = first_row + row;
        e.unit = first_unit + own;
        e.exists = row < rows && e.unit < H;
        e.index = e.batch_row * H + e.unit;
        return e;
    }
    /// Steps of the group's rows; from memory, a step's first look at them would be a wait. Then a barrier is needed.
    RONDO_DEVICE void take_lengths() const {
        for (int row = static_cast<int>(threadIdx.x); row < rows; row += static_cast<int>(blockDim.x))
            length(row) = a.lengths == nullptr ? INT_MAX : static_cast<int>(a.lengths[first_row + row]);
    }
    RONDO_DEVICE int& length(int row) const { return reinterpret_cast<int*>(shared + geometry.lengths)[row]; }
    /// Whether a row takes the `step`-th step that is run.
    RONDO_DEVICE bool takes(int row, int step) const {
        return static_cast<int>(a.t) + step * static_cast<int>(a.t_step) < length(row);
    }
    /// What a block carries from step to step: state s (backward: its gradient) of a row and unit of its own.
    RONDO_DEVICE float& carried(int s, int row, int own) const {
        return reinterpret_cast<float*>(shared +
                                        geometry.carried)[(s * geometry.rows + row) * geometry.carried_pitch + own];
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
    /// get: see Weights::load.
    template <class Get>
    RONDO_DEVICE void load_weights(int count, const Get& get) {
        weights.load(count,
                     reinterpret_cast<Words*>(shared + geometry.rest) +
                         static_cast<int>(warp) * geometry.rest_tiles * kSlabs * 32,
                     get);
    }

    const Arguments& a;
    const Geometry& geometry;
    unsigned char* const shared;
    const int H, steps;
    const int first_row, rows, passes, waves;  // of the group, as many as there are
    const int first_unit;
    const int warp, lane, split, strip_warp;
    Inbox inbox;
    Board board;
    Weights<S, kSlabs> weights;
};

}  // namespace rondo::kernels
