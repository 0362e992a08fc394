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
    bool dynamic = false;  ///< also against the algorithm that cuDNN compiles at run time, which takes seconds
    friend bool operator==(const Row&, const Row&) = default;

    std::string_view pass() const { return training ? "training" : "inference"; }
    /// "lstm/bf16/H256/I256/B32/T256/L1/D1/training", and "/ragged", "/directions=batched", "/layers=wavefront"
    std::string name() const;

    StackSpec stack() const;
    Extent extent() const;
};

}  // namespace rondo::bench
