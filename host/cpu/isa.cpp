#include "cpu/isa.hpp"

#include "cpu/table.hpp"

// Which sets were compiled, CMake tells. Each kTable is defined by host/cpu/isa/table.cpp, compiled once for each.
namespace rondo::cpu {

namespace baseline {
extern const Table kTable;
}
#if defined(RONDO_CPU_AVX2)
namespace avx2 {
extern const Table kTable;
}
#endif
#if defined(RONDO_CPU_AVX512)
namespace avx512 {
extern const Table kTable;
}
#endif

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
    switch (isa) {
        case Isa::baseline:
            return true;
        case Isa::avx2:
#if defined(RONDO_CPU_AVX2)
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
            return false;
#endif
        case Isa::avx512:
#if defined(RONDO_CPU_AVX512)
            return runs(Isa::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
            return false;
#endif
    }
    return false;
}

Isa best_isa() noexcept {
    if (runs(Isa::avx512)) return Isa::avx512;
    return runs(Isa::avx2) ? Isa::avx2 : Isa::baseline;
}

const Table& table_of(Isa isa) {
    if (!runs(isa))
        throw Error(ErrorCode::unsupported,
                    detail::concat("instructions = ", name_of(isa), ": this build or processor has none"));
#if defined(RONDO_CPU_AVX2)
    if (isa == Isa::avx2) return avx2::kTable;
#endif
#if defined(RONDO_CPU_AVX512)
    if (isa == Isa::avx512) return avx512::kTable;
#endif
    return baseline::kTable;
}

}  // namespace rondo::cpu
