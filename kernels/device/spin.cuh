#pragma once
/// Waiting in a loop. Every wait of Rondo's kernels is bounded: a kernel that waits for what never comes stops and
/// reports, instead of hanging the device.
#include "device/platform.cuh"

namespace rondo::device {

/// How long a wait may last.
struct SpinLimit {
    std::uint64_t nanoseconds;
};

/// Nanoseconds since some moment, the same on all multiprocessors; costly to read. 0 under the lane.
RONDO_DEVICE std::uint64_t global_nanoseconds() {
    std::uint64_t now = 0;
    RONDO_PTX(asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now)));
    return now;
}

/// Cycles of this multiprocessor's clock since some moment. 0 under the lane.
RONDO_DEVICE std::uint64_t clock_cycles() {
    std::uint64_t now = 0;
    RONDO_PTX(asm volatile("mov.u64 %0, %%clock64;" : "=l"(now)::"memory"));
    return now;
}

/// Stands back for about that long, at most a millisecond.
RONDO_DEVICE void sleep_nanoseconds([[maybe_unused]] unsigned nanoseconds,
                                    [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX(asm volatile("nanosleep.u32 %0;" ::"r"(nanoseconds)));
    RONDO_TWIN(static_cast<void>(lane::wait_expired(where)));
}

/// Evaluates `ready` until it is true, or until the limit has passed: then false. `ready` reads through ordered.cuh or
/// tests an mbarrier; plain reads need never see another thread's write.
template <class Ready>
RONDO_DEVICE bool spin_until(Ready ready, [[maybe_unused]] SpinLimit limit,
                             [[maybe_unused]] Where where = Where::here()) {
    constexpr unsigned kPollsPerLook = 64;  // the timer takes longer than a poll
    std::uint64_t begin = 0;
    for (unsigned polls = 0;; ++polls) {
        if (ready()) return true;
        RONDO_TWIN(if (lane::wait_expired(where)) return false);
        if (polls % kPollsPerLook != kPollsPerLook - 1) continue;
        const std::uint64_t now = global_nanoseconds();
        if (begin == 0)
            begin = now;
        else if (now - begin > limit.nanoseconds)
            return false;
    }
}

}  // namespace rondo::device
