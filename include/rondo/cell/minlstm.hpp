#pragma once
/// The minimal LSTM, gate order i, f, g. Its gates do not see h, so that all steps are one scan over time.
///
///     i = σ(W_ii x + b_ii)      f = σ(W_if x + b_if)      g = W_ig x + b_ig
///     h' = (f∘h + i∘g)/(f + i)
///
/// The two shares are computed as f/(f + i) = σ(d) and i/(f + i) = σ(-d), d = log f - log i, where neither can vanish.
///
/// Source: L. Feng et al., Were RNNs all we needed?, 2024, section 3.2 (the linear form, without the log-space g).
#include <array>
#include <string_view>

#include "rondo/cell/element.hpp"

namespace rondo::cell {

struct MinLstm {
    static constexpr std::string_view kName = "minlstm";
    static constexpr CellOptions kOptions{};
    enum Gate { I, F, G, kGates };
    enum State { H, kStates };
    static constexpr std::array<std::string_view, kGates> kGateNames{"i", "f", "g"};
    static constexpr std::array<std::string_view, kStates> kStateNames{"h"};
    enum Saved { kShutI, kShutF, kG, kKept, kSaved };  // 1 - i, 1 - f, g, f/(f + i)
    static constexpr std::array<GateValue, kGates> kGateValues{
        {{GateValue::Kind::shut, kShutI}, {GateValue::Kind::shut, kShutF}, {}}};
    static constexpr int kVectors = 0;
    static constexpr std::string_view kVectorName = "";
    static constexpr bool kSharedGateGradients = true;
    static constexpr bool kProjectable = false;
    static constexpr bool kClippable = false;
    static constexpr std::array<Stage, 0> kStages{};

    template <class T>
    static RONDO_HD void forward(ScanElement<MinLstm, T>& e) {
        using namespace rondo::math;
        const T d = softplus(T(0) - e.gates[I]) - softplus(T(0) - e.gates[F]);
        e.a = sigmoid(d);
        e.b = sigmoid(T(0) - d) * e.gates[G];
        e.saved[kShutI] = sigmoid(T(0) - e.gates[I]);
        e.saved[kShutF] = sigmoid(T(0) - e.gates[F]);
        e.saved[kG] = e.gates[G];
        e.saved[kKept] = e.a;
    }

    template <class T>
    static RONDO_HD T decay(const T (&saved)[kSaved]) {
        return saved[kKept];
    }

    template <class T>
    static RONDO_HD void backward(ScanElement<MinLstm, T>& e) {
        using namespace rondo::math;
        const T kept = e.saved[kKept];
        const T dd = (e.a - e.b * e.saved[kG]) * d_sigmoid(kept);
        e.gates[I] = T(0) - dd * e.saved[kShutI];
        e.gates[F] = dd * e.saved[kShutF];
        e.gates[G] = e.b * (T(1) - kept);
    }
};

}  // namespace rondo::cell
