#pragma once
/// The instruction sets this machine runs, and their tables.
#include <vector>

#include "cpu/table.hpp"

namespace rondo::test {

inline std::vector<cpu::Isa> isas() {
    std::vector<cpu::Isa> found;
    for (cpu::Isa isa : {cpu::Isa::baseline, cpu::Isa::avx2, cpu::Isa::avx512})
        if (cpu::runs(isa)) found.push_back(isa);
    return found;
}

inline const cpu::Table& table_of(cpu::Isa isa) {
#if defined(RONDO_CPU_X86)
    if (isa == cpu::Isa::avx512) return cpu::avx512::kTable;
    if (isa == cpu::Isa::avx2) return cpu::avx2::kTable;
#endif
    (void)isa;
    return cpu::baseline::kTable;
}

}  // namespace rondo::test
