#include "support/harness.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "scheduler/noise.hpp"

namespace rondo::test {

namespace {

DType dtype_of_state(const Plan& plan, std::size_t i) {
    return plan.states[i].index == 0 ? plan.spec.precision.storage : plan.spec.precision.state;
}

Extent extent_of(const Problem& p, Mode mode, const Orders& orders) {
    return {p.steps,       p.batch,     mode,
            p.ragged(),    true,        orders.directions,
            orders.layers, orders.loop, orders.observe && mode == Mode::training};
}

}  // namespace

Tensor lay_out_parameters(const Plan& plan, const Problem& problem) {
    Tensor array(static_cast<std::size_t>(plan.parameter_count), std::numeric_limits<double>::quiet_NaN());
    for (const ParameterInfo& p : plan.parameters) {
        const Tensor& values = problem.inputs.parameters.at(p.name);
        require(static_cast<std::int64_t>(values.size()) == p.shape.size(), p.name, p.shape,
                "is not the oracle's size");
        std::copy(values.begin(), values.end(), array.begin() + p.offset);
    }
    return array;
}

RnnHarness::RnnHarness(Device device, const Problem& problem, Mode mode, const Orders& orders)
    : device_(device), problem_(problem), rnn(device, problem.spec), plan(rnn.plan(extent_of(problem, mode, orders))) {
    const DType storage = plan.spec.precision.storage;
    const std::int64_t T = problem.steps, B = problem.batch, I = problem.spec.input, O = problem.spec.output();
    auto scratch = [&](std::int64_t bytes) { return &add(DType::i64, (bytes + 7) / 8, Alignment::cache_line); };
    const DType master = plan.spec.precision.accumulate;
    parameters = &add(master, plan.parameter_count, Alignment::cache_line);
    parameters->put(lay_out_parameters(plan, problem));
    dparameters = &add(master, plan.parameter_count, Alignment::cache_line);
    prepared = scratch(plan.prepared_bytes);
    reserve = scratch(plan.reserve_bytes);
    workspace = scratch(plan.workspace_bytes);
    x = &add(problem.inputs.x, storage);
    y = &add(storage, T * B * O, Alignment::element);
    dy = problem.upstream.y.empty() ? nullptr : &add(problem.upstream.y, storage);
    dx = &add(storage, T * B * I, Alignment::element);
    if (plan.extent.observe) observations = &add(DType::f64, plan.observation_count, Alignment::element);
    lengths = nullptr;
    if (problem.ragged())
        lengths = &add(Tensor(problem.inputs.lengths.begin(), problem.inputs.lengths.end()), DType::i64);

    auto given = [&](const std::vector<Tensor>& list, std::size_t i, Shape shape, std::vector<Guarded*>& memory,
                     std::vector<ConstView>& views) {
        const bool absent = i >= list.size() || list[i].empty();
        memory.push_back(absent ? nullptr : &add(list[i], dtype_of_state(plan, i)));
        views.push_back(absent ? ConstView{} : memory.back()->view(shape));
    };
    auto wanted = [&](std::size_t i, Shape shape, std::vector<Guarded*>& memory, std::vector<View>& views) {
        memory.push_back(&add(dtype_of_state(plan, i), shape.size(), Alignment::element));
        views.push_back(memory.back()->view(shape));
    };
    for (std::size_t i = 0; i < plan.states.size(); ++i) {
        const Shape one{B, plan.states[i].width}, all{T, B, plan.states[i].width};
        given(problem.inputs.states, i, one, state_memory, states);
        given(problem.upstream.final_states, i, one, dfinal_memory, dfinal_states);
        given(problem.upstream.state_steps, i, all, dstep_memory, dstate_steps);
        wanted(i, one, final_memory, final_states);
        wanted(i, all, step_memory, state_steps);
        wanted(i, one, dstate_memory, dstates);
    }

    const auto* length_data = lengths ? static_cast<const std::int64_t*>(lengths->data()) : nullptr;
    Guarded& random = add(DType::i64, 2, Alignment::cache_line);
    device_.backend().upload(random.data(), &problem_.random, sizeof(RandomState), {});
    const auto* random_data = static_cast<const RandomState*>(random.data());
    forward_args = {parameters->data(), prepared->data(), x->view({T, B, I}),
                    length_data,        states,           y->view({T, B, O}),
                    final_states,       state_steps,      mode == Mode::training ? reserve->data() : nullptr,
                    workspace->data(),  random_data};
    backward_args.parameters = parameters->data();
    backward_args.prepared = prepared->data();
    backward_args.x = forward_args.x;
    backward_args.lengths = length_data;
    backward_args.states = states;
    backward_args.random = random_data;
    if (dy) backward_args.dy = dy->view({T, B, O});
    backward_args.dfinal_states = dfinal_states;
    backward_args.dstate_steps = dstate_steps;
    backward_args.dx = dx->view({T, B, I});
    backward_args.dstates = dstates;
    backward_args.dparameters = dparameters->data();
    backward_args.reserve = reserve->data();
    backward_args.workspace = workspace->data();
    if (observations) backward_args.observations = static_cast<double*>(observations->data());
}

Guarded& RnnHarness::add(DType dtype, std::int64_t size, Alignment alignment) {
    return memory_.emplace_back(device_, dtype, size, alignment);
}

Guarded& RnnHarness::add(const Tensor& values, DType dtype) {
    Guarded& memory = add(dtype, static_cast<std::int64_t>(values.size()), Alignment::element);
    memory.put(values);
    return memory;
}

ForwardToken RnnHarness::run_forward() {
    rnn.prepare(parameters->data(), prepared->data(), {});
    return rnn.forward(plan, forward_args, {});
}

void RnnHarness::run_backward(const ForwardToken& token) {
    workspace->poison();  // dead between forward and backward
    rnn.backward(plan, token, backward_args, {});
}

Result RnnHarness::run() {
    const ForwardToken token = run_forward();
    if (plan.extent.mode == Mode::training) run_backward(token);
    check_guards();
    return result();
}

Result RnnHarness::result() const {
    Result r;
    r.outputs.y = y->get();
    for (const Guarded* memory : final_memory) r.outputs.final_states.push_back(memory->get());
    for (const Guarded* memory : step_memory) r.outputs.state_steps.push_back(memory->get());
    if (plan.extent.mode == Mode::inference) return r;
    r.dx = dx->get();
    for (const Guarded* memory : dstate_memory) r.dstates.push_back(memory->get());
    const Tensor array = dparameters->get();
    for (const ParameterInfo& p : plan.parameters)
        r.dparameters[p.name] = Tensor(array.begin() + p.offset, array.begin() + p.offset + p.shape.size());
    return r;
}

std::vector<std::byte> RnnHarness::bits() const {
    std::vector<const Guarded*> list{y};
    list.insert(list.end(), final_memory.begin(), final_memory.end());
    list.insert(list.end(), step_memory.begin(), step_memory.end());
    if (plan.extent.mode == Mode::training) {
        list.insert(list.end(), dstate_memory.begin(), dstate_memory.end());
        list.push_back(dx);
        list.push_back(dparameters);
        if (observations) list.push_back(observations);
    }
    std::vector<std::byte> all;
    for (const Guarded* memory : list) {
        const std::vector<std::byte> raw = memory->bytes();
        all.insert(all.end(), raw.begin(), raw.end());
    }
    return all;
}

void RnnHarness::poison_outputs() {
    for (Guarded* memory : {y, dx, dparameters, reserve, workspace}) memory->poison();
    if (observations) observations->poison();
    for (const auto* list : {&final_memory, &step_memory, &dstate_memory})
        for (Guarded* memory : *list) memory->poison();
}

void RnnHarness::check_guards() const {
    int n = 0;
    for (const Guarded& memory : memory_) {
        require(memory.intact(), "guard band of buffer", n, "something was written outside");
        ++n;
    }
}

void take_masks(Device device, Problem& problem) {
    Backend& backend = device.backend();
    const DType storage = problem.spec.precision.storage;
    Guarded random(device, DType::i64, 2, Alignment::cache_line);
    backend.upload(random.data(), &problem.random, sizeof(RandomState), {});
    problem.inputs.masks.clear();
    for (std::size_t l = 0; l < problem.spec.layers.size(); ++l) {
        const LayerSpec& layer = problem.spec.layers[l];
        problem.inputs.masks.emplace_back();
        if (layer.dropout == 0) continue;
        const std::int64_t I = reference::input_width(problem.spec, static_cast<int>(l));
        Guarded mask(device, storage, problem.steps * problem.batch * I, Alignment::cache_line);
        mask.put(Tensor(static_cast<std::size_t>(mask.size()), 1.0));
        backend.dropout({.dtype = storage,
                         .out = mask.data(),
                         .x = mask.data(),
                         .end = problem.steps,
                         .batch = problem.batch,
                         .cols = I,
                         .rate = layer.dropout,
                         .per_sequence = layer.dropout_per_sequence,
                         .site = l,
                         .random = static_cast<const RandomState*>(random.data())},
                        {});
        problem.inputs.masks.back() = mask.get();
    }
    problem.inputs.noise.clear();
    for (const reference::Noise& noise : reference::noise(problem.spec)) {
        using Kind = reference::Noise::Kind;
        const bool weight = noise.kind == Kind::weight, zoneout = noise.kind >= Kind::zoneout;
        const Draw draw = weight                          ? Draw::weight
                          : noise.kind == Kind::recurrent ? Draw::recurrent
                          : noise.kind == Kind::zoneout   ? Draw::zoneout
                                                          : Draw::zoneout_cell;
        const std::int64_t steps = zoneout ? problem.steps : 1, batch = weight ? 1 : problem.batch;
        Guarded mask(device, problem.spec.precision.accumulate, steps * batch * noise.width, Alignment::cache_line);
        backend.dropout({.dtype = problem.spec.precision.accumulate,
                         .out = mask.data(),
                         .end = steps,
                         .batch = batch,
                         .cols = noise.width,
                         .rate = noise.rate,
                         .site = site_of(noise.layer, noise.direction == 1, draw),
                         .random = static_cast<const RandomState*>(random.data())},
                        {});
        Tensor& drawn = problem.inputs.noise[noise.name] = mask.get();
        if (zoneout)
            for (double& v : drawn) v = v == 0 ? 1 : 0;
    }
}

Result run_on(Device device, const Problem& problem) { return RnnHarness(device, problem).run(); }

}  // namespace rondo::test
