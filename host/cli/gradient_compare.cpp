#include "cli/gradient_compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/plot/svg.hpp"
#include "rondo/gradient_flow.hpp"
#include "rondo/network.hpp"
#include "rondo/philox.hpp"

namespace rondo::cli {
namespace {

constexpr std::int64_t kFeatures = 8, kClasses = 4;

/// A cell and how its parameters begin.
struct Contestant {
    std::string name, cell;
    enum class Start {
        standard,     ///< PyTorch's
        large,        ///< recurrent weights four times as large: their spectral radius is about 4/sqrt(3) = 2.3
        long_memory,  ///< gates that keep begin so far open that units forget in 1 to T steps (C. Tallec, Y. Ollivier,
                      ///< "Can recurrent neural networks warp time?", ICLR 2018)
    } start;
    int colour;
};

const std::vector<Contestant>& contestants() {
    using Start = Contestant::Start;
    static const std::vector<Contestant> list{
        {"vanilla", "rnn_tanh", Start::standard, 0}, {"vanilla with large weights", "rnn_tanh", Start::large, 1},
        {"LSTM", "lstm", Start::standard, 5},        {"LSTM with long memory", "lstm", Start::long_memory, 2},
        {"GRU", "gru", Start::standard, 4},          {"GRU with long memory", "gru", Start::long_memory, 3}};
    return list;
}

/// Sequences of noise; what is asked for is which of the first four numbers of step 0 was the largest, at the end or all
/// along.
struct Data {
    std::int64_t steps, batch;
    std::vector<double> x;              ///< [T,B,features]
    std::vector<std::int32_t> targets;  ///< [T,B]

    Data(std::int64_t steps_, std::int64_t batch_, bool at_every_step, std::uint64_t seed)
        : steps(steps_), batch(batch_), targets(static_cast<std::size_t>(steps_ * batch_), -1) {
        for (std::int64_t i = 0; i < steps * batch * kFeatures; ++i) {
            const Philox4 r = philox4x32(philox_counter(static_cast<std::uint64_t>(i), 0), philox_key(seed));
            x.push_back(2 * philox_uniform(r.word[0], r.word[1]) - 1);
        }
        for (std::int64_t t = at_every_step ? 0 : steps - 1; t < steps; ++t)
            for (std::int64_t b = 0; b < batch; ++b) {
                const auto first = x.begin() + b * kFeatures;
                targets[static_cast<std::size_t>(t * batch + b)] =
                    static_cast<std::int32_t>(std::max_element(first, first + kClasses) - first);
            }
    }
    std::vector<Sequence> window(std::int64_t begin, std::int64_t end) const {
        return {{ConstView(x.data() + begin * batch * kFeatures, {end - begin, batch, kFeatures})},
                {ConstView(targets.data() + begin * batch, {end - begin, batch})}};
    }
};

/// In double: what vanishes is then still there to be drawn.
Network recall_network(const Contestant& c, const CompareOptions& options, RecurrentClip clip, const Device& device) {
    LayerSpec layer;
    layer.cell = c.cell;
    layer.hidden = options.hidden;
    NetworkSpec spec;
    spec.precision = Precision::f64();
    spec.inputs = {{"x", DType::f64, kFeatures}, {"targets"}};
    spec.nodes = {{"rnn", StackSpec{kFeatures, {layer}, spec.precision, clip}, {"x"}, {"h"}},
                  {"linear", LinearSpec{options.hidden, kClasses}, {"h"}, {"logits"}},
                  {"loss", CrossEntropySpec{}, {"logits", "targets"}}};
    return Network(device, spec);
}

void begin(Network& network, const Contestant& c, const CompareOptions& options, std::int64_t steps) {
    const Stream stream{};
    network.initialise({.seed = options.seed}, stream);
    if (c.start == Contestant::Start::standard) return;
    std::vector<HostTensor> tensors = network.read_parameters(stream);
    const auto hidden = static_cast<std::size_t>(options.hidden);
    for (HostTensor& tensor : tensors) {
        const std::span<double> values = tensor.as<double>();
        if (c.start == Contestant::Start::large && tensor.name == "rnn.weight_hh_l0")
            for (double& v : values) v *= 4;
        if (c.start == Contestant::Start::long_memory && tensor.name == "rnn.bias_ih_l0")
            for (std::size_t j = 0; j < hidden; ++j) {
                // How long the units remember, evenly from 1 step to T.
                const double span =
                    1 + static_cast<double>(steps - 1) * (static_cast<double>(j) + 0.5) / static_cast<double>(hidden);
                if (c.cell == "lstm") values[j] = -std::log(span);  // i
                values[hidden + j] = std::log(span);                // f, or z
            }
    }
    network.write_parameters(tensors, stream);
}

/// The gradients of the recurrent layer as one vector: those of the output's weights are what they are without any way
/// through time.
std::vector<double> gradient_of(const Network& network) {
    std::vector<double> all;
    for (const HostTensor& tensor : network.read_gradients({}))
        if (tensor.name.starts_with("rnn."))
            for (std::int64_t i = 0; i < tensor.shape.size(); ++i) all.push_back(tensor.at(i));
    return all;
}

double norm_of(const std::vector<double>& v) {
    double sum = 0;
    for (const double x : v) sum += x * x;
    return std::sqrt(sum);
}
double cosine_of(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum / (norm_of(a) * norm_of(b));
}

/// What one backward shows.
struct Way {
    std::vector<double> norms;
    std::vector<double> gradient;
    double first() const { return norms.front() / norms.back(); }  ///< what step 0 gets of what the last one has
};

Way way_of(const Contestant& c, const CompareOptions& options, std::int64_t steps, RecurrentClip clip,
           const Device& device) {
    Network network = recall_network(c, options, clip, device);
    begin(network, c, options, steps);
    network.observe_gradients(true);
    const Data data(steps, options.batch, false, options.seed);
    network.forward(data.window(0, steps), Mode::training, nullptr, {});
    network.loss(Reduction::mean, 0, {});
    network.backward(false, {});
    return {network.gradient_flow({}).layers[0].norms, gradient_of(network)};
}

/// The gradient over all steps, cut every `window`, state carried on.
std::vector<double> truncated(Network& network, const Data& data, std::int64_t window) {
    NetworkState state = network.make_state(data.batch);
    for (std::int64_t begin = 0; begin < data.steps; begin += window) {
        const std::int64_t end = std::min(begin + window, data.steps);
        network.forward(data.window(begin, end), Mode::training, &state, {});
        network.loss(Reduction::sum, 0, {});
        network.keep_state(end - begin, state, {});
        network.backward(begin > 0, {});
    }
    return gradient_of(network);
}

class Comparing {
public:
    Comparing(const CompareOptions& options, const Device& device) : options_(options), device_(device) {}

    Comparison run() {
        out_.ways = "steps,cell,clip,t,norm,relative\n";
        out_.biases = "cell,window,bias,cosine\n";
        out_.page = fmt::format(
            "<p>One layer of {} units of each cell reads {} rows of noise and is asked at the end which of four "
            "numbers "
            "of the very first step was the largest. Nothing is trained: these are the gradients that training would "
            "begin with (seed {}). In double precision, so that what vanishes can be drawn.</p>\n",
            options_.hidden, options_.batch, options_.seed);
        ways();
        clips();
        biases();
        return std::move(out_);
    }

private:
    static constexpr int kPage = 990;      ///< pixels across
    static constexpr double kClip = 0.05;  ///< of a row's dL/dh, which is about as large at the last step

    Way way(const Contestant& c, std::int64_t steps, RecurrentClip clip, const char* word) {
        Way w = way_of(c, options_, steps, clip, device_);
        for (std::size_t t = 0; t < w.norms.size(); ++t)
            out_.ways += fmt::format("{},{},{},{},{:.6g},{:.6g}\n", steps, c.name, word, t, w.norms[t],
                                     w.norms[t] / w.norms.back());
        return w;
    }

    static Series series_of(const Contestant& c, const Way& w, const std::string& name, bool dashed) {
        Series s{name, {}, {}, c.colour, dashed};
        for (std::size_t t = 0; t < w.norms.size(); ++t) {
            s.x.push_back(static_cast<double>(t));
            s.y.push_back(w.norms[t] / w.norms.back());
        }
        return s;
    }

    static LineChart chart_of(std::int64_t steps) {
        return {fmt::format("T = {}", steps),
                {"step t"},
                {"|dL/dh_t| / |dL/dh_T|", true, 1e-12, 1e12},
                {},
                325,
                300,
                false};
    }

    void ways() {
        out_.page += "<h2>From the last step back to the first</h2>\n";
        std::string legend;
        for (const std::int64_t steps : options_.steps) {
            LineChart chart = chart_of(steps);
            for (const Contestant& c : contestants()) {
                Way w = way(c, steps, {}, "none");
                chart.series.push_back(series_of(c, w, c.name, false));
                out_.summary += fmt::format("T {:>4}  {:<24} first/last |dL/dh| {:.2e}  |g| {:.3g}\n", steps, c.name,
                                            w.first(), norm_of(w.gradient));
            }
            out_.page += to_svg(chart);
            legend = legend_of(chart, kPage);
        }
        out_.page += legend;
        out_.page +=
            "<p>A vanilla cell multiplies the gradient by the same matrix at every step: with usual weights it "
            "shrinks, with large ones it grows, both exponentially. Gates make a path along which the gradient is "
            "multiplied by a number near 1 instead, but only as far as they are open: an LSTM or GRU whose gates "
            "begin half open forgets as fast as a vanilla one. Begun with biases that let units remember from 1 step "
            "to T, both hold it. The LSTM's line lies lower because h hands on only what the next input gate lets "
            "in, while c carries the rest past it: that the line is level is what counts.</p>\n";
    }

    void clips() {
        using Kind = RecurrentClip::Kind;
        out_.page += "<h2>With clipping</h2>\n";
        std::string rows, legend;
        for (const std::int64_t steps : options_.steps) {
            LineChart chart = chart_of(steps);
            for (const Contestant& c : contestants()) {
                if (c.start == Contestant::Start::standard && c.cell != "rnn_tanh") continue;
                const Way free = way(c, steps, {}, "none");
                const Way clipped = way(c, steps, {Kind::norm, kClip}, "recurrent");
                chart.series.push_back(series_of(c, free, c.name, false));
                chart.series.push_back(series_of(c, clipped, c.name + ", clipped", true));
                rows += fmt::format(
                    "<tr><td>{}</td><td>{}</td><td>{:.3g}</td><td>{:.3g}</td><td>{:.3g}</td><td>{:.3f}</td></tr>\n",
                    escaped(c.name), steps, norm_of(free.gradient), std::min(1.0, norm_of(free.gradient)),
                    norm_of(clipped.gradient), cosine_of(free.gradient, clipped.gradient));
            }
            out_.page += to_svg(chart);
            legend = legend_of(chart, kPage);
        }
        out_.page += legend;
        out_.page += fmt::format(
            "<p>Dashed: with --recurrent-clip norm:{:g}, which limits dL/dh of a row before it goes on to the step "
            "before. It stops the explosion on its way, and bends the gradient's direction (the cosine to the one "
            "without). Clipping the norm of all weights' gradients (--clip norm) comes after the way back and only "
            "scales the whole: an exploded gradient keeps its direction, which is that of the earliest steps alone. "
            "Neither brings back what has vanished.</p>\n"
            "<table><tr><th>cell</th><th>T</th><th>|g|</th><th>|g|, --clip norm 1</th><th>|g|, recurrent "
            "clip</th><th>cosine</th></tr>\n"
            "{}</table>\n",
            kClip, rows);
    }

    void biases() {
        const std::int64_t steps = options_.steps.back();
        out_.page += "<h2>Truncated backpropagation through time</h2>\n";
        Axis windows{"window k", true, {}, static_cast<double>(steps)};
        LineChart bias{
            fmt::format("bias |g_k - g| / |g|, T = {}", steps), windows, {"", false, 0.0, {}}, {}, 490, 320, false};
        LineChart angle{"cosine between g_k and g", windows, {"", false, {}, 1.0}, {}, 490, 320, false};
        const Data data(steps, options_.batch, true, options_.seed);
        for (const Contestant& c : contestants()) {
            if (c.start == Contestant::Start::large) continue;  // its gradient is that of the first steps alone
            Network network = recall_network(c, options_, {}, device_);
            begin(network, c, options_, steps);
            const std::vector<double> whole = truncated(network, data, steps);
            Series off{c.name, {}, {}, c.colour, c.cell == "gru"}, cosine = off;  // else it hides the LSTM's
            for (std::int64_t k : {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}) {
                if (k > steps) break;
                std::vector<double> cut = truncated(network, data, k);
                const double cos = cosine_of(cut, whole);
                for (std::size_t i = 0; i < cut.size(); ++i) cut[i] -= whole[i];
                const double relative = norm_of(cut) / norm_of(whole);
                off.x.push_back(static_cast<double>(k));
                off.y.push_back(relative);
                cosine.x.push_back(static_cast<double>(k));
                cosine.y.push_back(cos);
                out_.biases += fmt::format("{},{},{:.6g},{:.6g}\n", c.name, k, relative, cos);
                if (k == 20)
                    out_.summary += fmt::format("T {:>4}  {:<24} windows of 20: bias {:.3f} of |g|, cosine {:.3f}\n",
                                                steps, c.name, relative, cos);
            }
            bias.series.push_back(std::move(off));
            angle.series.push_back(std::move(cosine));
        }
        out_.page += to_svg(bias) + to_svg(angle) + legend_of(bias, kPage);
        out_.page += fmt::format(
            "<p>Here the same is asked at every step. g is the gradient of the cell's weights over all {} steps, g_k "
            "the one that training gets where backpropagation is cut every k steps and the state is carried on. What "
            "is cut off is a bias: more data do not average it out. A cell that forgets within ten steps loses "
            "nothing by windows of twenty; one that remembers loses the very gradient that would teach it to.</p>\n",
            steps);
    }

    const CompareOptions& options_;
    const Device& device_;
    Comparison out_;
};

}  // namespace

Comparison compare_gradients(const CompareOptions& options, const Device& device) {
    Comparison result = Comparing(options, device).run();
    result.page = html_page("Gradients through time", result.page);
    return result;
}

}  // namespace rondo::cli
