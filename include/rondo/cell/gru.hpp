#pragma once
/// The gated recurrent unit, gate order r, z, n.
///
///     r = σ(W_ir x + b_ir + W_hr h + b_hr)      z = σ(W_iz x + b_iz + W_hz h + b_hz)
///     n = tanh(W_in x + b_in + r∘(W_hn h + b_hn))      reset after the product (the default)
///     n = tanh(W_in x + b_in + W_hn (r∘h) + b_hn)      reset before it
///     h' = (1 - z)∘n + z∘h
///
/// Source: K. Cho et al., Learning phrase representations using RNN encoder-decoder, 2014 (reset before);
/// reset after as in cuDNN and PyTorch's nn.GRU.
#include <array>
#include <string_view>

#include "rondo/cell/element.hpp"

namespace rondo::cell {

struct GruNames {
    static constexpr std::string_view kName = "gru";
    enum Gate { R, Z, N, kGates };
    enum State { H, kStates };
    static constexpr std::array<std::string_view, kGates> kGateNames{"r", "z", "n"};
    static constexpr std::array<GateValue, kGates> kGateValues{
        {{GateValue::Kind::sigmoid, R}, {GateValue::Kind::sigmoid, Z}, {GateValue::Kind::tanh, N}}};
    static constexpr std::array<std::string_view, kStates> kStateNames{"h"};
    static constexpr int kVectors = 0;
    static constexpr std::string_view kVectorName = "";
    static constexpr bool kProjectable = false;
    static constexpr bool kClippable = false;
};

struct Gru : GruNames {
    static constexpr CellOptions kOptions{};
    static constexpr int kSaved = 4;                     // r, z, n and
    static constexpr int kGatesHN = 3;                   // ... W_hn h + b_hn
    static constexpr bool kSharedGateGradients = false;  // of n: dgates_h = r∘dgates_x
    static constexpr std::array<Stage, 1> kStages{{{R, 3, kOperandState}}};

    template <int kStage, class T>
    static RONDO_HD void forward(ForwardElement<Gru, T>& e) {
        using namespace rondo::math;
        const T r = sigmoid(e.gates_x[R] + e.gates_h[R]);
        const T z = sigmoid(e.gates_x[Z] + e.gates_h[Z]);
        const T n = tanh(e.gates_x[N] + r * e.gates_h[N]);
        e.next[H] = (T(1) - z) * n + z * e.state[H];
        e.saved[R] = r;
        e.saved[Z] = z;
        e.saved[N] = n;
        e.saved[kGatesHN] = e.gates_h[N];
    }

    template <int kStage, class T>
    static RONDO_HD void backward(BackwardElement<Gru, T>& e) {
        using namespace rondo::math;
        const T r = e.saved[R], z = e.saved[Z], n = e.saved[N], dh = e.dnext[H];
        const T dan = dh * (T(1) - z) * d_tanh(n);
        e.dgates_x[R] = e.dgates_h[R] = dan * e.saved[kGatesHN] * d_sigmoid(r);
        e.dgates_x[Z] = e.dgates_h[Z] = dh * (e.state[H] - n) * d_sigmoid(z);
        e.dgates_x[N] = dan;
        e.dgates_h[N] = dan * r;
        e.dstate[H] = dh * z;
    }
};

struct GruResetBefore : GruNames {
    static constexpr CellOptions kOptions{.reset_before = true};
    static constexpr int kSaved = 4;   // r, z, n and
    static constexpr int kResetH = 3;  // ... r∘h, the operand of the second product
    static constexpr bool kSharedGateGradients = true;
    static constexpr std::array<Stage, 2> kStages{{{R, 2, kOperandState}, {N, 1, kResetH}}};

    template <int kStage, class T>
    static RONDO_HD void forward(ForwardElement<GruResetBefore, T>& e) {
        using namespace rondo::math;
        if constexpr (kStage == 0) {
            e.saved[R] = sigmoid(e.gates_x[R] + e.gates_h[R]);
            e.saved[Z] = sigmoid(e.gates_x[Z] + e.gates_h[Z]);
            e.saved[kResetH] = e.saved[R] * e.state[H];
            e.saved[N] = T(0);
        } else {
            const T n = tanh(e.gates_x[N] + e.gates_h[N]), z = e.saved[Z];
            e.next[H] = (T(1) - z) * n + z * e.state[H];
            e.saved[N] = n;
        }
    }

    template <int kStage, class T>
    static RONDO_HD void backward(BackwardElement<GruResetBefore, T>& e) {
        using namespace rondo::math;
        const T r = e.saved[R], z = e.saved[Z], n = e.saved[N], h = e.state[H];
        if constexpr (kStage == 1) {
            const T dh = e.dnext[H];
            e.dgates_x[N] = dh * (T(1) - z) * d_tanh(n);
            e.dgates_x[Z] = dh * (h - n) * d_sigmoid(z);
            e.dgates_x[R] = T(0);
            e.dstate[H] = dh * z;
        } else {
            e.dgates_x[R] = e.doperand * h * d_sigmoid(r);
            e.dstate[H] = e.dstate[H] + e.doperand * r;
        }
    }
};

}  // namespace rondo::cell
