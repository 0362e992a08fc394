#include "cpu/isa/cells.hpp"

namespace rondo::cpu::RONDO_ISA {

constinit const CellTable kCellsF32 = make_cell_table<float>(CellList{});

}  // namespace rondo::cpu::RONDO_ISA
