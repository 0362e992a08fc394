#pragma once
/// One row of a table of results: a stack of equal layers, an extent, and what is timed of it.
#include <cstdint>
#include <string>

#include "rondo/rnn.hpp"

namespace rondo::bench {

struct Row {
    std::string cell = "lstm", dtype = "bf16";
    std::int64_t hidden = 256, input = 256, batch = 32, steps = 256, layers = 1;
    int directions = 1;
    bool ragged = false;
    bool training = true;                                        ///< forward and backward; else a forward for inference
    DirectionOrder direction_order = DirectionOrder::automatic;  ///< of Rondo
    LayerOrder layer_order = LayerOrder::automatic;              ///< likewise
    TimeLoop loop = TimeLoop::automatic;                         ///< likewise
    Biases biases = Biases::two;
    std::int64_t projection = 0;  ///< lstm
    double cell_clip = 0;         ///< lstm
    bool carried = false;         ///< initial states are given, final ones and the gradients of both are asked for
    bool dynamic = false;         ///< also against the algorithm that cuDNN compiles at run time, which takes seconds
    friend bool operator==(const Row&, const Row&) = default;

    std::string_view pass() const { return training ? "training" : "inference"; }
    std::int64_t width() const { return projection > 0 ? projection : hidden; }  ///< of h
    /// "lstm/bf16/H256/I256/B32/T256/L1/D1/training", and "/ragged" and the like where a row is of that kind
    std::string name() const;

    StackSpec stack() const;
    Extent extent() const;
};

}  // namespace rondo::bench
