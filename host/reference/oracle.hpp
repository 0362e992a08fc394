#pragma once
/// The oracle: a stack's forward pass in the plainest form, one row of the batch at a time, and no backward at all.
///
/// Its derivatives come from its scalar: std::complex<double> carries an exact directional derivative, Reverse
/// (gradients.hpp) every gradient at once. It shares neither equations nor loop with the engine that it judges.
///
///     x[T,B,I]   y[T,B,O]   lengths[B]   states: entries [B, width], in the order of states(spec)
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "reference/cells.hpp"

namespace rondo::reference {

template <class S>
struct Inputs {
    std::map<std::string, std::vector<S>> parameters;  ///< by PyTorch's names
    std::vector<S> x;                                  ///< [T,B,I]; never read past a row's length
    std::vector<std::vector<S>> states;                ///< none: all zero
    std::vector<std::int64_t> lengths;                 ///< none: every row takes every step
    std::vector<std::vector<S>> masks;                 ///< a layer: its input is multiplied by them; empty for none
};

template <class S>
struct Outputs {
    std::vector<S> y;                          ///< [T,B,O], zero past a row's length
    std::vector<std::vector<S>> final_states;  ///< [B, width], after a row's own last step
    std::vector<std::vector<S>> state_steps;   ///< [T,B, width], after every step; carried along past a length
};

namespace detail {

template <class S>
Weights<S> weights_of(const std::map<std::string, std::vector<S>>& parameters, int layer, int direction) {
    auto find = [&](const char* name) -> std::span<const S> {
        const auto found = parameters.find(full_name(name, layer, direction));
        return found == parameters.end() ? std::span<const S>{} : found->second;
    };
    return {find("weight_ih"), find("weight_hh"), find("bias_ih"),
            find("bias_hh"),   find("weight_hr"), find("weight_peephole")};
}

/// Row b of a [B, width] tensor.
template <class S>
std::vector<S> row_of(const std::vector<S>& tensor, std::size_t b, std::size_t width) {
    return {tensor.begin() + static_cast<std::ptrdiff_t>(b * width),
            tensor.begin() + static_cast<std::ptrdiff_t>((b + 1) * width)};
}

template <class S>
void put_row(std::vector<S>& tensor, std::size_t b, const std::vector<S>& row) {
    std::copy(row.begin(), row.end(), tensor.begin() + static_cast<std::ptrdiff_t>(b * row.size()));
}

/// What one layer reads, [T,B,I], with dropout's mask where there is one.
template <class S>
struct Features {
    const std::vector<S>& values;
    const std::vector<S>* mask;
    std::size_t width;

    std::vector<S> row(std::size_t row) const {
        std::vector<S> x = row_of(values, row, width);
        for (std::size_t k = 0; mask && k < width; ++k) x[k] = x[k] * (*mask)[row * width + k];
        return x;
    }
};

/// One direction of one layer over the whole batch. Adds scale·h to columns [column, column + W) of y [T,B,O].
/// first_state: where h, and c after it, stand in the lists of states.
template <class S>
struct Recurrence {
    const LayerSpec& layer;
    Weights<S> weights;
    bool reverse;
    std::size_t first_state, column;
    S scale;

    void run(std::size_t T, std::size_t B, const Inputs<S>& in, const Features<S>& features, std::vector<S>& y,
             Outputs<S>& out) const {
        const std::size_t O = static_cast<std::size_t>(layer.output());
        for (std::size_t b = 0; b < B; ++b) {
            const std::size_t length = in.lengths.empty() ? T : static_cast<std::size_t>(in.lengths[b]);
            Carried<S> state;
            state.h = initial(in, 0, b, layer.width());
            if (layer.cell == "lstm") state.c = initial(in, 1, b, layer.hidden);
            for (std::size_t n = 0; n < T; ++n) {
                const std::size_t t = reverse ? T - 1 - n : n, row = t * B + b;
                if (t < length) {
                    state = step(layer, weights, features.row(row), state);
                    for (std::size_t k = 0; k < state.h.size(); ++k) {
                        S& value = y[row * O + column + k];
                        value = value + scale * state.h[k];
                    }
                }
                put(out.state_steps, row, state);
            }
            put(out.final_states, b, state);
        }
    }

private:
    std::vector<S> initial(const Inputs<S>& in, std::size_t state, std::size_t b, std::int64_t width) const {
        const std::size_t size = static_cast<std::size_t>(width);
        return in.states.empty() ? std::vector<S>(size, S(0)) : row_of(in.states[first_state + state], b, size);
    }
    void put(std::vector<std::vector<S>>& states, std::size_t row, const Carried<S>& state) const {
        put_row(states[first_state], row, state.h);
        if (!state.c.empty()) put_row(states[first_state + 1], row, state.c);
    }
};

/// Throws Error when a parameter or x does not have the size that the stack asks for.
template <class S>
void check(const StackSpec& spec, std::int64_t rows, const Inputs<S>& in) {
    require(static_cast<std::int64_t>(in.x.size()) == rows * spec.input, "x", in.x.size(), "must be [T,B,I]");
    for (const Parameter& p : parameters(spec)) {
        const auto found = in.parameters.find(p.name);
        require(found != in.parameters.end() && static_cast<std::int64_t>(found->second.size()) == p.size(),
                "parameter", p.name, "is missing, or not of the layer's size");
    }
}

}  // namespace detail

/// Throws Error when the spec names a cell that the oracle does not know, or an input has the wrong size.
template <class S>
Outputs<S> run(const StackSpec& spec, std::int64_t steps, std::int64_t batch, const Inputs<S>& in) {
    detail::check(spec, steps * batch, in);
    const std::size_t T = static_cast<std::size_t>(steps), B = static_cast<std::size_t>(batch);
    Outputs<S> out;
    for (const State& s : states(spec)) {
        out.final_states.emplace_back(B * static_cast<std::size_t>(s.width));
        out.state_steps.emplace_back(T * B * static_cast<std::size_t>(s.width));
    }

    out.y = in.x;  // below the first layer
    std::size_t first_state = 0;
    for (std::size_t l = 0; l < spec.layers.size(); ++l) {
        const LayerSpec& layer = spec.layers[l];
        const int index = static_cast<int>(l);
        const bool both = layer.direction == Direction::bidirectional;
        const std::vector<S>* mask = l < in.masks.size() && !in.masks[l].empty() ? &in.masks[l] : nullptr;
        const detail::Features<S> features{out.y, mask, static_cast<std::size_t>(input_width(spec, index))};
        std::vector<S> y(T * B * static_cast<std::size_t>(layer.output()), S(0));
        for (int d = 0; d < 2; ++d) {
            if (layer.direction == (d == 0 ? Direction::reverse : Direction::forward)) continue;
            const bool beside = both && d == 1 && layer.merge == Merge::concatenate;
            const detail::Recurrence<S> recurrence{layer,
                                                   detail::weights_of(in.parameters, index, d),
                                                   d == 1,
                                                   first_state,
                                                   beside ? static_cast<std::size_t>(layer.width()) : 0,
                                                   S(both && layer.merge == Merge::average ? 0.5f : 1.0f)};
            recurrence.run(T, B, in, features, y, out);
            first_state += layer.cell == "lstm" ? 2 : 1;
        }
        out.y = y;
    }
    return out;
}

}  // namespace rondo::reference
