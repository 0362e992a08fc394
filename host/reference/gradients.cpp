#include "reference/gradients.hpp"

#include "reference/reverse.hpp"

namespace rondo::reference {

namespace {

template <class Real>
using Scalars = std::vector<Reverse<Real>>;

template <class Real>
Scalars<Real> variables(Tape<Real>& tape, const std::vector<Real>& values) {
    Scalars<Real> list;
    list.reserve(values.size());
    for (Real v : values) list.push_back(tape.variable(v));
    return list;
}

template <class Real>
std::vector<Real> values(const Scalars<Real>& list) {
    std::vector<Real> out;
    out.reserve(list.size());
    for (const Reverse<Real>& v : list) out.push_back(v.value());
    return out;
}

template <class Real>
std::vector<Real> gradient(const Tape<Real>& tape, const Scalars<Real>& list) {
    std::vector<Real> out;
    out.reserve(list.size());
    for (const Reverse<Real>& v : list) out.push_back(tape.gradient(v));
    return out;
}

// outputs and amounts are [T,B,width]; a step that its row does not take has no gradient, whatever stands there.
template <class Real>
void seed_steps(Tape<Real>& tape, const Scalars<Real>& outputs, const std::vector<Real>& amounts, std::int64_t batch,
                const std::vector<std::int64_t>& lengths, std::size_t width) {
    const std::size_t B = static_cast<std::size_t>(batch);
    for (std::size_t i = 0; i < amounts.size(); ++i) {
        const std::size_t row = i / width, b = row % B, t = row / B;
        if (lengths.empty() || static_cast<std::int64_t>(t) < lengths[b]) tape.seed(outputs[i], amounts[i]);
    }
}

}  // namespace

template <class Real>
Outputs<Real> forward(const StackSpec& spec, std::int64_t steps, std::int64_t batch, const Inputs<Real>& in) {
    return run<Real>(spec, steps, batch, in);
}

template <class Real>
Result<Real> gradients(const StackSpec& spec, std::int64_t steps, std::int64_t batch, const Inputs<Real>& in,
                       const Upstream<Real>& upstream) {
    Tape<Real> tape;
    Inputs<Reverse<Real>> recorded;
    for (const auto& [name, tensor] : in.parameters) recorded.parameters[name] = variables(tape, tensor);
    recorded.x = variables(tape, in.x);
    const std::vector<State> list = states(spec);
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::size_t size = static_cast<std::size_t>(batch * list[i].width);
        recorded.states.push_back(variables(tape, in.states.empty() ? std::vector<Real>(size) : in.states[i]));
    }
    recorded.lengths = in.lengths;
    for (const auto& mask : in.masks) recorded.masks.emplace_back(mask.begin(), mask.end());
    for (const auto& [name, drawn] : in.noise) recorded.noise[name] = {drawn.begin(), drawn.end()};

    const Outputs<Reverse<Real>> out = run<Reverse<Real>>(spec, steps, batch, recorded);

    seed_steps(tape, out.y, upstream.y, batch, in.lengths, static_cast<std::size_t>(spec.output()));
    for (std::size_t i = 0; i < upstream.final_states.size(); ++i)
        for (std::size_t k = 0; k < upstream.final_states[i].size(); ++k)
            tape.seed(out.final_states[i][k], upstream.final_states[i][k]);
    for (std::size_t i = 0; i < upstream.state_steps.size(); ++i)
        seed_steps(tape, out.state_steps[i], upstream.state_steps[i], batch, in.lengths,
                   static_cast<std::size_t>(list[i].width));
    tape.sweep();

    Result<Real> result;
    result.outputs.y = values(out.y);
    for (const auto& state : out.final_states) result.outputs.final_states.push_back(values(state));
    for (const auto& state : out.state_steps) result.outputs.state_steps.push_back(values(state));
    for (const auto& [name, tensor] : recorded.parameters) result.dparameters[name] = gradient(tape, tensor);
    result.dx = gradient(tape, recorded.x);
    for (const auto& state : recorded.states) result.dstates.push_back(gradient(tape, state));
    for (const auto& state : out.state_steps) result.dstate_steps.push_back(gradient(tape, state));
    return result;
}

template Outputs<float> forward(const StackSpec&, std::int64_t, std::int64_t, const Inputs<float>&);
template Outputs<double> forward(const StackSpec&, std::int64_t, std::int64_t, const Inputs<double>&);
template Result<float> gradients(const StackSpec&, std::int64_t, std::int64_t, const Inputs<float>&,
                                 const Upstream<float>&);
template Result<double> gradients(const StackSpec&, std::int64_t, std::int64_t, const Inputs<double>&,
                                  const Upstream<double>&);

}  // namespace rondo::reference
