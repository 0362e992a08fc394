/// From a stack and an extent to buffers and a list of operations.
#include <algorithm>

#include "scheduler/program.hpp"
#include "scheduler/validate.hpp"

namespace rondo {
namespace {

using Kind = BufferInfo::Kind;

/// Books buffers by name, one after the other, each on a multiple of 64 bytes.
class Ledger {
public:
    explicit Ledger(Plan& plan) : plan_(plan) {}

    std::int64_t book(Kind kind, std::string name, std::int64_t bytes) {
        std::int64_t& end = kind == Kind::prepared  ? plan_.prepared_bytes
                            : kind == Kind::reserve ? plan_.reserve_bytes
                                                    : plan_.workspace_bytes;
        const std::int64_t offset = end;
        plan_.buffers.push_back({kind, std::move(name), offset, bytes});
        end = (offset + bytes + 63) / 64 * 64;
        return offset;
    }

private:
    Plan& plan_;
};

std::string loop_name(std::size_t layer, const LoopProgram& loop) {
    return detail::concat("_l", layer, loop.reverse ? "_reverse" : "");
}

/// Steps of one input product: long enough for a matrix product to be efficient, and then as many as the backend likes.
std::int64_t choose_chunk(const LayerProgram& layer, const Extent& extent, const ElementBytes& bytes,
                          const Backend& backend) {
    constexpr std::int64_t kRows = 256;
    const std::int64_t step = extent.batch * layer.cell.gates * layer.spec.hidden * bytes.gates;
    const std::int64_t wanted = std::max((kRows + extent.batch - 1) / extent.batch, backend.chunk_bytes() / step);
    const std::int64_t chunks = (extent.steps + wanted - 1) / wanted;
    return (extent.steps + chunks - 1) / chunks;
}

void book_prepared(Ledger& ledger, const Backend& backend, const Plan& plan, std::size_t l, LayerProgram& layer) {
    const DType storage = plan.spec.precision.storage;
    for (LoopProgram& loop : layer.loops) {
        const std::string at = loop_name(l, loop);
        const auto book = [&](const std::string& name, const Packing& packing) {
            const std::int64_t bytes = backend.packed_bytes(packing);
            return bytes > 0 ? ledger.book(Kind::prepared, name, bytes) : kAbsent;
        };
        loop.packed_ih =
            book("w_ih" + at, {Packing::Kind::plain, storage, layer.cell.gates, layer.spec.hidden, layer.input});
        for (std::size_t s = 0; s < layer.cell.stages.size(); ++s) {
            Packing packing{Packing::Kind::gates, storage, layer.cell.stages[s].gates, layer.spec.hidden,
                            s == 0 ? layer.spec.width() : layer.spec.hidden};
            const std::string stage = s == 0 ? "" : detail::concat("_stage", s);
            loop.packed[s] = book("w_hh" + at + stage, packing);
            packing.kind = Packing::Kind::transposed;
            loop.packed_transposed[s] = book("w_hh" + at + stage + "_transposed", packing);
        }
        if (layer.spec.projection > 0) {
            Packing packing{Packing::Kind::gates, storage, 1, layer.spec.projection, layer.spec.hidden};
            loop.packed_hr = book("w_hr" + at, packing);
            packing.kind = Packing::Kind::transposed;
            loop.packed_hr_transposed = book("w_hr" + at + "_transposed", packing);
        }
    }
}

/// What a layer keeps from forward to backward; in inference the same for as long as a step or a layer lasts.
void book_steps(Ledger& ledger, const Plan& plan, std::size_t l, LayerProgram& layer) {
    const ElementBytes bytes(plan.spec.precision);
    const bool training = plan.extent.mode == Mode::training;
    const Kind kind = training ? Kind::reserve : Kind::workspace;
    const std::int64_t steps = training ? plan.extent.steps : 1, batch = plan.extent.batch, hidden = layer.spec.hidden;
    for (LoopProgram& loop : layer.loops) {
        const std::string at = loop_name(l, loop);
        for (int s = 0; s < layer.cell.states; ++s)
            loop.states[static_cast<std::size_t>(s)] =
                ledger.book(kind, std::string(layer.cell.state_names[static_cast<std::size_t>(s)]) + "_steps" + at,
                            (steps + 1) * batch * layer.width(s) * bytes.of_state(s));
        const bool saves = training || layer.cell.stages.size() > 1;
        if (saves && layer.cell.saved > 0)
            loop.saved = ledger.book(kind, "saved" + at, steps * batch * layer.cell.saved * hidden * bytes.storage);
        if (layer.spec.projection > 0)
            loop.unprojected = ledger.book(kind, "unprojected" + at, steps * batch * hidden * bytes.storage);
    }
    if (training && (l > 0 || layer.spec.dropout > 0))
        layer.input_buffer =
            ledger.book(kind, detail::concat("input_l", l), plan.extent.steps * batch * layer.input * bytes.storage);
}

void book_workspace(Ledger& ledger, const Backend& backend, const Plan& plan, Program& program) {
    const ElementBytes bytes(plan.spec.precision);
    const std::int64_t batch = plan.extent.batch;
    std::int64_t gates = 0, gates_h = 0, dh = 0, dvectors = 0, scratch = 0;
    std::int64_t dinput = 0;  // of inputs but the caller's x
    std::array<std::int64_t, kMaxStates> states{};
    for (std::size_t l = 0; l < program.layers.size(); ++l) {
        const LayerProgram& layer = program.layers[l];
        const std::int64_t elements = layer.chunk * batch * layer.cell.gates * layer.spec.hidden;
        gates = std::max(gates, elements);
        if (!layer.cell.shared_gate_gradients) gates_h = std::max(gates_h, elements);
        if (layer.spec.projection > 0) dh = std::max(dh, layer.chunk * batch * layer.spec.projection);
        dvectors = std::max(dvectors, batch * layer.cell.vectors * layer.spec.hidden);
        scratch = std::max(scratch, backend.scratch_bytes(layer.cell, layer.spec, plan.spec.precision, batch));
        if (l > 0) dinput = std::max(dinput, plan.extent.steps * batch * layer.input);
        for (int s = 0; s < layer.cell.states; ++s)
            states[static_cast<std::size_t>(s)] =
                std::max(states[static_cast<std::size_t>(s)], batch * layer.width(s) * bytes.of_dstate(s));
    }
    const Kind kind = Kind::workspace;
    program.gates_x = ledger.book(kind, "gates_x", gates * bytes.gates);
    if (scratch > 0) program.scratch = ledger.book(kind, "scratch", scratch);
    if (plan.extent.mode == Mode::inference) {
        // What one layer writes the next one reads; two buffers do for any depth.
        const std::array<std::int64_t, 2> between{
            dinput > 0 ? ledger.book(kind, "between_0", dinput * bytes.storage) : kAbsent,
            dinput > 0 ? ledger.book(kind, "between_1", dinput * bytes.storage) : kAbsent};
        for (std::size_t l = 1; l < program.layers.size(); ++l) program.layers[l].input_buffer = between[l % 2];
        return;
    }
    for (std::size_t i = 0; i < 2; ++i) {
        program.dgates_x[i] = ledger.book(kind, detail::concat("dgates_x_", i), gates * bytes.storage);
        program.dgates_h[i] = program.dgates_x[i];
        if (gates_h > 0)
            program.dgates_h[i] = ledger.book(kind, detail::concat("dgates_h_", i), gates_h * bytes.storage);
        if (dinput > 0) program.dinputs[i] = ledger.book(kind, detail::concat("dinput_", i), dinput * bytes.storage);
    }
    for (std::size_t s = 0; s < kMaxStates; ++s)
        if (states[s] > 0) program.dstates[s] = ledger.book(kind, detail::concat("dstate_", s), states[s]);
    if (dh > 0) program.dh = ledger.book(kind, "dh", dh * bytes.storage);
    if (dvectors > 0) program.dvectors = ledger.book(kind, "dvectors", dvectors * bytes.gates);
    if (plan.extent.ragged && plan.spec.layers[0].dropout == 0)
        program.masked_x = ledger.book(kind, "masked_x", plan.extent.steps * batch * plan.spec.input * bytes.storage);
}

/// Appends operations and knows what each waits for.
class Lowering {
public:
    Lowering(const Backend& backend, const Plan& plan, const Program& program)
        : backend_(backend), extent_(plan.extent), program_(program) {}

    std::vector<Operation> forward() {
        int input_ready = -1;
        for (std::size_t l = 0; l < program_.layers.size(); ++l) {
            const LayerProgram& layer = program_.layers[l];
            if (extent_.mode == Mode::training && layer.spec.dropout > 0)
                input_ready = add(Operation::Kind::dropout, l, 0, 0, extent_.steps, {input_ready});
            std::vector<int> ends;
            int previous = -1;
            for (std::size_t d = 0; d < layer.loops.size(); ++d) {
                int loop = -1;
                for_chunks(layer, !layer.loops[d].reverse, [&](std::int64_t begin, std::int64_t end) {
                    const int gates = add(Operation::Kind::input_product, l, d, begin, end, {input_ready, previous});
                    previous = loop = add(Operation::Kind::time_loop, l, d, begin, end, {gates, loop});
                });
                ends.push_back(loop);
            }
            input_ready = ends.back();  // the directions share gates_x, so the last one ends last
        }
        return std::move(list_);
    }

    std::vector<Operation> backward() {
        int masked = -1;
        if (program_.masked_x != kAbsent) masked = add(Operation::Kind::mask_input, 0, 0, 0, extent_.steps, {});
        int dy_ready = -1;
        for (std::size_t l = program_.layers.size(); l-- > 0;) {
            const LayerProgram& layer = program_.layers[l];
            int last = -1;
            for (std::size_t d = 0; d < layer.loops.size(); ++d) {
                int loop = -1;
                for_chunks(layer, layer.loops[d].reverse, [&](std::int64_t begin, std::int64_t end) {
                    loop = add(Operation::Kind::time_loop, l, d, begin, end, {dy_ready, last, loop});
                    const int weights =
                        add(Operation::Kind::weight_product, l, d, begin, end, {loop, l == 0 ? masked : -1});
                    last = weights;
                    if (l > 0 || extent_.input_gradient)
                        last = add(Operation::Kind::input_gradient, l, d, begin, end, {loop, weights});
                });
            }
            if (layer.spec.dropout > 0 && (l > 0 || extent_.input_gradient))
                last = add(Operation::Kind::dropout, l, 0, 0, extent_.steps, {last});
            dy_ready = last;
        }
        return std::move(list_);
    }

private:
    template <class F>
    void for_chunks(const LayerProgram& layer, bool ascending, F f) {
        const std::int64_t chunks = (extent_.steps + layer.chunk - 1) / layer.chunk;
        for (std::int64_t i = 0; i < chunks; ++i) {
            const std::int64_t begin = (ascending ? i : chunks - 1 - i) * layer.chunk;
            f(begin, std::min(begin + layer.chunk, extent_.steps));
        }
    }

    int add(Operation::Kind kind, std::size_t layer, std::size_t direction, std::int64_t begin, std::int64_t end,
            std::initializer_list<int> after) {
        Operation op{kind, static_cast<int>(layer), static_cast<int>(direction), begin, end, "", "", {}};
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
};

/// FNV-1a of everything the sizes and operations follow from.
std::uint64_t identity(const Plan& plan) {
    std::uint64_t hash = 14695981039346656037ull;
    for (unsigned char c : plan.to_string()) hash = (hash ^ c) * 1099511628211ull;
    return hash == 0 ? 1 : hash;
}

}  // namespace

Plan make_plan(const Backend& backend, const StackSpec& spec, const Extent& extent) {
    check_addressable(spec, extent);
    Plan plan;
    plan.spec = spec;
    plan.extent = extent;
    plan.device = backend.name();
    auto program = std::make_shared<Program>();
    lay_out(spec, plan, *program);

    Ledger ledger(plan);
    for (std::size_t l = 0; l < program->layers.size(); ++l) {
        LayerProgram& layer = program->layers[l];
        layer.kernels = backend.cell_kernels(layer.spec.cell, layer.spec.options, spec.precision);
        layer.chunk = choose_chunk(layer, extent, ElementBytes(spec.precision), backend);
        book_prepared(ledger, backend, plan, l, layer);
        book_steps(ledger, plan, l, layer);
    }
    book_workspace(ledger, backend, plan, *program);
    plan.forward = Lowering(backend, plan, *program).forward();
    if (extent.mode == Mode::training) plan.backward = Lowering(backend, plan, *program).backward();
    plan.program = std::move(program);
    plan.id = identity(plan);
    return plan;
}

}  // namespace rondo
