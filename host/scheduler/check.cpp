#include "scheduler/check.hpp"

#include "scheduler/noise.hpp"

namespace rondo {
namespace {

/// Messages are built only for what is refused: a pass that fits allocates nothing.
void check_view(std::string_view name, const ConstView& view, DType dtype, const Shape& shape) {
    if (view.dtype != dtype) refuse(name, view.dtype, detail::concat("must be ", dtype));
    if (!(view.shape == shape)) refuse(name, view.shape, detail::concat("must be ", shape));
}

void check_present(std::string_view name, const void* p) {
    if (!p) refuse(name, "null", "is needed");
}

void check_memory(const Backend& backend, std::string_view name, const void* p) {
    if (p) backend.check_memory(name, p);
}

enum class PerStep { no, yes };

template <class AnyView>
void check_list(const Plan& plan, const Backend& backend, std::string_view name, std::span<const AnyView> list,
                PerStep per_step) {
    if (list.empty()) return;
    if (list.size() != plan.states.size())
        refuse(name, list.size(),
               detail::concat("must be empty or have ", plan.states.size(), " entries, one a state"));
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (!list[i].data) continue;
        const StateInfo& state = plan.states[i];
        const DType dtype = state.index == 0 ? plan.spec.precision.storage : plan.spec.precision.state;
        const Shape shape = per_step == PerStep::yes ? Shape{plan.extent.steps, plan.extent.batch, state.width}
                                                     : Shape{plan.extent.batch, state.width};
        if (list[i].dtype != dtype || !(list[i].shape == shape))
            check_view(detail::concat(name, "[", state.name, "]"), list[i], dtype, shape);
        backend.check_memory(name, list[i].data);
    }
}

void check_lengths(const Plan& plan, const Backend& backend, const std::int64_t* lengths) {
    if (!plan.extent.ragged) {
        if (lengths) refuse("lengths", "given", "must be null for a plan that is not ragged");
        return;
    }
    check_present("lengths", lengths);
    backend.check_memory("lengths", lengths);
    if (!backend.shares_host_memory()) return;
    for (std::int64_t b = 0; b < plan.extent.batch; ++b)
        if (lengths[b] < 0 || lengths[b] > plan.extent.steps)
            refuse(detail::concat("lengths[", b, "]"), lengths[b],
                   detail::concat("must be in [0, ", plan.extent.steps, "]"));
}

void check_random(const Plan& plan, const Backend& backend, const RandomState* random) {
    check_memory(backend, "random", random);
    if (plan.extent.mode == Mode::inference || random) return;
    for (const LayerSpec& layer : plan.spec.layers)
        if (draws(layer)) refuse("random", "null", "is needed, a layer drops out");
}

Shape input_shape(const Plan& plan) { return {plan.extent.steps, plan.extent.batch, plan.spec.input}; }
Shape output_shape(const Plan& plan) { return {plan.extent.steps, plan.extent.batch, plan.spec.output()}; }

}  // namespace

void check_buffer(const Backend& backend, std::string_view name, const void* p, std::int64_t bytes) {
    if (bytes == 0) return;
    check_present(name, p);
    backend.check_memory(name, p);
    if (reinterpret_cast<std::uintptr_t>(p) % 64 != 0) refuse(name, p, "must lie on a multiple of 64 bytes");
}

void check_states(const Plan& plan, const Backend& backend, std::string_view name, std::span<const View> list) {
    check_list(plan, backend, name, list, PerStep::no);
}

void check(const Plan& plan, const ForwardArgs& args, const Backend& backend) {
    const DType storage = plan.spec.precision.storage;
    check_present("parameters", args.parameters);
    backend.check_memory("parameters", args.parameters);
    check_buffer(backend, "prepared", args.prepared, plan.prepared_bytes);
    check_present("x", args.x.data);
    backend.check_memory("x", args.x.data);
    check_view("x", args.x, storage, input_shape(plan));
    check_present("y", args.y.data);
    backend.check_memory("y", args.y.data);
    check_view("y", args.y, storage, output_shape(plan));
    if (args.y.data == args.x.data) refuse("y", "x", "must not be the same memory");
    check_lengths(plan, backend, args.lengths);
    check_list(plan, backend, "states", args.states, PerStep::no);
    check_list(plan, backend, "final_states", args.final_states, PerStep::no);
    check_list(plan, backend, "state_steps", args.state_steps, PerStep::yes);
    check_buffer(backend, "reserve", args.reserve, plan.reserve_bytes);
    check_buffer(backend, "workspace", args.workspace, plan.workspace_bytes);
    check_random(plan, backend, args.random);
}

void check(const Plan& plan, const BackwardArgs& args, const Backend& backend) {
    const DType storage = plan.spec.precision.storage;
    check_present("parameters", args.parameters);
    backend.check_memory("parameters", args.parameters);
    check_buffer(backend, "prepared", args.prepared, plan.prepared_bytes);
    check_present("x", args.x.data);
    backend.check_memory("x", args.x.data);
    check_view("x", args.x, storage, input_shape(plan));
    check_lengths(plan, backend, args.lengths);
    check_random(plan, backend, args.random);
    check_memory(backend, "dy", args.dy.data);
    if (args.dy) check_view("dy", args.dy, storage, output_shape(plan));
    check_list(plan, backend, "states", args.states, PerStep::no);
    check_list(plan, backend, "dfinal_states", args.dfinal_states, PerStep::no);
    check_list(plan, backend, "dstate_steps", args.dstate_steps, PerStep::yes);
    if (args.dx) {
        if (!plan.extent.input_gradient) refuse("dx", "given", "must be null, the plan has no input_gradient");
        check_view("dx", args.dx, storage, input_shape(plan));
        backend.check_memory("dx", args.dx.data);
    }
    check_list(plan, backend, "dstates", args.dstates, PerStep::no);
    check_memory(backend, "dparameters", args.dparameters);
    if (args.observations && !plan.extent.observe)
        refuse("observations", "given", "must be null, the plan has no observe");
    check_memory(backend, "observations", args.observations);
    check_buffer(backend, "reserve", args.reserve, plan.reserve_bytes);
    check_buffer(backend, "workspace", args.workspace, plan.workspace_bytes);
}

}  // namespace rondo
