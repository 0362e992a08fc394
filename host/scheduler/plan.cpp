/// From a stack and an extent to buffers; the operations: lowering.cpp.
#include <algorithm>

#include "scheduler/noise.hpp"
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

/// How many loops of a layer, or of a wavefront's layers, are on the device at once.
int loops_at_once(const Plan& plan, const Program& program, const LayerProgram& layer) {
    const Arrangement& chosen = program.arrangement;
    if (chosen.wavefront) {  // no two are in the same piece of time
        const std::int64_t pieces = (plan.extent.steps + chosen.piece - 1) / chosen.piece;
        return static_cast<int>(std::min({std::ssize(program.layers), pieces, std::int64_t{chosen.streams}}));
    }
    return chosen.directions == DirectionOrder::in_turn ? 1 : static_cast<int>(layer.loops.size());
}

void choose_loops(const Backend& backend, const Plan& plan, const Program& program, LayerProgram& layer) {
    LoopTask task{
        layer.cell, layer.spec, plan.spec, plan.extent, layer.chunk, false, loops_at_once(plan, program, layer)};
    layer.forward_loop = backend.loop_policy(task);
    task.backward = true;
    if (plan.extent.mode == Mode::training) layer.backward_loop = backend.loop_policy(task);
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
            const std::string stage = s == 0 ? "" : detail::concat("_stage", s);
            loop.packed[s] = book("w_hh" + at + stage, packing_of(plan, layer, s, Packing::Kind::gates));
            loop.packed_transposed[s] =
                book("w_hh" + at + stage + "_transposed", packing_of(plan, layer, s, Packing::Kind::transposed));
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
    const std::int64_t slots = layer.all_slots(training) ? plan.extent.steps + 1 : 2;
    for (LoopProgram& loop : layer.loops) {
        const std::string at = loop_name(l, loop);
        for (int s = 0; s < layer.cell.states; ++s)
            loop.states[static_cast<std::size_t>(s)] =
                ledger.book(kind, std::string(layer.cell.state_names[static_cast<std::size_t>(s)]) + "_steps" + at,
                            slots * batch * layer.width(s) * bytes.of_state(s));
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

/// What is drawn inside a layer, and what it makes of h and W_hh.
void book_noise(Ledger& ledger, const Backend& backend, const Plan& plan, std::size_t l, LayerProgram& layer) {
    if (plan.extent.mode == Mode::inference) return;
    const ElementBytes bytes(plan.spec.precision);
    const LayerSpec& spec = layer.spec;
    const std::int64_t steps = plan.extent.steps, batch = plan.extent.batch;
    for (LoopProgram& loop : layer.loops) {
        const std::string at = loop_name(l, loop);
        const auto book = [&](const std::string& name, std::int64_t size) {
            return size > 0 ? ledger.book(Kind::reserve, name + at, size) : kAbsent;
        };
        if (spec.recurrent_dropout > 0) {
            loop.recurrent_mask = book("recurrent_mask", batch * spec.width() * bytes.gates);
            loop.fed_back = book("fed_back", (steps + 1) * batch * spec.width() * bytes.storage);
        }
        if (spec.weight_dropout > 0) {
            loop.dropped_hh = book("dropped_hh", layer.cell.gates * spec.hidden * spec.width() * bytes.gates);
            for (std::size_t s = 0; s < layer.cell.stages.size(); ++s) {
                const std::string stage = detail::concat("dropped_stage", s);
                loop.dropped[s] = book(stage, backend.packed_bytes(packing_of(plan, layer, s, Packing::Kind::gates)));
                loop.dropped_transposed[s] = book(
                    stage + "_transposed", backend.packed_bytes(packing_of(plan, layer, s, Packing::Kind::transposed)));
            }
        }
        for (int s = 0; s < layer.cell.states; ++s) {
            if (zoneout_of(spec, s) == 0) continue;
            const std::string name(layer.cell.state_names[static_cast<std::size_t>(s)]);
            const std::int64_t elements = steps * batch * spec.hidden;
            loop.zoneout[static_cast<std::size_t>(s)] = book("zoneout_" + name, elements * bytes.storage);
            if (!layer.cell.scanned())  // whose backward does not look at what a step made
                loop.candidates[static_cast<std::size_t>(s)] = book("candidate_" + name, elements * bytes.of_state(s));
        }
    }
}

/// The most that any layer's time loop needs.
struct LoopNeeds {
    std::int64_t gates = 0, gates_h = 0, dvectors = 0, dw_hh = 0;  // elements
    std::int64_t dh = 0, scratch = 0;                              // bytes, like those of states
    std::array<std::int64_t, kMaxStates> states{};

    LoopNeeds(const Backend& backend, const Plan& plan, const Program& program) {
        const ElementBytes bytes(plan.spec.precision);
        const std::int64_t batch = plan.extent.batch;
        for (const LayerProgram& layer : program.layers) {
            const std::int64_t elements = layer.chunk * batch * layer.cell.gates * layer.spec.hidden;
            gates = std::max(gates, elements);
            if (!layer.cell.shared_gate_gradients) gates_h = std::max(gates_h, elements);
            if (layer.spec.projection > 0)
                dh = std::max(dh, layer.chunk * batch * layer.spec.projection * bytes.storage);
            else if (plan.extent.observe)
                dh = std::max(dh, layer.chunk * batch * layer.spec.hidden * bytes.gates);
            dvectors = std::max(dvectors, batch * layer.cell.vectors * layer.spec.hidden);
            if (layer.spec.weight_dropout > 0)
                dw_hh = std::max(dw_hh, layer.cell.gates * layer.spec.hidden * layer.spec.width());
            scratch = std::max({scratch, backend.scratch_bytes(layer.cell, layer.spec, plan.spec.precision, batch),
                                layer.forward_loop.scratch_bytes, layer.backward_loop.scratch_bytes});
            for (int s = 0; s < layer.cell.states; ++s)
                states[static_cast<std::size_t>(s)] =
                    std::max(states[static_cast<std::size_t>(s)], batch * layer.width(s) * bytes.of_dstate(s));
        }
    }
};

LoopWorkspace book_loop(Ledger& ledger, const Plan& plan, const Program& program, const LoopNeeds& needs,
                        const std::string& suffix) {
    const ElementBytes bytes(plan.spec.precision);
    const auto book = [&](const std::string& name, std::int64_t size) {
        return size > 0 ? ledger.book(Kind::workspace, name + suffix, size) : kAbsent;
    };
    LoopWorkspace loop;
    loop.gates_x = book("gates_x", needs.gates * bytes.gates);
    loop.scratch = book("scratch", needs.scratch);
    if (plan.extent.mode == Mode::inference) return loop;
    for (std::size_t i = 0; i < 2; ++i) {
        loop.dgates_x[i] = book(detail::concat("dgates_x_", i), needs.gates * bytes.storage);
        loop.dgates_h[i] = loop.dgates_x[i];
        if (needs.gates_h > 0) loop.dgates_h[i] = book(detail::concat("dgates_h_", i), needs.gates_h * bytes.storage);
    }
    for (std::size_t s = 0; s < kMaxStates; ++s) loop.dstates[s] = book(detail::concat("dstate_", s), needs.states[s]);
    loop.dh[0] = loop.dh[1] = book("dh", needs.dh);
    if (program.arrangement.wavefront) loop.dh[1] = book("dh_1", needs.dh);
    loop.dvectors = book("dvectors", needs.dvectors * bytes.gates);
    loop.dw_hh = book("dw_hh", needs.dw_hh * bytes.gates);
    return loop;
}

/// One for each layer of a wavefront, which all carry gradients from piece to piece; else two only where a layer has
/// two directions that run beside each other.
std::size_t workspaces_of(const Program& program) {
    if (program.arrangement.wavefront) return program.layers.size();
    const bool both = std::any_of(program.layers.begin(), program.layers.end(),
                                  [](const LayerProgram& layer) { return layer.loops.size() > 1; });
    return both && program.arrangement.directions != DirectionOrder::in_turn ? 2 : 1;
}

/// What one layer writes the next one reads, [T,B,I] of every layer but the first. Two buffers in turn do for any
/// depth, but that in a wavefront all layers are at work.
void book_between(Ledger& ledger, const Plan& plan, Program& program, const char* name,
                  std::int64_t LayerProgram::*buffer) {
    const std::size_t layers = program.layers.size(), buffers = program.arrangement.wavefront ? layers : 2;
    const auto place = [&](std::size_t l) { return l % buffers; };
    for (std::size_t i = 0; i < buffers; ++i) {
        std::int64_t input = 0, booked = kAbsent;
        for (std::size_t l = 1; l < layers; ++l)
            if (place(l) == i) input = std::max(input, program.layers[l].input);
        const std::int64_t bytes = input * plan.extent.steps * plan.extent.batch * size_of(plan.spec.precision.storage);
        if (bytes > 0) booked = ledger.book(Kind::workspace, detail::concat(name, i), bytes);
        for (std::size_t l = 1; l < layers; ++l)
            if (place(l) == i) program.layers[l].*buffer = booked;
    }
}

void book_workspace(Ledger& ledger, const Backend& backend, const Plan& plan, Program& program) {
    const ElementBytes bytes(plan.spec.precision);
    const LoopNeeds needs(backend, plan, program);
    for (std::size_t w = 0; w < workspaces_of(program); ++w)
        program.workspaces.push_back(book_loop(ledger, plan, program, needs, w == 0 ? "" : detail::concat("_loop", w)));

    if (plan.extent.mode == Mode::inference)
        return book_between(ledger, plan, program, "between_", &LayerProgram::input_buffer);
    book_between(ledger, plan, program, "dinput_", &LayerProgram::dinput_buffer);
    if (plan.extent.ragged && plan.spec.layers[0].dropout == 0)
        program.masked_x = ledger.book(Kind::workspace, "masked_x",
                                       plan.extent.steps * plan.extent.batch * plan.spec.input * bytes.storage);
}

/// What backward will tell, one layer and direction after the other.
void list_observations(Plan& plan, const Program& program) {
    for (std::size_t l = 0; l < program.layers.size(); ++l)
        for (std::size_t d = 0; d < program.layers[l].loops.size(); ++d) {
            const CellInfo& cell = program.layers[l].cell;
            ObservationInfo info{static_cast<int>(l), static_cast<int>(d), plan.observation_count, {}, {}};
            for (std::size_t g = 0; g < cell.gate_values.size(); ++g) {
                if (cell.gate_values[g].kind == GateValue::Kind::none) continue;
                info.gates.emplace_back(cell.gate_names[g]);
                info.kinds.push_back(cell.gate_values[g].kind);
            }
            plan.observation_count += plan.extent.steps * info.columns();
            plan.observations.push_back(std::move(info));
        }
}

int streams_of(const Plan& plan) {
    int most = 0;
    for (const auto* list : {&plan.forward, &plan.backward})
        for (const Operation& op : *list) most = std::max(most, op.stream);
    return most + 1;
}

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
    program->arrangement = arrange(spec, extent, backend.streams());

    Ledger ledger(plan);
    for (std::size_t l = 0; l < program->layers.size(); ++l) {
        LayerProgram& layer = program->layers[l];
        layer.kernels = backend.cell_kernels(layer.spec.cell, layer.spec.options, spec.precision);
        layer.chunk = program->arrangement.wavefront
                          ? program->arrangement.piece
                          : choose_chunk(layer, extent, ElementBytes(spec.precision), backend);
        choose_loops(backend, plan, *program, layer);
        book_prepared(ledger, backend, plan, l, layer);
        book_steps(ledger, plan, l, layer);
        book_noise(ledger, backend, plan, l, layer);
    }
    book_workspace(ledger, backend, plan, *program);
    if (extent.observe) list_observations(plan, *program);
    plan.forward = lower_forward(plan, *program);
    if (extent.mode == Mode::training) plan.backward = lower_backward(plan, *program);
    program->streams = streams_of(plan);
    plan.program = std::move(program);
    plan.id = identity(plan);
    return plan;
}

}  // namespace rondo
