#pragma once
/// The shared memory of running blocks.
#include <vector>

#include "lane/emulator/grid.hpp"

namespace rondo::lane {

/// What a block may have at most, and at most of it declared statically (as on sm_90).
inline constexpr std::size_t kSharedBytes = 227 * 1024;
inline constexpr std::size_t kStaticSharedBytes = 48 * 1024;

/// Gives each of these blocks its memory, filled with NaN.
void enter_shared_memory(Grid& grid, const std::vector<Block*>& blocks);
/// The block's last thread has left: nobody may touch its memory any more.
void leave_shared_memory(Block& block);

/// Fills with what is NaN in every floating-point type.
void fill_with_nan(void* p, std::size_t bytes);
/// memcpy, unseen by the thread sanitizer.
void copy_unobserved(void* to, const void* from, std::size_t bytes);

}  // namespace rondo::lane
