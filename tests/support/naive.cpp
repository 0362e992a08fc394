#include "support/naive.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <rondo/convert.hpp>

#include "reference/names.hpp"

namespace rondo::test {
namespace {

using FloatInputs = reference::Inputs<float>;
using FloatResult = reference::Result<float>;
using Floats = std::vector<float>;

/// To 11 significant bits, as a product in tf32 reads its operands.
double rounded_to_tf32(double value) {
    int exponent = 0;
    const double fraction = std::frexp(value, &exponent);
    return std::isfinite(value) ? std::ldexp(std::nearbyint(std::ldexp(fraction, 11)), exponent - 11) : value;
}

/// To what a precision keeps of numbers between products: its storage type, or the operands of tf32.
template <class T>
void round_all(std::vector<T>& values, Precision precision) {
    if (precision.math == Math::tf32)
        for (T& value : values) value = static_cast<T>(rounded_to_tf32(static_cast<double>(value)));
    const DType type = precision.storage;
    if (size_of(type) >= static_cast<std::int64_t>(sizeof(T))) return;
    std::vector<std::uint64_t> narrow(values.size());  // room for any type
    const auto count = static_cast<std::int64_t>(values.size());
    convert_elements(type, narrow.data(), kDType<T>, values.data(), count);
    convert_elements(kDType<T>, values.data(), type, narrow.data(), count);
}

bool is_matrix(const std::string& name) {
    return name.find("weight_") != name.npos && name.find("peephole") == name.npos && name.find("norm") == name.npos;
}

Floats narrowed(const Tensor& values) {
    Floats out;
    for (const double v : values) out.push_back(static_cast<float>(v));
    return out;
}

Tensor widened(const Floats& values) { return {values.begin(), values.end()}; }

void add_to(Floats& to, const Floats& from) {
    to.resize(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
}

/// One direction of one layer, as a stack of its own that runs forward.
struct Strand {
    const Problem& problem;
    std::size_t layer;
    bool reverse;
    std::size_t first_state;  // of the whole stack's list

    Precision precision() const { return problem.spec.precision; }
    const LayerSpec& spec() const { return problem.spec.layers[layer]; }
    std::size_t states() const { return reference::state_names(spec()).size(); }
    std::int64_t width(std::size_t state) const { return state == 0 ? spec().width() : spec().hidden; }
    std::int64_t time(std::int64_t n) const { return reverse ? problem.steps - 1 - n : n; }

    StackSpec stack(std::int64_t input) const {
        StackSpec s;
        s.input = input;
        LayerSpec l = spec();
        l.direction = Direction::forward;
        l.merge = Merge::concatenate;
        l.dropout = 0;
        s.layers = {l};
        s.precision = Precision::f32();
        return s;
    }
    /// "weight_ih_l1_reverse" -> "weight_ih_l0".
    std::string own_name(const std::string& name) const {
        return name.substr(0, name.rfind("_l" + std::to_string(layer))) + "_l0";
    }
    bool owns(const std::string& name) const {
        const std::string end = "_l" + std::to_string(layer) + (reverse ? "_reverse" : "");
        return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
    }
    std::map<std::string, Floats> parameters() const {
        std::map<std::string, Floats> list;
        for (const auto& [name, values] : problem.inputs.parameters)
            if (owns(name)) list[own_name(name)] = narrowed(values);
        return list;
    }
    /// Rows of step t of a [T,B,width] tensor.
    Floats rows(const Floats& tensor, std::int64_t t) const {
        const std::int64_t size = static_cast<std::int64_t>(tensor.size()) / problem.steps;
        return {tensor.begin() + t * size, tensor.begin() + (t + 1) * size};
    }
    std::vector<std::int64_t> lengths(std::int64_t t) const {
        std::vector<std::int64_t> list;
        for (std::int64_t b = 0; b < problem.batch; ++b) list.push_back(t < problem.length(b) ? 1 : 0);
        return list;
    }

    /// Factors whose products with the values are rounded, as those of a matrix product's operand are.
    void round_products(Floats& factors, const Floats& values) const {
        Floats products = factors;
        for (std::size_t i = 0; i < values.size(); ++i) products[i] *= values[i];
        round_all(products, precision());
        for (std::size_t i = 0; i < values.size(); ++i)
            if (values[i] != 0) factors[i] = products[i] / values[i];
    }

    FloatInputs inputs(const Floats& x, std::int64_t t, const std::vector<Floats>& states_before) const {
        FloatInputs in;
        in.parameters = parameters();
        in.x = rows(x, t);
        in.states = states_before;
        in.lengths = lengths(t);
        for (const reference::Noise& drawn : reference::noise(problem.spec)) {
            if (drawn.layer != static_cast<int>(layer) || (drawn.direction == 1) != reverse) continue;
            const Floats all = narrowed(problem.inputs.noise.at(drawn.name));
            const bool per_step =
                drawn.kind == reference::Noise::Kind::zoneout || drawn.kind == reference::Noise::Kind::zoneout_cell;
            Floats& factors = in.noise[own_name(drawn.name)] = per_step ? rows(all, t) : all;
            if (drawn.kind == reference::Noise::Kind::recurrent) round_products(factors, states_before[0]);
            if (drawn.kind == reference::Noise::Kind::weight) round_products(factors, in.parameters.at("weight_hh_l0"));
        }
        return in;
    }

    /// States before and after every step, in the order of steps taken. Fills this strand's outputs.
    std::vector<std::vector<Floats>> forward(const Floats& x, std::int64_t input, Result& result) const {
        std::vector<std::vector<Floats>> trace(1);
        for (std::size_t s = 0; s < states(); ++s) {
            Floats initial(static_cast<std::size_t>(problem.batch * width(s)));
            if (!problem.inputs.states.empty()) initial = narrowed(problem.inputs.states[first_state + s]);
            trace[0].push_back(std::move(initial));
            result.outputs.state_steps[first_state + s].resize(
                static_cast<std::size_t>(problem.steps * problem.batch * width(s)));
        }
        for (std::int64_t n = 0; n < problem.steps; ++n) {
            auto out = reference::forward<float>(stack(input), 1, problem.batch, inputs(x, time(n), trace.back()));
            round_all(out.final_states[0], precision());
            for (std::size_t s = 0; s < states(); ++s) {
                const Tensor wide = widened(out.final_states[s]);
                Tensor& steps = result.outputs.state_steps[first_state + s];
                std::copy(wide.begin(), wide.end(), steps.begin() + time(n) * static_cast<std::int64_t>(wide.size()));
            }
            trace.push_back(std::move(out.final_states));
        }
        for (std::size_t s = 0; s < states(); ++s)
            result.outputs.final_states[first_state + s] = widened(trace.back()[s]);
        return trace;
    }

    /// dy: of this strand's h, [T,B,width]. Adds to dx [T,B,I].
    void backward(const Floats& x, std::int64_t input, const std::vector<std::vector<Floats>>& trace, const Floats& dy,
                  Floats& dx, Result& result) const {
        std::vector<Floats> carry;
        for (std::size_t s = 0; s < states(); ++s)
            carry.push_back(narrowed(problem.upstream.final_states[first_state + s]));
        std::map<std::string, Floats> sums;
        for (std::int64_t n = problem.steps; n-- > 0;) {
            const std::int64_t t = time(n);
            reference::Upstream<float> upstream;
            upstream.y = rows(dy, t);
            upstream.final_states = carry;
            for (std::size_t s = 0; s < states(); ++s)
                upstream.state_steps.push_back(rows(narrowed(problem.upstream.state_steps[first_state + s]), t));
            FloatResult step = reference::gradients<float>(stack(input), 1, problem.batch,
                                                           inputs(x, t, trace[static_cast<std::size_t>(n)]), upstream);
            carry = std::move(step.dstates);
            for (auto& [name, gradient] : step.dparameters) add_to(sums[name], gradient);
            for (std::size_t i = 0; i < step.dx.size(); ++i)
                dx[static_cast<std::size_t>(t) * step.dx.size() + i] += step.dx[i];
        }
        for (std::size_t s = 0; s < states(); ++s) result.dstates[first_state + s] = widened(carry[s]);
        for (const auto& [name, values] : problem.inputs.parameters)
            if (owns(name)) result.dparameters[name] = widened(sums.at(own_name(name)));
    }
};

/// What one direction adds to each row of its layer's output.
struct Share {
    std::int64_t offset, stride;
    float scale;
};
Share share_of(const LayerSpec& layer, bool second) {
    if (layer.merge == Merge::concatenate) return {second ? layer.width() : 0, layer.output(), 1};
    return {0, layer.output(), layer.merge == Merge::average ? 0.5f : 1.0f};
}

}  // namespace

Problem rounded_to_storage(const Problem& problem) {
    Problem p = problem;
    const Precision precision = p.spec.precision;
    for (auto& [name, values] : p.inputs.parameters)
        if (is_matrix(name)) round_all(values, precision);
    round_all(p.inputs.x, precision);
    round_all(p.upstream.y, precision);
    const std::vector<reference::State> states = reference::states(p.spec);
    for (std::size_t i = 0; i < states.size(); ++i) {
        if (states[i].name.rfind("h_", 0) != 0) continue;
        for (auto* list : {&p.inputs.states, &p.upstream.final_states, &p.upstream.state_steps})
            if (i < list->size()) round_all((*list)[i], precision);
    }
    return p;
}

Result naive_in_storage(const Problem& problem) {
    const Precision precision = problem.spec.precision;
    const std::int64_t rows = problem.steps * problem.batch;
    const std::size_t states = reference::states(problem.spec).size(), layers = problem.spec.layers.size();
    Result result;
    result.outputs.final_states.resize(states);
    result.outputs.state_steps.resize(states);
    result.dstates.resize(states);

    struct Trace {
        Strand strand;
        std::vector<std::vector<Floats>> states;
    };
    std::vector<Floats> x{narrowed(problem.inputs.x)};
    std::vector<std::vector<Trace>> traces(layers);
    std::size_t first_state = 0;
    for (std::size_t l = 0; l < layers; ++l) {
        const LayerSpec& layer = problem.spec.layers[l];
        const std::int64_t input = reference::input_width(problem.spec, static_cast<int>(l));
        if (l < problem.inputs.masks.size() && !problem.inputs.masks[l].empty()) {
            for (std::size_t i = 0; i < x[l].size(); ++i) x[l][i] *= static_cast<float>(problem.inputs.masks[l][i]);
            round_all(x[l], precision);
        }
        Floats y(static_cast<std::size_t>(rows * layer.output()));
        for (int d = 0; d < layer.directions(); ++d) {
            const bool reverse = d == 1 || layer.direction == Direction::reverse;
            Trace trace{{problem, l, reverse, first_state}, {}};
            trace.states = trace.strand.forward(x[l], input, result);
            const Share share = share_of(layer, d == 1);
            for (std::int64_t r = 0; r < rows; ++r) {
                if (r / problem.batch >= problem.length(r % problem.batch)) continue;
                for (std::int64_t i = 0; i < layer.width(); ++i)
                    y[static_cast<std::size_t>(r * share.stride + share.offset + i)] +=
                        share.scale *
                        static_cast<float>(
                            result.outputs.state_steps[first_state][static_cast<std::size_t>(r * layer.width() + i)]);
            }
            first_state += trace.strand.states();
            traces[l].push_back(std::move(trace));
        }
        round_all(y, precision);
        x.push_back(std::move(y));
    }
    result.outputs.y = widened(x.back());

    Floats dy = narrowed(problem.upstream.y);
    for (std::size_t l = layers; l-- > 0;) {
        const LayerSpec& layer = problem.spec.layers[l];
        const std::int64_t input = reference::input_width(problem.spec, static_cast<int>(l));
        Floats dx(static_cast<std::size_t>(rows * input));
        for (std::size_t d = 0; d < traces[l].size(); ++d) {
            const Share share = share_of(layer, d == 1);
            Floats dh(static_cast<std::size_t>(rows * layer.width()));
            for (std::int64_t r = 0; r < rows; ++r)
                for (std::int64_t i = 0; i < layer.width(); ++i)
                    dh[static_cast<std::size_t>(r * layer.width() + i)] =
                        share.scale * dy[static_cast<std::size_t>(r * share.stride + share.offset + i)];
            traces[l][d].strand.backward(x[l], input, traces[l][d].states, dh, dx, result);
        }
        if (l < problem.inputs.masks.size() && !problem.inputs.masks[l].empty())
            for (std::size_t i = 0; i < dx.size(); ++i) dx[i] *= static_cast<float>(problem.inputs.masks[l][i]);
        dy = std::move(dx);
    }
    result.dx = widened(dy);
    return result;
}

double unit_roundoff(Precision precision) {
    return precision.math == Math::tf32 ? 0x1p-11 : unit_roundoff(precision.storage);
}

double unit_roundoff(DType type) {
    switch (type) {
        case DType::f64:
            return 0x1p-53;
        case DType::f32:
            return 0x1p-24;
        case DType::f16:
            return 0x1p-11;
        case DType::bf16:
            return 0x1p-8;
        default:
            refuse("dtype", type, "must be a floating type");
    }
}

void StorageError::take(const Tensor& out, const Tensor& naive, const Tensor& ref) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (out.size() != ref.size() || naive.size() != ref.size()) error_ = kInfinity;
    for (std::size_t i = 0; i < ref.size() && error_ < kInfinity; ++i) {
        const double error = std::abs(out[i] - ref[i]);
        error_ = std::isfinite(error) ? std::max(error_, error) : kInfinity;
        naive_error_ = std::max(naive_error_, std::abs(naive[i] - ref[i]));
        largest_ = std::max(largest_, std::abs(ref[i]));
    }
}

double StorageError::ratio(double unit) const {
    return error_ == 0 ? 0 : error_ / (2 * naive_error_ + 4 * unit * largest_);
}

}  // namespace rondo::test
