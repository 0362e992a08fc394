#pragma once
/// The long short-term memory cell, gate order i, f, g, o.
///
///     i = σ(W_ii x + b_ii + W_hi h + b_hi + p_i∘c)      f = σ(W_if x + b_if + W_hf h + b_hf + p_f∘c)
///     g = tanh(W_ig x + b_ig + W_hg h + b_hg)           c' = clip(f∘c + i∘g)
///     o = σ(W_io x + b_io + W_ho h + b_ho + p_o∘c')     h' = o∘tanh(c')
///
/// p are peepholes (order i, f, o; absent unless asked for). Coupled: f = 1 - i, gates i, g, o, peepholes i, o are used
/// and f's is not. clip clamps c' to ±clip; the gradient passes where |c' before clamping| <= clip.
/// h may be projected after the map: h' = W_hr (o∘tanh(c')).
///
/// Sources: S. Hochreiter, J. Schmidhuber, Long short-term memory, 1997; peepholes: F. Gers, J. Schmidhuber, Recurrent
/// nets that time and count, 2000; coupled gates: K. Greff et al., LSTM: a search space odyssey, 2015; projection:
/// H. Sak et al., 2014; gate order as in PyTorch's nn.LSTM.
#include <array>
#include <string_view>

#include "rondo/cell/element.hpp"

namespace rondo::cell {

/// Names of the gates, with and without a forget gate of its own.
template <bool kCoupled>
struct LstmGates {
    enum Gate { I, F, G, O, kGates };
    static constexpr std::array<std::string_view, kGates> kGateNames{"i", "f", "g", "o"};
    static constexpr std::array<GateValue, kGates> kGateValues{{{GateValue::Kind::sigmoid, I},
                                                                {GateValue::Kind::sigmoid, F},
                                                                {GateValue::Kind::tanh, G},
                                                                {GateValue::Kind::sigmoid, O}}};
};
template <>
struct LstmGates<true> {
    enum Gate { I, G, O, kGates };
    static constexpr std::array<std::string_view, kGates> kGateNames{"i", "g", "o"};
    static constexpr std::array<GateValue, kGates> kGateValues{
        {{GateValue::Kind::sigmoid, I}, {GateValue::Kind::tanh, G}, {GateValue::Kind::sigmoid, O}}};
};

template <bool kPeepholes, bool kCoupled>
struct Lstm : LstmGates<kCoupled> {
    static constexpr std::string_view kName = "lstm";
    static constexpr CellOptions kOptions{.peepholes = kPeepholes, .coupled = kCoupled};
    using Gates = LstmGates<kCoupled>;
    static constexpr int kGates = Gates::kGates;
    enum State { H, C, kStates };
    static constexpr std::array<std::string_view, kStates> kStateNames{"h", "c"};
    static constexpr int kSaved = kGates;  // the activated gates; o is negative where c' was clamped
    static constexpr int kVectors = kPeepholes ? 3 : 0;
    static constexpr std::string_view kVectorName = "weight_peephole";
    enum Peephole { PI, PF, PO };
    static constexpr bool kSharedGateGradients = true;
    static constexpr bool kProjectable = true;
    static constexpr bool kClippable = true;
    static constexpr std::array<Stage, 1> kStages{{{0, kGates, kOperandState}}};

    template <int kStage, class T>
    static RONDO_HD void forward(ForwardElement<Lstm, T>& e) {
        using namespace rondo::math;
        constexpr int I = Gates::I, G = Gates::G, O = Gates::O;
        T ai = e.gates_x[I] + e.gates_h[I];
        if constexpr (kPeepholes) ai = ai + e.vectors[PI] * e.state[C];
        const T i = sigmoid(ai);
        const T g = tanh(e.gates_x[G] + e.gates_h[G]);
        const T f = forget(e, i);
        const T unclamped = fma(f, e.state[C], i * g);
        const T c = clamp(unclamped, e.clip);
        T ao = e.gates_x[O] + e.gates_h[O];
        if constexpr (kPeepholes) ao = ao + e.vectors[PO] * c;
        const T o = sigmoid(ao);
        e.next[C] = c;
        e.next[H] = o * tanh(c);
        e.saved[I] = i;
        if constexpr (!kCoupled) e.saved[Gates::F] = f;
        e.saved[G] = g;
        // The gates may be stored rounded, from which nobody could tell later whether c' was clamped.
        e.saved[O] = select(abs(unclamped) > e.clip, T(-1) * o, o);
    }

    template <int kStage, class T>
    static RONDO_HD void backward(BackwardElement<Lstm, T>& e) {
        using namespace rondo::math;
        constexpr int I = Gates::I, G = Gates::G, O = Gates::O;
        const T i = e.saved[I], g = e.saved[G], marked = e.saved[O], o = abs(marked), c = e.state[C];
        T f;
        if constexpr (kCoupled)
            f = T(1) - i;
        else
            f = e.saved[Gates::F];
        const T tanh_c = tanh(e.next[C]);

        const T dao = e.dnext[H] * tanh_c * d_sigmoid(o);
        T dc = e.dnext[C] + e.dnext[H] * o * d_tanh(tanh_c);
        if constexpr (kPeepholes) dc = dc + dao * e.vectors[PO];
        dc = select(negative(marked), T(0), dc);

        T dai, dc_before = dc * f;
        if constexpr (kCoupled) {
            dai = dc * (g - c) * d_sigmoid(i);
        } else {
            const T daf = dc * c * d_sigmoid(f);
            dai = dc * g * d_sigmoid(i);
            e.dgates_x[Gates::F] = daf;
            if constexpr (kPeepholes) {
                dc_before = dc_before + daf * e.vectors[PF];
                e.dvectors[PF] = daf * c;
            }
        }
        if constexpr (kPeepholes) {
            dc_before = dc_before + dai * e.vectors[PI];
            e.dvectors[PI] = dai * c;
            if constexpr (kCoupled) e.dvectors[PF] = T(0);
            e.dvectors[PO] = dao * e.next[C];
        }
        e.dgates_x[I] = dai;
        e.dgates_x[G] = dc * i * d_tanh(g);
        e.dgates_x[O] = dao;
        e.dstate[H] = T(0);
        e.dstate[C] = dc_before;
    }

private:
    template <class T>
    static RONDO_HD T forget(const ForwardElement<Lstm, T>& e, T i) {
        using namespace rondo::math;
        if constexpr (kCoupled) {
            (void)e;
            return T(1) - i;
        } else {
            (void)i;
            T af = e.gates_x[Gates::F] + e.gates_h[Gates::F];
            if constexpr (kPeepholes) af = af + e.vectors[PF] * e.state[C];
            return sigmoid(af);
        }
    }
};

}  // namespace rondo::cell
