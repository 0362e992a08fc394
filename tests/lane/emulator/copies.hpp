#pragma once
/// Copies under way. Until it lands, what a copy will overwrite holds NaN; when it lands is the schedule's choice.
#include "lane/emulator/grid.hpp"

namespace rondo::lane {

/// Lets one land, the oldest or a random one. False if none is under way.
bool land_a_copy();
/// In a random schedule: perhaps one.
void land_some_copies();
/// cp.async of a thread that has left without waiting.
void drop_copies_of(const Thread& thread);
/// An error if a copy is still to land in this memory, which is about to go.
void refuse_copies_into(const unsigned char* memory, std::size_t bytes);
/// Forgets all, after a launch that failed.
void forget_copies();

}  // namespace rondo::lane
