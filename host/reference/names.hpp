#pragma once
/// What a stack's parameters and states are called and how large they are, told a second time.
#include <cstdint>
#include <rondo/rnn.hpp>
#include <string>
#include <vector>

namespace rondo::reference {

/// A parameter tensor. A vector has one column.
struct Parameter {
    std::string name;
    std::int64_t rows, columns;
    int layer, direction;
    std::int64_t size() const { return rows * columns; }
};

/// A carried state, [B, width].
struct State {
    std::string name;
    std::int64_t width;
    int layer, direction;
};

/// Gate blocks of a layer's weights. Throws Error when the oracle does not know the cell.
std::int64_t gates(const LayerSpec& layer);

/// The states of a layer, h first.
std::vector<std::string> state_names(const LayerSpec& layer);

/// Whether h goes through a matrix of its own, W_hh, on its way to the next step.
bool is_recurrent(const LayerSpec& layer);

/// Features that go into a layer: those of the stack, or the output of the layer below.
std::int64_t input_width(const StackSpec& spec, int layer);

/// PyTorch's name: "weight_ih" of layer 1, reverse, is weight_ih_l1_reverse.
std::string full_name(const std::string& name, int layer, int direction);

/// Layer by layer, direction by direction: weight_ih, weight_hh, bias_ih, bias_hh, weight_hr, weight_peephole, weight_norm.
std::vector<Parameter> parameters(const StackSpec& spec);

/// Layer by layer, direction by direction: h, and what else the cell carries.
std::vector<State> states(const StackSpec& spec);

/// Numbers that are drawn inside a layer and direction, once a forward pass in training.
struct Noise {
    enum class Kind {
        recurrent,     ///< [B,width]: factors of h in W_hh·h, the same at every step
        weight,        ///< [G·H·width], a single row: factors of W_hh
        zoneout,       ///< [T,B,width]: 1 where h stays as it was, else 0
        zoneout_cell,  ///< likewise of c
    };
    Kind kind;
    std::string name;
    double rate;
    std::int64_t width;
    int layer, direction;
};

/// Layer by layer, direction by direction, what has a rate.
std::vector<Noise> noise(const StackSpec& spec);

}  // namespace rondo::reference
