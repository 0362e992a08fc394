/// The backward pass: backpropagation through time over a plan's operations.
#include <algorithm>

#include "scheduler/noise.hpp"
#include "scheduler/order.hpp"

namespace rondo {
namespace {

/// Where the gradients of one layer lie: of its output, its input and its gates.
struct Gradients {
    const std::byte* dy;  ///< [T,B,O] or null
    std::byte* dx;        ///< [T,B,I] or null
    std::byte* dparameters;

    Gradients(const Pass& pass, const BackwardArgs& args, int layer)
        : dy(layer + 1 == static_cast<int>(pass.program.layers.size())
                 ? static_cast<const std::byte*>(args.dy.data)
                 : pass.scratch(pass.program.layers[static_cast<std::size_t>(layer + 1)].dinput_buffer)),
          dx(layer == 0 ? static_cast<std::byte*>(args.dx.data)
                        : pass.scratch(pass.program.layers[static_cast<std::size_t>(layer)].dinput_buffer)),
          dparameters(static_cast<std::byte*>(args.dparameters)) {}
};

/// What the operations of one layer, direction and range of steps have in common.
struct Range {
    const Pass pass;
    const Operation& op;
    const int direction;  ///< the n-th of the operation's
    const LayerProgram& layer;
    const LoopProgram& loop;
    Gradients gradients;
    std::int64_t rows, gates, hidden;

    Range(const Pass& p, const BackwardArgs& args, const Operation& o, int n = 0)
        : pass(p.of_direction(n)),
          op(o),
          direction(o.direction + n),
          layer(p.program.layers[static_cast<std::size_t>(o.layer)]),
          loop(layer.loops[static_cast<std::size_t>(direction)]),
          gradients(p, args, o.layer),
          rows((o.end - o.begin) * p.batch()),
          gates(layer.cell.gates),
          hidden(layer.spec.hidden) {}

    /// Backward runs against the direction of time: is this the range it starts (ends) with?
    bool starts() const { return loop.reverse ? op.begin == 0 : op.end == pass.steps(); }
    bool ends() const { return loop.reverse ? op.end == pass.steps() : op.begin == 0; }

    /// Step t of a chunk's buffer of [B,width]. Neighbouring chunks alternate between two, because a chunk's first step
    /// still reads the gates' gradients of the step after it, and in a wavefront its weight products go on beside it.
    std::byte* of_chunk(const std::array<std::int64_t, 2>& buffers, std::int64_t t, std::int64_t width,
                        std::int64_t element) const {
        const std::int64_t chunk = t / layer.chunk;
        return pass.scratch(buffers[static_cast<std::size_t>(chunk % 2)]) +
               (t - chunk * layer.chunk) * pass.batch() * width * element;
    }
    std::byte* dgates_x(std::int64_t t) const {
        return of_chunk(pass.loops().dgates_x, t, gates * hidden, pass.bytes.storage);
    }
    std::byte* dgates_h(std::int64_t t) const {
        return of_chunk(layer.cell.shared_gate_gradients ? pass.loops().dgates_x : pass.loops().dgates_h, t,
                        gates * hidden, pass.bytes.storage);
    }
    std::byte* dh(std::int64_t t) const {
        return of_chunk(pass.loops().dh, t, layer.spec.projection, pass.bytes.storage);
    }
    /// The same of a layer without projection, where it is observed.
    std::byte* dh_told(std::int64_t t) const {
        if (!pass.plan.extent.observe || layer.spec.projection > 0) return nullptr;
        return of_chunk(pass.loops().dh, t, hidden, pass.bytes.gates);
    }
    const std::byte* state_slot(int s, std::int64_t slot) const {
        return pass.kept(loop.states[static_cast<std::size_t>(s)]) +
               slot * pass.batch() * layer.width(s) * pass.bytes.of_state(s);
    }
    /// What the cell made of a state at step t: the state after it, unless some of it stayed as it was.
    const std::byte* candidate(int s, std::int64_t t) const {
        const std::int64_t candidates = loop.candidates[static_cast<std::size_t>(s)];
        if (candidates == kAbsent) return state_slot(s, loop.slot_after(t));
        return pass.step_of(candidates, t, pass.batch() * hidden * pass.bytes.of_state(s));
    }
    /// h as its product read it.
    const std::byte* fed_back(std::int64_t slot) const {
        if (loop.fed_back == kAbsent) return state_slot(0, slot);
        return pass.kept(loop.fed_back) + slot * pass.batch() * layer.spec.width() * pass.bytes.storage;
    }
    std::byte* dparameter(std::int64_t offset) const { return gradients.dparameters + offset * pass.bytes.gates; }
};

/// The time loop of one layer and direction, backward over steps [begin, end).
class BackwardLoop {
public:
    BackwardLoop(const Range& range, const BackwardArgs& args)
        : range_(range),
          pass_(range.pass),
          args_(args),
          constants_(pass_.loop_layer(range.layer, range.loop)),
          part_(output_part(range.layer.spec, static_cast<std::size_t>(range.direction))) {}

    void begin() const {
        const CellInfo& cell = range_.layer.cell;
        if (range_.starts() && cell.vectors > 0)
            pass_.backend.zero(
                pass_.scratch(pass_.loops().dvectors),
                static_cast<std::size_t>(pass_.batch() * cell.vectors * range_.hidden * pass_.bytes.gates),
                pass_.stream);
    }
    void end() const {
        if (range_.ends()) give_initial_gradients();
    }
    std::size_t stages() const { return range_.layer.cell.stages.size(); }
    bool projected() const { return constants_.projected; }
    bool whole() const { return range_.layer.backward_loop.whole != nullptr; }

    /// All steps in one call.
    LoopBackward all() const {
        return {step(0, 0), pass_.w_hh_transposed(range_.layer, range_.loop, 0), range_.op.end - range_.op.begin,
                range_.loop.reverse, range_.layer.backward_loop.whole.get()};
    }

    /// Of a projected layer: the gradient of h after the i-th step that is taken.
    GradientOfH gradient(std::int64_t i) const { return {&constants_, time(i), incoming(time(i)), range_.dh(time(i))}; }

    /// All steps of a cell without stages.
    ScanBackward scan() const {
        const Operation& op = range_.op;
        const std::int64_t last = time(0);
        ScanBackward scan;
        scan.layer = &constants_;
        scan.begin = op.begin;
        scan.end = op.end;
        scan.reverse = range_.loop.reverse;
        scan.before = range_.state_slot(0, range_.loop.slot_before(op.begin));
        const StepBackward first = step_at(op.begin);
        scan.saved = first.saved;
        scan.zoneout = first.zoneout[0];
        scan.carry = carried(0, last);
        scan.carry_dtype = is_last_step(last) ? pass_.storage() : pass_.accumulate();
        scan.dy = first.dh.dy;
        scan.dy_stride = first.dh.dy_stride;
        scan.dy_scale = first.dh.dy_scale;
        scan.dstep = first.dh.dstep;
        scan.dgates_x = range_.dgates_x(op.begin);
        scan.dstate = dstate(0);
        scan.dh_told = first.dh_told;
        return scan;
    }

    /// A stage of it.
    StepBackward step(std::int64_t i, std::size_t s) const {
        const CellInfo& cell = range_.layer.cell;
        const std::int64_t t = time(i);
        StepBackward step = step_at(t);
        step.stage = static_cast<int>(s);
        if (s + 1 < cell.stages.size()) {
            step.next_stage_dgates =
                range_.dgates_h(t) + cell.stages[s + 1].first_gate * range_.hidden * pass_.bytes.storage;
            step.next_stage_stride = range_.gates * range_.hidden;
            step.next_stage_packed = pass_.w_hh_transposed(range_.layer, range_.loop, s + 1);
        }
        return step;
    }

private:
    std::int64_t time(std::int64_t i) const {
        return range_.loop.reverse ? range_.op.begin + i : range_.op.end - 1 - i;
    }
    std::int64_t later(std::int64_t t) const { return range_.loop.reverse ? t - 1 : t + 1; }
    bool is_last_step(std::int64_t t) const { return later(t) < 0 || later(t) >= pass_.steps(); }
    std::size_t state_index(int s) const { return range_.loop.first_state + static_cast<std::size_t>(s); }
    std::byte* dstate(int s) const { return pass_.scratch(pass_.loops().dstates[static_cast<std::size_t>(s)]); }

    /// Gradient of a state after step t but for its product: what the step after t left, or the final state's.
    const void* carried(int s, std::int64_t t) const {
        return is_last_step(t) ? data_of(args_.dfinal_states, state_index(s)) : dstate(s);
    }

    /// Adds what flows back through the product of the step that ran after t.
    void set_product(IncomingGradient& dh, std::int64_t t) const {
        if (range_.layer.cell.scanned()) return;
        dh.dgates_h = range_.dgates_h(later(t));
        dh.dgates_stride = range_.gates * range_.hidden;
        dh.packed = pass_.w_hh_transposed(range_.layer, range_.loop, 0);
        dh.later = later(t);
    }

    const void* dstep(int s, std::int64_t t) const {
        const auto* base = static_cast<const std::byte*>(data_of(args_.dstate_steps, state_index(s)));
        return base ? base + t * pass_.batch() * range_.layer.width(s) * pass_.bytes.of_state(s) : nullptr;
    }

    IncomingGradient incoming(std::int64_t t) const {
        IncomingGradient dh;
        dh.carry = carried(0, t);
        dh.carry_dtype = is_last_step(t) ? pass_.storage() : pass_.accumulate();
        if (!is_last_step(t)) set_product(dh, t);
        if (range_.gradients.dy) {
            dh.dy = range_.gradients.dy + (t * pass_.batch() * part_.stride + part_.offset) * pass_.bytes.storage;
            dh.dy_stride = part_.stride;
            dh.dy_scale = part_.scale;
        }
        dh.dstep = dstep(0, t);
        return dh;
    }

    /// What all stages of step t have in common.
    StepBackward step_at(std::int64_t t) const {
        const CellInfo& cell = range_.layer.cell;
        StepBackward step;
        step.layer = &constants_;
        step.t = t;
        if (projected()) {
            step.dh_whole = range_.dh(t);
            step.projection = pass_.packed_transposed(range_.loop.packed_hr_transposed, range_.loop.packed_hr,
                                                      range_.loop.parameters.w_hr);
        } else {
            step.dh = incoming(t);
        }
        for (int s = 0; s < cell.states; ++s) {
            step.state[s] = range_.state_slot(s, range_.loop.slot_before(t));
            step.next[s] = range_.candidate(s, t);
            step.zoneout[s] = pass_.step_of(range_.loop.zoneout[static_cast<std::size_t>(s)], t,
                                            pass_.batch() * range_.hidden * pass_.bytes.storage);
            step.dstate[s] = dstate(s);
            if (s == 0) continue;
            step.dnext[s] = carried(s, t);
            step.dstep[s] = dstep(s, t);
        }
        step.saved =
            pass_.step_of(range_.loop.saved, t, pass_.batch() * cell.saved * range_.hidden * pass_.bytes.storage);
        step.dgates_x = range_.dgates_x(t);
        step.dgates_h = range_.dgates_h(t);
        step.dh_told = args_.observations ? range_.dh_told(t) : nullptr;
        step.dvectors = cell.vectors > 0 ? pass_.scratch(pass_.loops().dvectors) : nullptr;
        return step;
    }

    void give_initial_gradients() const {
        const std::int64_t first = range_.loop.reverse ? pass_.steps() - 1 : 0;  // the step that ran first
        for (int s = 0; s < range_.layer.cell.states; ++s) {
            void* out = data_of(args_.dstates, state_index(s));
            if (!out) continue;
            if (s > 0) {
                pass_.backend.copy(
                    out, dstate(s),
                    static_cast<std::size_t>(pass_.batch() * range_.layer.width(s) * pass_.bytes.of_state(s)),
                    pass_.stream);
                continue;
            }
            GradientOfH gradient;
            gradient.layer = &constants_;
            gradient.t = range_.loop.reverse ? first + 1 : first - 1;
            gradient.dh.carry = dstate(0);
            gradient.dh.carry_dtype = pass_.accumulate();
            set_product(gradient.dh, gradient.t);
            gradient.out = out;
            pass_.backend.gradient_of_h(gradient, pass_.stream);
        }
    }

    const Range& range_;
    const Pass& pass_;
    const BackwardArgs& args_;
    const LoopLayer constants_;
    const OutputPart part_;
};

/// The loops of a time loop's directions, step by step together. They are alike but for their direction.
void run_together(const Pass& pass, std::span<const BackwardLoop> loops, std::int64_t steps) {
    std::array<GradientOfH, kMostDirections> gradient;
    std::array<StepBackward, kMostDirections> stage;
    for (const BackwardLoop& loop : loops) loop.begin();
    if (loops.front().stages() == 0) {
        for (const BackwardLoop& loop : loops) pass.backend.scan_backward(loop.scan(), pass.stream);
        steps = 0;
    }
    if (loops.front().whole()) {
        std::array<LoopBackward, kMostDirections> all;
        for (std::size_t d = 0; d < loops.size(); ++d) all[d] = loops[d].all();
        pass.backend.loop_backward(std::span<const LoopBackward>(all).first(loops.size()), pass.stream);
        steps = 0;
    }
    for (std::int64_t i = 0; i < steps; ++i) {
        if (loops.front().projected()) {
            for (std::size_t d = 0; d < loops.size(); ++d) gradient[d] = loops[d].gradient(i);
            pass.backend.together(std::span<const GradientOfH>(gradient).first(loops.size()), pass.stream);
        }
        for (std::size_t s = loops.front().stages(); s-- > 0;) {
            for (std::size_t d = 0; d < loops.size(); ++d) stage[d] = loops[d].step(i, s);
            pass.backend.together(std::span<const StepBackward>(stage).first(loops.size()), pass.stream);
        }
    }
    for (const BackwardLoop& loop : loops) loop.end();
}

void time_loop(const Range& range, const BackwardArgs& args) {
    const BackwardLoop first(range, args);
    const Operation& op = range.op;
    if (op.directions == 1) return run_together(range.pass, {&first, 1}, op.end - op.begin);
    const Range other(range.pass, args, op, 1);
    const BackwardLoop both[] = {first, BackwardLoop(other, args)};
    run_together(range.pass, both, op.end - op.begin);
}

/// dW_hh (+)= the gradient of the dropped W_hh, which is used up, times their mask.
void mask_weight_gradient(const Range& range, const BackwardArgs& args, std::byte* dropped) {
    const Pass& pass = range.pass;
    const std::int64_t rows = range.gates * range.hidden, width = range.layer.spec.width();
    std::byte* const to = range.dparameter(range.loop.parameters.w_hh);
    pass.backend.dropout({.dtype = pass.accumulate(),
                          .out = dropped,
                          .x = dropped,
                          .batch = rows,
                          .cols = width,
                          .rate = range.layer.spec.weight_dropout,
                          .site = site_of(range.op.layer, range.loop.reverse, Draw::weight),
                          .random = pass.random},
                         pass.stream);
    if (args.accumulate)
        pass.backend.add(pass.accumulate(), to, dropped, rows * width, pass.stream);
    else
        pass.backend.copy(to, dropped, static_cast<std::size_t>(rows * width * pass.bytes.gates), pass.stream);
}

/// dW (+)= dgatesᵀ·operand for every matrix of a direction, and the sums of its biases, over [begin, end).
void weight_product(const Range& range, const BackwardArgs& args) {
    if (!range.gradients.dparameters) return;
    const Pass& pass = range.pass;
    const LoopParameters& to = range.loop.parameters;
    const std::int64_t begin = range.op.begin, hidden = range.hidden, element = pass.bytes.storage;
    const std::int64_t columns = range.gates * hidden;
    const bool accumulate = args.accumulate || !range.starts();

    const auto add_to = [&](std::byte* sum, bool to_what_is_there, std::int64_t m, const std::byte* a,
                            std::int64_t a_stride, std::int64_t n, const std::byte* b, std::int64_t b_stride) {
        Product product;
        product.dtype = pass.storage();
        product.c_dtype = pass.accumulate();
        product.math = pass.plan.spec.precision.math;
        product.m = m;
        product.n = n;
        product.k = range.rows;
        product.a = a;
        product.a_stride = a_stride;
        product.a_transposed = true;
        product.b = b;
        product.b_stride = b_stride;
        product.c = sum;
        product.c_stride = n;
        product.accumulate = to_what_is_there;
        pass.backend.product(product, pass.stream);
    };
    const auto add = [&](std::int64_t offset, std::int64_t m, const std::byte* a, std::int64_t a_stride, std::int64_t n,
                         const std::byte* b, std::int64_t b_stride) {
        add_to(range.dparameter(offset), accumulate, m, a, a_stride, n, b, b_stride);
    };

    const bool masked = range.op.layer == 0 && pass.program.masked_x != kAbsent;
    const std::byte* input =
        masked ? pass.scratch(pass.program.masked_x) + begin * pass.batch() * range.layer.input * element
               : pass.input(static_cast<std::size_t>(range.op.layer), begin);
    add(to.w_ih, columns, range.dgates_x(begin), columns, range.layer.input, input, range.layer.input);

    const bool dropped = range.loop.dropped_hh != kAbsent;
    for (std::size_t s = 0; s < range.layer.cell.stages.size(); ++s) {
        const Stage& stage = range.layer.cell.stages[s];
        const std::byte* dgates = range.dgates_h(begin) + stage.first_gate * hidden * element;
        const std::int64_t planes = range.layer.cell.saved * hidden, width = range.layer.spec.width();
        std::byte* const sum = (dropped ? pass.scratch(pass.loops().dw_hh) : range.dparameter(to.w_hh)) +
                               stage.first_gate * hidden * width * pass.bytes.gates;
        const bool to_what_is_there = dropped ? !range.starts() : accumulate;
        if (stage.operand_plane == kOperandState)
            add_to(sum, to_what_is_there, stage.gates * hidden, dgates, columns, width,
                   range.fed_back(range.loop.reverse ? begin + 1 : begin), width);
        else
            add_to(sum, to_what_is_there, stage.gates * hidden, dgates, columns, hidden,
                   pass.step_of(range.loop.saved, begin, pass.batch() * planes * element) +
                       stage.operand_plane * hidden * element,
                   planes);
    }
    if (dropped && range.ends()) mask_weight_gradient(range, args, pass.scratch(pass.loops().dw_hh));
    if (to.w_hr != kAbsent)
        add(to.w_hr, range.layer.spec.projection, range.dh(begin), range.layer.spec.projection, hidden,
            pass.step_of(range.loop.unprojected, begin, pass.batch() * hidden * element), hidden);
    if (to.b_ih != kAbsent)
        pass.backend.column_sums(pass.storage(), range.dparameter(to.b_ih), range.dgates_x(begin), range.rows, columns,
                                 columns, accumulate, pass.stream);
    if (to.b_hh != kAbsent)
        pass.backend.column_sums(pass.storage(), range.dparameter(to.b_hh), range.dgates_h(begin), range.rows, columns,
                                 columns, accumulate, pass.stream);
    if (to.vectors != kAbsent && range.ends()) {
        const std::int64_t vectors = range.layer.cell.vectors * hidden;
        pass.backend.column_sums(pass.accumulate(), range.dparameter(to.vectors), pass.scratch(pass.loops().dvectors),
                                 pass.batch(), vectors, vectors, args.accumulate, pass.stream);
    }
}

/// dx (+)= dgates_x·W_ih over [begin, end); the second direction adds to the first.
void input_gradient(const Range& range) {
    if (!range.gradients.dx) return;
    const Pass& pass = range.pass;
    Product product;
    product.dtype = pass.storage();
    product.c_dtype = pass.storage();
    product.math = pass.plan.spec.precision.math;
    product.m = range.rows;
    product.n = range.layer.input;
    product.k = range.gates * range.hidden;
    product.a = range.dgates_x(range.op.begin);
    product.a_stride = product.k;
    product.b = pass.w_ih(range.loop);
    product.b_stride = product.n;
    product.c = range.gradients.dx + range.op.begin * pass.batch() * product.n * pass.bytes.storage;
    product.c_stride = product.n;
    product.accumulate = range.direction == 1;
    pass.backend.product(product, pass.stream);
}

/// Sums of what the loop has just seen.
void observe(const Range& range, const BackwardArgs& args) {
    if (!args.observations) return;
    const Pass& pass = range.pass;
    const std::int64_t begin = range.op.begin, batch = pass.batch(), storage = pass.bytes.storage;
    const LayerSpec& layer = range.layer.spec;
    const CellInfo& cell = range.layer.cell;
    const OutputPart part = output_part(layer, static_cast<std::size_t>(range.direction));
    Observation seen;
    seen.begin = begin;
    seen.steps = range.op.end - begin;
    seen.batch = batch;
    seen.hidden = range.hidden;
    seen.width = layer.width();
    seen.lengths = pass.lengths;
    seen.storage = pass.storage();
    seen.dh_dtype = layer.projection > 0 ? pass.storage() : pass.accumulate();
    seen.dh = layer.projection > 0 ? range.dh(begin) : range.dh_told(begin);
    if (range.gradients.dy) seen.dy = range.gradients.dy + (begin * batch * part.stride + part.offset) * storage;
    seen.dy_stride = part.stride;
    seen.dy_scale = part.scale;
    if (const void* steps = data_of(args.dstate_steps, range.loop.first_state))
        seen.dstep = static_cast<const std::byte*>(steps) + begin * batch * layer.width() * storage;
    for (std::size_t g = 0; g < cell.gate_values.size(); ++g) {
        const GateValue& value = cell.gate_values[g];
        if (value.kind == GateValue::Kind::none) continue;
        seen.gates[seen.gate_count++] =
            value.plane == kOperandState
                ? ObservedGate{value.kind, range.candidate(0, begin), range.hidden}
                : ObservedGate{value.kind,
                               pass.step_of(range.loop.saved, begin, batch * cell.saved * range.hidden * storage) +
                                   value.plane * range.hidden * storage,
                               cell.saved * range.hidden};
    }
    const auto is_this = [&](const ObservationInfo& info) {
        return info.layer == range.op.layer && info.direction == range.direction;
    };
    const auto info = std::find_if(pass.plan.observations.begin(), pass.plan.observations.end(), is_this);
    seen.out = args.observations + info->offset + begin * info->columns();
    pass.backend.observe(seen, pass.stream);
}

void drop_gradient(const Range& range) {
    if (!range.gradients.dx) return;
    const Pass& pass = range.pass;
    std::byte* const dx = range.gradients.dx + range.op.begin * pass.batch() * range.layer.input * pass.bytes.storage;
    pass.backend.dropout({.dtype = pass.storage(),
                          .out = dx,
                          .x = dx,
                          .begin = range.op.begin,
                          .end = range.op.end,
                          .batch = pass.batch(),
                          .cols = range.layer.input,
                          .rate = range.layer.spec.dropout,
                          .per_sequence = range.layer.spec.dropout_per_sequence,
                          .site = static_cast<std::uint64_t>(range.op.layer),
                          .random = pass.random,
                          .lengths = pass.lengths},
                         pass.stream);
}

/// What lies between two tensors of the gradient array is no gradient: zero, so that a norm over the array is right.
void zero_gaps(const Pass& pass, std::byte* dparameters) {
    const std::vector<ParameterInfo>& list = pass.plan.parameters;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::int64_t end = list[i].offset + list[i].shape.size();
        const std::int64_t next = i + 1 < list.size() ? list[i + 1].offset : pass.plan.parameter_count;
        if (next > end)
            pass.backend.zero(dparameters + end * pass.bytes.gates,
                              static_cast<std::size_t>((next - end) * pass.bytes.gates), pass.stream);
    }
}

}  // namespace

void run_backward(const Pass& whole, const BackwardArgs& args) {
    if (args.dparameters && !args.accumulate) zero_gaps(whole, static_cast<std::byte*>(args.dparameters));
    run_in_order(whole, whole.plan.backward, [&](const Pass& pass, const Operation& op) {
        const Range range(pass, args, op);
        switch (op.kind) {
            case Operation::Kind::mask_input:
                if (args.dparameters)
                    pass.backend.mask_rows(pass.storage(), pass.scratch(pass.program.masked_x), pass.x, pass.steps(),
                                           pass.batch(), pass.plan.spec.input, pass.lengths, pass.stream);
                break;
            case Operation::Kind::time_loop:
                time_loop(range, args);
                break;
            case Operation::Kind::weight_product:
                weight_product(range, args);
                break;
            case Operation::Kind::input_gradient:
                input_gradient(range);
                break;
            case Operation::Kind::observe:
                observe(range, args);
                break;
            case Operation::Kind::dropout:
                drop_gradient(range);
                break;
            case Operation::Kind::input_product:
                break;  // belongs to forward
        }
    });
}

}  // namespace rondo
