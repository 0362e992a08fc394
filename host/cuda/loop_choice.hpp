#pragma once
/// Which time loops run in one launch, and how such a launch is laid out. Pure: what it needs to know of a GPU it is
/// told.
#include <functional>
#include <optional>
#include <string>

#include "persistent/persistent.hpp"
#include "rondo/rnn.hpp"

namespace rondo::cuda {

struct LoopQuestion {
    kernels::LoopShape shape;
    std::int64_t steps = 1;
    int at_once = 1;         ///< such loops that may be on the GPU together
    bool threefold = false;  ///< products of f32 made of three
};

/// A GPU, as far as it matters.
struct LoopMachine {
    int multiprocessors = 0;
    std::function<int(const kernels::Geometry&)> most_groups;  ///< at once; 0: not one
};

struct LoopChoice {
    std::optional<kernels::Geometry> geometry;  ///< none: step by step
    double microseconds = 0;                    ///< that a step is expected to take
    std::string reason;                         ///< why not as wanted
};

/// The expected time of a step in one launch, `groups` of them at once, and step by step. From the figures of an H100
/// in the source; none of them has been measured by this project yet.
double expected_microseconds(const LoopQuestion& question, const kernels::Geometry& geometry, int groups);
double expected_microseconds_stepping(const LoopQuestion& question);

/// The layout of that exchange which is expected to be the fastest; none where none fits.
std::optional<kernels::Geometry> best_geometry(const LoopQuestion& question, kernels::Exchange exchange,
                                               const LoopMachine& machine);

LoopChoice choose_loop(const LoopQuestion& question, TimeLoop wanted, const LoopMachine& machine);

/// "cluster, 2 groups of 16 blocks, 8 rows, 16 units, 8 splits of K, 76 KiB shared"
std::string describe(const kernels::Geometry& geometry);

}  // namespace rondo::cuda
