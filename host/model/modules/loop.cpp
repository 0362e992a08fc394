/// A part of a network that runs step by step: its body is planned for one step, and each step's plan is bound to memory
/// of its own, so that the way back finds what the way there left.
#include <algorithm>

#include "model/modules/loop_body.hpp"
#include "rondo/gradient_flow.hpp"

namespace rondo::model {
namespace {

class PlannedLoop final : public PlannedModule {
public:
    PlannedLoop(const Graph& graph, const LoopBody& body, const PlanRequest& request, Ledger& ledger)
        : graph_(graph),
          body_(body),
          lengths_(body, request.inputs),
          steps_(request.inputs[0]->shape[0]),
          batch_(request.inputs[0]->shape[1]),
          training_(request.mode == Mode::training),
          name_(request.name) {
        const std::int64_t plans = training_ ? steps_ : 1;
        for (std::int64_t t = 0; t < plans; ++t)
            plans_.push_back(
                plan_step(graph, body, request.mode, request.observe, request.inputs, request.input_gradients));
        const NetworkPlan& one = *plans_[0];
        for (const std::string& name : body.outputs) out_values_.push_back(at(graph.value(name)));
        for (const LoopState& s : body.states) state_values_.push_back(at(graph.value(s.value)));
        stride_ = one.forward_bytes;
        const auto book = [&](const std::string& name, std::int64_t bytes) {
            return ledger.book(Ledger::Kind::reserve, detail::concat(request.name, ".", name), bytes);
        };
        arena_ = book("steps", plans * stride_ + (one.ledger.workspace_offset() - stride_));
        std::int64_t gradients = 0;
        for (const LoopState& s : body.states) {
            const std::int64_t bytes = (s.bytes(batch_) + 63) / 64 * 64;
            begun_.push_back(book("initial_" + s.name, bytes));
            if (!training_) kept_.push_back(book("final_" + s.name, bytes));
            state_gradients_.push_back(one.ledger.workspace_bytes() + gradients);
            gradients += bytes;
        }
        if (lengths_.steps >= 0) step_lengths_ = book("lengths", steps_ * batch_ * size_of(DType::i64));
        random_ = book("random", steps_ * node_count() * static_cast<std::int64_t>(sizeof(RandomState)));
        ledger.need_workspace(one.ledger.workspace_bytes() + gradients);
        for (const StorageBlock& block : graph.blocks)
            block_bytes_.push_back(static_cast<std::size_t>(block.count * size_of(body.network.precision.accumulate)));
        for (const Node& node : body.network.nodes) {
            const auto* dropout = std::get_if<DropoutSpec>(&node.module);
            draws_once_.push_back(dropout && dropout->per_sequence);
        }
    }

    void forward(Call& call) override {
        if (step_lengths_ != kNoBuffer)
            call.backend.step_lengths(call.lengths[at(lengths_.steps)], steps_, batch_,
                                      reinterpret_cast<std::int64_t*>(call.arena + step_lengths_), call.stream);
        call.backend.random_states(call.random, steps_ * node_count(), random_of(call, 0, 0), call.stream);
        for (std::size_t s = 0; s < body_.states.size(); ++s) begin_state(call, s);
        for (std::int64_t t = 0; t < steps_; ++t) {
            NetworkPlan& plan = prepare(call, t);
            for (std::size_t n = 0; n < plan.nodes.size(); ++n) {
                Call inner = call_of(call, plan, t, n);
                plan.nodes[n].module->forward(inner);
            }
            for (std::size_t o = 0; o < body_.outputs.size(); ++o)
                if (const Place& out = call.outputs[o]) copy(call, slice(out.data, *out.info, t), plan, out_values_[o]);
            for (std::size_t s = 0; s < kept_.size(); ++s) copy(call, call.arena + kept_[s], plan, state_values_[s]);
        }
        for (std::size_t s = 0; s < body_.states.size(); ++s)
            if (const Place& out = call.outputs[body_.outputs.size() + s])
                call.backend.copy(out.data, state_after(call, s, steps_), bytes(s), call.stream);
    }

    void backward(Call& call) override {
        clear_unreached(call);
        for (std::int64_t t = steps_; t-- > 0;) {
            NetworkPlan& plan = prepare(call, t);
            give_gradients(call, plan, t);
            for (const int n : plan.backward_order) {
                if (!plan.nodes[at(n)].backward) continue;
                for (std::size_t b = 0; b < plan.nodes[at(n)].blocks.size(); ++b) {
                    const BlockPlace& block = call.blocks[at(graph_.nodes[at(n)].blocks[b])];
                    plan.nodes[at(n)].blocks[b].accumulate = block.accumulate || t + 1 < steps_;
                }
                Call inner = call_of(call, plan, t, at(n));
                plan.nodes[at(n)].module->backward(inner);
                plan.add_scratch(graph_, at(n), call.backend, call.stream);
            }
            take_gradients(call, plan, t);
        }
        for (std::size_t s = 0; s < body_.states.size(); ++s)
            if (const Place& in = call.inputs[first_state() + s]; in && in.gradient)
                call.backend.copy(in.gradient, call.workspace + state_gradients_[s], bytes(s), call.stream);
    }

    void keep(Call& call, std::int64_t step, std::span<void* const> to) override {
        require(step >= 0 && step <= steps_, "step", step, detail::concat("must be in [0, ", steps_, "]"));
        if (!training_ && step != 0 && step != steps_)
            refuse("step", step, detail::concat("must be 0 or ", steps_, " after an inference forward"));
        for (std::size_t s = 0; s < to.size(); ++s)
            if (to[s]) call.backend.copy(to[s], state_after(call, s, step), bytes(s), call.stream);
    }

    /// A stack in the body has told of one step each time.
    void tell(Backend& backend, const std::byte*, double unscale, GradientFlow& to, Stream stream) const override {
        GradientFlow all;
        for (const auto& plan : plans_) {
            GradientFlow one;
            for (const PlannedNode& node : plan->nodes)
                if (node.backward) node.module->tell(backend, plan->arena, unscale, one, stream);
            if (all.layers.empty())
                all = std::move(one);
            else
                for (std::size_t l = 0; l < all.layers.size(); ++l) append(all.layers[l], one.layers[l]);
        }
        for (LayerFlow& layer : all.layers) {
            layer.name = name_ + "." + layer.name;
            to.layers.push_back(std::move(layer));
        }
    }

private:
    static void append(LayerFlow& to, const LayerFlow& step) {
        const auto add = [](auto& list, const auto& more) { list.insert(list.end(), more.begin(), more.end()); };
        add(to.norms, step.norms);
        add(to.through_time, step.through_time);
        add(to.rows, step.rows);
        for (std::size_t g = 0; g < to.gates.size(); ++g) {
            add(to.gates[g].low, step.gates[g].low);
            add(to.gates[g].high, step.gates[g].high);
        }
    }
    std::int64_t node_count() const { return static_cast<std::int64_t>(graph_.nodes.size()); }
    std::size_t first_state() const { return at(body_.steps + body_.whole); }
    std::size_t bytes(std::size_t s) const { return static_cast<std::size_t>(body_.states[s].bytes(batch_)); }
    std::byte* data_of(const NetworkPlan& plan, const PlannedValue& v) const { return plan.arena + v.data; }
    /// The part of a [T,...] value that step t makes or reads.
    std::byte* slice(void* data, const ValueInfo& whole, std::int64_t t) const {
        return static_cast<std::byte*>(data) + t * (whole.bytes() / steps_);
    }
    void copy(Call& call, std::byte* to, const NetworkPlan& plan, std::size_t v) const {
        const PlannedValue& from = plan.values[v];
        call.backend.copy(to, data_of(plan, from), static_cast<std::size_t>(from.info.bytes()), call.stream);
    }
    RandomState* random_of(const Call& call, std::int64_t t, std::size_t n) const {
        return reinterpret_cast<RandomState*>(call.arena + random_) + t * node_count() + static_cast<std::int64_t>(n);
    }

    Call call_of(const Call& call, NetworkPlan& plan, std::int64_t t, std::size_t n) const {
        PlannedNode& node = plan.nodes[n];
        const RandomState* random = random_of(call, draws_once_[n] ? 0 : t, n);
        return {call.backend, call.stream, node.inputs,    node.outputs, node.blocks,
                {},           plan.arena,  call.workspace, plan.lengths, random};
    }

    /// From the port, from the carried state, or zero; kept apart, since the caller's may be overwritten.
    void begin_state(Call& call, std::size_t s) {
        std::byte* begun = call.arena + begun_[s];
        if (const Place& in = call.inputs[first_state() + s])
            call.backend.copy(begun, in.data, bytes(s), call.stream);
        else if (s < call.carried.size() && call.carried[s])
            call.backend.copy(begun, call.carried[s], bytes(s), call.stream);
        else
            call.backend.zero(begun, bytes(s), call.stream);
    }

    /// A state as `step` steps left it.
    const std::byte* state_after(const Call& call, std::size_t s, std::int64_t step) const {
        if (step == 0) return call.arena + begun_[s];
        if (!training_) return call.arena + kept_[s];
        const NetworkPlan& plan = *plans_[static_cast<std::size_t>(step - 1)];
        return data_of(plan, plan.values[state_values_[s]]);
    }

    /// The plan of step t, pointed at what it reads.
    NetworkPlan& prepare(Call& call, std::int64_t t) {
        NetworkPlan& plan = *plans_[training_ ? static_cast<std::size_t>(t) : 0];
        // All steps' gradients lie in one place, behind the last step's values.
        const std::int64_t own = training_ ? t : 0, last = static_cast<std::int64_t>(plans_.size()) - 1;
        plan.bind(graph_, call.arena + arena_ + own * stride_, call.blocks, (last - own) * stride_);
        plan.lengths.assign(call.lengths.begin(), call.lengths.end());
        if (lengths_.inner >= 0) {
            plan.lengths.resize(at(lengths_.inner) + 1, nullptr);
            plan.lengths[at(lengths_.inner)] =
                reinterpret_cast<const std::int64_t*>(call.arena + step_lengths_) + t * batch_;
        }
        for (std::size_t n = 0; n < plan.nodes.size(); ++n)
            for (std::size_t i = 0; i < graph_.nodes[n].inputs.size(); ++i) {
                const int v = graph_.nodes[n].inputs[i];
                if (v == kAbsentValue || graph_.values[at(v)].input < 0) continue;
                plan.nodes[n].inputs[i].data = input_data(call, graph_.values[at(v)].input, t);
            }
        return plan;
    }

    void* input_data(const Call& call, int i, std::int64_t t) const {
        if (i < body_.steps) return slice(call.inputs[at(i)].data, *call.inputs[at(i)].info, t);
        if (i < body_.steps + body_.whole) return call.inputs[at(i)].data;
        return const_cast<std::byte*>(state_after(call, at(i) - first_state(), t));
    }

    /// Parameters that no gradient reaches.
    void clear_unreached(Call& call) const {
        for (std::size_t n = 0; n < plans_[0]->nodes.size(); ++n)
            for (const int b : graph_.nodes[n].blocks)
                if (!plans_[0]->nodes[n].backward && !call.blocks[at(b)].accumulate)
                    call.backend.zero(call.blocks[at(b)].gradient, block_bytes_[at(b)], call.stream);
    }

    /// The gradients of what step t made: of the loop's outputs, and from step t + 1.
    void give_gradients(Call& call, NetworkPlan& plan, std::int64_t t) {
        std::vector<const PlannedValue*>& written = written_;
        written.clear();
        const auto give = [&](std::size_t made, const void* gradient) {
            const PlannedValue& v = plan.values[made];
            std::byte* to = plan.gradient_of(v);
            if (!to || !gradient) return;
            if (std::find(written.begin(), written.end(), &v) == written.end())
                call.backend.copy(to, gradient, static_cast<std::size_t>(v.info.bytes()), call.stream);
            else
                call.backend.add(v.info.dtype, to, gradient, v.info.shape.size(), call.stream);
            written.push_back(&v);
        };
        for (std::size_t o = 0; o < body_.outputs.size(); ++o)
            if (const Place& out = call.outputs[o]; out && out.gradient)
                give(out_values_[o], slice(out.gradient, *out.info, t));
        for (std::size_t s = 0; s < body_.states.size(); ++s) {
            const Place& out = call.outputs[body_.outputs.size() + s];
            give(state_values_[s], t + 1 < steps_ ? call.workspace + state_gradients_[s]
                                   : out          ? out.gradient
                                                  : nullptr);
        }
        for (std::size_t v = 0; v < plan.values.size(); ++v)
            if (const PlannedValue& exported = plan.values[v];
                graph_.values[v].exported && plan.gradient_of(exported) &&
                std::find(written.begin(), written.end(), &exported) == written.end())
                call.backend.zero(plan.gradient_of(exported), static_cast<std::size_t>(exported.info.bytes()),
                                  call.stream);
    }

    /// The gradients of what step t read.
    void take_gradients(Call& call, const NetworkPlan& plan, std::int64_t t) const {
        for (int i = 0; i < static_cast<int>(graph_.inputs.size()); ++i) {
            const PlannedValue& v = plan.values[at(i)];
            const std::byte* gradient = plan.gradient_of(v);
            const auto size = static_cast<std::size_t>(v.info.bytes());
            const auto take = [&](void* to) {
                if (gradient)
                    call.backend.copy(to, gradient, size, call.stream);
                else
                    call.backend.zero(to, size, call.stream);
            };
            if (at(i) >= first_state()) {
                take(call.workspace + state_gradients_[at(i) - first_state()]);
                continue;
            }
            const Place& in = call.inputs[at(i)];
            if (!in.gradient) continue;
            if (i < body_.steps)
                take(slice(in.gradient, *in.info, t));
            else if (t + 1 == steps_)
                take(in.gradient);
            else if (gradient)
                call.backend.add(v.info.dtype, in.gradient, gradient, v.info.shape.size(), call.stream);
        }
    }

    const Graph& graph_;
    const LoopBody& body_;
    LoopLengths lengths_;
    std::int64_t steps_, batch_;
    bool training_;
    std::string name_;
    std::vector<std::unique_ptr<NetworkPlan>> plans_;  ///< one a step; of inference one for all
    std::int64_t stride_ = 0;                          ///< of the steps' memory
    std::int64_t arena_ = kNoBuffer, step_lengths_ = kNoBuffer, random_ = kNoBuffer;
    std::vector<std::size_t> out_values_, state_values_;  ///< of the body
    std::vector<std::int64_t> begun_, kept_;              ///< in the reserve, one a state; kept_: of inference
    std::vector<std::int64_t> state_gradients_;           ///< in the workspace, one a state
    std::vector<std::size_t> block_bytes_;                ///< one a block
    std::vector<char> draws_once_;                        ///< one a node: the same in all steps
    std::vector<const PlannedValue*> written_;
};

class Loop final : public Module {
public:
    Loop(const LoopSpec& spec, const Precision& precision)
        : body_(spec, precision), graph_(body_.network, body_.exports()) {
        for (const GraphNode& node : graph_.nodes)
            require(!node.module->is_loss(), "body", node.name, "is a loss, which belongs behind the loop");
        for (const GraphValue& v : graph_.values)
            require(!v.exported || v.producer >= 0, "outputs", v.name, "must be made by a node of the body");
    }

    /// Those of the body, their names beginning with their node's.
    std::vector<ParameterBlock> blocks() const override {
        std::vector<ParameterBlock> blocks;
        for (const GraphNode& node : graph_.nodes)
            for (ParameterBlock& block : node.module->blocks()) {
                for (TensorSpec& tensor : block.tensors) tensor.name = node.name + "." + tensor.name;
                blocks.push_back(std::move(block));
            }
        return blocks;
    }

    std::vector<CarriedState> carried() const override {
        std::vector<CarriedState> states;
        for (const LoopState& s : body_.states) states.push_back({s.name, s.dtype, std::max<std::int64_t>(1, s.width)});
        return states;
    }

    int inputs() const override { return required_inputs() + static_cast<int>(body_.states.size()); }
    int required_inputs() const override { return body_.steps + body_.whole; }
    int outputs() const override { return static_cast<int>(body_.outputs.size() + body_.states.size()); }
    int state_port() const override { return required_inputs(); }
    std::int64_t classes(int input) const override {
        return input < required_inputs() ? graph_.inputs[at(input)].classes : 0;
    }
    bool differentiable(int output) const override {
        const std::size_t o = at(output), count = body_.outputs.size();
        return graph_.values[at(graph_.value(o < count ? body_.outputs[o] : body_.states[o - count].value))]
            .differentiable;
    }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        check_inputs(inputs);
        const std::int64_t steps = inputs[0]->shape[0], batch = inputs[0]->shape[1];
        const auto wanted = std::make_unique<bool[]>(inputs.size());
        const auto plan = plan_step(graph_, body_, Mode::inference, false, inputs, {wanted.get(), inputs.size()});
        const LoopLengths lengths(body_, inputs);
        std::vector<ValueInfo> outputs;
        for (const std::string& name : body_.outputs) {
            const ValueInfo& one = plan->values[at(graph_.value(name))].info;
            const bool ids = one.dtype == DType::i32;
            require(one.shape.rank() == (ids ? 2 : 3) && one.shape[0] == 1 && one.shape[1] == batch, name, one.shape,
                    "must be [1,B,width] in a loop to come out of it");
            Shape shape{steps};
            for (int d = 1; d < one.shape.rank(); ++d) shape.append(one.shape[d]);
            outputs.push_back(
                {one.dtype, shape, one.lengths >= 0 && one.lengths == lengths.inner ? lengths.steps : -1});
        }
        for (const LoopState& s : body_.states) {
            const ValueInfo& one = plan->values[at(graph_.value(s.value))].info;
            require(one.dtype == s.dtype && one.shape == s.inner_shape(batch), s.name, one.shape,
                    detail::concat("must be ", s.dtype, " ", s.inner_shape(batch), ", as the next step reads it"));
            outputs.push_back({s.dtype, s.shape(batch), -1});
        }
        return outputs;
    }

    void attach(const Device& device) override {
        for (GraphNode& node : graph_.nodes) node.module->attach(device);
    }
    void prepare(std::span<const void* const> blocks, Stream stream) override {
        for (GraphNode& node : graph_.nodes)
            if (!node.blocks.empty())
                node.module->prepare(blocks.subspan(at(node.blocks[0]), node.blocks.size()), stream);
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const override {
        return std::make_unique<PlannedLoop>(graph_, body_, request, ledger);
    }

private:
    void check_inputs(std::span<const ValueInfo* const> inputs) const {
        const std::vector<InputSpec>& specs = body_.network.inputs;
        for (int i = 0; i < required_inputs(); ++i) {
            const ValueInfo& x = *inputs[at(i)];
            const InputSpec& spec = specs[at(i)];
            require(x.dtype == spec.dtype, spec.name, x.dtype, detail::concat("must be ", spec.dtype));
            if (i >= body_.steps) continue;
            require(x.shape.rank() == (spec.width > 0 ? 3 : 2) && x.shape[0] == inputs[0]->shape[0] &&
                        x.shape[1] == inputs[0]->shape[1],
                    spec.name, x.shape, spec.width > 0 ? "must be [T,B,width]" : "must be [T,B]");
        }
        const std::int64_t batch = inputs[0]->shape[1];
        for (std::size_t s = 0; s < body_.states.size(); ++s) {
            const ValueInfo* x = inputs[at(required_inputs()) + s];
            const LoopState& state = body_.states[s];
            if (x)
                require(x->dtype == state.dtype && x->shape == state.shape(batch), state.name, x->shape,
                        detail::concat("must be ", state.dtype, " ", state.shape(batch)));
        }
    }

    LoopBody body_;
    Graph graph_;
};

}  // namespace

std::unique_ptr<Module> make_loop(const LoopSpec& spec, const Precision& precision) {
    return std::make_unique<Loop>(spec, precision);
}

}  // namespace rondo::model
