#pragma once
/// One training step of a stack with every number in it, as the oracle takes it and a device is handed it.
#include <functional>
#include <rondo/rnn.hpp>
#include <string>

#include "reference/gradients.hpp"
#include "support/random.hpp"

namespace rondo::test {

using Inputs = reference::Inputs<double>;
using Outputs = reference::Outputs<double>;
using Upstream = reference::Upstream<double>;
using Result = reference::Result<double>;
using Tensor = std::vector<double>;

struct Problem {
    std::string name;
    StackSpec spec;
    std::int64_t steps = 1, batch = 1;
    Inputs inputs;      ///< x holds NaN past a row's length
    Upstream upstream;  ///< likewise
    RandomState random{};

    bool ragged() const { return !inputs.lengths.empty(); }
    std::int64_t length(std::int64_t b) const { return ragged() ? inputs.lengths[static_cast<std::size_t>(b)] : steps; }
};

/// Draws every input: weights in ±1/sqrt(H) of their layer, x, states and upstream gradients in ±1.
/// Numbers are rounded to f32 where the spec computes in it. lengths: empty for none.
Problem random_problem(std::string name, const StackSpec& spec, std::int64_t steps, std::int64_t batch,
                       std::vector<std::int64_t> lengths, std::uint64_t seed);

/// Overwrites what lies past the rows' lengths in a [T,B,width] tensor.
void fill_padding(const Problem& problem, Tensor& tensor, double value);

/// The oracle's answer, in double.
Result expected(const Problem& problem);

/// Calls visit(name, tensor of a, tensor of b) for every output and every gradient of two results of one spec.
using VisitTensors = std::function<void(const std::string&, const Tensor&, const Tensor&)>;
void for_each_tensor(const StackSpec& spec, const Result& a, const Result& b, const VisitTensors& visit);

}  // namespace rondo::test
