/// A recurrent stack as a module: Rnn, with its states as optional inputs and outputs, or carried.
#include <cmath>

#include "model/device_buffer.hpp"
#include "model/module.hpp"
#include "rondo/gradient_flow.hpp"
#include "scheduler/cell_info.hpp"
#include "scheduler/program.hpp"

namespace rondo::model {
namespace {

/// What all extents of a stack share.
struct StackCore {
    Rnn rnn;
    DeviceBuffer prepared;
};

class PlannedStack final : public PlannedModule {
public:
    PlannedStack(StackCore& core, Plan plan, const PlanRequest& request, bool carries, Ledger& ledger)
        : core_(core),
          plan_(std::move(plan)),
          name_(request.name),
          initial_(plan_.states.size()),
          final_(plan_.states.size()),
          dinitial_(plan_.states.size()),
          dfinal_(plan_.states.size()),
          views_(plan_.states.size()),
          kept_(plan_.states.size(), kNoBuffer),
          begun_(plan_.states.size(), kNoBuffer) {
        const auto kind = Ledger::Kind::reserve;
        reserve_ = ledger.book(kind, request.name + ".reserve", plan_.reserve_bytes);
        if (!request.outputs[0]) y_ = ledger.book(kind, request.name + ".y", y_info().bytes());
        ledger.need_workspace(plan_.workspace_bytes);
        if (plan_.observation_count > 0)
            observations_ = ledger.book(kind, request.name + ".observations",
                                        plan_.observation_count * static_cast<std::int64_t>(sizeof(double)));
        for (std::size_t i = 0; carries && i < plan_.states.size(); ++i) {
            if (request.inputs[i + 1]) continue;
            // Kept apart from the caller's state, which may be overwritten with a later one before backward.
            if (plan_.extent.mode == Mode::training)
                begun_[i] =
                    ledger.book(kind, detail::concat(request.name, ".initial_", plan_.states[i].name), bytes(i));
            else
                kept_[i] = ledger.book(kind, detail::concat(request.name, ".final_", plan_.states[i].name), bytes(i));
        }
        copies_.reserve(plan_.states.size());
    }

    void forward(Call& call) override {
        carried_ = !call.carried.empty();
        overwritten_ = false;
        for (std::size_t i = 0; i < plan_.states.size(); ++i) {
            begin_state(call, i);
            const Place& out = call.outputs[i + 1];
            final_[i] = state_view<View>(i, out ? out.data : kept_[i] == kNoBuffer ? nullptr : call.arena + kept_[i]);
        }
        ForwardArgs args;
        args.parameters = call.blocks[0].data;
        args.prepared = core_.prepared.data();
        args.x = view(call.inputs[0]);
        args.lengths = call.lengths_of(*call.inputs[0].info);
        args.states = initial_;
        args.y = {y_data(call), y_info().dtype, y_info().shape};
        args.final_states = final_;
        args.reserve = plan_.reserve_bytes > 0 ? call.arena + reserve_ : nullptr;
        args.workspace = call.workspace;
        args.random = call.random;
        token_ = core_.rnn.forward(plan_, args, call.stream);
        for (std::size_t i = 0; i < plan_.states.size(); ++i)  // a reader may write over what the port gave away
            if (kept_[i] != kNoBuffer && call.outputs[i + 1])
                call.backend.copy(call.arena + kept_[i], final_[i].data, static_cast<std::size_t>(bytes(i)),
                                  call.stream);
    }

    void backward(Call& call) override {
        const Place &x = call.inputs[0], &y = call.outputs[0];
        for (std::size_t i = 0; i < plan_.states.size(); ++i) {
            const Place &in = call.inputs[i + 1], &out = call.outputs[i + 1];
            dinitial_[i] = state_view<View>(i, in ? in.gradient : nullptr);
            dfinal_[i] = state_view<ConstView>(i, out ? out.gradient : nullptr);
        }
        BackwardArgs args;
        args.parameters = call.blocks[0].data;
        args.prepared = core_.prepared.data();
        args.x = view(x);
        args.lengths = call.lengths_of(*x.info);
        args.states = initial_;
        args.random = call.random;
        if (y && y.gradient) args.dy = {y.gradient, y.info->dtype, y.info->shape};
        args.dfinal_states = dfinal_;
        if (x.gradient) args.dx = {x.gradient, x.info->dtype, x.info->shape};
        args.dstates = dinitial_;
        args.dparameters = call.blocks[0].gradient;
        args.accumulate = call.blocks[0].accumulate;
        if (observations_ != kNoBuffer) args.observations = reinterpret_cast<double*>(call.arena + observations_);
        args.reserve = call.arena + reserve_;
        args.workspace = call.workspace;
        core_.rnn.backward(plan_, token_, args, call.stream);
    }

    void tell(Backend& backend, const std::byte* arena, double unscale, GradientFlow& to,
              Stream stream) const override {
        if (observations_ == kNoBuffer) return;
        std::vector<double> array(static_cast<std::size_t>(plan_.observation_count));
        backend.download(array.data(), arena + observations_, array.size() * sizeof(double), stream);
        backend.synchronize(stream);
        for (const ObservationInfo& info : plan_.observations)
            to.layers.push_back(flow_of(info, array.data() + info.offset, unscale));
    }

    void keep(Call& call, std::int64_t step, std::span<void* const> to) override {
        if (step == 0) {
            if (overwritten_) throw Error(ErrorCode::state, "keep_state: what forward began from was overwritten");
            for (std::size_t i = 0; i < to.size(); ++i) keep_initial(call, i, to[i]);
        } else if (plan_.extent.mode == Mode::training) {
            for (std::size_t i = 0; i < to.size(); ++i) views_[i] = state_view<View>(i, to[i]);
            core_.rnn.states_after(plan_, token_, step, views_, call.stream);
        } else {
            if (step != plan_.extent.steps)
                refuse("step", step,
                       detail::concat("must be 0 or ", plan_.extent.steps, " after an inference forward"));
            copies_.clear();
            for (std::size_t i = 0; i < to.size(); ++i) {
                if (!to[i]) continue;
                copies_.push_back({to[i], call.arena + kept_[i], static_cast<std::size_t>(bytes(i))});
                overwritten_ = overwritten_ || (carried_ && to[i] == call.carried[i]);
            }
            call.backend.copy_all(copies_, call.stream);
        }
    }

private:
    DType state_dtype(std::size_t i) const {
        const Precision& p = plan_.spec.precision;
        return plan_.states[i].index == 0 ? p.storage : p.state;
    }
    std::int64_t bytes(std::size_t i) const {
        return plan_.extent.batch * plan_.states[i].width * size_of(state_dtype(i));
    }
    template <class AnyView>
    AnyView state_view(std::size_t i, decltype(AnyView::data) data) const {
        return data ? AnyView{data, state_dtype(i), {plan_.extent.batch, plan_.states[i].width}} : AnyView{};
    }
    static ConstView view(const Place& place) { return {place.data, place.info->dtype, place.info->shape}; }
    ValueInfo y_info() const {
        return {plan_.spec.precision.storage, {plan_.extent.steps, plan_.extent.batch, plan_.spec.output()}};
    }
    void* y_data(const Call& call) const { return call.outputs[0] ? call.outputs[0].data : call.arena + y_; }

    /// From the port, from the carried state (in training a copy of it), or zero.
    void begin_state(Call& call, std::size_t i) {
        if (call.inputs[i + 1]) {
            initial_[i] = state_view<ConstView>(i, call.inputs[i + 1].data);
        } else if (carried_ && plan_.extent.mode == Mode::inference) {
            initial_[i] = state_view<ConstView>(i, call.carried[i]);
        } else if (carried_ && begun_[i] != kNoBuffer) {
            std::byte* begun = call.arena + begun_[i];
            call.backend.copy(begun, call.carried[i], static_cast<std::size_t>(bytes(i)), call.stream);
            initial_[i] = state_view<ConstView>(i, begun);
        } else {
            initial_[i] = {};
        }
    }

    void keep_initial(Call& call, std::size_t i, void* to) {
        if (!to) return;
        if (carried_ && to != initial_[i].data)
            call.backend.copy(to, initial_[i].data, static_cast<std::size_t>(bytes(i)), call.stream);
        else if (!carried_)
            call.backend.zero(to, static_cast<std::size_t>(bytes(i)), call.stream);
    }

    LayerFlow flow_of(const ObservationInfo& info, const double* rows, double unscale) const {
        const bool reverse = plan_.program->layers[at(info.layer)].loops[at(info.direction)].reverse;
        const double hidden = static_cast<double>(plan_.spec.layers[at(info.layer)].hidden);
        LayerFlow flow;
        flow.name = detail::concat(name_, ".l", info.layer, reverse ? "_reverse" : "");
        flow.cell = plan_.spec.layers[at(info.layer)].cell;
        flow.reverse = reverse;
        for (std::size_t g = 0; g < info.gates.size(); ++g)
            flow.gates.push_back({info.gates[g], info.kinds[g], {}, {}});
        for (std::int64_t t = 0; t < plan_.extent.steps; ++t, rows += info.columns()) {
            flow.norms.push_back(std::sqrt(rows[ObservationInfo::kWhole]) * unscale);
            flow.through_time.push_back(std::sqrt(rows[ObservationInfo::kThroughTime]) * unscale);
            flow.rows.push_back(static_cast<std::int64_t>(rows[ObservationInfo::kRows]));
            const double elements = std::max(1.0, rows[ObservationInfo::kRows] * hidden);
            for (std::size_t g = 0; g < info.gates.size(); ++g) {
                flow.gates[g].low.push_back(rows[at(ObservationInfo::kFirstGate) + 2 * g] / elements);
                flow.gates[g].high.push_back(rows[at(ObservationInfo::kFirstGate) + 2 * g + 1] / elements);
            }
        }
        return flow;
    }
    template <class Index>
    static std::size_t at(Index i) {
        return static_cast<std::size_t>(i);
    }

    StackCore& core_;
    Plan plan_;
    std::string name_;
    std::vector<ConstView> initial_;
    std::vector<View> final_, dinitial_;
    std::vector<ConstView> dfinal_;
    std::vector<View> views_;
    std::vector<std::int64_t> kept_, begun_;
    std::int64_t reserve_ = kNoBuffer, y_ = kNoBuffer, observations_ = kNoBuffer;
    std::vector<Copy> copies_;  ///< scratch of keep
    ForwardToken token_;
    bool carried_ = false;
    bool overwritten_ = false;  ///< what an inference forward began from, by its final states
};

class Stack final : public Module {
public:
    Stack(const StackSpec& spec, const Precision& precision) : spec_(spec) {
        require(spec.precision == precision, "precision", spec.precision.name(),
                detail::concat("must be the network's, ", precision.name()));
        validate(spec);
        Program program;
        lay_out(spec, layout_, program);
        for (const LayerSpec& layer : spec.layers)
            forward_only_ = forward_only_ && layer.direction == Direction::forward;
    }

    std::vector<ParameterBlock> blocks() const override {
        ParameterBlock block;
        block.count = layout_.parameter_count;
        for (const ParameterInfo& p : layout_.parameters) block.tensors.push_back(tensor(p));
        return {block};
    }

    std::vector<CarriedState> carried() const override {
        std::vector<CarriedState> states;
        if (!forward_only_) return states;  // nothing to carry on from where a layer runs backwards in time
        for (const StateInfo& s : layout_.states)
            states.push_back({s.name, s.index == 0 ? spec_.precision.storage : spec_.precision.state, s.width});
        return states;
    }

    int inputs() const override { return 1 + static_cast<int>(layout_.states.size()); }
    int required_inputs() const override { return 1; }
    int outputs() const override { return inputs(); }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo& x = *inputs[0];
        require(x.dtype == spec_.precision.storage, "x", x.dtype, detail::concat("must be ", spec_.precision.storage));
        require(x.shape.rank() == 3 && x.width() == spec_.input, "x", x.shape,
                detail::concat("must be [T,B,", spec_.input, "]"));
        const std::int64_t batch = x.batch();
        std::vector<ValueInfo> outputs{{x.dtype, {x.steps(), batch, spec_.output()}, x.lengths}};
        for (std::size_t i = 0; i < layout_.states.size(); ++i) {
            const StateInfo& s = layout_.states[i];
            const ValueInfo state{s.index == 0 ? spec_.precision.storage : spec_.precision.state, {batch, s.width}, -1};
            if (i + 1 < inputs.size() && inputs[i + 1])
                require(inputs[i + 1]->shape == state.shape && inputs[i + 1]->dtype == state.dtype, s.name,
                        inputs[i + 1]->shape, detail::concat("must be ", state.dtype, " ", state.shape));
            outputs.push_back(state);
        }
        return outputs;
    }

    void attach(const Device& device) override {
        Rnn rnn(device, spec_);
        const Plan plan = rnn.plan({1, 1, Mode::inference, false, false});
        core_ = std::make_unique<StackCore>(StackCore{std::move(rnn), DeviceBuffer(device, plan.prepared_bytes)});
    }
    void prepare(std::span<const void* const> blocks, Stream stream) override {
        core_->rnn.prepare(blocks[0], core_->prepared.data(), stream);
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const override {
        const ValueInfo& x = *request.inputs[0];
        Extent extent{x.steps(), x.batch(), request.mode, x.lengths >= 0, request.input_gradients[0]};
        extent.observe = request.observe;
        return std::make_unique<PlannedStack>(*core_, core_->rnn.plan(extent), request, forward_only_, ledger);
    }

private:
    TensorSpec tensor(const ParameterInfo& p) const {
        const LayerSpec& layer = spec_.layers[static_cast<std::size_t>(p.layer)];
        TensorSpec t{.name = p.name, .shape = p.shape, .offset = p.offset};
        t.bias = p.name.starts_with("bias");
        t.input_side = p.name.starts_with("bias_ih");
        t.bound = 1 / std::sqrt(static_cast<double>(layer.hidden));
        const CellInfo cell = cell_info(layer.cell, layer.options);
        if (cell.row_wise && p.name.starts_with(cell.vector_name)) {
            t.ones = cell.gains * layer.hidden;
            if (cell.forget_vector >= 0) {
                t.forget_begin = cell.forget_vector * layer.hidden;
                t.forget_end = t.forget_begin + layer.hidden;
                t.input_side = true;
            }
            return t;
        }
        if (!t.bias) return t;
        const auto gates = cell.gate_names;
        for (std::size_t g = 0; g < gates.size(); ++g)
            if (gates[g] == "f") {
                t.forget_begin = static_cast<std::int64_t>(g) * layer.hidden;
                t.forget_end = t.forget_begin + layer.hidden;
            }
        return t;
    }

    StackSpec spec_;
    Plan layout_;  ///< parameters and states only
    bool forward_only_ = true;
    std::unique_ptr<StackCore> core_;
};

}  // namespace

std::unique_ptr<Module> make_stack(const StackSpec& spec, const Precision& precision) {
    return std::make_unique<Stack>(spec, precision);
}

}  // namespace rondo::model
