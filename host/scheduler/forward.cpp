/// The forward pass: a plan's operations one by one, and the time loop unrolled over them.
#include <functional>

#include "scheduler/noise.hpp"
#include "scheduler/order.hpp"

namespace rondo {
namespace {

constexpr std::uintptr_t kSlotAlignment = 64;  ///< of buffers (plan.cpp)

/// The time loop of one layer and direction over steps [begin, end): the n-th of the operation's.
class ForwardLoop {
public:
    ForwardLoop(const Pass& pass, const ForwardArgs& args, const Operation& op, int n)
        : pass_(pass.of_direction(n)),
          args_(args),
          op_(op),
          layer_(pass.program.layers[static_cast<std::size_t>(op.layer)]),
          loop_(layer_.loops[static_cast<std::size_t>(op.direction + n)]),
          constants_(pass_.loop_layer(layer_, loop_)),
          part_(output_part(layer_.spec, static_cast<std::size_t>(op.direction + n))) {
        const auto next = static_cast<std::size_t>(op.layer) + 1;
        const bool last = next == pass.program.layers.size();
        output_ = last ? static_cast<std::byte*>(args.y.data) : pass.kept(pass.program.layers[next].input_buffer);
    }

    void begin() const {
        const bool starts = loop_.reverse ? op_.end == pass_.steps() : op_.begin == 0;
        if (!starts) return;
        load_initial_states();
        if (pass_.training()) draw();
    }
    /// What inference is asked for of the i-th step and has in slots.
    void give_step(std::int64_t i) const {
        if (all_slots() || op_.directions == 1) return;
        for (int s = 0; s < layer_.cell.states; ++s)
            if (std::byte* const wanted = sequence(s))
                pass_.backend.copy(wanted + time(i) * state_bytes(s), after(s, time(i)),
                                   static_cast<std::size_t>(state_bytes(s)), pass_.stream);
    }
    void end() const {
        const bool ends = loop_.reverse ? op_.begin == 0 : op_.end == pass_.steps();
        if (ends) give_states();
    }
    std::size_t stages() const { return layer_.cell.stages.size(); }
    bool projected() const { return constants_.projected; }
    bool whole() const { return layer_.forward_loop.whole != nullptr; }

    /// All steps in one call.
    LoopForward all() const {
        LoopForward loop;
        loop.first = step(0, 0);
        loop.steps = op_.end - op_.begin;
        loop.reverse = loop_.reverse;
        loop.whole = layer_.forward_loop.whole.get();
        for (int s = 0; s < layer_.cell.states; ++s) {
            loop.every[s] = all_slots() || sequence(s) != nullptr;
            if (!loop.every[s]) loop.first.next[s] = after(s, time(loop.steps - 1));
        }
        return loop;
    }

    /// A stage of the i-th step that is taken.
    StepForward step(std::int64_t i, std::size_t s) const {
        const std::int64_t t = time(i), hidden = layer_.spec.hidden;
        const Stage& stage = layer_.cell.stages[s];
        StepForward step = step_at(t);
        const bool of_state = stage.operand_plane == kOperandState;
        step.stage = static_cast<int>(s);
        step.operand = !of_state
                           ? static_cast<std::byte*>(step.saved) + stage.operand_plane * hidden * pass_.bytes.storage
                       : constants_.recurrent_mask ? fed_back(loop_.slot_before(t))
                                                   : step.state[0];
        step.operand_stride = of_state ? layer_.spec.width() : layer_.cell.saved * hidden;
        step.packed = pass_.w_hh(layer_, loop_, s);
        step.bias_h = pass_.parameter(loop_.parameters.b_hh);
        if (step.bias_h)
            step.bias_h = static_cast<const std::byte*>(step.bias_h) + stage.first_gate * hidden * pass_.bytes.gates;
        return step;
    }

    ProjectForward projection(std::int64_t i) const {
        const std::int64_t t = time(i);
        return {&constants_,
                t,
                unprojected(t),
                pass_.packed_gates(loop_.packed_hr, loop_.parameters.w_hr),
                before(0, t),
                after(0, t),
                fed_back(loop_.slot_after(t)),
                y(t),
                part_.stride,
                part_.scale,
                part_.add};
    }

    /// All steps of a cell without stages.
    ScanForward scan() const {
        const std::int64_t first = loop_.reverse ? op_.end - 1 : op_.begin;
        const StepForward step = step_at(op_.begin);
        return {&constants_, op_.begin,       op_.end, loop_.reverse, step.gates_x, before(0, first), step.next[0],
                step.saved,  step.zoneout[0], step.y,  step.y_stride, step.y_scale, step.y_add};
    }

private:
    std::int64_t time(std::int64_t i) const { return loop_.reverse ? op_.end - 1 - i : op_.begin + i; }
    bool all_slots() const { return layer_.all_slots(pass_.training()); }
    /// Whether states that the caller wants are written to his memory at once.
    bool writes_wanted() const { return op_.directions == 1 || whole(); }
    std::int64_t state_bytes(int s) const { return pass_.batch() * layer_.width(s) * pass_.bytes.of_state(s); }

    const std::byte* given(int s) const {
        return static_cast<const std::byte*>(data_of(args_.states, loop_.first_state + static_cast<std::size_t>(s)));
    }
    std::byte* final_state(int s) const {
        return static_cast<std::byte*>(data_of(args_.final_states, loop_.first_state + static_cast<std::size_t>(s)));
    }
    std::byte* sequence(int s) const {
        return static_cast<std::byte*>(data_of(args_.state_steps, loop_.first_state + static_cast<std::size_t>(s)));
    }
    /// Steps that are through before t.
    std::int64_t done_before(std::int64_t t) const { return loop_.reverse ? pass_.steps() - 1 - t : t; }

    /// Where a state stands when so many steps are through. Training keeps all, inference two by turns; but it takes the
    /// first from where the caller has it, and writes a wanted sequence, or the last one, to where he wants it. Directions
    /// whose steps run together stay in slots: a product over both needs the second's operand behind the first's, which
    /// the caller's memory does not promise.
    std::byte* slot(int s, std::int64_t done) const {
        std::byte* const slots = pass_.kept(loop_.states[static_cast<std::size_t>(s)]);
        if (!all_slots()) return slots + done % 2 * state_bytes(s);
        const std::int64_t first = loop_.slot_before(loop_.reverse ? pass_.steps() - 1 : 0);
        return slots + (loop_.reverse ? first - done : first + done) * state_bytes(s);
    }
    const std::byte* before(int s, std::int64_t t) const {
        const std::int64_t done = done_before(t);
        if (done > 0) return after(s, loop_.reverse ? t + 1 : t - 1);
        return reads_given_ && given(s) ? given(s) : slot(s, 0);
    }
    std::byte* after(int s, std::int64_t t) const {
        const std::int64_t done = done_before(t) + 1;
        if (!all_slots() && writes_wanted()) {
            if (std::byte* const wanted = sequence(s)) return wanted + t * state_bytes(s);
            if (done == pass_.steps() && final_state(s)) return final_state(s);
        }
        return slot(s, done);
    }

    /// Whether nothing that the loop writes lies where it begins from, which a caller may ask for: a step's product must
    /// have read all of h before any of the next is there. And whether that is aligned as slots are, or its product might
    /// be another algorithm's.
    bool begins_apart() const {
        const auto touch = [](const void* a, std::int64_t a_bytes, const void* b, std::int64_t b_bytes) {
            const std::less<const void*> less;
            return a && b && less(a, static_cast<const std::byte*>(b) + b_bytes) &&
                   less(b, static_cast<const std::byte*>(a) + a_bytes);
        };
        const std::int64_t y_bytes = pass_.steps() * pass_.batch() * pass_.plan.spec.output() * pass_.bytes.storage;
        for (int from = 0; from < layer_.cell.states; ++from) {
            if (reinterpret_cast<std::uintptr_t>(given(from)) % kSlotAlignment != 0) return false;
            const auto touches = [&](const void* p, std::int64_t bytes) {
                return touch(given(from), state_bytes(from), p, bytes);
            };
            if (touches(args_.y.data, y_bytes)) return false;
            for (int s = 0; s < layer_.cell.states; ++s)
                if (touches(final_state(s), state_bytes(s)) || touches(sequence(s), pass_.steps() * state_bytes(s)))
                    return false;
        }
        return true;
    }

    void load_initial_states() const {
        for (int s = 0; s < layer_.cell.states; ++s) {
            const auto size = static_cast<std::size_t>(state_bytes(s));
            if (given(s) && reads_given_) continue;
            if (given(s))
                pass_.backend.copy(slot(s, 0), given(s), size, pass_.stream);
            else
                pass_.backend.zero(slot(s, 0), size, pass_.stream);
        }
    }

    /// The masks of this pass, and what they make of W_hh and of the initial h.
    void draw() const {
        const LayerSpec& spec = layer_.spec;
        if (loop_.recurrent_mask != kAbsent) {
            drop(pass_.accumulate(), pass_.kept(loop_.recurrent_mask), nullptr, 1, spec.width(), Draw::recurrent,
                 spec.recurrent_dropout);
            const std::int64_t first = loop_.slot_before(loop_.reverse ? pass_.steps() - 1 : 0);
            drop(pass_.storage(), fed_back(first), slot(0, 0), 1, spec.width(), Draw::recurrent,
                 spec.recurrent_dropout);
        }
        for (int s = 0; s < layer_.cell.states; ++s)
            if (const std::int64_t mask = loop_.zoneout[static_cast<std::size_t>(s)]; mask != kAbsent)
                drop(pass_.storage(), pass_.kept(mask), nullptr, pass_.steps(), spec.hidden,
                     s == 0 ? Draw::zoneout : Draw::zoneout_cell, zoneout_of(spec, s));
        if (loop_.dropped_hh != kAbsent) drop_weights();
    }
    void drop(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t cols, Draw draw,
              double rate) const {
        pass_.backend.dropout({.dtype = dtype,
                               .out = out,
                               .x = x,
                               .end = steps,
                               .batch = pass_.batch(),
                               .cols = cols,
                               .rate = rate,
                               .site = site_of(op_.layer, loop_.reverse, draw),
                               .random = pass_.random},
                              pass_.stream);
    }
    void drop_weights() const {
        const std::int64_t rows = layer_.cell.gates * layer_.spec.hidden;
        pass_.backend.dropout({.dtype = pass_.accumulate(),
                               .out = pass_.kept(loop_.dropped_hh),
                               .x = pass_.parameter(loop_.parameters.w_hh),
                               .batch = rows,
                               .cols = layer_.spec.width(),
                               .rate = layer_.spec.weight_dropout,
                               .site = site_of(op_.layer, loop_.reverse, Draw::weight),
                               .random = pass_.random},
                              pass_.stream);
        for (std::size_t s = 0; s < stages(); ++s) {
            const std::byte* from = pass_.dropped_rows(layer_, loop_, s);
            const auto pack = [&](Packing::Kind kind, std::int64_t to) {
                if (to != kAbsent)
                    pass_.backend.pack(packing_of(pass_.plan, layer_, s, kind), from, pass_.kept(to), pass_.stream);
            };
            pack(Packing::Kind::gates, loop_.dropped[s]);
            pack(Packing::Kind::transposed, loop_.dropped_transposed[s]);
        }
    }

    void give_states() const {
        const std::int64_t last = loop_.reverse ? 0 : pass_.steps() - 1;
        for (int s = 0; s < layer_.cell.states; ++s) {
            const auto size = static_cast<std::size_t>(state_bytes(s));
            if (std::byte* const to = final_state(s); to && to != after(s, last))
                pass_.backend.copy(to, after(s, last), size, pass_.stream);
            if (std::byte* const wanted = sequence(s); wanted && all_slots())
                pass_.backend.copy(
                    wanted,
                    pass_.kept(loop_.states[static_cast<std::size_t>(s)]) + (loop_.reverse ? 0 : state_bytes(s)),
                    size * static_cast<std::size_t>(pass_.steps()), pass_.stream);
        }
    }

    /// y of step t, in the element type of the stack.
    void* y(std::int64_t t) const {
        return output_ + (t * pass_.batch() * part_.stride + part_.offset) * pass_.bytes.storage;
    }

    std::byte* unprojected(std::int64_t t) const {
        return pass_.step_of(loop_.unprojected, t, pass_.batch() * layer_.spec.hidden * pass_.bytes.storage);
    }

    /// A slot of h as its product reads it; null where that is h itself.
    std::byte* fed_back(std::int64_t slot) const {
        return loop_.fed_back == kAbsent ? nullptr : pass_.kept(loop_.fed_back) + slot * state_bytes(0);
    }

    Zoneout zoneout(int s, std::int64_t t) const {
        const auto i = static_cast<std::size_t>(s);
        const std::int64_t elements = pass_.batch() * layer_.spec.hidden;
        return {zoneout_of(layer_.spec, s), pass_.step_of(loop_.zoneout[i], t, elements * pass_.bytes.storage),
                pass_.step_of(loop_.candidates[i], t, elements * pass_.bytes.of_state(s))};
    }

    /// What all stages of step t have in common.
    StepForward step_at(std::int64_t t) const {
        const std::int64_t hidden = layer_.spec.hidden;
        StepForward step;
        step.layer = &constants_;
        step.t = t;
        step.gates_x = pass_.scratch(pass_.loops().gates_x) +
                       (t - op_.begin) * pass_.batch() * layer_.cell.gates * hidden * pass_.bytes.gates;
        for (int s = 0; s < layer_.cell.states; ++s) {
            step.state[s] = before(s, t);
            step.next[s] = after(s, t);
            step.zoneout[s] = zoneout(s, t);
        }
        if (projected()) step.next[0] = unprojected(t);
        step.saved = pass_.step_of(loop_.saved, t, pass_.batch() * layer_.cell.saved * hidden * pass_.bytes.storage);
        if (!projected()) {
            step.fed_back = fed_back(loop_.slot_after(t));
            step.y = y(t);
            step.y_stride = part_.stride;
            step.y_scale = part_.scale;
            step.y_add = part_.add;
        }
        return step;
    }

    const Pass pass_;
    const ForwardArgs& args_;
    const Operation& op_;
    const LayerProgram& layer_;
    const LoopProgram& loop_;
    const LoopLayer constants_;
    const OutputPart part_;
    std::byte* output_;
    const bool reads_given_ = !all_slots() && writes_wanted() && begins_apart();
};

/// The loops of a time loop's directions, step by step together. They are alike but for their direction.
void run_together(const Pass& pass, std::span<const ForwardLoop> loops, std::int64_t steps) {
    std::array<StepForward, kMostDirections> stage;
    std::array<ProjectForward, kMostDirections> projection;
    for (const ForwardLoop& loop : loops) loop.begin();
    if (loops.front().stages() == 0) {
        for (const ForwardLoop& loop : loops) pass.backend.scan_forward(loop.scan(), pass.stream);
        steps = 0;
    }
    if (loops.front().whole()) {
        std::array<LoopForward, kMostDirections> all;
        for (std::size_t d = 0; d < loops.size(); ++d) all[d] = loops[d].all();
        pass.backend.loop_forward(std::span<const LoopForward>(all).first(loops.size()), pass.stream);
        steps = 0;
    }
    for (std::int64_t i = 0; i < steps; ++i) {
        for (std::size_t s = 0; s < loops.front().stages(); ++s) {
            for (std::size_t d = 0; d < loops.size(); ++d) stage[d] = loops[d].step(i, s);
            pass.backend.together(std::span<const StepForward>(stage).first(loops.size()), pass.stream);
        }
        if (loops.front().projected()) {
            for (std::size_t d = 0; d < loops.size(); ++d) projection[d] = loops[d].projection(i);
            pass.backend.together(std::span<const ProjectForward>(projection).first(loops.size()), pass.stream);
        }
        for (const ForwardLoop& loop : loops) loop.give_step(i);
    }
    for (const ForwardLoop& loop : loops) loop.end();
}

void time_loop(const Pass& pass, const ForwardArgs& args, const Operation& op) {
    const ForwardLoop first(pass, args, op, 0);
    if (op.directions == 1) return run_together(pass, {&first, 1}, op.end - op.begin);
    const ForwardLoop both[] = {first, ForwardLoop(pass, args, op, 1)};
    run_together(pass, both, op.end - op.begin);
}

void input_product(const Pass& pass, const Operation& op) {
    const auto l = static_cast<std::size_t>(op.layer);
    const LayerProgram& layer = pass.program.layers[l];
    const LoopProgram& loop = layer.loops[static_cast<std::size_t>(op.direction)];
    Product product;
    product.dtype = pass.storage();
    product.c_dtype = pass.accumulate();
    product.math = pass.plan.spec.precision.math;
    product.m = (op.end - op.begin) * pass.batch();
    product.n = layer.cell.gates * layer.spec.hidden;
    product.k = layer.input;
    product.a = pass.input(l, op.begin);
    product.a_stride = layer.input;
    product.b = pass.w_ih(loop);
    product.b_stride = layer.input;
    product.b_transposed = true;
    product.c = pass.scratch(pass.loops().gates_x);
    product.c_stride = product.n;
    product.bias = pass.parameter(loop.parameters.b_ih);
    pass.backend.product(product, pass.stream);
}

void drop_input(const Pass& pass, const Operation& op) {
    const auto l = static_cast<std::size_t>(op.layer);
    const LayerProgram& layer = pass.program.layers[l];
    const std::int64_t first = op.begin * pass.batch() * layer.input * pass.bytes.storage;
    std::byte* const out = pass.kept(layer.input_buffer) + first;
    pass.backend.dropout({.dtype = pass.storage(),
                          .out = out,
                          .x = l == 0 ? static_cast<const std::byte*>(pass.x) + first : out,
                          .begin = op.begin,
                          .end = op.end,
                          .batch = pass.batch(),
                          .cols = layer.input,
                          .rate = layer.spec.dropout,
                          .per_sequence = layer.spec.dropout_per_sequence,
                          .site = l,
                          .random = pass.random,
                          .lengths = pass.lengths},
                         pass.stream);
}

}  // namespace

OutputPart output_part(const LayerSpec& layer, std::size_t direction) {
    if (layer.merge == Merge::concatenate)
        return {static_cast<std::int64_t>(direction) * layer.width(), layer.output(), 1.0, false};
    return {0, layer.output(), layer.merge == Merge::average ? 0.5 : 1.0, direction == 1};
}

void run_forward(const Pass& whole, const ForwardArgs& args) {
    run_in_order(whole, whole.plan.forward, [&](const Pass& pass, const Operation& op) {
        switch (op.kind) {
            case Operation::Kind::dropout:
                drop_input(pass, op);
                break;
            case Operation::Kind::input_product:
                input_product(pass, op);
                break;
            case Operation::Kind::time_loop:
                time_loop(pass, args, op);
                break;
            default:
                break;  // the others belong to backward
        }
    });
}

}  // namespace rondo
