#pragma once
/// One step of every cell for one row of the batch, as a textbook writes it: vectors in, vectors out.
#include <span>
#include <string>
#include <vector>

#include "reference/names.hpp"
#include "reference/scalar.hpp"

namespace rondo::reference {

/// The parameters of one layer and direction; empty where the layer has none.
template <class S>
struct Weights {
    std::span<const S> ih, hh, bias_ih, bias_hh, hr, peephole;
};

/// What a row carries from step to step; c is empty but in an LSTM.
template <class S>
struct Carried {
    std::vector<S> h, c;
};

/// The pre-activations of one step: row `gate`·H + `unit` of W·v + b.
template <class S>
struct Affine {
    std::span<const S> matrix, bias;
    const std::vector<S>& v;
    std::size_t units;

    S operator()(std::size_t gate, std::size_t unit) const {
        const std::size_t row = gate * units + unit;
        S sum = bias.empty() ? S(0) : bias[row];
        for (std::size_t k = 0; k < v.size(); ++k) sum = sum + matrix[row * v.size() + k] * v[k];
        return sum;
    }
};

/// h' = tanh or relu(W_ih x + b_ih + W_hh h + b_hh)
template <class S>
Carried<S> vanilla_step(const LayerSpec& layer, const Affine<S>& from_x, const Affine<S>& from_h) {
    using std::tanh;
    Carried<S> next;
    for (std::size_t j = 0; j < from_x.units; ++j) {
        const S a = from_x(0, j) + from_h(0, j);
        next.h.push_back(layer.cell == "rnn_relu" ? relu(a) : tanh(a));
    }
    return next;
}

/// r, z = σ(...); n = tanh(W_in x + b_in + r∘(W_hn h + b_hn)), or tanh(W_in x + b_in + W_hn (r∘h) + b_hn) where the
/// reset comes before the product; h' = (1 - z)∘n + z∘h
template <class S>
Carried<S> gru_step(const LayerSpec& layer, const Affine<S>& from_x, const Affine<S>& from_h, const Weights<S>& w,
                    const Carried<S>& state) {
    using std::tanh;
    enum { R, Z, N };
    const std::vector<S>& h = state.h;
    std::vector<S> r, reset_h;
    for (std::size_t j = 0; j < h.size(); ++j) {
        r.push_back(sigmoid(from_x(R, j) + from_h(R, j)));
        reset_h.push_back(r[j] * h[j]);
    }
    const Affine<S> from_reset_h{w.hh, w.bias_hh, reset_h, h.size()};
    Carried<S> next;
    for (std::size_t j = 0; j < h.size(); ++j) {
        const S z = sigmoid(from_x(Z, j) + from_h(Z, j));
        const S recurrent = layer.options.reset_before ? from_reset_h(N, j) : r[j] * from_h(N, j);
        const S n = tanh(from_x(N, j) + recurrent);
        next.h.push_back((S(1) - z) * n + z * h[j]);
    }
    return next;
}

/// i, f = σ(... + p∘c); g = tanh(...); c' = clip(f∘c + i∘g); o = σ(... + p_o∘c'); h' = o∘tanh(c'), then W_hr h'.
/// Coupled: f = 1 - i, gate blocks i, g, o.
template <class S>
Carried<S> lstm_step(const LayerSpec& layer, const Affine<S>& from_x, const Affine<S>& from_h, const Weights<S>& w,
                     const Carried<S>& state) {
    using std::tanh;
    const bool coupled = layer.options.coupled;
    const std::size_t H = state.c.size(), I = 0, F = 1, G = coupled ? 1 : 2, O = coupled ? 2 : 3;
    auto gate = [&](std::size_t block, std::size_t j) { return from_x(block, j) + from_h(block, j); };
    auto peephole = [&](std::size_t which, std::size_t j, const S& c) {
        return layer.options.peepholes ? w.peephole[which * H + j] * c : S(0);
    };
    Carried<S> next;
    for (std::size_t j = 0; j < H; ++j) {
        const S& c = state.c[j];
        const S i = sigmoid(gate(I, j) + peephole(0, j, c));
        const S f = coupled ? S(1) - i : sigmoid(gate(F, j) + peephole(1, j, c));
        const S g = tanh(gate(G, j));
        S c_next = f * c + i * g;
        if (layer.cell_clip > 0) c_next = clamp(c_next, layer.cell_clip);
        const S o = sigmoid(gate(O, j) + peephole(2, j, c_next));
        next.c.push_back(c_next);
        next.h.push_back(o * tanh(c_next));
    }
    if (layer.projection > 0) {
        const Affine<S> project{w.hr, {}, next.h, static_cast<std::size_t>(layer.projection)};
        std::vector<S> projected;
        for (std::size_t p = 0; p < project.units; ++p) projected.push_back(project(0, p));
        next.h = projected;
    }
    return next;
}

/// The states after one step on input features x.
template <class S>
Carried<S> step(const LayerSpec& layer, const Weights<S>& w, const std::vector<S>& x, const Carried<S>& state) {
    const std::size_t units = static_cast<std::size_t>(layer.hidden);
    const Affine<S> from_x{w.ih, w.bias_ih, x, units};
    const Affine<S> from_h{w.hh, w.bias_hh, state.h, units};
    if (layer.cell == "rnn_tanh" || layer.cell == "rnn_relu") return vanilla_step(layer, from_x, from_h);
    if (layer.cell == "gru") return gru_step(layer, from_x, from_h, w, state);
    if (layer.cell == "lstm") return lstm_step(layer, from_x, from_h, w, state);
    refuse("cell", layer.cell, "the oracle has no equations for it");
}

}  // namespace rondo::reference
