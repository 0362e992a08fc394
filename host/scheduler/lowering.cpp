/// From a program to the operations that run it, and what each waits for.
#include <algorithm>

#include "scheduler/program.hpp"

namespace rondo {
namespace {

/// Appends operations and knows what each waits for. Where a plan has two streams, the second direction of a layer goes
/// on the second one.
class Lowering {
public:
    Lowering(const Backend& backend, const Plan& plan, const Program& program)
        : backend_(backend), extent_(plan.extent), program_(program) {}

    std::vector<Operation> forward() {
        for (std::size_t l = 0; l < program_.layers.size(); ++l) {
            if (extent_.mode == Mode::training && layer(l).spec.dropout > 0)
                ready_ = {add(Operation::Kind::dropout, {l, 0, 0, extent_.steps, 0}, ready_)};
            // Where directions are added up, the second one adds to all of the first one's output.
            ready_ =
                two_streams(l) && layer(l).spec.merge == Merge::concatenate ? forward_beside(l) : forward_in_turn(l);
        }
        return std::move(list_);
    }

    std::vector<Operation> backward() {
        if (program_.masked_x != kAbsent) masked_ = add(Operation::Kind::mask_input, {0, 0, 0, extent_.steps, 0}, {});
        for (std::size_t l = program_.layers.size(); l-- > 0;) {
            // Over several chunks the directions would add to one dx in no fixed order.
            ready_ = two_streams(l) && chunks(l) == 1 ? backward_beside(l) : backward_in_turn(l);
            if (layer(l).spec.dropout > 0 && wants_input(l))
                ready_ = {add(Operation::Kind::dropout, {l, 0, 0, extent_.steps, 0}, ready_)};
        }
        return std::move(list_);
    }

private:
    using After = std::vector<int>;

    /// A layer, a direction and a range of steps, on a stream.
    struct Place {
        std::size_t layer, direction;
        std::int64_t begin, end;
        int stream;
    };

    const LayerProgram& layer(std::size_t l) const { return program_.layers[l]; }
    bool two_streams(std::size_t l) const { return layer(l).loops.size() > 1 && program_.streams.size() > 1; }
    bool wants_input(std::size_t l) const { return l > 0 || extent_.input_gradient; }
    std::int64_t chunks(std::size_t l) const { return (extent_.steps + layer(l).chunk - 1) / layer(l).chunk; }

    /// The n-th chunk that a direction comes to in forward.
    Place chunk(std::size_t l, std::size_t d, std::int64_t n, int stream) const {
        const std::int64_t begin = (layer(l).loops[d].reverse ? chunks(l) - 1 - n : n) * layer(l).chunk;
        return {l, d, begin, std::min(begin + layer(l).chunk, extent_.steps), stream};
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
                const Place at = chunk(l, d, n, 0);
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
                gates.push_back(
                    add(Operation::Kind::input_product, chunk(l, d, n, static_cast<int>(d)), with(ready_, {ends[d]})));
            for (std::size_t d = 0; d < 2; ++d)
                ends[d] = add(Operation::Kind::time_loop, chunk(l, d, n, static_cast<int>(d)), {gates[d], ends[d]});
        }
        return ends;
    }

    After backward_in_turn(std::size_t l) {
        int last = -1;
        for (std::size_t d = 0; d < layer(l).loops.size(); ++d) {
            int loop = -1;
            for (std::int64_t n = chunks(l); n-- > 0;) {
                const Place at = chunk(l, d, n, 0);
                loop = add(Operation::Kind::time_loop, at, with(ready_, {last, loop}));
                last = add(Operation::Kind::weight_product, at, {loop, l == 0 ? masked_ : -1});
                if (wants_input(l)) last = add(Operation::Kind::input_gradient, at, {loop, last});
            }
        }
        return {last};
    }

    After backward_beside(std::size_t l) {
        const Place at[] = {chunk(l, 0, 0, 0), chunk(l, 1, 0, 1)};
        After loops, last;
        for (const Place& p : at) loops.push_back(add(Operation::Kind::time_loop, p, ready_));
        for (std::size_t d = 0; d < 2; ++d)
            last.push_back(add(Operation::Kind::weight_product, at[d], {loops[d], l == 0 ? masked_ : -1}));
        for (std::size_t d = 0; d < 2 && wants_input(l); ++d)  // the second adds to what the first wrote
            last[d] = add(Operation::Kind::input_gradient, at[d], {loops[d], last[d], d == 1 ? last[0] : -1});
        return last;
    }

    int add(Operation::Kind kind, const Place& at, const After& after) {
        const auto [layer, direction, begin, end, stream] = at;
        Operation op{kind, static_cast<int>(layer), static_cast<int>(direction), begin, end, "", "", {}, stream};
        for (int i : after)
            if (i >= 0 && std::find(op.after.begin(), op.after.end(), i) == op.after.end()) op.after.push_back(i);
        std::sort(op.after.begin(), op.after.end());
        const LayerProgram& of = program_.layers[layer];
        switch (kind) {
            case Operation::Kind::time_loop:
                op.algorithm = backend_.algorithm(of.spec, extent_);
                op.reason = detail::concat(of.cell.stages.size() > 1 ? "two products a step" : "one product a step",
                                           of.spec.projection > 0 ? ", then the projection" : "");
                break;
            case Operation::Kind::input_product:
            case Operation::Kind::weight_product:
            case Operation::Kind::input_gradient:
                op.algorithm = "one product";
                op.reason = detail::concat("over ", (end - begin) * extent_.batch, " rows at once");
                break;
            case Operation::Kind::dropout:
                op.algorithm = "philox";
                op.reason = of.spec.dropout_per_sequence ? "one mask for all steps" : "a fresh mask every step";
                break;
            case Operation::Kind::mask_input:
                op.algorithm = "copy";
                op.reason = "padding may hold anything";
                break;
        }
        list_.push_back(std::move(op));
        return static_cast<int>(list_.size()) - 1;
    }

    const Backend& backend_;
    const Extent& extent_;
    const Program& program_;
    std::vector<Operation> list_;
    After ready_;  // what the layer's input (backward: its dy) waits for
    int masked_ = -1;
};

}  // namespace

std::vector<Operation> lower_forward(const Backend& backend, const Plan& plan, const Program& program) {
    return Lowering(backend, plan, program).forward();
}
std::vector<Operation> lower_backward(const Backend& backend, const Plan& plan, const Program& program) {
    return Lowering(backend, plan, program).backward();
}

}  // namespace rondo
