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
    std::span<const S> ih, hh, bias_ih, bias_hh, hr, peephole, norm;
};

/// What a row carries from step to step: a vector a state, in the order of state_names(layer).
template <class S>
using Carried = std::vector<std::vector<S>>;

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
    std::vector<S> next;
    for (std::size_t j = 0; j < from_x.units; ++j) {
        const S a = from_x(0, j) + from_h(0, j);
        next.push_back(layer.cell == "rnn_relu" ? relu(a) : tanh(a));
    }
    return {next};
}

/// r, z = σ(...); n = tanh(W_in x + b_in + r∘(W_hn h + b_hn)), or tanh(W_in x + b_in + W_hn (r∘h) + b_hn) where the
/// reset comes before the product; h' = (1 - z)∘n + z∘h
template <class S>
Carried<S> gru_step(const LayerSpec& layer, const Affine<S>& from_x, const Affine<S>& from_h, const Weights<S>& w,
                    const Carried<S>& state) {
    using std::tanh;
    enum { R, Z, N };
    const std::vector<S>& h = state[0];
    std::vector<S> r, reset_h;
    for (std::size_t j = 0; j < h.size(); ++j) {
        r.push_back(sigmoid(from_x(R, j) + from_h(R, j)));
        reset_h.push_back(r[j] * h[j]);
    }
    const Affine<S> from_reset_h{w.hh, w.bias_hh, reset_h, h.size()};
    std::vector<S> next;
    for (std::size_t j = 0; j < h.size(); ++j) {
        const S z = sigmoid(from_x(Z, j) + from_h(Z, j));
        const S recurrent = layer.options.reset_before ? from_reset_h(N, j) : r[j] * from_h(N, j);
        const S n = tanh(from_x(N, j) + recurrent);
        next.push_back((S(1) - z) * n + z * h[j]);
    }
    return {next};
}

/// i, f = σ(... + p∘c); g = tanh(...); c' = clip(f∘c + i∘g); o = σ(... + p_o∘c'); h' = o∘tanh(c'), then W_hr h'.
/// Coupled: f = 1 - i, gate blocks i, g, o.
template <class S>
Carried<S> lstm_step(const LayerSpec& layer, const Affine<S>& from_x, const Affine<S>& from_h, const Weights<S>& w,
                     const Carried<S>& state) {
    using std::tanh;
    const bool coupled = layer.options.coupled;
    const std::size_t H = state[1].size(), I = 0, F = 1, G = coupled ? 1 : 2, O = coupled ? 2 : 3;
    auto gate = [&](std::size_t block, std::size_t j) { return from_x(block, j) + from_h(block, j); };
    auto peephole = [&](std::size_t which, std::size_t j, const S& c) {
        return layer.options.peepholes ? w.peephole[which * H + j] * c : S(0);
    };
    std::vector<S> h, cells;
    for (std::size_t j = 0; j < H; ++j) {
        const S& c = state[1][j];
        const S i = sigmoid(gate(I, j) + peephole(0, j, c));
        const S f = coupled ? S(1) - i : sigmoid(gate(F, j) + peephole(1, j, c));
        const S g = tanh(gate(G, j));
        S c_next = f * c + i * g;
        if (layer.cell_clip > 0) c_next = clamp(c_next, layer.cell_clip);
        const S o = sigmoid(gate(O, j) + peephole(2, j, c_next));
        cells.push_back(c_next);
        h.push_back(o * tanh(c_next));
    }
    if (layer.projection > 0) {
        const Affine<S> project{w.hr, {}, h, static_cast<std::size_t>(layer.projection)};
        std::vector<S> projected;
        for (std::size_t p = 0; p < project.units; ++p) projected.push_back(project(0, p));
        h = projected;
    }
    return {h, cells};
}

/// m' = max(log σ(f) + m, i), and i where nothing has been accumulated yet (n = 0); i' = e^(i - m'),
/// f' = e^(log σ(f) + m - m'); c' = f'∘c + i'∘tanh(z); n' = f'∘n + i'; h' = σ(o)∘c'/n'
template <class S>
Carried<S> slstm_step(const Affine<S>& from_x, const Affine<S>& from_h, const Carried<S>& state) {
    using std::exp;
    using std::tanh;
    enum { I, F, Z, O };
    auto gate = [&](std::size_t block, std::size_t j) { return from_x(block, j) + from_h(block, j); };
    Carried<S> next(4);
    for (std::size_t j = 0; j < from_x.units; ++j) {
        const S &c = state[1][j], &n = state[2][j], &m = state[3][j];
        const S log_i = gate(I, j), log_f = log_sigmoid(gate(F, j)), z = tanh(gate(Z, j)), o = sigmoid(gate(O, j));
        const bool first = real_part(n) <= 0, older = !first && real_part(log_f + m) >= real_part(log_i);
        const S m_next = older ? log_f + m : log_i;
        const S i = exp(log_i - m_next), f = first ? S(0) : exp(log_f + m - m_next);
        const S c_next = f * c + i * z, n_next = f * n + i;
        next[0].push_back(o * c_next / n_next);
        next[1].push_back(c_next);
        next[2].push_back(n_next);
        next[3].push_back(m_next);
    }
    return next;
}

/// z = σ(...); h' = (1 - z)∘h + z∘n
template <class S>
Carried<S> mingru_step(const Affine<S>& from_x, const Carried<S>& state) {
    enum { Z, N };
    std::vector<S> next;
    for (std::size_t j = 0; j < from_x.units; ++j) {
        const S z = sigmoid(from_x(Z, j));
        next.push_back((S(1) - z) * state[0][j] + z * from_x(N, j));
    }
    return {next};
}

/// i, f = σ(...); h' = (f∘h + i∘g)/(f + i)
template <class S>
Carried<S> minlstm_step(const Affine<S>& from_x, const Carried<S>& state) {
    enum { I, F, G };
    std::vector<S> next;
    for (std::size_t j = 0; j < from_x.units; ++j) {
        const S i = sigmoid(from_x(I, j)), f = sigmoid(from_x(F, j));
        next.push_back(f / (f + i) * state[0][j] + i / (f + i) * from_x(G, j));
    }
    return {next};
}

/// (v - mean)/sqrt(variance + 1e-5)
template <class S>
std::vector<S> normalised(std::vector<S> v) {
    using std::sqrt;
    using Real = decltype(real_part(S(0)));
    const S count(static_cast<Real>(v.size()));
    S mean(0), variance(0);
    for (const S& x : v) mean = mean + x / count;
    for (const S& x : v) variance = variance + (x - mean) * (x - mean) / count;
    for (S& x : v) x = (x - mean) / sqrt(variance + S(static_cast<Real>(1e-5f)));
    return v;
}

/// LN over the gates [first, end) together: row (gate - first)·H + unit.
template <class S>
std::vector<S> normalised(const Affine<S>& gates, std::size_t first, std::size_t end) {
    std::vector<S> v;
    for (std::size_t g = first; g < end; ++g)
        for (std::size_t j = 0; j < gates.units; ++j) v.push_back(gates(g, j));
    return normalised(v);
}

/// a = γ_x∘LN(W_i x) + γ_h∘LN(W_h h) + β; c' = σ(a_f)∘c + σ(a_i)∘tanh(a_g); h' = σ(a_o)∘tanh(γ_c∘LN(c') + β_c)
/// norm: γ_x, γ_h [4·H], γ_c [H], β [4·H], β_c [H]
template <class S>
Carried<S> lnlstm_step(const Affine<S>& from_x, const Affine<S>& from_h, const Weights<S>& w, const Carried<S>& state) {
    using std::tanh;
    enum { I, F, G, O };
    const std::size_t H = from_x.units;
    const std::vector<S> x = normalised(from_x, 0, 4), h = normalised(from_h, 0, 4);
    const auto gate = [&](std::size_t g, std::size_t j) {
        const std::size_t k = g * H + j;
        return w.norm[k] * x[k] + w.norm[4 * H + k] * h[k] + w.norm[9 * H + k];
    };
    Carried<S> next(2);
    for (std::size_t j = 0; j < H; ++j)
        next[1].push_back(sigmoid(gate(F, j)) * state[1][j] + sigmoid(gate(I, j)) * tanh(gate(G, j)));
    const std::vector<S> c = normalised(next[1]);
    for (std::size_t j = 0; j < H; ++j)
        next[0].push_back(sigmoid(gate(O, j)) * tanh(w.norm[8 * H + j] * c[j] + w.norm[13 * H + j]));
    return next;
}

/// r, z = σ(γ_x∘LN(W_i x) + γ_h∘LN(W_h h) + β); n = tanh(γ_x∘LN(W_in x) + β + r∘(γ_h∘LN(W_hn h) + β_h));
/// h' = (1 - z)∘n + z∘h.   norm: γ_x, γ_h, β [3·H], β_h [H]
template <class S>
Carried<S> lngru_step(const Affine<S>& from_x, const Affine<S>& from_h, const Weights<S>& w, const Carried<S>& state) {
    using std::tanh;
    enum { R, Z, N };
    const std::size_t H = from_x.units;
    const std::vector<S> x = normalised(from_x, R, N), h = normalised(from_h, R, N);
    const std::vector<S> xn = normalised(from_x, N, 3), hn = normalised(from_h, N, 3);
    const auto gate = [&](std::size_t g, std::size_t j) {
        const std::size_t k = g * H + j;
        return sigmoid(w.norm[k] * x[k] + w.norm[3 * H + k] * h[k] + w.norm[6 * H + k]);
    };
    std::vector<S> next;
    for (std::size_t j = 0; j < H; ++j) {
        const S recurrent = w.norm[5 * H + j] * hn[j] + w.norm[9 * H + j], z = gate(Z, j);
        const S n = tanh(w.norm[2 * H + j] * xn[j] + w.norm[8 * H + j] + gate(R, j) * recurrent);
        next.push_back((S(1) - z) * n + z * state[0][j]);
    }
    return {next};
}

/// The states after one step on input features x. fed_back: h as its product reads it, dropped or not.
template <class S>
Carried<S> step(const LayerSpec& layer, const Weights<S>& w, const std::vector<S>& x, const Carried<S>& state,
                const std::vector<S>& fed_back) {
    const std::size_t units = static_cast<std::size_t>(layer.hidden);
    const Affine<S> from_x{w.ih, w.bias_ih, x, units};
    const Affine<S> from_h{w.hh, w.bias_hh, fed_back, units};
    if (layer.cell == "rnn_tanh" || layer.cell == "rnn_relu") return vanilla_step(layer, from_x, from_h);
    if (layer.cell == "gru") return gru_step(layer, from_x, from_h, w, state);
    if (layer.cell == "lstm") return lstm_step(layer, from_x, from_h, w, state);
    if (layer.cell == "slstm") return slstm_step(from_x, from_h, state);
    if (layer.cell == "lnlstm") return lnlstm_step(from_x, from_h, w, state);
    if (layer.cell == "lngru") return lngru_step(from_x, from_h, w, state);
    if (layer.cell == "mingru") return mingru_step(from_x, state);
    if (layer.cell == "minlstm") return minlstm_step(from_x, state);
    refuse("cell", layer.cell, "the oracle has no equations for it");
}

}  // namespace rondo::reference
