#pragma once
/// Gradients one can see: what a backward pass met on its way through a network's recurrent layers, and what that says.
///
///     network.observe_gradients(true);           // the feeds from now on
///     trainer.step(...);
///     const GradientFlow flow = network.gradient_flow(stream);
///     for (const GradientTrouble& trouble : diagnose(flow)) ...
///
/// Observing takes no pass of its own and does not change a bit of what training computes: the time loop keeps the
/// gradient of h that it goes through, and sums are taken of it and of the gates that forward has left.
#include <cstdint>
#include <string>
#include <vector>

#include "rondo/cell/element.hpp"
#include "rondo/export.hpp"

namespace rondo {

/// How far a gate was open, step by step, over the rows that took the step and all units.
struct GateFlow {
    std::string name;  ///< "i", "f", ...; "a" for the activation of a vanilla cell
    GateValue::Kind kind = GateValue::Kind::none;
    /// [T] The share of elements near the ends of the range: sigmoid below 0.05 and above 0.95, tanh below -0.95 and above
    /// 0.95, ReLU at 0 (and none above).
    std::vector<double> low, high;
};

/// One layer and direction of a stack. T steps.
struct LayerFlow {
    std::string name;  ///< "rnn.l0", "rnn.l1_reverse": the node and what its tensors' names end in
    std::string cell;
    bool reverse = false;              ///< step T-1 runs first
    std::vector<double> norms;         ///< [T] |dL/dh_t|, L the reduced loss: all rows that take step t together
    std::vector<double> through_time;  ///< [T] the same of what later steps alone bring, without dL/dh_t by way of y_t
    std::vector<std::int64_t> rows;    ///< [T] how many took the step
    std::vector<GateFlow> gates;

    std::int64_t steps() const noexcept { return static_cast<std::int64_t>(norms.size()); }
    /// The n-th step that ran, counted from 0.
    std::int64_t nth(std::int64_t n) const noexcept { return reverse ? steps() - 1 - n : n; }
};

struct WeightFlow {
    std::string name;  ///< of a network's parameter
    double norm = 0;   ///< of its gradient, before any clipping and without the loss scale
};

struct GradientFlow {
    std::vector<LayerFlow> layers;
    std::vector<WeightFlow> weights;

    double norm() const noexcept;  ///< of all weights' gradients together
};

/// The mean over all steps and rows of `shares`, which is a GateFlow's low or high.
RONDO_API double mean_share(const LayerFlow& layer, const std::vector<double>& shares);

/// Something that a GradientFlow shows and that commonly keeps a network from learning.
struct GradientTrouble {
    enum class Kind {
        vanishing,  ///< of what comes through time the first step gets less than kVanishing of what any step gets
        isolated,   ///< less than kIsolated of dL/dh comes through time: each step learns from its own output alone
        exploding,  ///< what comes through time grows more than kExploding times on its way, or is not finite
        saturated,  ///< more than kSaturated of a gate's values lie near an end of their range
        dead,       ///< the same of a ReLU's zeros
    };
    Kind kind;
    std::string where;         ///< LayerFlow::name
    std::string gate;          ///< saturated
    double amount = 0;         ///< the ratio, or share
    double low = 0, high = 0;  ///< saturated: the shares at either end
    std::int64_t steps = 0;    ///< how many there were
    friend bool operator==(const GradientTrouble&, const GradientTrouble&) = default;

    static constexpr double kVanishing = 1e-4, kIsolated = 0.02, kExploding = 1e3, kSaturated = 0.9;
    static constexpr std::int64_t kFewestSteps = 8;  ///< below which nothing is said of the way through time
};

/// Pure. Norms are compared by row, since rows may differ in length.
RONDO_API std::vector<GradientTrouble> diagnose(const GradientFlow& flow);

}  // namespace rondo
