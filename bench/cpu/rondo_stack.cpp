#include "cpu/rondo_stack.hpp"

namespace rondo::bench {
namespace {

StackSpec stack_of(const CpuRow& row) {
    StackSpec spec;
    spec.input = row.hidden;
    LayerSpec layer;
    layer.cell = row.cell;
    layer.hidden = row.hidden;
    layer.direction = row.bidirectional ? Direction::bidirectional : Direction::forward;
    spec.layers.assign(static_cast<std::size_t>(row.layers), layer);
    return spec;
}

Extent extent_of(const CpuRow& row) {
    return {row.steps, row.batch, row.training ? Mode::training : Mode::inference, false, row.training};
}

}  // namespace

RondoStack::RondoStack(const CpuRow& row)
    : rnn_(Device::cpu(row.threads), stack_of(row)),
      plan_(rnn_.plan(extent_of(row))),
      parameters_(plan_.parameter_count * 4),
      dparameters_(plan_.parameter_count * 4),
      prepared_(plan_.prepared_bytes),
      reserve_(plan_.reserve_bytes),
      workspace_(plan_.workspace_bytes),
      x_(row.steps * row.batch * plan_.spec.input * 4),
      y_(row.steps * row.batch * plan_.spec.output() * 4),
      dx_(row.steps * row.batch * plan_.spec.input * 4),
      dy_(row.steps * row.batch * plan_.spec.output() * 4) {
    const Shape x_shape{row.steps, row.batch, plan_.spec.input}, y_shape{row.steps, row.batch, plan_.spec.output()};
    forward_.parameters = parameters_.get();
    forward_.prepared = prepared_.get();
    forward_.x = {x_.get(), DType::f32, x_shape};
    forward_.y = {y_.get(), DType::f32, y_shape};
    forward_.reserve = reserve_.get();
    forward_.workspace = workspace_.get();
    backward_.parameters = parameters_.get();
    backward_.prepared = prepared_.get();
    backward_.x = forward_.x;
    backward_.dy = {dy_.get(), DType::f32, y_shape};
    backward_.dx = {dx_.get(), DType::f32, x_shape};
    backward_.dparameters = dparameters_.get();
    backward_.reserve = reserve_.get();
    backward_.workspace = workspace_.get();
    rnn_.prepare(parameters_.get(), prepared_.get(), Stream{});
}

void RondoStack::run() {
    const bool training = plan_.extent.mode == Mode::training;
    if (training) rnn_.prepare(parameters_.get(), prepared_.get(), Stream{});
    const ForwardToken token = rnn_.forward(plan_, forward_, Stream{});
    if (training) rnn_.backward(plan_, token, backward_, Stream{});
}

}  // namespace rondo::bench
