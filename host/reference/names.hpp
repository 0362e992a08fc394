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

/// Features that go into a layer: those of the stack, or the output of the layer below.
std::int64_t input_width(const StackSpec& spec, int layer);

/// PyTorch's name: "weight_ih" of layer 1, reverse, is weight_ih_l1_reverse.
std::string full_name(const std::string& name, int layer, int direction);

/// Layer by layer, direction by direction: weight_ih, weight_hh, bias_ih, bias_hh, weight_hr, weight_peephole.
std::vector<Parameter> parameters(const StackSpec& spec);

/// Layer by layer, direction by direction: h, and c of an LSTM.
std::vector<State> states(const StackSpec& spec);

}  // namespace rondo::reference
