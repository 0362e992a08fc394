#pragma once
/// What `rondo run` computes, apart from files and devices. Numbers travel as doubles; each engine rounds them to its
/// own types.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rondo/device.hpp"
#include "rondo/rnn.hpp"

namespace rondo::cli {

using Numbers = std::vector<double>;

struct RunProblem {
    StackSpec spec;
    std::int64_t steps = 0, batch = 0;
    std::map<std::string, Numbers> parameters;
    Numbers x;                          ///< [T,B,I]
    std::vector<Numbers> states;        ///< initial, [B, width], in the order of Plan::states; empty: zero
    std::vector<std::int64_t> lengths;  ///< [B], or empty
    bool gradients = false;
    Numbers dy;                    ///< [T,B,O], or empty: zero
    std::vector<Numbers> dfinals;  ///< as states
};

struct RunResult {
    Numbers y;
    std::vector<Numbers> finals;
    // With gradients.
    Numbers dx;
    std::vector<Numbers> dstates;
    std::map<std::string, Numbers> dparameters;
};

/// By the engine, in the spec's precision.
RunResult run_on_device(const RunProblem& problem, const Device& device);

/// By the oracle, in f64 or f32; throws Error on any other precision.
RunResult run_on_reference(const RunProblem& problem);

}  // namespace rondo::cli
