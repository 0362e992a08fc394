#pragma once
/// The instruction sets host/cpu/isa/ is compiled for.
#include <string_view>

namespace rondo::cpu {

enum class Isa { baseline, avx2, avx512 };

std::string_view name_of(Isa isa) noexcept;

/// Whether this build has code for it and this machine runs it.
bool runs(Isa isa) noexcept;

/// The widest that runs.
Isa best_isa() noexcept;

}  // namespace rondo::cpu
