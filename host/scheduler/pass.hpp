#pragma once
/// One forward or backward pass under way: where everything lies, and the operations of a plan.
#include <array>
#include <cstddef>
#include <span>

#include "scheduler/program.hpp"

namespace rondo {

inline constexpr std::size_t kMostDirections = 2;

/// What both directions of a pass share. Pointers are device memory.
struct Pass {
    Backend& backend;
    const Plan& plan;
    const Program& program;
    Stream stream;
    const std::byte* parameters;
    const std::byte* prepared;
    std::byte* reserve;  ///< null in inference
    std::byte* workspace;
    const void* x;
    const std::int64_t* lengths;
    const RandomState* random;
    std::array<Stream, kMostStreams> streams{};  ///< the plan's; the first is the caller's
    std::size_t workspace_index = 0;
    ElementBytes bytes{plan.spec.precision};

    /// The same pass for an operation, on its stream and with its workspace.
    Pass of(const Operation& op) const {
        Pass pass = *this;
        pass.stream = streams[static_cast<std::size_t>(op.stream)];
        pass.workspace_index = static_cast<std::size_t>(op.workspace);
        return pass;
    }
    /// For a direction of a time loop of several.
    Pass of_direction(int n) const {
        Pass pass = *this;
        pass.workspace_index += static_cast<std::size_t>(n);
        return pass;
    }
    const LoopWorkspace& loops() const { return program.workspaces[workspace_index]; }

    std::int64_t steps() const noexcept { return plan.extent.steps; }
    std::int64_t batch() const noexcept { return plan.extent.batch; }
    DType accumulate() const noexcept { return plan.spec.precision.accumulate; }
    DType storage() const noexcept { return plan.spec.precision.storage; }
    bool training() const noexcept { return plan.extent.mode == Mode::training; }

    const std::byte* parameter(std::int64_t offset) const {
        return offset == kAbsent ? nullptr : parameters + offset * bytes.gates;
    }
    const std::byte* w_ih(const LoopProgram& loop) const {
        return loop.packed_ih == kAbsent ? parameter(loop.parameters.w_ih) : prepared + loop.packed_ih;
    }
    /// What serves for Packing::gates (or ::transposed) of the matrix at element w of the parameters.
    const std::byte* packed_gates(std::int64_t packed, std::int64_t w) const {
        return packed == kAbsent ? parameter(w) : prepared + packed;
    }
    const std::byte* packed_transposed(std::int64_t transposed, std::int64_t packed, std::int64_t w) const {
        return transposed == kAbsent ? packed_gates(packed, w) : prepared + transposed;
    }
    /// Those of W_hh's rows of a stage: dropped ones where weights drop out.
    const std::byte* w_hh(const LayerProgram& layer, const LoopProgram& loop, std::size_t stage) const {
        if (loop.dropped_hh != kAbsent)
            return loop.dropped[stage] == kAbsent ? dropped_rows(layer, loop, stage) : kept(loop.dropped[stage]);
        return packed_gates(loop.packed[stage], layer.w_hh(loop, stage));
    }
    const std::byte* w_hh_transposed(const LayerProgram& layer, const LoopProgram& loop, std::size_t stage) const {
        if (loop.dropped_hh != kAbsent)
            return loop.dropped_transposed[stage] == kAbsent ? w_hh(layer, loop, stage)
                                                             : kept(loop.dropped_transposed[stage]);
        return packed_transposed(loop.packed_transposed[stage], loop.packed[stage], layer.w_hh(loop, stage));
    }
    const std::byte* dropped_rows(const LayerProgram& layer, const LoopProgram& loop, std::size_t stage) const {
        return kept(loop.dropped_hh) + (layer.w_hh(loop, stage) - loop.parameters.w_hh) * bytes.gates;
    }
    /// A buffer that lives as long as the reserve where there is one.
    std::byte* kept(std::int64_t offset) const {
        return offset == kAbsent ? nullptr : (training() ? reserve : workspace) + offset;
    }
    std::byte* scratch(std::int64_t offset) const { return offset == kAbsent ? nullptr : workspace + offset; }

    /// Step t of saved planes or unprojected h; inference keeps one step.
    std::byte* step_of(std::int64_t offset, std::int64_t t, std::int64_t bytes_a_step) const {
        return offset == kAbsent ? nullptr : kept(offset) + (training() ? t : 0) * bytes_a_step;
    }

    /// A layer's input [T,B,I] at step t.
    const std::byte* input(std::size_t layer, std::int64_t t) const {
        const LayerProgram& of = program.layers[layer];
        const auto* base = of.input_buffer == kAbsent ? static_cast<const std::byte*>(x) : kept(of.input_buffer);
        return base + t * batch() * of.input * bytes.storage;
    }

    LoopLayer loop_layer(const LayerProgram& layer, const LoopProgram& loop) const {
        return {layer.kernels,
                &layer.cell,
                plan.spec.precision,
                batch(),
                layer.spec.hidden,
                layer.spec.width(),
                layer.spec.projection > 0,
                parameter(loop.parameters.vectors),
                layer.spec.cell_clip,
                plan.spec.recurrent_clip,
                lengths,
                scratch(loops().scratch),
                kept(loop.recurrent_mask)};
    }
};

/// The view of a list that may be empty.
template <class View>
auto data_of(std::span<const View> list, std::size_t i) {
    return list.empty() ? nullptr : list[i].data;
}

/// A part of the layer's output [T,B,O] that one direction writes or is given the gradient of.
struct OutputPart {
    std::int64_t offset;  ///< elements into a row
    std::int64_t stride;  ///< elements from row to row
    double scale;
    bool add;
};
OutputPart output_part(const LayerSpec& layer, std::size_t direction);

void run_forward(const Pass& pass, const ForwardArgs& args);
void run_backward(const Pass& pass, const BackwardArgs& args);

}  // namespace rondo
