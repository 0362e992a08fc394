/// The low-level door: checks what it is given and hands it to the scheduler.
#include "rondo/rnn.hpp"

#include <utility>

#include "scheduler/check.hpp"
#include "scheduler/pass.hpp"
#include "scheduler/validate.hpp"

namespace rondo {

struct Rnn::Impl {
    Device device;
    StackSpec spec;
    Plan layout;  ///< parameters and prepared weights, which every plan of this stack shares

    void check_plan(const Plan& plan) const {
        if (!plan.program) refuse("plan", "empty", "must be made by Rnn::plan");
        if (!(plan.spec == spec)) refuse("plan", plan.id, "was made for another stack");
        if (plan.device != device.name())
            refuse("plan", plan.device, detail::concat("was made for another device than ", device.name()));
    }

    /// Throws unless the token's forward is the last that wrote its reserve and has not been consumed.
    Reserves::Record& check_token(const Plan& plan, const ForwardToken& token, const void* reserve) const {
        const auto refuse_state = [](const char* why) -> void { throw Error(ErrorCode::state, why); };
        if (token.mode != Mode::training)
            refuse_state("token: backward needs a training forward, this one ran in inference mode");
        if (token.plan != plan.id) refuse_state("token: its forward ran another plan");
        if (token.reserve != reserve) refuse_state("reserve: is not the one this token's forward wrote");
        Reserves::Record* record = device.backend().reserves.find(reserve);
        if (!record || record->generation != token.generation)
            refuse_state("reserve: another forward has written it since this token's forward");
        return *record;
    }
};

Rnn::Rnn(Device device, StackSpec spec) {
    validate(spec);
    device.backend().check(spec.precision);
    Plan layout = make_plan(device.backend(), spec, {1, 1, Mode::inference, false, false});
    impl_ = std::make_unique<Impl>(Impl{std::move(device), std::move(spec), std::move(layout)});
}
Rnn::~Rnn() = default;
Rnn::Rnn(Rnn&&) noexcept = default;
Rnn& Rnn::operator=(Rnn&&) noexcept = default;

const StackSpec& Rnn::spec() const noexcept { return impl_->spec; }
const Device& Rnn::device() const noexcept { return impl_->device; }

Plan Rnn::plan(const Extent& extent) const {
    validate(extent);
    return make_plan(impl_->device.backend(), impl_->spec, extent);
}

void Rnn::prepare(const void* parameters, void* prepared, Stream stream) {
    const Plan& plan = impl_->layout;
    if (!parameters) refuse("parameters", "null", "is needed");
    Backend& backend = impl_->device.backend();
    backend.check_memory("parameters", parameters);
    check_buffer(backend, "prepared", prepared, plan.prepared_bytes);
    const std::int64_t element = size_of(impl_->spec.precision.accumulate);
    const auto pack = [&](std::int64_t w, std::int64_t to, std::int64_t transposed, int gates, std::int64_t units,
                          std::int64_t cols) {
        const auto* from = static_cast<const std::byte*>(parameters) + w * element;
        auto* base = static_cast<std::byte*>(prepared);
        Packing packing{Packing::Kind::gates, impl_->spec.precision.storage, gates, units, cols};
        if (to != kAbsent) backend.pack(packing, from, base + to, stream);
        packing.kind = Packing::Kind::transposed;
        if (transposed != kAbsent) backend.pack(packing, from, base + transposed, stream);
    };
    for (const LayerProgram& layer : plan.program->layers) {
        const std::int64_t hidden = layer.spec.hidden, width = layer.spec.width();
        for (const LoopProgram& loop : layer.loops) {
            if (loop.packed_ih != kAbsent)
                backend.pack(
                    {Packing::Kind::plain, impl_->spec.precision.storage, layer.cell.gates, hidden, layer.input},
                    static_cast<const std::byte*>(parameters) + loop.parameters.w_ih * element,
                    static_cast<std::byte*>(prepared) + loop.packed_ih, stream);
            for (std::size_t s = 0; s < layer.cell.stages.size(); ++s) {
                const Stage& stage = layer.cell.stages[s];
                pack(layer.w_hh(loop, s), loop.packed[s], loop.packed_transposed[s], stage.gates, hidden,
                     s == 0 ? width : hidden);
            }
            if (layer.spec.projection > 0)
                pack(loop.parameters.w_hr, loop.packed_hr, loop.packed_hr_transposed, 1, layer.spec.projection, hidden);
        }
    }
}

namespace {

std::array<Stream, kMostStreams> streams_of(Backend& backend, const Plan& plan, Stream stream) {
    std::array<Stream, kMostStreams> streams{};
    for (int n = 0; n < plan.program->streams; ++n) streams[static_cast<std::size_t>(n)] = backend.beside(stream, n);
    return streams;
}

}  // namespace

ForwardToken Rnn::forward(const Plan& plan, const ForwardArgs& args, Stream stream) {
    impl_->check_plan(plan);
    Backend& backend = impl_->device.backend();
    check(plan, args, backend);
    backend.begin(stream);
    if (args.lengths) backend.check_lengths(args.lengths, plan.extent.batch, plan.extent.steps, stream);
    ForwardToken token{plan.id, 0, nullptr, plan.extent.mode};
    if (plan.extent.mode == Mode::training) {
        token.reserve = args.reserve;
        token.generation = backend.reserves.written(args.reserve);
    }
    const Pass pass{backend,
                    plan,
                    *plan.program,
                    stream,
                    static_cast<const std::byte*>(args.parameters),
                    static_cast<const std::byte*>(args.prepared),
                    static_cast<std::byte*>(args.reserve),
                    static_cast<std::byte*>(args.workspace),
                    args.x.data,
                    args.lengths,
                    args.random,
                    streams_of(backend, plan, stream)};
    run_forward(pass, args);
    return token;
}

void Rnn::backward(const Plan& plan, const ForwardToken& token, const BackwardArgs& args, Stream stream) {
    impl_->check_plan(plan);
    Reserves::Record& record = impl_->check_token(plan, token, args.reserve);
    if (record.consumed) throw Error(ErrorCode::state, "token: its backward has run already, run forward again");
    Backend& backend = impl_->device.backend();
    check(plan, args, backend);
    backend.begin(stream);
    record.consumed = true;
    const Pass pass{backend,
                    plan,
                    *plan.program,
                    stream,
                    static_cast<const std::byte*>(args.parameters),
                    static_cast<const std::byte*>(args.prepared),
                    static_cast<std::byte*>(args.reserve),
                    static_cast<std::byte*>(args.workspace),
                    args.x.data,
                    args.lengths,
                    args.random,
                    streams_of(backend, plan, stream)};
    run_backward(pass, args);
}

void Rnn::states_after(const Plan& plan, const ForwardToken& token, std::int64_t step, std::span<const View> states,
                       Stream stream) const {
    impl_->check_plan(plan);
    impl_->check_token(plan, token, token.reserve);
    require(step >= 0 && step <= plan.extent.steps, "step", step, "must be in [0, T]");
    check_states(plan, impl_->device.backend(), "states", states);
    const ElementBytes bytes(plan.spec.precision);
    for (std::size_t i = 0; i < states.size(); ++i) {
        if (!states[i].data) continue;
        const StateInfo& info = plan.states[i];
        const LayerProgram& layer = plan.program->layers[static_cast<std::size_t>(info.layer)];
        const LoopProgram& loop = layer.loops.back().first_state <= i ? layer.loops.back() : layer.loops.front();
        if (loop.reverse) refuse("states", info.name, "must be null, a reverse layer has no state to carry on from");
        const std::int64_t size = plan.extent.batch * info.width * bytes.of_state(info.index);
        impl_->device.backend().copy(states[i].data,
                                     static_cast<const std::byte*>(token.reserve) +
                                         loop.states[static_cast<std::size_t>(info.index)] + step * size,
                                     static_cast<std::size_t>(size), stream);
    }
}

}  // namespace rondo
