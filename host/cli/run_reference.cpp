#include "cli/run_problem.hpp"
#include "reference/gradients.hpp"

namespace rondo::cli {
namespace {

template <class To, class From>
std::vector<To> as(const std::vector<From>& numbers) {
    std::vector<To> out;
    out.reserve(numbers.size());
    for (const From number : numbers) out.push_back(static_cast<To>(number));
    return out;
}

/// The oracle takes all states or none.
template <class Real>
std::vector<std::vector<Real>> all_states(const RunProblem& problem, const std::vector<Numbers>& given) {
    std::vector<std::vector<Real>> out;
    const auto list = reference::states(problem.spec);
    for (std::size_t i = 0; i < list.size(); ++i)
        out.push_back(i < given.size() && !given[i].empty()
                          ? as<Real>(given[i])
                          : std::vector<Real>(static_cast<std::size_t>(problem.batch * list[i].width)));
    return out;
}

template <class Real>
RunResult run(const RunProblem& problem) {
    reference::Inputs<Real> in;
    for (const auto& [name, numbers] : problem.parameters) in.parameters[name] = as<Real>(numbers);
    in.x = as<Real>(problem.x);
    in.states = all_states<Real>(problem, problem.states);
    in.lengths = problem.lengths;

    RunResult result;
    const auto keep = [&](const reference::Outputs<Real>& out) {
        result.y = as<double>(out.y);
        for (const auto& state : out.final_states) result.finals.push_back(as<double>(state));
    };
    if (!problem.gradients) {
        keep(reference::forward(problem.spec, problem.steps, problem.batch, in));
        return result;
    }
    const reference::Upstream<Real> upstream{as<Real>(problem.dy), all_states<Real>(problem, problem.dfinals), {}};
    const auto all = reference::gradients(problem.spec, problem.steps, problem.batch, in, upstream);
    keep(all.outputs);
    result.dx = as<double>(all.dx);
    for (const auto& state : all.dstates) result.dstates.push_back(as<double>(state));
    for (const auto& [name, numbers] : all.dparameters) result.dparameters[name] = as<double>(numbers);
    return result;
}

}  // namespace

RunResult run_on_reference(const RunProblem& problem) {
    // The oracle's gradients are derivatives; a clipped one is none.
    require(!problem.gradients || problem.spec.recurrent_clip == RecurrentClip{}, "recurrent_clip",
            problem.spec.recurrent_clip.limit, "must be none with --device reference and --grad");
    if (problem.spec.precision == Precision::f64()) return run<double>(problem);
    if (problem.spec.precision == Precision::f32()) return run<float>(problem);
    refuse("dtype", problem.spec.precision.name(), "must be f64 or f32 with --device reference");
}

}  // namespace rondo::cli
