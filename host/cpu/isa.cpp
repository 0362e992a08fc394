#include "cpu/isa.hpp"

namespace rondo::cpu {

std::string_view name_of(Isa isa) noexcept {
    switch (isa) {
        case Isa::baseline:
            return "baseline";
        case Isa::avx2:
            return "avx2";
        case Isa::avx512:
            return "avx512";
    }
    return "?";
}

bool runs(Isa isa) noexcept {
    if (isa == Isa::baseline) return true;
#if defined(RONDO_CPU_X86)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == Isa::avx2) return avx2;
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

Isa best_isa() noexcept {
    if (runs(Isa::avx512)) return Isa::avx512;
    return runs(Isa::avx2) ? Isa::avx2 : Isa::baseline;
}

}  // namespace rondo::cpu
