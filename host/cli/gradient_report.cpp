#include "cli/gradient_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/gradient_words.hpp"
#include "cli/plot/svg.hpp"
#include "cli/text_files.hpp"
#include "cli/training_log.hpp"

namespace rondo::cli {
namespace {

std::vector<double> counting(std::int64_t count) {
    std::vector<double> x;
    for (std::int64_t t = 0; t < count; ++t) x.push_back(static_cast<double>(t));
    return x;
}

/// Of one row: root mean squares over those that took the step; nothing where none did.
std::vector<double> by_row(const LayerFlow& layer, const std::vector<double>& norms) {
    std::vector<double> out;
    for (std::size_t t = 0; t < norms.size(); ++t)
        out.push_back(layer.rows[t] > 0 ? norms[t] / std::sqrt(static_cast<double>(layer.rows[t])) : std::nan(""));
    return out;
}

std::string way_chart(const GradientFlow& flow) {
    LineChart chart{"|dL/dh| of a row, by layer and step", {"step t"}, {"|dL/dh_t|", true}, {}, 940, 340};
    int colour = 0;
    for (const LayerFlow& layer : flow.layers) {
        const std::vector<double> x = counting(layer.steps());
        chart.series.push_back({layer.name, x, by_row(layer, layer.norms), colour});
        chart.series.push_back({layer.name + ", from later", x, by_row(layer, layer.through_time), colour, true});
        ++colour;
    }
    return to_svg(chart);
}

std::string gate_chart(const LayerFlow& layer) {
    LineChart chart{"gates of " + layer.name, {"step t"}, {"share of elements", false, 0.0, 1.0}, {}, 460, 260};
    int colour = 0;
    for (const GateFlow& gate : layer.gates) {
        const std::vector<double> x = counting(layer.steps());
        const bool relu = gate.kind == GateValue::Kind::relu;
        if (!relu) chart.series.push_back({gate.name + " high", x, gate.high, colour});
        chart.series.push_back({gate.name + (relu ? " zero" : " low"), x, gate.low, colour, true});
        ++colour;
    }
    return to_svg(chart);
}

std::string weight_chart(const GradientFlow& flow) {
    DotChart chart{"norm of each weight's gradient", "norm", {}, {}};
    for (const WeightFlow& weight : flow.weights) {
        chart.names.push_back(weight.name);
        chart.values.push_back(weight.norm);
    }
    return to_svg(chart);
}

/// At most so many, the first and the last among them.
std::vector<std::size_t> picked(std::size_t count, std::size_t most) {
    std::vector<std::size_t> list;
    const std::size_t n = std::min(count, most);
    for (std::size_t i = 0; i < n; ++i) list.push_back(n == 1 ? 0 : i * (count - 1) / (n - 1));
    return list;
}

std::string history_map(const std::vector<ObservedStep>& history, std::size_t l) {
    std::size_t steps = 0;
    for (const ObservedStep& o : history) steps = std::max(steps, o.flow.layers[l].norms.size());
    HeatMap map{"|dL/dh| from later, of a row of " + history.back().flow.layers[l].name,
                "training step",
                "step t",
                "norm",
                {},
                {},
                {}};
    const auto columns = picked(history.size(), 120), rows = picked(steps, 60);
    for (const std::size_t r : rows) {
        map.y.push_back(static_cast<double>(r));
        std::vector<double>& row = map.values.emplace_back();
        for (const std::size_t c : columns) {
            const LayerFlow& layer = history[c].flow.layers[l];
            row.push_back(r < layer.norms.size() ? by_row(layer, layer.through_time)[r] : std::nan(""));
        }
    }
    for (const std::size_t c : columns) map.x.push_back(static_cast<double>(history[c].step));
    return to_svg(map);
}

std::string history_gates(const std::vector<ObservedStep>& history, std::size_t l) {
    const LayerFlow& last = history.back().flow.layers[l];
    LineChart chart{"gates of " + last.name + ", mean over t",
                    {"training step"},
                    {"share of elements", false, 0.0, 1.0},
                    {},
                    460,
                    260};
    for (std::size_t g = 0; g < last.gates.size(); ++g) {
        const bool relu = last.gates[g].kind == GateValue::Kind::relu;
        Series high{last.gates[g].name + " high", {}, {}, static_cast<int>(g)};
        Series low{last.gates[g].name + (relu ? " zero" : " low"), {}, {}, static_cast<int>(g), true};
        for (const ObservedStep& o : history) {
            const LayerFlow& layer = o.flow.layers[l];
            high.x.push_back(static_cast<double>(o.step));
            high.y.push_back(mean_share(layer, layer.gates[g].high));
            low.x.push_back(high.x.back());
            low.y.push_back(mean_share(layer, layer.gates[g].low));
        }
        if (!relu) chart.series.push_back(std::move(high));
        chart.series.push_back(std::move(low));
    }
    return to_svg(chart);
}

std::string history_weights(const std::vector<ObservedStep>& history) {
    LineChart chart{"norm of the weights' gradients", {"training step"}, {"norm", true}, {}, 940, 340};
    const std::vector<WeightFlow>& weights = history.back().flow.weights;
    int colour = 0;
    for (std::size_t w = 0; w < weights.size(); ++w) {
        if (weights[w].name.find("bias") != std::string::npos) continue;  // they would only crowd it
        Series series{weights[w].name, {}, {}, colour, colour >= 7};
        for (const ObservedStep& o : history) {
            series.x.push_back(static_cast<double>(o.step));
            series.y.push_back(o.flow.weights[w].norm);
        }
        chart.series.push_back(std::move(series));
        ++colour;
    }
    return to_svg(chart);
}

std::string findings(const GradientFlow& flow) {
    const std::vector<GradientTrouble> troubles = diagnose(flow);
    std::string out;
    for (const GradientTrouble& trouble : troubles)
        out +=
            fmt::format("<p class=\"warning\"><b>{}</b><br>{}</p>\n", escaped(seen(trouble)), escaped(advice(trouble)));
    return troubles.empty()
               ? "<p class=\"well\">Nothing to worry about was seen: no gradient vanishes or explodes on its way "
                 "through time, and no gate is saturated.</p>\n"
               : out;
}

constexpr const char* kDefinitions =
    "<h2>What is shown</h2>\n"
    "<p><b>|dL/dh_t|</b>: the norm of the gradient of the loss L with respect to what a layer hands on after step t, "
    "as backpropagation meets it; for one row of the batch (root mean square over the rows that take the step). "
    "<b>From later</b>: only that part of it which steps after t bring through the recurrence, without what the "
    "layer's output at t itself is asked for. Where the loss is taken at every step the first may stay level while "
    "the second, from which the recurrence learns, is small.</p>\n"
    "<p><b>Gates</b>: the share of elements near an end of their range: sigmoid gates below 0.05 (low) and above "
    "0.95 (high), tanh below -0.95 and above 0.95; of a ReLU the zeros.</p>\n";

}  // namespace

GradientFlow mean_of(const std::vector<GradientFlow>& flows) {
    GradientFlow mean = flows.front();
    const double count = static_cast<double>(flows.size());
    for (std::size_t l = 0; l < mean.layers.size(); ++l) {
        LayerFlow& to = mean.layers[l];
        std::size_t steps = 0;
        for (const GradientFlow& flow : flows) steps = std::max(steps, flow.layers[l].norms.size());
        const auto fresh = [&] { return std::vector<double>(steps, 0.0); };
        to.norms = to.through_time = fresh();
        to.rows.assign(steps, 0);
        for (GateFlow& gate : to.gates) gate.low = gate.high = fresh();
        for (const GradientFlow& flow : flows) {
            const LayerFlow& from = flow.layers[l];
            for (std::size_t t = 0; t < from.norms.size(); ++t) {
                to.norms[t] += from.norms[t] * from.norms[t];
                to.through_time[t] += from.through_time[t] * from.through_time[t];
                to.rows[t] += from.rows[t];
                for (std::size_t g = 0; g < to.gates.size(); ++g) {
                    to.gates[g].low[t] += from.gates[g].low[t] * static_cast<double>(from.rows[t]);
                    to.gates[g].high[t] += from.gates[g].high[t] * static_cast<double>(from.rows[t]);
                }
            }
        }
        for (std::size_t t = 0; t < steps; ++t) {
            // Squares and rows are both summed over the batches, so that the norm of a row stays what it is.
            to.norms[t] = std::sqrt(to.norms[t]);
            to.through_time[t] = std::sqrt(to.through_time[t]);
            const double rows = std::max(1.0, static_cast<double>(to.rows[t]));
            for (GateFlow& gate : to.gates) {
                gate.low[t] /= rows;
                gate.high[t] /= rows;
            }
        }
    }
    for (std::size_t w = 0; w < mean.weights.size(); ++w) {
        double squares = 0;
        for (const GradientFlow& flow : flows) squares += flow.weights[w].norm * flow.weights[w].norm;
        mean.weights[w].norm = std::sqrt(squares / count);
    }
    return mean;
}

GradientLog::GradientLog(const std::string& folder, std::int64_t step, Gates gates)
    : folder_(folder),
      gates_(gates),
      gradients_(open_log(in_folder(folder, kGradientsName), "step,layer,cell,t,rows,norm,through_time\n", step)),
      gate_shares_(open_log(in_folder(folder, kGatesName), "step,layer,gate,t,low,high\n", step)),
      weights_(open_log(in_folder(folder, kWeightsName), "step,weight,norm\n", step)) {}

void GradientLog::add(const ObservedStep& o) {
    std::string gradients, shares, weights;
    for (const LayerFlow& layer : o.flow.layers) {
        for (std::size_t t = 0; t < layer.norms.size(); ++t)
            gradients += fmt::format("{},{},{},{},{},{:.6g},{:.6g}\n", o.step, layer.name, layer.cell, t, layer.rows[t],
                                     layer.norms[t], layer.through_time[t]);
        for (const GateFlow& gate : layer.gates) {
            const auto row = [&](const std::string& t, double low, double high) {
                shares += fmt::format("{},{},{},{},{:.5f},{:.5f}\n", o.step, layer.name, gate.name, t, low, high);
            };
            row("mean", mean_share(layer, gate.low), mean_share(layer, gate.high));
            for (std::size_t t = 0; gates_ == Gates::every_step && t < gate.low.size(); ++t)
                row(std::to_string(t), gate.low[t], gate.high[t]);
        }
    }
    for (const WeightFlow& weight : o.flow.weights)
        weights += fmt::format("{},{},{:.6g}\n", o.step, weight.name, weight.norm);
    write_rows(gradients_, in_folder(folder_, kGradientsName), gradients);
    write_rows(gate_shares_, in_folder(folder_, kGatesName), shares);
    write_rows(weights_, in_folder(folder_, kWeightsName), weights);
}

std::string gradient_page(const std::string& title, const std::vector<ObservedStep>& history) {
    const GradientFlow& last = history.back().flow;
    std::string body = findings(last);
    if (history.size() > 1) body += fmt::format("<h2>Training step {}</h2>\n", history.back().step);
    if (!last.layers.empty()) body += way_chart(last);
    for (const LayerFlow& layer : last.layers)
        if (!layer.gates.empty()) body += gate_chart(layer);
    body += weight_chart(last);
    if (history.size() > 1) {
        body += "<h2>As training went</h2>\n";
        for (std::size_t l = 0; l < last.layers.size(); ++l) {
            body += history_map(history, l);
            if (!last.layers[l].gates.empty()) body += history_gates(history, l);
        }
        body += history_weights(history);
    }
    return html_page(title, body + kDefinitions);
}

}  // namespace rondo::cli
