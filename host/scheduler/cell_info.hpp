#pragma once
/// A cell as data: what the plan and the time loop need to know of it without being templates.
#include <array>
#include <string_view>
#include <vector>

#include "rondo/cell/registry.hpp"

namespace rondo {

struct CellInfo {
    std::string_view name;
    CellOptions options;
    int gates = 0, states = 0, saved = 0, vectors = 0;
    std::string_view vector_name;  ///< parameter holding the per-unit vectors, "weight_peephole"
    std::vector<std::string_view> gate_names, state_names;
    std::vector<Stage> stages;
    bool shared_gate_gradients = false;  ///< dgates_h == dgates_x
    bool projectable = false, clippable = false;
    bool row_wise = false;
    int row_scratch = 0;                   ///< row-wise: planes of a row that its maps keep within a step
    int gains = 0;                         ///< row-wise: the first vectors, which begin as ones; the others as zeros
    int forget_vector = -1;                ///< row-wise: the vector that is the forget gate's bias
    std::vector<GateValue> gate_values{};  ///< one a gate, or none: see Cell::kGateValues

    /// Whether its steps are taken by a scan over time: it has no recurrent product.
    bool scanned() const { return stages.empty(); }
};

template <class Cell>
std::vector<GateValue> gate_values_of() {
    if constexpr (requires { Cell::kGateValues; })
        return {Cell::kGateValues.begin(), Cell::kGateValues.end()};
    else
        return {};
}

template <class Cell>
CellInfo make_cell_info() {
    CellInfo info{Cell::kName,
                  Cell::kOptions,
                  Cell::kGates,
                  Cell::kStates,
                  Cell::kSaved,
                  Cell::kVectors,
                  Cell::kVectorName,
                  {Cell::kGateNames.begin(), Cell::kGateNames.end()},
                  {Cell::kStateNames.begin(), Cell::kStateNames.end()},
                  {Cell::kStages.begin(), Cell::kStages.end()},
                  Cell::kSharedGateGradients,
                  Cell::kProjectable,
                  Cell::kClippable};
    if constexpr (kRowWise<Cell>) {
        info.row_wise = true;
        info.row_scratch = Cell::kScratch;
        info.gains = Cell::kGains;
        info.forget_vector = Cell::kForgetBias;
    }
    info.gate_values = gate_values_of<Cell>();
    return info;
}

/// Throws Error when there is no such cell.
inline CellInfo cell_info(std::string_view name, CellOptions options) {
    CellInfo info;
    visit_cell(name, options, [&]<class Cell>() { info = make_cell_info<Cell>(); });
    return info;
}

inline constexpr int kMaxStates = 4;
inline constexpr int kMaxStages = 2;

}  // namespace rondo
