#include "cuda/loop_choice.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "rondo/error.hpp"

namespace rondo::cuda {
namespace {

using kernels::Exchange;
using kernels::Geometry;
using kernels::LoopShape;

/// Figures of an H100, in cycles of its clock unless said otherwise. Measured on: nothing yet. Sources: NVIDIA's
/// CUDA documentation for rates; machine code for what is called instructions (LSTM in bf16, nvcc 13.0, sm_90a, counted
/// by nvdisasm on 2026-11-24), of which a quarter of a multiprocessor begins one a cycle; published microbenchmarks for the
/// others; bench_gpu_micro measures each of those.
constexpr double kCyclesPerMicrosecond = 1700;
constexpr double kProductCycles = 6.5;        // an mma of a quarter of a multiprocessor, with others under way
constexpr double kProductLatency = 33;        // of one that waits for the one before it
constexpr double kSharedBytesPerCycle = 128;  // of a multiprocessor
constexpr double kPushedBytesPerCycle = 20;   // into the shared memory of a cluster's other blocks
constexpr double kL2BytesPerCycle = 32;       // of a multiprocessor, while all read
constexpr double kBarrier = 40;               // of a block
constexpr double kMake = 250;                 // of a cell's map, what its instructions wait for each other
constexpr double kMakeForward = 375;          // instructions for an item of a row until it is sent
constexpr double kWriteForward = 225;         // and then: outputs, the next one's inputs
constexpr double kTwoRows = 1.5;              // times as many for an item of two
constexpr double kMakeBackward = 270;         // for a piece, but for its sums
constexpr double kReadBackward = 120;         // for its inputs, while others wait only if it is not the last one
constexpr double kAddSlot = 4;                // for one of its sums
constexpr double kClusterExchange = 400;
constexpr double kGridAnnounce = 800;      // until all others see it
constexpr double kGridFence = 400;         // of it, what the courier waits for its block's stores
constexpr double kGridPoll = 300;          // of a counter that has been ready for long
constexpr double kGridCopy = 500;          // until the first bytes are in shared memory
constexpr double kStartMicroseconds = 8;   // a launch that loads its weights
constexpr double kStepMicroseconds = 2.4;  // two nodes of a graph
constexpr double kProductRate = 3e8;       // multiplications and additions a microsecond, cuBLASLt on small batches
constexpr double kWeightBytesPerMicrosecond = 3e6;

constexpr std::array kClusterRanks{2, 4, 8, 16};
constexpr int kMostRows = 256;  // of a group

double ceil_div(double a, double b) { return std::ceil(a / b); }

/// Groups with that many blocks, as few rows to each as let all of them run at once, if that can be.
std::optional<Geometry> with_ranks(const LoopQuestion& question, Exchange exchange, int ranks, int cluster, int round,
                                   const LoopMachine& machine, int& at_once) {
    std::optional<Geometry> found;
    for (int rows = kernels::kSlab; rows <= kMostRows; rows += kernels::kSlab) {
        const Geometry geometry = kernels::lay_out(question.shape, exchange, ranks, rows, cluster, round);
        if (geometry.units == 0) return std::nullopt;
        // What waits within a grid must be resident; clusters and single blocks may also come one after the other.
        const int most = machine.most_groups(geometry);
        const int groups = exchange == Exchange::grid ? most / question.at_once : std::max(1, most / question.at_once);
        if (most == 0 || groups == 0) return found;  // no room for more rows either
        const bool one_wave = geometry.groups <= groups;
        if (one_wave || exchange != Exchange::grid) {
            found = geometry;
            at_once = groups;
        }
        if (one_wave) return found;
    }
    return found;
}

}  // namespace

double expected_microseconds(const LoopQuestion& question, const Geometry& g, int at_once) {
    const LoopShape& shape = question.shape;
    const double wave = g.wave, others = g.waves - 1, warps = g.strip_warps * g.splits, slabs = shape.slabs();
    const double tiles = g.strips * g.tiles;                               // of a warp
    const double products = tiles * slabs * (question.threefold ? 3 : 1);  // two a tile and two slabs
    const double chain = tiles * (shape.backward ? 1 : 2) * kProductLatency;
    const double rest = g.rest_tiles * slabs * warps * 512;
    const double multiply = std::max({ceil_div(warps, 4) * products * kProductCycles, chain,
                                      (rest + warps * tiles * 8 * kernels::kOperandBytes) / kSharedBytesPerCycle});
    // What the busiest quarter makes of a wave; forward a sum of splits waits for all of a pass.
    const double slabs_of_pass = g.units / kernels::kSlab, quarters = std::min(4.0, warps);
    const double of_wave = wave * kernels::kSlab / g.rows;
    const double copy = kGridCopy + of_wave * static_cast<double>(g.board_bytes) / kL2BytesPerCycle;
    const double push = g.cluster == 1
                            ? kBarrier
                            : kClusterExchange + of_wave * static_cast<double>(g.box_bytes) / kPushedBytesPerCycle;
    double step = 0;
    if (shape.backward) {
        // Two waves are made, announced and fetched one after the other, then both are multiplied.
        const bool grid = g.exchange == Exchange::grid;
        const double pieces = ceil_div(2 * wave * slabs_of_pass, quarters);
        const double make = kMake + pieces * (kMakeBackward + g.slots * kAddSlot) + (pieces - 1) * kReadBackward;
        const double other_makes = others * (make + (grid ? kGridFence : 0));
        step = make + (grid ? std::max(other_makes, kGridAnnounce) + copy : other_makes + kBarrier) + wave * multiply +
               std::max(others * wave * multiply, push);
    } else {
        const bool grid = g.exchange == Exchange::grid;
        const double round = g.round, rounds = ceil_div(wave, round), barriers = g.splits == 1 ? 0 : round;
        const double items = round * 2 * slabs_of_pass / g.item_rows;
        const double of_strip = round * 2 * slabs / shape.gates / g.item_rows;
        const double made = rounds * ceil_div(items, quarters) * (g.item_rows == 2 ? kTwoRows : 1);
        const double make = wave * multiply + rounds * (barriers * kBarrier + kMake) + made * kMakeForward;
        const double write = made * kWriteForward;
        // The courier, too, multiplies each wave, and makes some of it unless there are more warps than items.
        const double courier = grid ? kGridFence + (g.splits > of_strip ? 0 : kGridPoll) : 0;
        const double exchange = grid ? kGridAnnounce + copy : push;
        step = std::max(g.waves * (make + std::max(write, courier)), make + std::max(write, exchange));
    }
    return ceil_div(g.groups, at_once) *
           (step / kCyclesPerMicrosecond + kStartMicroseconds / static_cast<double>(question.steps));
}

double expected_microseconds_stepping(const LoopQuestion& question) {
    const LoopShape& shape = question.shape;
    const double weights = static_cast<double>(shape.gates) * static_cast<double>(shape.hidden * shape.hidden);
    return kStepMicroseconds +
           std::max(2 * weights * static_cast<double>(shape.batch) / kProductRate,
                    weights * static_cast<double>(shape.element_bytes) / kWeightBytesPerMicrosecond);
}

std::optional<Geometry> best_geometry(const LoopQuestion& question, Exchange exchange, const LoopMachine& machine) {
    std::optional<Geometry> best;
    double least = std::numeric_limits<double>::infinity();
    const auto consider = [&](int ranks, int cluster) {
        ranks = (ranks + cluster - 1) / cluster * cluster;
        if (ranks > machine.multiprocessors) return;
        for (const int round : {1, 2}) {
            if (round > 1 && question.shape.backward) continue;
            int at_once = 0;
            const std::optional<Geometry> geometry =
                with_ranks(question, exchange, ranks, cluster, round, machine, at_once);
            if (!geometry) continue;
            const double expected = expected_microseconds(question, *geometry, at_once);
            if (expected >= least) continue;
            least = expected;
            best = geometry;
        }
    };
    switch (exchange) {
        case Exchange::solo:
            consider(1, 1);
            break;
        case Exchange::cluster:
            for (int ranks : kClusterRanks) consider(ranks, 1);
            break;
        case Exchange::grid:
            for (int units = question.shape.warp_units(), ranks = 0; ranks != 1; units += question.shape.warp_units()) {
                ranks = static_cast<int>((question.shape.hidden + units - 1) / units);
                consider(ranks, 1);
                if (!question.shape.backward) continue;
                for (int cluster : kClusterRanks)
                    if (cluster < ranks) consider(ranks, cluster);
            }
            break;
    }
    return best;
}

LoopChoice choose_loop(const LoopQuestion& question, TimeLoop wanted, const LoopMachine& machine) {
    LoopChoice choice{std::nullopt, expected_microseconds_stepping(question), ""};
    if (wanted == TimeLoop::steps) return choice;
    const auto try_exchange = [&](Exchange exchange) {
        const std::optional<Geometry> geometry = best_geometry(question, exchange, machine);
        if (!geometry) return false;
        const int at_once = std::max(1, machine.most_groups(*geometry) / question.at_once);
        const double expected = expected_microseconds(question, *geometry, at_once);
        if (wanted != TimeLoop::automatic || expected < choice.microseconds) {
            choice.geometry = geometry;
            choice.microseconds = expected;
        }
        return true;
    };
    bool fits = false;
    if (wanted == TimeLoop::automatic || wanted == TimeLoop::solo) fits |= try_exchange(Exchange::solo);
    if (wanted == TimeLoop::automatic || wanted == TimeLoop::cluster) fits |= try_exchange(Exchange::cluster);
    if (wanted == TimeLoop::automatic || wanted == TimeLoop::grid) fits |= try_exchange(Exchange::grid);
    if (!choice.geometry)
        choice.reason = fits ? "expected to be faster than one launch"
                             : detail::concat("W_hh does not fit ", wanted == TimeLoop::solo      ? "one multiprocessor"
                                                                    : wanted == TimeLoop::cluster ? "a cluster"
                                                                                                  : "this GPU");
    return choice;
}

std::string describe(const Geometry& g) {
    const char* const name = g.exchange == Exchange::solo      ? "solo"
                             : g.exchange == Exchange::cluster ? "cluster"
                                                               : "grid";
    return detail::concat(
        name, ", ", g.groups, g.groups == 1 ? " group" : " groups", " of ", g.ranks,
        g.ranks == 1 ? " block" : " blocks",
        g.exchange == Exchange::grid && g.cluster > 1 ? detail::concat(" in clusters of ", g.cluster) : std::string(),
        ", ", g.rows, " rows, ", g.units, " units, ", g.splits, g.splits == 1 ? " split" : " splits", " of K, ",
        g.shared_bytes / 1024, " KiB shared");
}

}  // namespace rondo::cuda
