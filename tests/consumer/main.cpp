// A program outside Rondo's tree: links the installed library, runs a stack forward and backward on its own memory,
// and checks one derivative against a difference quotient.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <rondo/rnn.hpp>
#include <rondo/version.hpp>
#include <vector>

namespace {

using Bytes = std::unique_ptr<double, decltype(&std::free)>;

Bytes allocate(std::int64_t bytes) {
    return {static_cast<double*>(std::aligned_alloc(64, static_cast<std::size_t>((bytes + 63) / 64 * 64 + 64))),
            &std::free};
}

/// The stack's loss Σ y, and its gradient where wanted.
double loss(rondo::Rnn& rnn, const rondo::Plan& plan, const std::vector<double>& parameters,
            std::vector<double>* gradient) {
    const rondo::Shape x_shape{plan.extent.steps, plan.extent.batch, plan.spec.input};
    const rondo::Shape y_shape{plan.extent.steps, plan.extent.batch, plan.spec.output()};
    const std::vector<double> x(static_cast<std::size_t>(x_shape.size()), 0.5);
    const std::vector<double> dy(static_cast<std::size_t>(y_shape.size()), 1.0);
    std::vector<double> y(dy.size());
    const Bytes prepared = allocate(plan.prepared_bytes), reserve = allocate(plan.reserve_bytes),
                workspace = allocate(plan.workspace_bytes);
    const rondo::Stream stream{};

    rnn.prepare(parameters.data(), prepared.get(), stream);
    rondo::ForwardArgs forward;
    forward.parameters = parameters.data();
    forward.prepared = prepared.get();
    forward.x = {x.data(), x_shape};
    forward.y = {y.data(), y_shape};
    forward.reserve = reserve.get();
    forward.workspace = workspace.get();
    const rondo::ForwardToken token = rnn.forward(plan, forward, stream);

    if (gradient) {
        rondo::BackwardArgs backward;
        backward.parameters = parameters.data();
        backward.prepared = prepared.get();
        backward.x = forward.x;
        backward.dy = {dy.data(), y_shape};
        backward.dparameters = gradient->data();
        backward.reserve = reserve.get();
        backward.workspace = workspace.get();
        rnn.backward(plan, token, backward, stream);
    }
    double sum = 0;
    for (double v : y) sum += v;
    return sum;
}

}  // namespace

int main() {
    static_assert(RONDO_VERSION_MAJOR == 0);
    if (!rondo::library_matches()) {
        std::puts("consumer: the headers and the library are of different versions");
        return 1;
    }
    rondo::StackSpec spec;
    spec.input = 3;
    spec.layers.resize(2);
    spec.layers[0].cell = "lstm";
    spec.layers[0].hidden = 5;
    spec.layers[0].direction = rondo::Direction::bidirectional;
    spec.layers[1].cell = "gru";
    spec.layers[1].hidden = 4;
    spec.precision = rondo::Precision::f64();
    rondo::Rnn rnn(rondo::Device::cpu(1), spec);
    const rondo::Plan plan = rnn.plan({7, 2, rondo::Mode::training, false, false});

    std::vector<double> parameters(static_cast<std::size_t>(plan.parameter_count)), gradient(parameters.size());
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] = 0.3 * std::sin(static_cast<double>(i));
    loss(rnn, plan, parameters, &gradient);

    const auto at = static_cast<std::size_t>(plan.parameter("weight_hh_l0_reverse").offset) + 7;
    const double step = 1e-5;
    std::vector<double> moved = parameters;
    moved[at] += step;
    const double above = loss(rnn, plan, moved, nullptr);
    moved[at] -= 2 * step;
    const double below = loss(rnn, plan, moved, nullptr);
    const double quotient = (above - below) / (2 * step);
    if (!(std::abs(quotient - gradient[at]) < 1e-7) || gradient[at] == 0) {
        std::printf("consumer: derivative %g, difference quotient %g\n", gradient[at], quotient);
        return 1;
    }
    try {
        spec.layers[0].cell = "elman";
        rondo::Rnn(rondo::Device::cpu(1), spec);
    } catch (const rondo::Error& e) {
        std::printf("consumer: rondo %s works: %s\n", RONDO_VERSION_STRING, e.what());
        return 0;
    }
    std::puts("consumer: an unknown cell was accepted");
    return 1;
}
