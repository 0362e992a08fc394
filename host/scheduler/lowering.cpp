/// From a program to the operations that run it, and what each waits for.
#include <algorithm>

#include "scheduler/program.hpp"

namespace rondo {
namespace {

/// Appends operations and knows what each waits for.
class Lowering {
public:
    Lowering(bool backward, const Plan& plan, const Program& program)
        : backward_(backward), extent_(plan.extent), program_(program) {}

    std::vector<Operation> forward() {
        if (program_.arrangement.wavefront) return forward_wavefront();
        for (std::size_t l = 0; l < program_.layers.size(); ++l) {
            if (extent_.mode == Mode::training && layer(l).spec.dropout > 0)
                ready_ = {add(Operation::Kind::dropout, {l, 0, 0, extent_.steps, 0}, ready_)};
            ready_ = forward(l);
        }
        return std::move(list_);
    }

    std::vector<Operation> backward() {
        if (program_.masked_x != kAbsent) masked_ = add(Operation::Kind::mask_input, {0, 0, 0, extent_.steps, 0}, {});
        if (program_.arrangement.wavefront) return backward_wavefront();
        for (std::size_t l = program_.layers.size(); l-- > 0;) {
            ready_ = backward(l);
            if (layer(l).spec.dropout > 0 && wants_input(l))
                ready_ = {add(Operation::Kind::dropout, {l, 0, 0, extent_.steps, 0}, ready_)};
        }
        return std::move(list_);
    }

private:
    using After = std::vector<int>;

    /// A layer, a direction and a range of steps, on a stream, with a workspace.
    struct Place {
        std::size_t layer, direction;
        std::int64_t begin, end;
        int stream, workspace = 0, directions = 1, wave = 0;
    };

    const LayerProgram& layer(std::size_t l) const { return program_.layers[l]; }
    bool wants_input(std::size_t l) const { return l > 0 || extent_.input_gradient; }
    std::int64_t chunks(std::size_t l) const { return (extent_.steps + layer(l).chunk - 1) / layer(l).chunk; }

    /// The n-th stream, of which there may be fewer.
    int stream(std::size_t n) const { return static_cast<int>(n) % program_.arrangement.streams; }

    /// The n-th chunk that a direction comes to in forward, on the caller's stream.
    Place chunk(std::size_t l, std::size_t d, std::int64_t n) const {
        const std::int64_t begin = (layer(l).loops[d].reverse ? chunks(l) - 1 - n : n) * layer(l).chunk;
        return {l, d, begin, std::min(begin + layer(l).chunk, extent_.steps), 0};
    }
    /// The same on a stream and with a workspace of the direction's own.
    Place chunk_beside(std::size_t l, std::size_t d, std::int64_t n) const {
        Place at = chunk(l, d, n);
        at.workspace = static_cast<int>(d);
        at.stream = stream(d);
        return at;
    }
    /// All steps of a direction, or of both together, with workspaces of their own.
    Place all_steps(std::size_t l, std::size_t d, int directions = 1) const {
        return {l, d, 0, extent_.steps, 0, static_cast<int>(d), directions};
    }

    /// What is done of what the plan asks for.
    DirectionOrder possible(std::size_t l, DirectionOrder wanted) const {
        if (layer(l).loops.size() < 2) return DirectionOrder::in_turn;
        // Chunks of the two directions are not equally long.
        return wanted == DirectionOrder::batched && chunks(l) > 1 ? DirectionOrder::streams : wanted;
    }

    After forward(std::size_t l) {
        // Where directions are added up, the second one adds to all of the first one's output.
        if (layer(l).spec.merge != Merge::concatenate) return forward_in_turn(l);
        switch (possible(l, program_.arrangement.directions)) {
            case DirectionOrder::streams:
                return forward_beside(l);
            case DirectionOrder::batched:
                return forward_together(l);
            default:
                return forward_in_turn(l);
        }
    }

    After backward(std::size_t l) {
        // Over several chunks the directions would add to one dx in no fixed order.
        if (chunks(l) > 1) return backward_in_turn(l);
        switch (possible(l, program_.arrangement.directions)) {
            case DirectionOrder::streams:
                return backward_beside(l);
            case DirectionOrder::batched:
                return backward_together(l);
            default:
                return backward_in_turn(l);
        }
    }

    static After with(After list, std::initializer_list<int> more) {
        list.insert(list.end(), more);
        return list;
    }

    /// One direction after the other: they share gates_x, so the last one ends last.
    After forward_in_turn(std::size_t l) {
        int last = -1;
        for (std::size_t d = 0; d < layer(l).loops.size(); ++d)
            for (std::int64_t n = 0; n < chunks(l); ++n) {
                const Place at = chunk(l, d, n);
                const int gates = add(Operation::Kind::input_product, at, with(ready_, {last}));
                last = add(Operation::Kind::time_loop, at, {gates, n > 0 ? last : -1});
            }
        return {last};
    }

    /// Both products of a chunk come first: who waits for a stream waits for all that is queued there.
    After forward_beside(std::size_t l) {
        After ends{-1, -1};
        for (std::int64_t n = 0; n < chunks(l); ++n) {
            After gates;
            for (std::size_t d = 0; d < 2; ++d)
                gates.push_back(add(Operation::Kind::input_product, chunk_beside(l, d, n), with(ready_, {ends[d]})));
            for (std::size_t d = 0; d < 2; ++d)
                ends[d] = add(Operation::Kind::time_loop, chunk_beside(l, d, n), {gates[d], ends[d]});
        }
        return ends;
    }

    After forward_together(std::size_t l) {
        After gates;
        for (std::size_t d = 0; d < 2; ++d)
            gates.push_back(add(Operation::Kind::input_product, all_steps(l, d), ready_));
        return {add(Operation::Kind::time_loop, all_steps(l, 0, 2), gates)};
    }

    After backward_in_turn(std::size_t l) {
        int last = -1;
        for (std::size_t d = 0; d < layer(l).loops.size(); ++d) {
            int loop = -1;
            for (std::int64_t n = chunks(l); n-- > 0;) {
                const Place at = chunk(l, d, n);
                loop = add(Operation::Kind::time_loop, at, with(ready_, {last, loop}));
                observe(at, loop);
                last = add(Operation::Kind::weight_product, at, {loop, l == 0 ? masked_ : -1});
                if (wants_input(l)) last = add(Operation::Kind::input_gradient, at, {loop, last});
            }
        }
        return {last};
    }

    After backward_beside(std::size_t l) {
        const Place at[] = {chunk_beside(l, 0, 0), chunk_beside(l, 1, 0)};
        After loops;
        for (const Place& p : at) loops.push_back(add(Operation::Kind::time_loop, p, ready_));
        for (std::size_t d = 0; d < 2; ++d) observe(at[d], loops[d]);
        return after_loops(l, at, loops);
    }

    After backward_together(std::size_t l) {
        const int loop = add(Operation::Kind::time_loop, all_steps(l, 0, 2), ready_);
        const Place at[] = {all_steps(l, 0), all_steps(l, 1)};
        for (const Place& p : at) observe(p, loop);
        return after_loops(l, at, {loop, loop});
    }

    /// The products of both directions once their loops are through.
    After after_loops(std::size_t l, const Place (&at)[2], const After& loops) {
        After last;
        for (std::size_t d = 0; d < 2; ++d)
            last.push_back(add(Operation::Kind::weight_product, at[d], {loops[d], l == 0 ? masked_ : -1}));
        for (std::size_t d = 0; d < 2 && wants_input(l); ++d)  // the second adds to what the first wrote
            last[d] = add(Operation::Kind::input_gradient, at[d], {loops[d], last[d], d == 1 ? last[0] : -1});
        return last;
    }

    /// The piece of time that a layer takes in a wave: the n-th in forward. Each layer has a stream and a workspace.
    Place piece(std::size_t l, std::int64_t n, std::int64_t wave) const {
        Place at = chunk(l, 0, n);
        at.stream = stream(l);
        at.workspace = static_cast<int>(l);
        at.wave = static_cast<int>(wave) + 1;
        return at;
    }
    /// The same for its weight products, which have another stream.
    Place piece_beside(std::size_t l, std::int64_t n, std::int64_t wave) const {
        Place at = piece(l, n, wave);
        at.stream = stream(program_.layers.size() + l);
        return at;
    }

    /// Wave w: every layer l takes its piece w - l, which the layer below made in the wave before.
    std::vector<Operation> forward_wavefront() {
        const auto layers = static_cast<std::int64_t>(program_.layers.size()), pieces = chunks(0);
        After loops(program_.layers.size(), -1);  // the last piece of each
        for (std::int64_t wave = 0; wave < pieces + layers - 1; ++wave) {
            const After below = loops;
            for (std::size_t l = 0; l < program_.layers.size(); ++l) {
                const std::int64_t n = wave - static_cast<std::int64_t>(l);
                if (n < 0 || n >= pieces) continue;
                const Place at = piece(l, n, wave);
                int input = l == 0 ? -1 : below[l - 1];
                if (extent_.mode == Mode::training && layer(l).spec.dropout > 0)
                    input = add(Operation::Kind::dropout, at, {input});
                const int gates = add(Operation::Kind::input_product, at, {input, loops[l]});
                loops[l] = add(Operation::Kind::time_loop, at, {gates, loops[l]});
            }
        }
        return std::move(list_);
    }

    /// The same from the last layer and the last piece on; the layer above made a piece's dy in the wave before. A
    /// piece's weight products run beside the next piece's loop; the loop after that writes where they have read.
    std::vector<Operation> backward_wavefront() {
        const std::size_t layers = program_.layers.size();
        const std::int64_t pieces = chunks(0);
        const auto nth = [&](std::size_t l, std::int64_t wave) {
            return wave - static_cast<std::int64_t>(layers - 1 - l);
        };
        const auto takes = [&](std::int64_t n) { return n >= 0 && n < pieces; };
        After loops(layers, -1), dx(layers, -1), products(layers, -1);  // of the last piece of each layer
        for (std::int64_t wave = 0; wave < pieces + static_cast<std::int64_t>(layers); ++wave) {
            const After above = dx, made = loops;
            for (std::size_t l = 0; l < layers; ++l) {
                const std::int64_t n = nth(l, wave);
                if (!takes(n)) continue;
                const Place at = piece(l, pieces - 1 - n, wave);
                const int dy = l + 1 < layers ? above[l + 1] : -1;
                loops[l] = add(Operation::Kind::time_loop, at, {dy, loops[l], dx[l], products[l]});
                observe(at, loops[l]);
                if (!wants_input(l)) continue;
                dx[l] = add(Operation::Kind::input_gradient, at, {loops[l]});
                if (layer(l).spec.dropout > 0) dx[l] = add(Operation::Kind::dropout, at, {dx[l]});
            }
            for (std::size_t l = 0; l < layers; ++l) {
                const std::int64_t n = nth(l, wave - 1);
                if (!takes(n)) continue;
                products[l] = add(Operation::Kind::weight_product, piece_beside(l, pieces - 1 - n, wave),
                                  {made[l], products[l], l == 0 ? masked_ : -1});
            }
        }
        return std::move(list_);
    }

    /// On the loop's stream: the next loop with the same workspace overwrites what is looked at.
    void observe(const Place& at, int loop) {
        if (extent_.observe) add(Operation::Kind::observe, at, {loop});
    }

    int add(Operation::Kind kind, const Place& at, const After& after) {
        Operation op{kind,
                     static_cast<int>(at.layer),
                     static_cast<int>(at.direction),
                     at.begin,
                     at.end,
                     "",
                     "",
                     {},
                     at.stream,
                     at.workspace,
                     at.wave,
                     at.directions};
        for (int i : after)
            if (i >= 0 && std::find(op.after.begin(), op.after.end(), i) == op.after.end()) op.after.push_back(i);
        std::sort(op.after.begin(), op.after.end());
        const LayerProgram& of = program_.layers[at.layer];
        switch (kind) {
            case Operation::Kind::time_loop:
                describe_loop(op, of, backward_ ? of.backward_loop : of.forward_loop);
                break;
            case Operation::Kind::input_product:
            case Operation::Kind::weight_product:
            case Operation::Kind::input_gradient:
                op.algorithm = "one product";
                op.reason = detail::concat("over ", (at.end - at.begin) * extent_.batch, " rows at once");
                break;
            case Operation::Kind::dropout:
                op.algorithm = "philox";
                op.reason = of.spec.dropout_per_sequence ? "one mask for all steps" : "a fresh mask every step";
                break;
            case Operation::Kind::observe:
                op.algorithm = "sums";
                op.reason = of.cell.gate_values.empty() ? "of dh; the cell shows no gates" : "of dh and gates";
                break;
            case Operation::Kind::mask_input:
                op.algorithm = "copy";
                op.reason = "padding may hold anything";
                break;
        }
        list_.push_back(std::move(op));
        return static_cast<int>(list_.size()) - 1;
    }

    static void describe_loop(Operation& op, const LayerProgram& of, const LoopPolicy& policy) {
        op.algorithm = policy.algorithm;
        op.reason = policy.whole                ? "all steps in one launch"
                    : of.cell.scanned()         ? "h is linear in itself"
                    : of.cell.stages.size() > 1 ? "two products a step"
                                                : "one product a step";
        if (of.spec.projection > 0) op.reason += ", then the projection";
        if (op.directions > 1) op.reason += ", of both directions at once";
        if (!policy.reason.empty()) op.reason += "; " + policy.reason;
    }

    const bool backward_;
    const Extent& extent_;
    const Program& program_;
    std::vector<Operation> list_;
    After ready_;  // what the layer's input (backward: its dy) waits for
    int masked_ = -1;
};

}  // namespace

std::vector<Operation> lower_forward(const Plan& plan, const Program& program) {
    return Lowering(false, plan, program).forward();
}
std::vector<Operation> lower_backward(const Plan& plan, const Program& program) {
    return Lowering(true, plan, program).backward();
}

}  // namespace rondo
