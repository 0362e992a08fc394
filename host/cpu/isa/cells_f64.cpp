#include "cpu/isa/cells.hpp"

namespace rondo::cpu::RONDO_ISA {

constinit const CellTable kCellsF64 = make_cell_table<double>(CellList{});

}  // namespace rondo::cpu::RONDO_ISA
