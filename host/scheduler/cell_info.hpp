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
};

template <class Cell>
CellInfo make_cell_info() {
    return {Cell::kName,
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
