#pragma once
/// What host/cpu/isa/ is asked to do, as tables of functions: one for each instruction set, two element types in each.
#include <cstddef>
#include <cstdint>

#include "cpu/isa.hpp"
#include "cpu/thread_pool.hpp"
#include "scheduler/backend.hpp"

namespace rondo {

namespace cpu {

/// Part of a recurrent product, ready for a cell's map: rows [row_begin, row_end), units [unit_begin, unit_end), where
/// unit_begin is a multiple of the lanes of a vector.
struct Tile {
    const void* values = nullptr;  ///< [rows][blocks of lanes units][gates][lanes]; null where there is no product
    std::int64_t row_begin = 0, row_end = 0;
    std::int64_t unit_begin = 0, unit_end = 0;
};

/// What a function may use: the threads, and for each of them Table::scratch_bytes, aligned to 64.
struct Context {
    ThreadPool& pool;
    std::byte* scratch;
    std::size_t scratch_bytes;
};

}  // namespace cpu

/// A cell's maps for one instruction set and element type. They do no product: its result comes as a tile.
struct CellKernels {
    int stages;
    Stage stage[kMaxStages];
    bool row_wise;  ///< whole rows alone, whose product lies in scratch already
    void (*forward[kMaxStages])(const StepForward& step, const cpu::Tile& tile);
    void (*backward[kMaxStages])(const StepBackward& step, const cpu::Tile& tile);
    // Of a cell without stages: a row of the batch, and a strip of kStripPacks packs from a unit on.
    void (*scan_forward)(const ScanForward& scan, std::int64_t row, std::int64_t unit);
    void (*scan_backward)(const ScanBackward& scan, std::int64_t row, std::int64_t unit);
};

namespace cpu {

/// The position of a cell in CellList, and how many there are.
template <class Cell, class List>
inline constexpr int kIndexOf = -1;
template <class Cell, class... Cells>
inline constexpr int kIndexOf<Cell, TypeList<Cells...>> = [] {
    int index = 0;
    (void)((std::is_same_v<Cell, Cells> || (++index, false)) || ...);
    return index;
}();
inline constexpr int kCells = kIndexOf<void, CellList>;

/// All cells' maps, in the order of CellList.
struct CellTable {
    CellKernels cells[kCells];
};

/// A softmax's row: e^(x - maximum) adds up to `sum`.
struct SoftmaxRow {
    double maximum, sum;
};

/// Keys that attention looks at together.
inline constexpr std::int64_t kAttentionKeys = 64;

/// The functions of cell/math.hpp, for tests.
enum class Elementary { exp, tanh, sigmoid, log };

struct Functions {
    void (*product)(const Product& product, const Context& context);
    std::int64_t (*packed_bytes)(const Packing& packing);
    void (*pack)(const Packing& packing, const void* w, void* packed, const Context& context);
    void (*step_forward)(const StepForward& step, const Context& context);
    void (*project_forward)(const ProjectForward& step, const Context& context);
    void (*step_backward)(const StepBackward& step, const Context& context);
    void (*gradient_of_h)(const GradientOfH& step, const Context& context);
    void (*scan_forward)(const ScanForward& scan, const Context& context);
    void (*scan_backward)(const ScanBackward& scan, const Context& context);
    void (*column_sums)(void* sums, const void* x, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                        bool accumulate, const Context& context);
    void (*evaluate)(Elementary function, const void* x, void* y, std::int64_t count);
    const CellTable* cells;
    /// out[classes] = factor·softmax(x), where out is not null; it may be x.
    SoftmaxRow (*softmax_row)(const void* x, void* out, std::int64_t classes, double factor);
    // Of one row and head: isa/attention.hpp.
    void (*attention_forward)(const Attention& attention, std::int64_t pair, std::byte* scratch);
    void (*attention_backward)(const Attention& attention, std::int64_t pair, std::byte* scratch);
    void (*attention_weights)(const Attention& attention, void* weights, std::int64_t pair, std::byte* scratch);
    // Of one row: isa/additive_attention.hpp.
    void (*additive_attention_forward)(const AdditiveAttention& attention, std::int64_t row);
    void (*additive_attention_backward)(const AdditiveAttention& attention, std::int64_t row, void* dvector);
};

struct Table {
    std::size_t scratch_bytes;
    Functions f32, f64;
};

/// The table of an instruction set. Throws Error (unsupported) where runs(isa) is false.
const Table& table_of(Isa isa);

}  // namespace cpu
}  // namespace rondo
