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
/// by nvdisasm on 2026-11-23), of which a quarter of a multiprocessor begins one a cycle; published microbenchmarks for the
/// others; bench_gpu_micro measures each of those.
constexpr double kCyclesPerMicrosecond = 1700;
constexpr double kProductCycles = 6.5;        // an mma of a quarter of a multiprocessor, with others under way
constexpr double kProductLatency = 33;        // of one that waits for the one before it
constexpr double kSharedBytesPerCycle = 128;  // of a multiprocessor
constexpr double kPushedBytesPerCycle = 20;   // into the shared memory of a cluster's other blocks
constexpr double kL2BytesPerCycle = 48;       // of a multiprocessor
constexpr double kBarrier = 40;               // of a block
constexpr double kMake = 150;                 // latency of a cell's map
constexpr double kMakeForward = 640;          // instructions for 8 units and 8 rows: inputs, map, sending, outputs
constexpr double kMakeBackward = 1000;
constexpr double kSoloExchange = 60;
constexpr double kClusterExchange = 400;
constexpr double kGridExchange = 1100;
constexpr double kStartMicroseconds = 8;   // a launch that loads its weights
constexpr double kStepMicroseconds = 2.4;  // two nodes of a graph
constexpr double kProductRate = 3e8;       // multiplications and additions a microsecond, cuBLASLt on small batches
constexpr double kWeightBytesPerMicrosecond = 3e6;

constexpr std::array kClusterRanks{2, 4, 8, 16};
constexpr int kMostRows = 256;  // of a group

double ceil_div(double a, double b) { return std::ceil(a / b); }

/// Groups with that many blocks, as few rows to each as let all of them run at once, if that can be.
std::optional<Geometry> with_ranks(const LoopQuestion& question, Exchange exchange, int ranks,
                                   const LoopMachine& machine, int& at_once) {
    std::optional<Geometry> found;
    for (int rows = kernels::kSlab; rows <= kMostRows; rows += kernels::kSlab) {
        const Geometry geometry = kernels::lay_out(question.shape, exchange, ranks, rows);
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
    const double passes = g.rows / kernels::kSlab, warps = g.strip_warps * g.splits, slabs = shape.slabs();
    const double tiles = g.strips * g.tiles;                               // of a warp
    const double products = tiles * slabs * (question.threefold ? 3 : 1);  // two a tile and two slabs
    const double chain = tiles * (shape.backward ? 1 : 2) * kProductLatency;
    const double rest = g.rest_tiles * slabs * warps * 512;
    const double multiply = std::max({ceil_div(warps, 4) * products * kProductCycles, chain,
                                      (rest + warps * tiles * 8 * kernels::kOperandBytes) / kSharedBytesPerCycle});
    // Slabs of a pass by the warps of the busiest quarter; a sum of splits waits for all of a pass.
    const double slabs_of_pass = g.units / kernels::kSlab, quarters = std::min(4.0, warps);
    const double made = shape.backward || g.splits == 1 ? ceil_div(passes * slabs_of_pass, quarters)
                        : g.makes_rows_apart()          ? passes * ceil_div(2 * slabs_of_pass, quarters) / 2
                                                        : passes * ceil_div(slabs_of_pass, quarters);
    const double barriers = shape.backward ? 1 : g.splits > 1 ? 2 * passes : 0;
    const auto box = static_cast<double>(g.box_bytes);
    double exchange = kSoloExchange;
    if (g.exchange == Exchange::cluster) exchange = kClusterExchange + box / kPushedBytesPerCycle;
    if (g.exchange == Exchange::grid)
        exchange = kGridExchange + 3 * kBarrier + box * g.strip_warps * g.strips / kL2BytesPerCycle;
    const double step = passes * multiply + barriers * kBarrier + kMake +
                        made * (shape.backward ? kMakeBackward : kMakeForward) + exchange;
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
    const auto consider = [&](int ranks) {
        if (ranks > machine.multiprocessors) return;
        int at_once = 0;
        const std::optional<Geometry> geometry = with_ranks(question, exchange, ranks, machine, at_once);
        if (!geometry) return;
        const double expected = expected_microseconds(question, *geometry, at_once);
        if (expected >= least) return;
        least = expected;
        best = geometry;
    };
    switch (exchange) {
        case Exchange::solo:
            consider(1);
            break;
        case Exchange::cluster:
            for (int ranks : kClusterRanks) consider(ranks);
            break;
        case Exchange::grid:
            for (int units = question.shape.warp_units(), ranks = 0; ranks != 1; units += question.shape.warp_units()) {
                ranks = static_cast<int>((question.shape.hidden + units - 1) / units);
                consider(ranks);
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
    return detail::concat(name, ", ", g.groups, g.groups == 1 ? " group" : " groups", " of ", g.ranks,
                          g.ranks == 1 ? " block" : " blocks", ", ", g.rows, " rows, ", g.units, " units, ", g.splits,
                          g.splits == 1 ? " split" : " splits", " of K, ", g.shared_bytes / 1024, " KiB shared");
}

}  // namespace rondo::cuda
