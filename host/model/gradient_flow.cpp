/// What a network's backward saw, read back; and what it means.
#include "rondo/gradient_flow.hpp"

#include <algorithm>
#include <cmath>

#include "model/network_impl.hpp"

namespace rondo {

double GradientFlow::norm() const noexcept {
    double sum = 0;
    for (const WeightFlow& weight : weights) sum += weight.norm * weight.norm;
    return std::sqrt(sum);
}

double mean_share(const LayerFlow& layer, const std::vector<double>& shares) {
    double sum = 0, rows = 0;
    for (std::size_t t = 0; t < shares.size(); ++t) {
        sum += shares[t] * static_cast<double>(layer.rows[t]);
        rows += static_cast<double>(layer.rows[t]);
    }
    return rows > 0 ? sum / rows : 0;
}

namespace {

/// |dL/dh| of one row, and what of it came through time, in the order in which the steps ran; without those that no row
/// took.
struct Way {
    std::vector<double> whole, through_time;

    explicit Way(const LayerFlow& layer) {
        for (std::int64_t n = 0; n < layer.steps(); ++n) {
            const auto t = static_cast<std::size_t>(layer.nth(n));
            if (layer.rows[t] == 0) continue;
            const double rows = std::sqrt(static_cast<double>(layer.rows[t]));
            whole.push_back(layer.norms[t] / rows);
            through_time.push_back(layer.through_time[t] / rows);
        }
    }

    bool finite() const {
        return std::all_of(whole.begin(), whole.end(), [](double v) { return std::isfinite(v); });
    }
    /// Of the gradient's squares, over all steps but the last, which has nothing after it.
    double share_through_time() const {
        double through = 0, all = 0;
        for (std::size_t n = 0; n + 1 < whole.size(); ++n) {
            through += through_time[n] * through_time[n];
            all += whole[n] * whole[n];
        }
        return all > 0 ? std::sqrt(through / all) : 1;
    }
};

void diagnose_way(const LayerFlow& layer, std::vector<GradientTrouble>& found) {
    using Kind = GradientTrouble::Kind;
    const Way way(layer);
    const auto steps = static_cast<std::int64_t>(way.whole.size());
    const auto add = [&](Kind kind, double amount) { found.push_back({kind, layer.name, "", amount, 0, 0, steps}); };
    if (!way.finite()) return add(Kind::exploding, HUGE_VAL);
    if (steps < GradientTrouble::kFewestSteps) return;
    // The last step has nothing after it, and what the one before it is given has come a step far.
    const auto most = *std::max_element(way.through_time.begin(), way.through_time.end() - 1);
    const double near = way.through_time.end()[-2], far = way.through_time.front();
    if (near > 0 && most > near * GradientTrouble::kExploding) return add(Kind::exploding, most / near);
    if (most > 0 && far < most * GradientTrouble::kVanishing) return add(Kind::vanishing, far / most);
    const double share = way.share_through_time();
    if (share < GradientTrouble::kIsolated) add(Kind::isolated, share);
}

void diagnose_gates(const LayerFlow& layer, std::vector<GradientTrouble>& found) {
    using Kind = GradientTrouble::Kind;
    for (const GateFlow& gate : layer.gates) {
        const double low = mean_share(layer, gate.low), high = mean_share(layer, gate.high);
        if (low + high <= GradientTrouble::kSaturated) continue;
        const bool relu = gate.kind == GateValue::Kind::relu;
        found.push_back(
            {relu ? Kind::dead : Kind::saturated, layer.name, gate.name, low + high, low, high, layer.steps()});
    }
}

}  // namespace

std::vector<GradientTrouble> diagnose(const GradientFlow& flow) {
    std::vector<GradientTrouble> found;
    for (const LayerFlow& layer : flow.layers) {
        diagnose_way(layer, found);
        diagnose_gates(layer, found);
    }
    return found;
}

void Network::observe_gradients(bool on) {
    Impl& m = *impl_;
    m.observing = on;
    const std::size_t bytes = (m.graph.parameters.size() + 1) * sizeof(double);
    if (on && !m.weight_sums.data()) m.weight_sums = model::DeviceBuffer(m.device, static_cast<std::int64_t>(bytes));
}

/// Sums of the weights' gradients, and the loss scale that all gradients of this pass carry.
void Network::Impl::observe_weights(Stream stream) {
    auto* told = weight_sums.as<double>();
    for (const NetworkParameter& p : graph.parameters)
        backend().sum_of_squares(parameter_dtype(), gradients.data() + p.offset * element(), p.shape.size(), told++,
                                 false, stream);
    backend().copy(told, loss_scale(), sizeof(double), stream);
}

GradientFlow Network::gradient_flow(Stream stream) const {
    Impl& m = *impl_;
    if (m.phase != Impl::Phase::backward || !m.current->observe)
        model::refuse_state("gradient_flow: must follow a backward whose feed came after observe_gradients(true)");
    GradientFlow flow;
    std::vector<double> sums(m.graph.parameters.size() + 1);
    m.backend().download(sums.data(), m.weight_sums.data(), sums.size() * sizeof(double), stream);
    m.backend().synchronize(stream);
    const double unscale = 1 / sums.back();
    for (std::size_t n = 0; n < m.graph.nodes.size(); ++n) {
        const model::PlannedNode& node = m.current->nodes[n];
        if (!node.active || !node.backward) continue;
        node.module->tell(m.backend(), m.current->arena, unscale, flow, stream);
    }
    for (std::size_t i = 0; i < m.graph.parameters.size(); ++i)
        flow.weights.push_back({m.graph.parameters[i].name, std::sqrt(sums[i]) * unscale});
    return flow;
}

}  // namespace rondo
