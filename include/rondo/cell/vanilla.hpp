#pragma once
/// The vanilla (Elman) cells.
///
///     h' = tanh(W_ih x + b_ih + W_hh h + b_hh)      rnn_tanh
///     h' = max(0, W_ih x + b_ih + W_hh h + b_hh)    rnn_relu
///
/// Source: J. Elman, Finding structure in time, 1990; definition as in PyTorch's nn.RNN.
#include <array>
#include <string_view>

#include "rondo/cell/element.hpp"

namespace rondo::cell {

struct TanhActivation {
    static constexpr std::string_view kName = "rnn_tanh";
    static constexpr GateValue::Kind kKind = GateValue::Kind::tanh;
    template <class T>
    static RONDO_HD T forward(T a) {
        using namespace rondo::math;
        return tanh(a);
    }
    template <class T>
    static RONDO_HD T derivative(T y) {
        return math::d_tanh(y);
    }
};

struct ReluActivation {
    static constexpr std::string_view kName = "rnn_relu";
    static constexpr GateValue::Kind kKind = GateValue::Kind::relu;
    template <class T>
    static RONDO_HD T forward(T a) {
        using namespace rondo::math;
        return select(a < T(0), T(0), a);  // a NaN stays a NaN
    }
    template <class T>
    static RONDO_HD T derivative(T y) {
        using namespace rondo::math;
        return select(y > T(0), T(1), T(0));
    }
};

template <class Activation>
struct Vanilla {
    static constexpr std::string_view kName = Activation::kName;
    static constexpr CellOptions kOptions{};
    enum Gate { A, kGates };
    enum State { H, kStates };
    static constexpr std::array<std::string_view, kGates> kGateNames{"a"};
    static constexpr std::array<GateValue, kGates> kGateValues{{{Activation::kKind, kOperandState}}};
    static constexpr std::array<std::string_view, kStates> kStateNames{"h"};
    static constexpr int kSaved = 0;  // h' itself tells all
    static constexpr int kVectors = 0;
    static constexpr std::string_view kVectorName = "";
    static constexpr bool kSharedGateGradients = true;
    static constexpr bool kProjectable = false;
    static constexpr bool kClippable = false;
    static constexpr std::array<Stage, 1> kStages{{{A, 1, kOperandState}}};

    template <int kStage, class T>
    static RONDO_HD void forward(ForwardElement<Vanilla, T>& e) {
        e.next[H] = Activation::forward(e.gates_x[A] + e.gates_h[A]);
    }

    template <int kStage, class T>
    static RONDO_HD void backward(BackwardElement<Vanilla, T>& e) {
        e.dgates_x[A] = e.dnext[H] * Activation::derivative(e.next[H]);
        e.dstate[H] = T(0);
    }
};

using RnnTanh = Vanilla<TanhActivation>;
using RnnRelu = Vanilla<ReluActivation>;

}  // namespace rondo::cell
