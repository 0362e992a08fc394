#include "gpu/rondo_side.hpp"

#include <array>

#include "rondo/convert.hpp"

namespace rondo::bench {
namespace {

StackSpec in_precision(StackSpec stack, Precision precision) {
    stack.precision = precision;
    return stack;
}

}  // namespace

RondoSide::RondoSide(Device device, Stream stream, const Problem& problem, Precision precision)
    : device_(std::move(device)),
      stream_(stream),
      rnn_(device_, in_precision(problem.stack, precision)),
      plan_(rnn_.plan(problem.row.extent())) {
    const DType storage = precision.storage;
    const auto room = [&](std::int64_t bytes) { return model::DeviceBuffer(device_, bytes); };
    // All bits set is NaN in every type: what is never written shows.
    const auto poisoned = [&](std::int64_t bytes) {
        return put(std::vector<std::byte>(static_cast<std::size_t>(bytes), std::byte{0xFF}));
    };
    const Shape x_shape{problem.row.steps, problem.row.batch, problem.stack.input};
    const Shape y_shape{problem.row.steps, problem.row.batch, problem.stack.output()};
    parameters_ = put(problem.weights.make(precision.accumulate, plan_.parameter_count));
    prepared_ = room(plan_.prepared_bytes);
    reserve_ = room(plan_.reserve_bytes);
    workspace_ = room(plan_.workspace_bytes);
    x_ = put(problem.x.make(storage, problem.x_count()));
    y_ = poisoned(problem.y_count() * size_of(storage));
    if (problem.row.ragged) lengths_ = put(problem.lengths.data(), problem.lengths.size() * sizeof(std::int64_t));

    forward_.parameters = parameters_.data();
    forward_.prepared = prepared_.data();
    forward_.x = {x_.data(), storage, x_shape};
    forward_.lengths = lengths_.as<std::int64_t>();
    forward_.y = {y_.data(), storage, y_shape};
    forward_.reserve = reserve_.data();
    forward_.workspace = workspace_.data();
    if (problem.row.carried) carry_states(problem);
    rnn_.prepare(forward_.parameters, prepared_.data(), stream_);
    if (!problem.row.training) return;

    dy_ = put(problem.dy.make(storage, problem.y_count()));
    dx_ = poisoned(problem.x_count() * size_of(storage));
    dparameters_ = room(plan_.parameter_count * size_of(precision.accumulate));
    dparameters_.zero(stream_);
    backward_.parameters = forward_.parameters;
    backward_.prepared = forward_.prepared;
    backward_.x = forward_.x;
    backward_.lengths = forward_.lengths;
    backward_.dy = {dy_.data(), storage, y_shape};
    backward_.dx = {dx_.data(), storage, x_shape};
    backward_.dparameters = dparameters_.data();
    backward_.accumulate = true;  // as cuDNN does
    backward_.reserve = forward_.reserve;
    backward_.workspace = forward_.workspace;
}

DType RondoSide::state_type(int state) const {
    const Precision& precision = plan_.spec.precision;
    return state == 0 ? precision.storage : precision.state;
}

void RondoSide::carry_states(const Problem& problem) {
    std::array<std::int64_t, 2> at{};  // elements of h and of c given so far
    for (const StateInfo& state : plan_.states) {
        const DType type = state_type(state.index);
        const Shape shape{problem.row.batch, state.width};
        const std::int64_t count = shape.size(), bytes = count * size_of(type);
        std::int64_t& first = at[static_cast<std::size_t>(state.index)];
        const auto part = [&](const Draws& draws) {
            const std::vector<std::byte> all = draws.make(type, first + count);
            return put(all.data() + first * size_of(type), static_cast<std::size_t>(bytes));
        };
        const auto poisoned = [&] {
            return put(std::vector<std::byte>(static_cast<std::size_t>(bytes), std::byte{0xFF}));
        };
        const bool of_h = state.index == 0;
        initial_.push_back(part(of_h ? problem.h : problem.c));
        final_.push_back(poisoned());
        dfinal_.push_back(part(of_h ? problem.dh : problem.dc));
        dinitial_.push_back(poisoned());
        initial_views_.emplace_back(initial_.back().data(), type, shape);
        final_views_.emplace_back(final_.back().data(), type, shape);
        dfinal_views_.emplace_back(dfinal_.back().data(), type, shape);
        dinitial_views_.emplace_back(dinitial_.back().data(), type, shape);
        first += count;
    }
    forward_.states = backward_.states = initial_views_;
    forward_.final_states = final_views_;
    backward_.dfinal_states = dfinal_views_;
    backward_.dstates = dinitial_views_;
}

std::vector<double> RondoSide::values_of(const States& states, int state) const {
    std::vector<double> all;
    for (std::size_t i = 0; i < states.size(); ++i) {
        if (plan_.states[i].index != state) continue;
        const std::vector<double> one = values(states[i], state_type(state));
        all.insert(all.end(), one.begin(), one.end());
    }
    return all;
}

void RondoSide::run() {
    const bool training = plan_.extent.mode == Mode::training;
    if (training) rnn_.prepare(forward_.parameters, prepared_.data(), stream_);
    const ForwardToken token = rnn_.forward(plan_, forward_, stream_);
    if (training) rnn_.backward(plan_, token, backward_, stream_);
}

void RondoSide::run(const Plan& part) {
    const ForwardToken token = rnn_.forward(part, forward_, stream_);
    if (!part.backward.empty()) rnn_.backward(part, token, backward_, stream_);
}

const std::string& RondoSide::algorithm() const {
    for (const Operation& operation : plan_.forward)
        if (operation.kind == Operation::Kind::time_loop) return operation.algorithm;
    throw Error(ErrorCode::state, "plan: has no time loop");
}

MemoryUse RondoSide::memory() const {
    return {static_cast<std::size_t>(parameters_.bytes() + dparameters_.bytes() + prepared_.bytes()),
            static_cast<std::size_t>(workspace_.bytes()), static_cast<std::size_t>(reserve_.bytes()), 0};
}

model::DeviceBuffer RondoSide::put(const void* data, std::size_t bytes) {
    model::DeviceBuffer buffer(device_, static_cast<std::int64_t>(bytes));
    device_.backend().upload(buffer.data(), data, bytes, stream_);
    return buffer;
}

std::vector<double> RondoSide::values(const model::DeviceBuffer& buffer, DType type) const {
    std::vector<std::byte> raw(static_cast<std::size_t>(buffer.bytes()));
    device_.backend().download(raw.data(), buffer.data(), raw.size(), stream_);
    device_.backend().synchronize(stream_);
    std::vector<double> made(static_cast<std::size_t>(buffer.bytes() / size_of(type)));
    convert_elements(DType::f64, made.data(), type, raw.data(), static_cast<std::int64_t>(made.size()));
    return made;
}

}  // namespace rondo::bench
