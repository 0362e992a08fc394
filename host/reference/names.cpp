#include "reference/names.hpp"

namespace rondo::reference {

std::int64_t gates(const LayerSpec& layer) {
    if (layer.cell == "rnn_tanh" || layer.cell == "rnn_relu") return 1;
    if (layer.cell == "gru") return 3;
    if (layer.cell == "lstm") return layer.options.coupled ? 3 : 4;
    if (layer.cell == "slstm" || layer.cell == "lnlstm") return 4;
    if (layer.cell == "lngru") return 3;
    if (layer.cell == "mingru") return 2;
    if (layer.cell == "minlstm") return 3;
    refuse("cell", layer.cell, "the oracle has no equations for it");
}

std::vector<std::string> state_names(const LayerSpec& layer) {
    if (layer.cell == "lstm" || layer.cell == "lnlstm") return {"h", "c"};
    if (layer.cell == "slstm") return {"h", "c", "n", "m"};
    return {"h"};
}

bool is_recurrent(const LayerSpec& layer) { return layer.cell != "mingru" && layer.cell != "minlstm"; }

std::int64_t input_width(const StackSpec& spec, int layer) {
    return layer == 0 ? spec.input : spec.layers[static_cast<std::size_t>(layer - 1)].output();
}

std::string full_name(const std::string& name, int layer, int direction) {
    return name + "_l" + std::to_string(layer) + (direction == 1 ? "_reverse" : "");
}

namespace {

// A layer that only runs in reverse has one direction, and it is the reverse one.
template <class Visit>
void for_each_direction(const StackSpec& spec, Visit visit) {
    for (std::size_t l = 0; l < spec.layers.size(); ++l)
        for (int d = 0; d < 2; ++d) {
            const Direction direction = spec.layers[l].direction;
            if (d == 0 ? direction != Direction::reverse : direction != Direction::forward)
                visit(spec.layers[l], static_cast<int>(l), d);
        }
}

}  // namespace

std::vector<Parameter> parameters(const StackSpec& spec) {
    std::vector<Parameter> list;
    for_each_direction(spec, [&](const LayerSpec& layer, int l, int d) {
        auto add = [&](const char* name, std::int64_t rows, std::int64_t columns) {
            list.push_back({full_name(name, l, d), rows, columns, l, d});
        };
        const std::int64_t rows = gates(layer) * layer.hidden;
        add("weight_ih", rows, input_width(spec, l));
        if (is_recurrent(layer)) add("weight_hh", rows, layer.width());
        const std::int64_t norms = layer.cell == "lnlstm" ? 14 : layer.cell == "lngru" ? 10 : 0;
        if (layer.biases != Biases::none && norms == 0) add("bias_ih", rows, 1);
        if (layer.biases == Biases::two && norms == 0 && is_recurrent(layer)) add("bias_hh", rows, 1);
        if (layer.projection > 0) add("weight_hr", layer.projection, layer.hidden);
        if (layer.options.peepholes) add("weight_peephole", 3 * layer.hidden, 1);
        if (norms > 0) add("weight_norm", norms * layer.hidden, 1);
    });
    return list;
}

std::vector<State> states(const StackSpec& spec) {
    std::vector<State> list;
    for_each_direction(spec, [&](const LayerSpec& layer, int l, int d) {
        for (const std::string& name : state_names(layer))
            list.push_back({full_name(name, l, d), name == "h" ? layer.width() : layer.hidden, l, d});
    });
    return list;
}

std::vector<Noise> noise(const StackSpec& spec) {
    std::vector<Noise> list;
    for_each_direction(spec, [&](const LayerSpec& layer, int l, int d) {
        const auto add = [&](Noise::Kind kind, const std::string& name, double rate, std::int64_t width) {
            if (rate > 0) list.push_back({kind, full_name(name, l, d), rate, width, l, d});
        };
        add(Noise::Kind::recurrent, "recurrent", layer.recurrent_dropout, layer.width());
        add(Noise::Kind::weight, "weight_hh", layer.weight_dropout, gates(layer) * layer.hidden * layer.width());
        add(Noise::Kind::zoneout, "zoneout_h", layer.zoneout, layer.hidden);
        add(Noise::Kind::zoneout_cell, "zoneout_c", layer.zoneout_cell, layer.hidden);
    });
    return list;
}

}  // namespace rondo::reference
