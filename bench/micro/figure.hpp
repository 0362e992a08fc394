#pragma once
/// What a microbenchmark finds, and what the model of the persistent kernels assumes in its place.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>
#include <vector>

#include "rows/statistics.hpp"

namespace rondo::bench {

/// One number. Without samples it was not measured: `error` says why, or the device keeps no time (an emulated one).
struct Figure {
    std::string of{};    ///< "cluster push"
    std::string what{};  ///< the case: "8 blocks, 4096 bytes, st.async"
    std::string unit{};  ///< of `value`
    Timing value{};
    double cycles = 0;        ///< of the SM clock, for the same; 0: not looked at
    double rate = 0;          ///< what follows from the value; 0: nothing
    std::string rate_unit{};  ///< "bytes a cycle an SM"
    std::string assumed{};    ///< by the model, or published: in words
    std::string error{};      ///< a wait that passed its limit, wrong data, or what CUDA refused
};

/// How much is done of everything.
struct Effort {
    cudaStream_t stream = nullptr;
    int multiprocessors = 0;
    int steps = 2000;   ///< of a kernel's loop
    int samples = 7;    ///< launches that are timed
    bool tiny = false;  ///< small shapes, a step or two: to see that it runs
};

// Each first looks at the data that arrives, and only then times. Numbers as in the list of unknowns; (1) is the
// benchmark against cuDNN itself.
std::vector<Figure> cluster_push(const Effort& effort);     ///< (2) h through distributed shared memory
std::vector<Figure> word_through_l2(const Effort& effort);  ///< (3) h through L2: tagged words, flags, a grid's barrier
std::vector<Figure> active_clusters(const Effort& effort);  ///< (4) how many run at once
std::vector<Figure> mma_issue(const Effort& effort);        ///< (5) mma.sync with A in registers
std::vector<Figure> weights_from_l2(const Effort& effort);  ///< (6) a stream of weights out of L2
std::vector<Figure> graph_node(const Effort& effort);       ///< a step's launch in a graph: what `steps` pays

}  // namespace rondo::bench
