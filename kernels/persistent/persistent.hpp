#pragma once
/// All steps of a time loop in one launch: W_hh stays in registers and shared memory, and only the operand of its
/// product travels.
///
///     forward    gates_h[B,G,H] = h[B,H] · W_hhᵀ            then the cell's map       operand: h
///     backward   dh[B,H] += dgates_h(later)[B,G·H] · W_hh   then the cell's backward  operand: dgates_h
///
/// A group of blocks holds all of W_hh and owns some rows of the batch; block r of its `ranks` makes what belongs to
/// units [r·units, (r+1)·units). Groups have nothing to do with each other. Exchanges differ in how a step's results
/// get to the others of a group:
///
///     solo      one block; its own shared memory
///     cluster   the blocks of a cluster; pushed into each other's shared memory, whose mbarriers count the bytes
///     grid      blocks that are resident together; through L2, with counters of who has written, into shared memory
///
/// and in what travels:
///
///     gathered    operands: a block gets what others made of one and multiplies it by what of W_hh makes its units
///     scattered   sums: a block multiplies its own part of the operand by what of W_hh belongs to that, and sends
///                 every block the sums of that one's units, which adds up those of all, in order
///
/// Forward operands are gathered, for h is small. Backward sums are scattered, solo and in a cluster: H·C bytes a row,
/// where dgates_h has G·H·S. Backward in a grid does both. Its group consists of clusters; all blocks of one rank in
/// their clusters gather through L2 what they have made of dgates_h, multiply that by what makes the units of their
/// clusters, and each cluster scatters the sums among its own. Of a group of C clusters of R blocks a block gets G·S
/// bytes of H/R units of a row through L2 and R·C bytes of each of its own units from its cluster, instead of G·S of all.
///
/// Rows go in waves, each with counters and barriers of its own: while one's results travel, others are multiplied and
/// made.
///
/// Within a block, warps share out the product's rows; where there are more warps than that takes, they share out K as
/// well and their sums are added in order: forward at once, backward as slots of their own.
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "pointwise/cell.hpp"
#include "rondo/cell/element.hpp"
#include "rondo/dtype.hpp"

namespace rondo::kernels {

enum class Exchange { solo, cluster, grid };

inline constexpr int kLoopWarps = 8;      ///< of a block, at most: a thread may then have 255 registers
inline constexpr int kSlab = 8;           ///< rows of W_hh that a tensor core takes together, and rows of the batch
inline constexpr int kOperandBytes = 64;  ///< of an operand's row in a tile: what a warp multiplies in one go
inline constexpr int kStrip = 16;         ///< units of a strip of W_hh backward: two slabs, side by side
inline constexpr int kQuarters = 4;       ///< of a multiprocessor, each of which issues instructions
inline constexpr int kMostWaves = 32;
inline constexpr int kCounterBytes = 128;  ///< from one counter in global memory to the next
inline constexpr int kBoards = 4;          ///< operands that a grid has room for in global memory

/// Slabs of units that a warp makes forward: an even number of a product's slabs, and eight warps hold as much of W_hh
/// as a multiprocessor's registers take.
constexpr int loop_unit_slabs(int gates) { return gates == 1 ? 4 : 2; }

/// Tiles of so many slabs that a warp holds: in 128 registers of a thread; of f32, whose parts of tf32 and sums take some,
/// in at most 96.
constexpr int held_tiles(std::size_t element_bytes, int slabs) {
    return (element_bytes == 4 ? (slabs < 8 ? 24 : 16) : 32) / slabs;
}

/// What a launch's layout follows from.
struct LoopShape {
    int gates = 0, states = 0;
    std::int64_t element_bytes = 0;  ///< of the storage type
    std::int64_t batch = 0, hidden = 0;
    bool backward = false;

    /// Units of a block are a multiple of so many.
    constexpr int warp_units() const { return backward ? kStrip : loop_unit_slabs(gates) * kSlab; }
    /// Slabs of a strip of W_hh: what a warp multiplies with an operand's tile in one go.
    constexpr int slabs() const { return backward ? 2 : gates * loop_unit_slabs(gates); }
    /// Tiles of a strip that registers hold.
    constexpr int held() const { return held_tiles(static_cast<std::size_t>(element_bytes), slabs()); }
};

/// How a launch is laid out. Places are bytes into a block's shared memory.
struct Geometry {
    Exchange exchange = Exchange::solo;
    int ranks = 1;        ///< blocks of a group
    int cluster = 1;      ///< blocks of a cluster, of which a group consists
    int groups = 1;       ///< of a direction
    int rows = kSlab;     ///< of the batch, of a group; a multiple of kSlab
    int gathering = 1;    ///< blocks that gather from each other: one of each cluster
    int wave = 1;         ///< times kSlab rows: of a wave
    int waves = 1;        ///< of the rows
    int units = 0;        ///< of a block; a multiple of LoopShape::warp_units
    int strip_warps = 1;  ///< that share out the strips of W_hh
    int strips = 1;       ///< of each; the last one may have fewer
    int splits = 1;       ///< warps that share out K
    int tiles = 1;        ///< of a split; the last one may have fewer
    int all_tiles = 1;
    int rest_tiles = 0;      ///< of a warp's strips: what registers do not hold
    int pitch = 0;           ///< elements from row to row of an operand
    int slots = 0;           ///< backward: sums that an element of dh is made of
    int item_rows = 0;       ///< forward: of a lane's two rows, that a warp makes side by side
    int round = 1;           ///< forward: passes that are multiplied, and then made, together; one or two, of a wave
    int items = 0;           ///< forward: that a warp makes of a round, at most
    bool threefold = false;  ///< products of f32 are three of tf32, which keeps 22 of 24 bits
    int carried_pitch = 0;   ///< from row to row of what is carried
    std::size_t lengths = 0, biases = 0, carried = 0, inputs = 0, partial = 0, stage = 0, rest = 0, operand = 0,
                inbox = 0, shared_bytes = 0;
    int landings = 0;               ///< grid: waves for whose operands there is room in shared memory, one or two
    std::size_t box_bytes = 0;      ///< of a step: what a block is sent by its cluster or itself
    std::size_t board_bytes = 0;    ///< grid: of a step, an operand
    int board_row_bytes = 0;        ///< of it
    std::size_t scratch_bytes = 0;  ///< of a direction in global memory: LoopExchange::scratch

    RONDO_HD constexpr int threads() const { return strip_warps * splits * 32; }
};

/// The layout with that many blocks and rows to a group, backward in a grid with `cluster` of them to a cluster, a
/// divisor, forward with rounds of so many passes; the last blocks may have no units. Units of 0: a block cannot take its
/// share.
constexpr Geometry lay_out(const LoopShape& shape, Exchange exchange, int ranks, int rows, int cluster = 1,
                           int round = 1) {
    const auto over = [](std::int64_t n, std::int64_t by) { return (n + by - 1) / by; };
    const auto up = [&](std::int64_t n, std::int64_t multiple) { return over(n, multiple) * multiple; };
    const bool grid = exchange == Exchange::grid;
    Geometry g;
    g.exchange = exchange;
    g.ranks = ranks;
    g.cluster = grid ? cluster : ranks;
    g.rows = static_cast<int>(up(rows, kSlab));
    g.groups = static_cast<int>(over(shape.batch, g.rows));
    // Of a single block nothing travels. Backward two, for each announcement costs the courier what it could make a
    // wave of in.
    const int passes = g.rows / kSlab;
    g.round = !shape.backward && passes > 1 ? round : 1;
    g.wave = exchange == Exchange::solo ? passes
             : shape.backward           ? static_cast<int>(over(passes, 2))
                                        : static_cast<int>(up(over(passes, kMostWaves), g.round));
    g.waves = static_cast<int>(over(passes, g.wave));
    g.gathering = ranks / g.cluster;
    const std::int64_t units = up(over(shape.hidden, ranks), shape.warp_units());
    if (!shape.backward && units > kLoopWarps * shape.warp_units()) return g;
    g.units = static_cast<int>(units);
    const std::int64_t element = shape.element_bytes, tile = kOperandBytes / element;
    // Of the product: units that a block makes sums of, forward of each gate; and of its operand those it consists of.
    const std::int64_t made = shape.backward ? units * g.cluster : units;
    const std::int64_t from = units * (shape.backward ? g.gathering : ranks) * (shape.backward ? shape.gates : 1);
    const std::int64_t strips = made / shape.warp_units();
    g.all_tiles = static_cast<int>(over(from, tile));
    // As little work for a warp as can be; forward that is one strip, and in a cluster alone, where strips are enough,
    // each split would send sums of its own.
    const std::int64_t most = !shape.backward ? kLoopWarps / strips : exchange == Exchange::cluster ? 1 : kLoopWarps;
    for (std::int64_t splits = 1, least = 0; splits <= most; ++splits) {
        const std::int64_t warps = kLoopWarps / splits < strips ? kLoopWarps / splits : strips;
        const std::int64_t of_warp = over(strips, warps), tiles = over(g.all_tiles, splits);
        if (splits > 1 && of_warp * tiles >= least) continue;
        least = of_warp * tiles;
        g.strips = static_cast<int>(of_warp);
        g.strip_warps = static_cast<int>(over(strips, of_warp));
        g.tiles = static_cast<int>(tiles);
        g.splits = static_cast<int>(over(g.all_tiles, tiles));
    }
    // An odd number of tiles' bytes: neighbouring rows then lie in different banks.
    g.pitch = static_cast<int>((g.all_tiles % 2 == 0 ? g.all_tiles + 1 : g.all_tiles) * tile);
    // Lanes of a warp reach different banks: backward 16 units of two rows, forward 8 of four rows, two apart.
    g.carried_pitch = static_cast<int>(!shape.backward ? units + 4 : units % 32 == 0 ? units + 16 : units);

    const std::int64_t warps = g.strip_warps * g.splits, row = std::int64_t{g.pitch} * element, operand = g.rows * row;
    const auto book = [&](std::int64_t bytes) {
        const std::size_t place = g.shared_bytes;
        g.shared_bytes += static_cast<std::size_t>(up(bytes, 128));
        return place;
    };
    constexpr std::int64_t kFloat = sizeof(float), kSumBytes = 32 * 2 * kFloat, kSlabBytes = 32 * 16;
    g.lengths = book(g.rows * std::int64_t{sizeof(int)});
    g.carried = book(shape.states * g.rows * g.carried_pitch * kFloat);
    g.rest_tiles = g.strips * g.tiles > shape.held() ? g.strips * g.tiles - shape.held() : 0;
    g.rest = book(warps * g.rest_tiles * shape.slabs() * kSlabBytes);
    if (shape.backward) {
        g.slots = g.splits * g.cluster;
        g.box_bytes = static_cast<std::size_t>(up(g.slots * g.rows * units * kFloat, 128));
    } else {
        if (!grid) g.box_bytes = static_cast<std::size_t>(up(operand, 128));
        g.biases = book(shape.gates * units * kFloat);
        // Two together take fewer instructions, one each goes to twice as many warps.
        const std::int64_t slabs = g.round * shape.slabs() / shape.gates;
        g.item_rows = slabs * g.strip_warps >= kQuarters ? 2 : 1;
        g.items = static_cast<int>(over(slabs * 2 / g.item_rows, g.splits));
        g.inputs = book(2 * g.threads() * g.items * g.item_rows * shape.gates * kFloat);
        g.partial = book((g.splits > 1 ? 2 : g.round) * warps * shape.slabs() * kSumBytes);
        g.stage = book(warps * kSlab * kSlab * element);
    }
    g.inbox = book(2 * static_cast<std::int64_t>(g.box_bytes));
    if (grid) {
        g.landings = shape.backward ? g.waves : 1;
        g.operand = book(g.landings * g.wave * kSlab * row);
        g.board_row_bytes = static_cast<int>(row);
        g.board_bytes = static_cast<std::size_t>(up(operand, 128));
        g.scratch_bytes = static_cast<std::size_t>(g.groups * g.cluster) *
                          (static_cast<std::size_t>(g.waves * kCounterBytes) + kBoards * g.board_bytes);
    } else if (shape.backward) {
        g.operand = book(2 * operand);
    }
    return g;
}

/// How the blocks of a group reach each other, and whom they tell where one waits in vain.
struct LoopExchange {
    void* scratch = nullptr;        ///< grid: Geometry::scratch_bytes of zeros, of each direction its own
    std::uint64_t nanoseconds = 0;  ///< how long a wait may last
    std::int64_t* late = nullptr;   ///< a word of page-locked host memory: set where one lasted longer
};

/// A limit that clips nothing, so that kernels need not ask whether there is one.
inline constexpr float kNoClip = std::numeric_limits<float>::infinity();

/// One direction of a layer forward, `steps` in its order, t_step apart: 1, or -1 where time runs backwards. What a
/// step reads and writes lies t_step times all of [B,..] behind what the one before it did; of y and dy, .._step elements.
struct LoopForward {
    std::int64_t batch = 0, hidden = 0, steps = 0, t = 0, t_step = 1;  ///< t: of the first step
    const std::int64_t* lengths = nullptr;                             ///< [B] or null
    const void* w = nullptr;                                           ///< in S [G·H,H]
    const void* bias_h = nullptr;                                      ///< in C [G,H] or null
    float clip = kNoClip;                                              ///< of the cell
    const void* gates_x = nullptr;                                     ///< in C [B,G,H]
    const void* state[kMostStates] = {};  ///< in [0] S [B,H], others C [B,H]: before the first step
    void* next[kMostStates] = {};         ///< out, likewise: after every step, or, not every[s], after the last one
    bool every[kMostStates] = {};
    void* saved = nullptr;  ///< out S [B,R,H] or null
    void* y = nullptr;      ///< out S, rows y_stride apart, or null
    std::int64_t y_stride = 0, y_step = 0;
    float y_scale = 1;
    bool y_add = false;
    LoopExchange exchange;
};

/// Its backward: steps in the other order.
struct LoopBackward {
    std::int64_t batch = 0, hidden = 0, steps = 0, t = 0, t_step = -1;
    const std::int64_t* lengths = nullptr;
    const void* w = nullptr;
    float clip = kNoClip;                 ///< of the cell
    float gradient_clip = kNoClip;        ///< of what flows back from a step to h before it, by value
    const void* later_dgates = nullptr;   ///< in S [B,G,H]: dgates_h of the step that ran after the first one; or null
    const void* carry[kMostStates] = {};  ///< in [B,H]: gradients after the first step but for the product; or null
    bool carry_in_storage = false;        ///< carry[0] is in S
    const void* state[kMostStates] = {};  ///< in: before a step
    const void* next[kMostStates] = {};   ///< in: after it
    const void* saved = nullptr;          ///< in S [B,R,H]
    const void* dy = nullptr;             ///< in S, rows dy_stride apart, or null
    std::int64_t dy_stride = 0, dy_step = 0;
    float dy_scale = 1;
    const void* dstep[kMostStates] = {};  ///< in [0] S [B,H], others C [B,H]: asked for of a step's states; or null
    void* dgates_x = nullptr;             ///< out S [B,G,H]
    void* dgates_h = nullptr;             ///< out S [B,G,H], where the cell has two kinds
    void* dstate[kMostStates] = {};       ///< out C [B,H]: gradients before the last step but for the product
    void* dh_told = nullptr;              ///< out C [B,H]: dh of rows that take the step; or null
    LoopExchange exchange;
};

/// A launch of either, for one direction or two; `geometry` of lay_out().
using LaunchLoopForward = void (*)(const Directions<LoopForward>&, const Geometry&, cudaStream_t);
using LaunchLoopBackward = void (*)(const Directions<LoopBackward>&, const Geometry&, cudaStream_t);

/// A cell's loops, with what the driver tells of them.
struct LoopLaunches {
    LaunchLoopForward forward = nullptr;
    LaunchLoopBackward backward = nullptr;
    const void *forward_kernel = nullptr, *backward_kernel = nullptr;
};

/// Of storage bf16, f16 or f32. Null: the cell has none.
template <DType kType>
LoopLaunches find_loops(std::string_view cell, CellOptions options);

/// How many groups of that geometry the current GPU runs at once; 0: it cannot hold one.
int most_groups(const void* kernel, const Geometry& geometry);

}  // namespace rondo::kernels
