#pragma once
/// The minimal gated recurrent unit, gate order z, n. Its gates do not see h, so that all steps are one scan over time.
///
///     z = σ(W_iz x + b_iz)      n = W_in x + b_in
///     h' = (1 - z)∘h + z∘n
///
/// Source: L. Feng et al., Were RNNs all we needed?, 2024, section 3.1 (the linear form, without the log-space g).
#include <array>
#include <string_view>

#include "rondo/cell/element.hpp"

namespace rondo::cell {

struct MinGru {
    static constexpr std::string_view kName = "mingru";
    static constexpr CellOptions kOptions{};
    enum Gate { Z, N, kGates };
    enum State { H, kStates };
    static constexpr std::array<std::string_view, kGates> kGateNames{"z", "n"};
    static constexpr std::array<GateValue, kGates> kGateValues{{{GateValue::Kind::sigmoid, Z}, {}}};
    static constexpr std::array<std::string_view, kStates> kStateNames{"h"};
    static constexpr int kSaved = kGates;  // z activated, n
    static constexpr int kVectors = 0;
    static constexpr std::string_view kVectorName = "";
    static constexpr bool kSharedGateGradients = true;
    static constexpr bool kProjectable = false;
    static constexpr bool kClippable = false;
    static constexpr std::array<Stage, 0> kStages{};

    template <class T>
    static RONDO_HD void forward(ScanElement<MinGru, T>& e) {
        using namespace rondo::math;
        const T z = sigmoid(e.gates[Z]), n = e.gates[N];
        e.a = T(1) - z;
        e.b = z * n;
        e.saved[Z] = z;
        e.saved[N] = n;
    }

    template <class T>
    static RONDO_HD T decay(const T (&saved)[kSaved]) {
        return T(1) - saved[Z];
    }

    template <class T>
    static RONDO_HD void backward(ScanElement<MinGru, T>& e) {
        using namespace rondo::math;
        const T z = e.saved[Z];
        e.gates[Z] = (e.b * e.saved[N] - e.a) * d_sigmoid(z);
        e.gates[N] = e.b * z;
    }
};

}  // namespace rondo::cell
