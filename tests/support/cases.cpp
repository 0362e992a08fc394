#include "support/cases.hpp"

#include <algorithm>

namespace rondo::test {

namespace {

LayerSpec layer_of(const char* cell, CellOptions options = {}, double clip = 0, bool projected = false) {
    LayerSpec layer;
    layer.cell = cell;
    layer.options = options;
    layer.cell_clip = clip;
    layer.projection = projected ? 1 : 0;  // set_hidden makes it fit
    return layer;
}

void set_hidden(LayerSpec& layer, std::int64_t hidden) {
    layer.hidden = hidden;
    if (layer.projection == 0) return;
    layer.hidden = std::max<std::int64_t>(hidden, 2);  // a projection is narrower
    layer.projection = layer.hidden / 2;
}

/// With all the noise inside the recurrence that the cell takes.
LayerSpec noisy(LayerSpec layer) {
    const bool recurrent = reference::is_recurrent(layer);
    layer.recurrent_dropout = recurrent && !layer.options.reset_before ? 0.3 : 0;
    layer.weight_dropout = recurrent ? 0.2 : 0;
    layer.zoneout = layer.projection > 0 ? 0 : 0.4;
    layer.zoneout_cell = reference::state_names(layer).size() == 2 ? 0.3 : 0;
    return layer;
}

bool normalises(const LayerSpec& layer) { return layer.cell == "lnlstm" || layer.cell == "lngru"; }

/// Of whom a part of the table is enough: noise does not care for biases, and scans and rows do for extents alone.
bool is_brief(const LayerSpec& layer) {
    return normalises(layer) || layer.weight_dropout > 0 || !reference::is_recurrent(layer);
}

struct Way {
    Direction direction;
    Merge merge;
};
constexpr Way kWays[] = {{Direction::forward, Merge::concatenate},
                         {Direction::reverse, Merge::concatenate},
                         {Direction::bidirectional, Merge::concatenate},
                         {Direction::bidirectional, Merge::sum},
                         {Direction::bidirectional, Merge::average}};
constexpr Biases kBiases[] = {Biases::none, Biases::one, Biases::two};

/// Any lengths from 0 to T; one row is full and, where there are enough, one is empty.
std::vector<std::int64_t> draw_lengths(Random& random, std::int64_t steps, std::int64_t batch) {
    std::vector<std::int64_t> lengths;
    for (std::int64_t b = 0; b < batch; ++b) lengths.push_back(random.below(steps + 1));
    if (batch > 1) lengths[static_cast<std::size_t>(random.below(batch))] = steps;
    if (batch > 2) lengths[static_cast<std::size_t>(random.below(batch))] = 0;
    return lengths;
}

Case make_case(std::vector<LayerSpec> layers, std::int64_t input, std::int64_t steps, std::int64_t batch, bool ragged,
               std::uint64_t seed) {
    Case c;
    c.spec.input = input;
    c.spec.layers = std::move(layers);
    c.spec.precision = Precision::f64();
    c.steps = steps;
    c.batch = batch;
    c.seed = seed;
    Random random(seed ^ 0x1e46u);
    if (ragged) c.lengths = draw_lengths(random, steps, batch);
    c.name = detail::concat("T=", steps, " B=", batch, " I=", input, ragged ? " ragged" : "");
    for (const LayerSpec& layer : c.spec.layers) c.name += " | " + describe(layer);
    return c;
}

}  // namespace

std::string describe(const LayerSpec& layer) {
    std::string s = layer.cell;
    if (layer.options.peepholes) s += "+peepholes";
    if (layer.options.coupled) s += "+coupled";
    if (layer.options.reset_before) s += "+reset_before";
    if (layer.cell_clip > 0) s += "+clip";
    s += detail::concat(" H=", layer.hidden);
    if (layer.projection > 0) s += detail::concat(" P=", layer.projection);
    if (layer.direction == Direction::reverse) s += " reverse";
    if (layer.direction == Direction::bidirectional)
        s += layer.merge == Merge::sum ? " sum" : layer.merge == Merge::average ? " average" : " both";
    s += layer.biases == Biases::none ? " biases=0" : layer.biases == Biases::one ? " biases=1" : " biases=2";
    if (layer.dropout > 0)
        s += detail::concat(" dropout=", layer.dropout, layer.dropout_per_sequence ? "/sequence" : "");
    if (layer.recurrent_dropout > 0) s += detail::concat(" recurrent_dropout=", layer.recurrent_dropout);
    if (layer.weight_dropout > 0) s += detail::concat(" weight_dropout=", layer.weight_dropout);
    if (layer.zoneout > 0) s += detail::concat(" zoneout=", layer.zoneout);
    if (layer.zoneout_cell > 0) s += detail::concat(" zoneout_cell=", layer.zoneout_cell);
    return s;
}

std::vector<LayerSpec> cell_variants() {
    const CellOptions peepholes{.peepholes = true}, coupled{.coupled = true};
    const CellOptions both{.peepholes = true, .coupled = true};
    constexpr double kClip = 0.25;  // near what c takes on, so that about half of it is clipped
    return {layer_of("rnn_tanh"),
            layer_of("rnn_relu"),
            layer_of("lstm"),
            layer_of("lstm", peepholes),
            layer_of("lstm", coupled),
            layer_of("lstm", both),
            layer_of("lstm", {}, kClip),
            layer_of("lstm", {}, 0, true),
            layer_of("lstm", peepholes, kClip, true),
            layer_of("lstm", coupled, kClip),
            layer_of("lstm", both, kClip, true),
            layer_of("gru"),
            layer_of("gru", {.reset_before = true}),
            layer_of("slstm"),
            layer_of("mingru"),
            layer_of("minlstm"),
            layer_of("lnlstm"),
            layer_of("lngru"),
            noisy(layer_of("lstm", peepholes, kClip)),
            noisy(layer_of("lstm", coupled, 0, true)),
            noisy(layer_of("gru"))};
}

void draw_nothing(StackSpec& spec) {
    for (LayerSpec& layer : spec.layers) {
        layer.dropout_per_sequence = false;
        layer.dropout = layer.recurrent_dropout = layer.weight_dropout = layer.zoneout = layer.zoneout_cell = 0;
    }
}

bool has_steps(const StackSpec& spec) {
    return std::all_of(spec.layers.begin(), spec.layers.end(), reference::is_recurrent);
}

bool keeps_rounding_small(const StackSpec& spec) {
    return std::none_of(spec.layers.begin(), spec.layers.end(), normalises) ||
           (spec.layers.size() == 1 && spec.layers[0].hidden >= 8 && spec.input > 1);
}

std::vector<Case> single_layer_cases() {
    constexpr std::int64_t kHidden[] = {3, 8, 1, 17, 5, 33, 4}, kSteps[] = {4, 1, 9, 3, 6}, kBatch[] = {3, 1, 6};
    std::vector<Case> cases;
    std::uint64_t n = 0;
    for (LayerSpec layer : cell_variants())
        for (const Way& way : kWays)
            for (const Biases biases : kBiases)
                for (const bool ragged : {false, true}) {
                    if (is_brief(layer) && biases != kBiases[(&way - kWays) % 3]) continue;
                    layer.direction = way.direction;
                    layer.merge = way.merge;
                    layer.biases = biases;
                    set_hidden(layer, kHidden[n % 7]);
                    cases.push_back(make_case({layer}, 1 + static_cast<std::int64_t>(n % 4), kSteps[n % 5],
                                              kBatch[n % 3], ragged, 1000 + n));
                    ++n;
                }
    return cases;
}

std::vector<Case> edge_cases() {
    std::vector<Case> cases;
    std::uint64_t n = 0;
    for (LayerSpec layer : cell_variants())
        for (const std::int64_t hidden : {1, 3, 31, 32, 33})
            for (const std::int64_t steps : {1, 2})
                for (const std::int64_t batch : {1, 5}) {
                    if (is_brief(layer) && hidden != 1 && hidden != 33) continue;
                    set_hidden(layer, hidden);
                    cases.push_back(make_case({layer}, n % 2 ? hidden : 1, steps, batch, n % 3 == 0, 3000 + n));
                    ++n;
                }
    return cases;
}

std::vector<Case> loop_cases() {
    constexpr std::int64_t kHidden[] = {40, 49, 33, 67, 72}, kSteps[] = {4, 2, 5, 1}, kBatch[] = {11, 9, 20, 3, 17};
    LayerSpec dropped = layer_of("gru");
    dropped.weight_dropout = 0.3;
    std::vector<Case> cases;
    std::uint64_t n = 0;
    for (LayerSpec layer : {layer_of("lstm"), layer_of("gru"), layer_of("rnn_tanh"), layer_of("lstm", {}, 0.25),
                            layer_of("rnn_relu"), dropped})
        for (const Way& way : kWays) {
            layer.direction = way.direction;
            layer.merge = way.merge;
            layer.biases = kBiases[n % 3];
            set_hidden(layer, kHidden[n % 5]);
            cases.push_back(make_case({layer}, 3, kSteps[n % 4], kBatch[(n + n / 5) % 5], n % 2 == 0, 6000 + n));
            ++n;
        }
    return cases;
}

std::vector<Case> wide_cases() {
    std::vector<Case> cases;
    for (LayerSpec layer : cell_variants()) {
        set_hidden(layer, 127);
        const std::uint64_t n = cases.size();
        cases.push_back(make_case({layer}, 5, 2, 3, n % 2 == 0, 4000 + n));
    }
    return cases;
}

std::vector<Case> stack_cases(int count) {
    const std::vector<LayerSpec> variants = cell_variants();
    std::vector<Case> cases;
    Random random(77);
    for (int n = 0; n < count; ++n) {
        std::vector<LayerSpec> layers;
        for (std::int64_t l = random.below(3); l >= 0; --l) {
            LayerSpec layer =
                variants[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(variants.size())))];
            const Way& way = kWays[random.below(5)];
            layer.direction = way.direction;
            layer.merge = way.merge;
            layer.biases = kBiases[random.below(3)];
            set_hidden(layer, random.below(8) == 0 ? 31 + random.below(3) : 1 + random.below(9));
            if (random.below(4) == 0) layer = noisy(layer);
            if (random.below(3) == 0) {
                layer.dropout = random.below(2) ? 0.5 : 0.2;
                layer.dropout_per_sequence = random.below(2) == 1;
            }
            layers.push_back(layer);
        }
        const std::int64_t input = 1 + random.below(6), steps = 1 + random.below(10), batch = 1 + random.below(6);
        cases.push_back(make_case(std::move(layers), input, steps, batch, random.below(2) == 1, random.bits()));
    }
    return cases;
}

std::vector<Case> wavefront_cases(int count) {
    std::vector<Case> cases;
    const auto add = [&](Case c) {
        for (LayerSpec& layer : c.spec.layers) {
            layer.direction = cases.size() % 2 == 0 ? Direction::forward : Direction::reverse;
            layer.merge = Merge::concatenate;
        }
        cases.push_back(std::move(c));
    };
    for (Case c : stack_cases(count)) {
        const bool one = c.spec.layers.size() < 2;
        if (c.steps < 2 || (one && cases.size() % 4 > 0)) continue;
        for (std::size_t more = one ? 0 : cases.size() % 3; more > 0; --more)
            c.spec.layers.push_back(c.spec.layers[more - 1]);
        add(std::move(c));
    }
    // What a layer carries or sums from piece to piece: gradients of peepholes, a projected h and dropped weights.
    LayerSpec lstm = layer_of("lstm"), gru = layer_of("gru"), scanned = layer_of("mingru");
    lstm.options.peepholes = true;
    lstm.projection = 2;
    gru.weight_dropout = gru.dropout = 0.3;
    scanned.dropout = 0.5;
    scanned.dropout_per_sequence = true;
    for (LayerSpec* layer : {&lstm, &gru, &scanned}) layer->hidden = 3;
    for (const std::uint64_t seed : {1, 2}) add(make_case({lstm, gru, scanned, lstm}, 3, 70, 3, true, seed));
    return cases;
}

std::vector<Case> long_cases() {
    std::vector<Case> cases;
    std::uint64_t n = 0;
    for (LayerSpec layer : cell_variants()) {
        layer.direction = kWays[n % 3].direction;
        set_hidden(layer, 6);
        cases.push_back(make_case({layer}, 3, 256, 2, n % 2 == 0, 5000 + n));
        set_hidden(layer, 33);
        cases.push_back(make_case({layer}, 5, 64, 3, n % 2 == 1, 6000 + n));
        ++n;
    }
    return cases;
}

std::vector<Case> endless_cases() {
    std::vector<Case> cases;
    for (LayerSpec layer : {layer_of("lstm"), layer_of("gru")}) {
        set_hidden(layer, 2);
        cases.push_back(make_case({layer}, 1, 6000, 1, false, 8000 + cases.size()));
    }
    return cases;
}

std::vector<Case> chunked_cases() {
    const CellOptions peepholes{.peepholes = true};
    std::vector<Case> cases;
    std::uint64_t n = 0;
    for (LayerSpec layer : {layer_of("rnn_tanh"), layer_of("lstm", peepholes), layer_of("lstm", peepholes, 0.25, true),
                            layer_of("gru"), layer_of("gru", {.reset_before = true})}) {
        layer.direction = kWays[n % 3].direction;
        set_hidden(layer, 2);
        // Gates of f64 that one chunk holds; a little more than twice as many take three chunks.
        constexpr std::int64_t kChunk = (std::int64_t{4} << 20) / 8, kBatch = 9000;
        const std::int64_t steps = 2 * kChunk / (reference::gates(layer) * layer.hidden * kBatch) + 2;
        cases.push_back(make_case({layer}, 1, steps, kBatch, n % 2 == 0, 7000 + n));
        ++n;
    }
    return cases;
}

Problem make_problem(const Case& c, Precision precision) {
    StackSpec spec = c.spec;
    spec.precision = precision;
    return random_problem(c.name, spec, c.steps, c.batch, c.lengths, c.seed);
}

}  // namespace rondo::test
