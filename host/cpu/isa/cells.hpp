#pragma once
/// The maps of every cell, as a table.
#include "cpu/isa/backward_map.hpp"
#include "cpu/isa/forward_map.hpp"
#include "cpu/isa/row_map.hpp"
#include "cpu/isa/scan_map.hpp"

namespace rondo::cpu::RONDO_ISA {

template <class Cell, class T>
constexpr CellKernels make_kernels() {
    constexpr int kStages = static_cast<int>(Cell::kStages.size());
    static_assert(kStages <= kMaxStages && Cell::kStates <= kMaxStates);
    CellKernels k{};
    k.stages = kStages;
    if constexpr (kScanned<Cell>) {
        k.scan_forward = ScanMap<Cell, T>::forward;
        k.scan_backward = ScanMap<Cell, T>::backward;
    } else {
        for (int i = 0; i < kStages; ++i) k.stage[i] = Cell::kStages[static_cast<std::size_t>(i)];
        if constexpr (kRowWise<Cell>) {
            k.row_wise = true;
            k.forward[0] = ForwardRow<Cell, T>::run;
            k.backward[0] = BackwardRow<Cell, T>::run;
        } else {
            k.forward[0] = ForwardMap<Cell, T, 0>::run;
            k.backward[0] = BackwardMap<Cell, T, 0>::run;
        }
    }
    if constexpr (kStages > 1) {
        k.forward[1] = ForwardMap<Cell, T, 1>::run;
        k.backward[1] = BackwardMap<Cell, T, 1>::run;
    }
    return k;
}

template <class T, class... Cells>
constexpr CellTable make_cell_table(TypeList<Cells...>) {
    return {{make_kernels<Cells, T>()...}};
}

}  // namespace rondo::cpu::RONDO_ISA
