#pragma once
/// The steps of the time loop: products with packed weights, and behind each tile of them the element-wise work.
#include "cpu/isa/packed.hpp"

namespace rondo::cpu::RONDO_ISA {

inline constexpr int kMaxTileVectors = 8;

/// Multiply-adds below which another thread costs more than it brings, where step follows step and it is awake.
inline constexpr std::int64_t kGrain = 1 << 18;

/// How rows × units are cut into tiles, and how many of them a thread should take at least.
struct Cut {
    std::int64_t rows, row_count;  ///< of a tile, of all
    std::int64_t units, unit_count;
    std::int64_t row_tiles, tiles, grain;

    Tile tile(std::int64_t i) const {
        const std::int64_t r = i % row_tiles * rows, u = i / row_tiles * units;
        return {nullptr, r, smaller(r + rows, row_count), u, smaller(u + units, unit_count)};
    }
};

/// work: multiply-adds for one element.
inline Cut cut(std::int64_t rows, std::int64_t units, std::int64_t tile_units, std::int64_t work, int threads) {
    Cut c;
    c.row_count = rows;
    c.unit_count = units;
    c.units = tile_units;
    const std::int64_t unit_tiles = (units + tile_units - 1) / tile_units;
    // Few units for many threads: the rows are cut as well.
    const std::int64_t wanted = larger((rows + kTileRows - 1) / kTileRows, (threads + unit_tiles - 1) / unit_tiles);
    c.rows = smaller(kTileRows, larger(1, (rows + wanted - 1) / wanted));
    c.row_tiles = (rows + c.rows - 1) / c.rows;
    c.tiles = c.row_tiles * unit_tiles;
    c.grain = 1 + kGrain / (c.rows * tile_units * work + 1);
    return c;
}

/// then(tile) for every tile of a[rows, k] · W, all of its blocks. a null: tiles of no product.
template <class T, class Then>
void for_tiles(const T* a, std::int64_t a_stride, std::int64_t rows, const Packed<T>& w, const Context& context,
               const Then& then) {
    const Cut c = cut(rows, w.units, w.group() * kLanes<T>, (a ? w.k * w.gates : 0) + 32, context.pool.threads());
    context.pool.parallel_for(c.tiles, c.grain, [&](std::int64_t begin, std::int64_t end, int) {
        alignas(64) T values[kTileRows * kMaxTileVectors * kLanes<T>];
        for (std::int64_t i = begin; i < end; ++i) {
            Tile tile = c.tile(i);
            if (a) {
                const std::int64_t block = tile.unit_begin / kLanes<T>;
                const std::int64_t blocks = smaller(w.group(), w.blocks() - block);
                multiply_packed(a + tile.row_begin * a_stride, a_stride, tile.row_end - tile.row_begin, w, block,
                                blocks, values);
                tile.values = values;
            }
            then(tile);
        }
    });
}

/// then(rows) for all rows of a layer in tiles of some.
template <class Then>
void for_rows(const LoopLayer& layer, const Context& context, const Then& then) {
    const std::int64_t work = layer.hidden * layer.cell->gates * 64;  // of a row, in multiply-adds
    context.pool.parallel_for(layer.batch, 1 + kGrain / work, [&](std::int64_t begin, std::int64_t end, int) {
        then(Tile{nullptr, begin, end, 0, layer.hidden});
    });
}

template <class T>
void step_forward(const StepForward& step, const Context& context);
template <class T>
void project_forward(const ProjectForward& step, const Context& context);
template <class T>
void step_backward(const StepBackward& step, const Context& context);
template <class T>
void gradient_of_h(const GradientOfH& step, const Context& context);
template <class T>
void scan_forward(const ScanForward& scan, const Context& context);
template <class T>
void scan_backward(const ScanBackward& scan, const Context& context);

}  // namespace rondo::cpu::RONDO_ISA
