#pragma once
/// Inside the emulator: mbarriers as copies see them.
#include <cstddef>
#include <cstdint>

#include "device/lane/hooks.hpp"

namespace rondo::lane {

/// `bytes` that were expected, or will be, have come.
void mbarrier_complete(std::uint64_t* barrier, std::size_t bytes, Where where);
/// What the running thread did so far comes before the end of the phase under way.
void mbarrier_release(const std::uint64_t* barrier);

}  // namespace rondo::lane
