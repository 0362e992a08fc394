#pragma once
/// Problems made from problems: parts of one, one with other contents, one turned round.
#include <algorithm>
#include <cmath>

#include "support/problem.hpp"

namespace rondo::test {

/// Elements [begin, end) of every row of a [rows, stride] tensor.
inline Tensor columns(const Tensor& t, std::int64_t stride, std::int64_t begin, std::int64_t end) {
    Tensor out;
    for (std::size_t i = 0; i < t.size(); ++i) {
        const std::int64_t column = static_cast<std::int64_t>(i) % stride;
        if (column >= begin && column < end) out.push_back(t[i]);
    }
    return out;
}

/// Steps [begin, end) of a [T, ...] tensor.
inline Tensor steps_of(const Tensor& t, std::int64_t steps, std::int64_t begin, std::int64_t end) {
    const std::int64_t step = static_cast<std::int64_t>(t.size()) / steps;
    return Tensor(t.begin() + begin * step, t.begin() + end * step);
}

/// Row b of a tensor that has the batch before its last dimension.
inline Tensor row_of(const Tensor& t, std::int64_t batch, std::int64_t width, std::int64_t b) {
    return columns(t, batch * width, b * width, (b + 1) * width);
}

inline std::vector<Tensor> rows_of(const Problem& p, const std::vector<Tensor>& list, std::int64_t b) {
    const std::vector<reference::State> states = reference::states(p.spec);
    std::vector<Tensor> out;
    for (std::size_t i = 0; i < list.size(); ++i) out.push_back(row_of(list[i], p.batch, states[i].width, b));
    return out;
}

/// The outputs and gradients of row b alone; no parameter gradients.
inline Result result_of_row(const Problem& p, const Result& r, std::int64_t b) {
    return {{row_of(r.outputs.y, p.batch, p.spec.output(), b), rows_of(p, r.outputs.final_states, b),
             rows_of(p, r.outputs.state_steps, b)},
            {},
            row_of(r.dx, p.batch, p.spec.input, b),
            rows_of(p, r.dstates, b)};
}

/// Row b as a batch of its own, without padding. Not for a row of length zero.
inline Problem row_problem(const Problem& p, std::int64_t b) {
    Problem one = p;
    one.name = p.name + " row " + std::to_string(b);
    one.batch = 1;
    one.steps = p.length(b);
    one.inputs.lengths.clear();
    auto cut = [&](const Tensor& t, std::int64_t width) {
        return steps_of(row_of(t, p.batch, width, b), p.steps, 0, one.steps);
    };
    one.inputs.x = cut(p.inputs.x, p.spec.input);
    one.upstream.y = cut(p.upstream.y, p.spec.output());
    one.inputs.states = rows_of(p, p.inputs.states, b);
    one.upstream.final_states = rows_of(p, p.upstream.final_states, b);
    const std::vector<reference::State> states = reference::states(p.spec);
    for (std::size_t i = 0; i < states.size(); ++i)
        one.upstream.state_steps[i] = cut(p.upstream.state_steps[i], states[i].width);
    return one;
}

/// Steps [begin, end), with lengths cut to fit. States are the whole's until somebody sets them.
inline Problem steps_problem(const Problem& p, std::int64_t begin, std::int64_t end) {
    Problem part = p;
    part.name = p.name + " steps " + std::to_string(begin) + " to " + std::to_string(end);
    part.steps = end - begin;
    for (std::int64_t& n : part.inputs.lengths) n = std::clamp<std::int64_t>(n - begin, 0, part.steps);
    part.inputs.x = steps_of(p.inputs.x, p.steps, begin, end);
    part.upstream.y = steps_of(p.upstream.y, p.steps, begin, end);
    for (Tensor& t : part.upstream.state_steps) t = steps_of(t, p.steps, begin, end);
    for (const reference::Noise& noise : reference::noise(p.spec))
        if (noise.kind >= reference::Noise::Kind::zoneout && !p.inputs.noise.empty())
            part.inputs.noise[noise.name] = steps_of(p.inputs.noise.at(noise.name), p.steps, begin, end);
    return part;
}

/// Whatever stands past the lengths becomes `value`.
inline Problem padded_with(const Problem& p, double value) {
    Problem other = p;
    fill_padding(p, other.inputs.x, value);
    fill_padding(p, other.upstream.y, value);
    for (Tensor& t : other.upstream.state_steps) fill_padding(p, t, value);
    return other;
}

/// The valid steps of every row in reverse order, of a [T,B,width] tensor; padding stays where it is.
inline Tensor turned_round(const Problem& p, const Tensor& t, std::int64_t width) {
    Tensor out = t;
    for (std::int64_t b = 0; b < p.batch; ++b)
        for (std::int64_t s = 0; s < p.length(b); ++s) {
            const std::int64_t from = (p.length(b) - 1 - s) * p.batch + b, to = s * p.batch + b;
            std::copy_n(t.begin() + from * width, width, out.begin() + to * width);
        }
    return out;
}

/// Adds a's parameter gradients to b's.
inline void add_parameter_gradients(Result& to, const Result& from) {
    for (const auto& [name, gradient] : from.dparameters) {
        Tensor& sum = to.dparameters[name];
        sum.resize(gradient.size());
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += gradient[i];
    }
}

}  // namespace rondo::test
