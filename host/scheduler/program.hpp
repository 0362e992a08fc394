#pragma once
/// What a plan has that only the scheduler reads: where every buffer of every layer lies, without names.
#include <array>
#include <cstdint>
#include <vector>

#include "rondo/rnn.hpp"
#include "scheduler/arrange.hpp"
#include "scheduler/backend.hpp"
#include "scheduler/cell_info.hpp"

namespace rondo {

/// Byte offset of a buffer that a plan may not need.
inline constexpr std::int64_t kAbsent = -1;

/// Elements into the parameter array; kAbsent where the layer has no such tensor.
struct LoopParameters {
    std::int64_t w_ih = kAbsent, w_hh = kAbsent, b_ih = kAbsent, b_hh = kAbsent, w_hr = kAbsent, vectors = kAbsent;
};

/// One direction of one layer.
struct LoopProgram {
    bool reverse = false;
    LoopParameters parameters;
    std::size_t first_state = 0;  ///< its states in Plan::states

    // Prepared. kAbsent where the device takes no copy: see Packing.
    std::array<std::int64_t, kMaxStages> packed{kAbsent, kAbsent}, packed_transposed{kAbsent, kAbsent};
    std::int64_t packed_hr = kAbsent, packed_hr_transposed = kAbsent;
    std::int64_t packed_ih = kAbsent;

    // Training: in the reserve, every step. Inference: in the workspace, two slots of states, one step of the others.
    std::array<std::int64_t, kMaxStates> states{kAbsent, kAbsent, kAbsent, kAbsent};
    std::int64_t saved = kAbsent;
    std::int64_t unprojected = kAbsent;

    // Noise, in training alone and in the reserve: see LayerSpec.
    std::int64_t recurrent_mask = kAbsent;  ///< [B,width], in Precision::accumulate
    std::int64_t fed_back = kAbsent;        ///< [T+1,B,width]: h times the mask, in slots like h's
    std::int64_t dropped_hh = kAbsent;      ///< W_hh times its mask, and packed
    std::array<std::int64_t, kMaxStages> dropped{kAbsent, kAbsent}, dropped_transposed{kAbsent, kAbsent};
    std::array<std::int64_t, kMaxStates> zoneout{kAbsent, kAbsent, kAbsent, kAbsent};     ///< [T,B,H]
    std::array<std::int64_t, kMaxStates> candidates{kAbsent, kAbsent, kAbsent, kAbsent};  ///< [T,B,H]

    /// Where in the states' slots step t reads and writes: training keeps all, in order of t.
    std::int64_t slot_before(std::int64_t t) const noexcept { return reverse ? t + 1 : t; }
    std::int64_t slot_after(std::int64_t t) const noexcept { return reverse ? t : t + 1; }
};

struct LayerProgram {
    LayerSpec spec;
    CellInfo cell;
    const CellKernels* kernels = nullptr;
    std::int64_t input = 0;
    std::vector<LoopProgram> loops;
    std::int64_t chunk = 1;  ///< steps of one input product
    LoopPolicy forward_loop, backward_loop;

    /// The layer's input [T,B,I] where it is not the caller's x: reserve in training, workspace in inference.
    std::int64_t input_buffer = kAbsent;
    /// Its gradient where that is not the caller's dx: workspace, in training.
    std::int64_t dinput_buffer = kAbsent;

    std::int64_t width(int state) const noexcept { return state == 0 ? spec.width() : spec.hidden; }
    /// Whether every step has a slot of its own for its states; two serve otherwise.
    bool all_slots(bool training) const noexcept { return training || cell.scanned(); }
    /// Where W_hh's rows of a stage begin among the parameters.
    std::int64_t w_hh(const LoopProgram& loop, std::size_t stage) const noexcept {
        return loop.parameters.w_hh + cell.stages[stage].first_gate * spec.hidden * spec.width();
    }
};

/// How W_hh's rows of a stage are packed.
inline Packing packing_of(const Plan& plan, const LayerProgram& layer, std::size_t stage, Packing::Kind kind) {
    return {kind, plan.spec.precision.storage, layer.cell.stages[stage].gates, layer.spec.hidden,
            stage == 0 ? layer.spec.width() : layer.spec.hidden};
}

/// The workspace of a time loop, and of those that run before and after it.
struct LoopWorkspace {
    std::int64_t gates_x = kAbsent;                          ///< [chunk,B,G,H]
    std::array<std::int64_t, 2> dgates_x{kAbsent, kAbsent};  ///< [chunk,B,G,H], alternating chunks
    std::array<std::int64_t, 2> dgates_h{kAbsent, kAbsent};  ///< likewise; those of dgates_x where shared
    std::array<std::int64_t, kMaxStates> dstates{kAbsent, kAbsent, kAbsent, kAbsent};  ///< [B,width]
    /// [chunk,B,width]: projected layers, and where it is observed; in a wavefront two, for alternating chunks
    std::array<std::int64_t, 2> dh{kAbsent, kAbsent};
    std::int64_t dvectors = kAbsent;  ///< [B,V,H]
    std::int64_t dw_hh = kAbsent;     ///< [G·H,width]: gradient of W_hh before its mask
    std::int64_t scratch = kAbsent;   ///< the backend's own, within one step
};

struct Program {
    std::vector<LayerProgram> layers;
    Arrangement arrangement;
    int streams = 1;                        ///< that its operations are on
    std::vector<LoopWorkspace> workspaces;  ///< as many as time loops run beside each other

    std::int64_t masked_x = kAbsent;  ///< workspace [T,B,I]: x with zeros past the lengths
};

/// Bytes of one element.
struct ElementBytes {
    std::int64_t storage, gates, state;
    explicit ElementBytes(const Precision& p)
        : storage(size_of(p.storage)), gates(size_of(p.accumulate)), state(size_of(p.state)) {}
    std::int64_t of_state(int index) const noexcept { return index == 0 ? storage : state; }
    std::int64_t of_dstate(int index) const noexcept { return index == 0 ? gates : state; }
};

/// What a plan does, in an order in which it may run. The plan's spec and extent, and the whole program, are set.
std::vector<Operation> lower_forward(const Plan& plan, const Program& program);
std::vector<Operation> lower_backward(const Plan& plan, const Program& program);

/// Makes the plan of a valid stack and extent for a backend.
Plan make_plan(const Backend& backend, const StackSpec& spec, const Extent& extent);

/// Parameters and states of a stack, in order, and the length of the parameter array.
void lay_out(const StackSpec& spec, Plan& plan, Program& program);

}  // namespace rondo
