#pragma once
/// The instruction sets that this build holds and this machine runs.
#include <vector>

#include "cpu/table.hpp"

namespace rondo::test {

inline std::vector<cpu::Isa> isas() {
    std::vector<cpu::Isa> found;
    for (cpu::Isa isa : {cpu::Isa::baseline, cpu::Isa::avx2, cpu::Isa::avx512})
        if (cpu::runs(isa)) found.push_back(isa);
    return found;
}

}  // namespace rondo::test
