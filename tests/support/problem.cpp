#include "support/problem.hpp"

#include <cmath>
#include <limits>

namespace rondo::test {

void fill_padding(const Problem& problem, Tensor& tensor, double value) {
    const std::size_t B = static_cast<std::size_t>(problem.batch);
    const std::size_t width = tensor.size() / (static_cast<std::size_t>(problem.steps) * B);
    for (std::size_t i = 0; i < tensor.size(); ++i) {
        const std::size_t row = i / width;
        if (static_cast<std::int64_t>(row / B) >= problem.length(static_cast<std::int64_t>(row % B))) tensor[i] = value;
    }
}

Problem random_problem(std::string name, const StackSpec& spec, std::int64_t steps, std::int64_t batch,
                       std::vector<std::int64_t> lengths, std::uint64_t seed) {
    Random random(seed);
    Problem p;
    p.name = std::move(name);
    p.spec = spec;
    p.steps = steps;
    p.batch = batch;
    p.inputs.lengths = std::move(lengths);
    p.random = {seed, 3};
    const bool single = spec.precision.storage != DType::f64;
    auto draw = [&](std::int64_t count, double limit = 1) {
        Tensor values = random.uniforms(count, limit);
        if (single)
            for (double& v : values) v = static_cast<double>(static_cast<float>(v));
        return values;
    };
    auto padded = [&](std::int64_t width) {
        Tensor values = draw(steps * batch * width);
        fill_padding(p, values, std::numeric_limits<double>::quiet_NaN());
        return values;
    };

    for (const auto& parameter : reference::parameters(spec)) {
        const double hidden = static_cast<double>(spec.layers[static_cast<std::size_t>(parameter.layer)].hidden);
        p.inputs.parameters[parameter.name] = draw(parameter.size(), 1 / std::sqrt(hidden));
    }
    p.inputs.x = padded(spec.input);
    p.upstream.y = padded(spec.output());
    for (const auto& state : reference::states(spec)) {
        p.inputs.states.push_back(draw(batch * state.width));
        if (state.name.front() == 'n')  // is divided by, and never negative
            for (double& v : p.inputs.states.back()) v = 1 + v / 2;
        p.upstream.final_states.push_back(draw(batch * state.width));
        p.upstream.state_steps.push_back(padded(state.width));
    }
    return p;
}

Result expected(const Problem& problem) {
    return reference::gradients<double>(problem.spec, problem.steps, problem.batch, problem.inputs, problem.upstream);
}

void for_each_tensor(const StackSpec& spec, const Result& a, const Result& b, const VisitTensors& visit) {
    visit("y", a.outputs.y, b.outputs.y);
    visit("dx", a.dx, b.dx);
    const std::vector<reference::State> states = reference::states(spec);
    for (std::size_t i = 0; i < states.size(); ++i) {
        visit("final " + states[i].name, a.outputs.final_states[i], b.outputs.final_states[i]);
        visit("steps " + states[i].name, a.outputs.state_steps[i], b.outputs.state_steps[i]);
        visit("d" + states[i].name, a.dstates[i], b.dstates[i]);
    }
    for (const auto& parameter : reference::parameters(spec))
        visit("d" + parameter.name, a.dparameters.at(parameter.name), b.dparameters.at(parameter.name));
}

}  // namespace rondo::test
