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
    /// What is drawn inside a layer and direction, by the names of reference::noise; absent: the expectation.
    std::map<std::string, std::vector<S>> noise;
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
    return {find("weight_ih"), find("weight_hh"),       find("bias_ih"),    find("bias_hh"),
            find("weight_hr"), find("weight_peephole"), find("weight_norm")};
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
/// first_state: where h, and the other states after it, stand in the lists of states.
template <class S>
struct Recurrence {
    const LayerSpec& layer;
    Weights<S> weights;
    int index;
    bool reverse;
    std::size_t first_state, column;
    S scale;

    void run(std::size_t T, std::size_t B, const Inputs<S>& in, const Features<S>& features, std::vector<S>& y,
             Outputs<S>& out) const {
        const std::size_t O = static_cast<std::size_t>(layer.output());
        const std::vector<S> hh = scaled({weights.hh.begin(), weights.hh.end()}, noise(in, "weight_hh"), 0);
        Weights<S> dropped = weights;
        dropped.hh = hh;
        for (std::size_t b = 0; b < B; ++b) {
            const std::size_t length = in.lengths.empty() ? T : static_cast<std::size_t>(in.lengths[b]);
            Carried<S> state;
            for (std::size_t s = 0; s < state_names(layer).size(); ++s)
                state.push_back(initial(in, s, b, s == 0 ? layer.width() : layer.hidden));
            for (std::size_t n = 0; n < T; ++n) {
                const std::size_t t = reverse ? T - 1 - n : n, row = t * B + b;
                if (t < length) {
                    const std::vector<S> h = scaled(state[0], noise(in, "recurrent"), b);
                    Carried<S> next = step(layer, dropped, features.row(row), state, h);
                    for (std::size_t s = 0; s < next.size(); ++s) zone_out(in, s, row, state[s], next[s]);
                    state = next;
                    for (std::size_t k = 0; k < state[0].size(); ++k) {
                        S& value = y[row * O + column + k];
                        value = value + scale * state[0][k];
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
        for (std::size_t s = 0; s < state.size(); ++s) put_row(states[first_state + s], row, state[s]);
    }
    /// Null where nothing is drawn.
    const std::vector<S>* noise(const Inputs<S>& in, const std::string& name) const {
        const auto found = in.noise.find(full_name(name, index, reverse ? 1 : 0));
        return found == in.noise.end() ? nullptr : &found->second;
    }
    /// v multiplied by a row of factors.
    static std::vector<S> scaled(std::vector<S> v, const std::vector<S>* factors, std::size_t row) {
        for (std::size_t k = 0; factors && k < v.size(); ++k) v[k] = v[k] * (*factors)[row * v.size() + k];
        return v;
    }
    /// next = k·state + (1 - k)·next, k drawn 0 or 1, or its expectation
    void zone_out(const Inputs<S>& in, std::size_t s, std::size_t row, const std::vector<S>& state,
                  std::vector<S>& next) const {
        const double rate = s == 0 ? layer.zoneout : layer.zoneout_cell;
        if (rate == 0) return;
        const std::vector<S>* drawn = noise(in, "zoneout_" + state_names(layer)[s]);
        for (std::size_t j = 0; j < next.size(); ++j) {
            const S k = drawn ? (*drawn)[row * next.size() + j] : S(static_cast<decltype(real_part(S(0)))>(rate));
            next[j] = k * state[j] + (S(1) - k) * next[j];
        }
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
                                                   index,
                                                   d == 1,
                                                   first_state,
                                                   beside ? static_cast<std::size_t>(layer.width()) : 0,
                                                   S(both && layer.merge == Merge::average ? 0.5f : 1.0f)};
            recurrence.run(T, B, in, features, y, out);
            first_state += state_names(layer).size();
        }
        out.y = y;
    }
    return out;
}

}  // namespace rondo::reference
