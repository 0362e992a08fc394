#include "support/observed.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rondo::test {
namespace {

bool takes(const Problem& p, std::int64_t b, std::int64_t t) { return t < p.length(b); }

/// Where h of a layer and direction stands among the states, and whether it is the last layer's.
struct Place {
    std::size_t h;
    bool last;
};
Place place_of(const Plan& plan, const ObservationInfo& info) {
    std::size_t h = 0;
    int seen = 0;
    for (std::size_t i = 0; i < plan.states.size(); ++i) {
        if (plan.states[i].layer != info.layer || plan.states[i].index != 0) continue;
        if (seen++ == info.direction) h = i;
    }
    return {h, info.layer + 1 == static_cast<int>(plan.spec.layers.size())};
}

/// |dL/dh_t| by way of this step's own outputs, element (t,b,j) of the last layer.
double own(const Problem& p, const ObservationInfo& info, std::size_t h, std::int64_t row, std::int64_t j,
           std::int64_t width) {
    const LayerSpec& layer = p.spec.layers.back();
    const bool beside = layer.merge == Merge::concatenate;
    double sum = 0;
    if (!p.upstream.y.empty())
        sum +=
            p.upstream.y[static_cast<std::size_t>(row * layer.output() + (beside ? info.direction * width : 0) + j)] *
            (layer.merge == Merge::average ? 0.5 : 1);
    if (h < p.upstream.state_steps.size() && !p.upstream.state_steps[h].empty())
        sum += p.upstream.state_steps[h][static_cast<std::size_t>(row * width + j)];
    return sum;
}

/// Whether a step of with_ends has its gates at the other end.
bool turned(std::int64_t t) { return t % 2 != 0; }

}  // namespace

double observed_ratio(const RnnHarness& harness, const Result& ref, Tolerance tolerance) {
    const Problem& p = harness.problem();
    const Tensor told = harness.observations->get();
    double worst = 0;
    for (const ObservationInfo& info : harness.plan.observations) {
        const Place at = place_of(harness.plan, info);
        const std::int64_t width = harness.plan.states[at.h].width;
        std::vector<double> whole, through, seen_whole, seen_through;
        for (std::int64_t t = 0; t < p.steps; ++t) {
            double all = 0, rest = 0, rows = 0;
            for (std::int64_t b = 0; b < p.batch; ++b) {
                if (!takes(p, b, t)) continue;
                ++rows;
                const std::int64_t row = t * p.batch + b;
                for (std::int64_t j = 0; j < width; ++j) {
                    const double dh = ref.dstate_steps[at.h][static_cast<std::size_t>(row * width + j)];
                    all += dh * dh;
                    if (!at.last) continue;
                    const double later = dh - own(p, info, at.h, row, j, width);
                    rest += later * later;
                }
            }
            const double* const line = told.data() + info.offset + t * info.columns();
            if (line[ObservationInfo::kRows] != rows) return std::numeric_limits<double>::infinity();
            whole.push_back(std::sqrt(all));
            seen_whole.push_back(std::sqrt(line[ObservationInfo::kWhole]));
            through.push_back(std::sqrt(rest));
            seen_through.push_back(std::sqrt(line[ObservationInfo::kThroughTime]));
        }
        worst = std::max(worst, error_ratio(seen_whole, whole, tolerance));
        if (!at.last) continue;
        // By subtraction: as exact as the whole.
        const double most = *std::max_element(whole.begin(), whole.end());
        through.push_back(most);
        seen_through.push_back(most);
        worst = std::max(worst, error_ratio(seen_through, through, tolerance));
    }
    return worst;
}

Problem with_ends(Problem p) {
    const std::int64_t units = p.spec.layers[0].hidden, features = p.spec.input;
    const auto at_an_end = [&](std::int64_t u) { return u < units / 6 ? -50 : u < units / 2 ? 50 : 0; };
    for (auto& [name, values] : p.inputs.parameters)
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto n = static_cast<std::int64_t>(i);
            if (name.starts_with("weight_ih"))
                values[i] = n % features == 0 ? at_an_end(n / features % units) : 0;
            else if (name.starts_with("bias_ih"))
                values[i] = at_an_end(n % units) == 0 ? 0.3 : 0;
            else
                values[i] *= 0.001;  // a ReLU may stand at 50
        }
    for (std::size_t i = 0; i < p.inputs.x.size(); ++i)
        if (!std::isnan(p.inputs.x[i]))  // padding
            p.inputs.x[i] = turned(static_cast<std::int64_t>(i) / (p.batch * features)) ? -1 : 1;
    return p;
}

std::vector<double> expected_ends(const RnnHarness& harness, const ObservationInfo& info, std::int64_t t) {
    const Problem& p = harness.problem();
    double rows = 0;
    for (std::int64_t b = 0; b < p.batch; ++b) rows += takes(p, b, t) ? 1 : 0;
    const double elements = rows * static_cast<double>(p.spec.layers[0].hidden);
    std::vector<double> ends;
    for (const GateValue::Kind kind : info.kinds) {
        ends.push_back(elements / (turned(t) ? 3 : 6));
        ends.push_back(kind == GateValue::Kind::relu ? 0 : elements / (turned(t) ? 6 : 3));
    }
    return ends;
}

}  // namespace rondo::test
