#pragma once
/// The scalar LSTM with an exponential input gate, gate order i, f, z, o.
///
///     ĩ, f̃, z̃, õ = W_i· x + b_i· + W_h· h + b_h·
///     m' = max(log σ(f̃) + m, ĩ)                                the stabiliser: how large e is, as a logarithm
///     i = e^(ĩ - m')      f = e^(log σ(f̃) + m - m')
///     c' = f∘c + i∘tanh(z̃)      n' = f∘n + i
///     h' = σ(õ)∘c'/n'
///
/// Where n is 0 nothing has been accumulated: m' = ĩ, so that n' is never too small to divide by. m takes part in the
/// gradient like any state. W_h is a full matrix: one head.
///
/// Source: M. Beck et al., xLSTM: extended long short-term memory, 2024, equations 8 to 17, with f = σ(f̃).
#include <array>
#include <string_view>

#include "rondo/cell/element.hpp"

namespace rondo::cell {

struct Slstm {
    static constexpr std::string_view kName = "slstm";
    static constexpr CellOptions kOptions{};
    enum Gate { I, F, Z, O, kGates };
    enum State { H, C, N, M, kStates };
    static constexpr std::array<std::string_view, kGates> kGateNames{"i", "f", "z", "o"};
    static constexpr std::array<GateValue, kGates> kGateValues{
        {{}, {}, {GateValue::Kind::tanh, Z}, {GateValue::Kind::sigmoid, O}}};  // exponential gates have no ends
    static constexpr std::array<std::string_view, kStates> kStateNames{"h", "c", "n", "m"};
    static constexpr int kSaved = 5;  // i (negative where m' is of the past), f, z, o and
    static constexpr int kShut = 4;   // ... 1 - σ(f̃)
    static constexpr int kVectors = 0;
    static constexpr std::string_view kVectorName = "";
    static constexpr bool kSharedGateGradients = true;
    static constexpr bool kProjectable = false;
    static constexpr bool kClippable = false;
    static constexpr std::array<Stage, 1> kStages{{{0, kGates, kOperandState}}};

    template <int kStage, class T>
    static RONDO_HD void forward(ForwardElement<Slstm, T>& e) {
        using namespace rondo::math;
        const T z = tanh(e.gates_x[Z] + e.gates_h[Z]), o = sigmoid(e.gates_x[O] + e.gates_h[O]);
        e.saved[Z] = z;
        e.saved[O] = o;
        const T ai = e.gates_x[I] + e.gates_h[I], af = e.gates_x[F] + e.gates_h[F];
        const T tail = exp(T(0) - abs(af));  // σ and log σ of it do not overflow
        const T log_f = select(af < T(0), af, T(0)) - log(T(1) + tail);
        const T past = select(e.state[N] > T(0), e.state[M] + log_f, T(-1e30f));
        const T m = select(past >= ai, past, ai);
        e.saved[kShut] = select(af < T(0), T(1), tail) / (T(1) + tail);
        const auto of_past = past >= ai;
        const T other = exp(select(of_past, ai - past, past - ai));  // of i and f the larger one is 1
        const T i = select(of_past, other, T(1)), f = select(of_past, T(1), other);
        e.saved[I] = select(of_past, T(-1) * i, i);
        e.saved[F] = f;
        const T c = fma(f, e.state[C], i * z), n = fma(f, e.state[N], i);
        e.next[H] = o * c / n;
        e.next[C] = c;
        e.next[N] = n;
        e.next[M] = m;
    }

    template <int kStage, class T>
    static RONDO_HD void backward(BackwardElement<Slstm, T>& e) {
        using namespace rondo::math;
        const T marked = e.saved[I], i = abs(marked), f = e.saved[F], z = e.saved[Z], o = e.saved[O];
        const T ratio = e.next[C] / e.next[N], dratio = e.dnext[H] * o / e.next[N];
        const T dc = e.dnext[C] + dratio, dn = e.dnext[N] - dratio * ratio;
        // Of the exponents: of i, of f, and of m', which is subtracted from both and is one of them.
        const T di = (dc * z + dn) * i, df = (dc * e.state[C] + dn * e.state[N]) * f;
        const T dm = e.dnext[M] - di - df;
        const auto of_past = negative(marked);
        const T dpast = df + select(of_past, dm, T(0));
        e.dgates_x[I] = di + select(of_past, T(0), dm);
        e.dgates_x[F] = dpast * e.saved[kShut];
        e.dgates_x[Z] = dc * i * d_tanh(z);
        e.dgates_x[O] = e.dnext[H] * ratio * d_sigmoid(o);
        e.dstate[H] = T(0);
        e.dstate[C] = dc * f;
        e.dstate[N] = dn * f;
        e.dstate[M] = dpast;
    }
};

}  // namespace rondo::cell
