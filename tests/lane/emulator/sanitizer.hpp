#pragma once
/// What the emulator tells the sanitizers. The thread sanitizer sees each CUDA thread as one of its fibers and learns
/// of an order between two only through release() and acquire(); the emulator's own files are compiled without it
/// (RONDO_LANE_TSAN then says that the rest is not), and what they call in libraries is hidden by Unobserved.
#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RONDO_LANE_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RONDO_LANE_ASAN 1
#endif

namespace rondo::lane {

#if defined(RONDO_LANE_ASAN)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#if defined(RONDO_LANE_TSAN)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

// Memory that may not be touched, for the address sanitizer.
void forbid(const void* p, std::size_t bytes);
void allow(const void* p, std::size_t bytes);
bool forbidden(const void* p, std::size_t bytes);

// For the thread sanitizer: everything before a release() comes before what follows an acquire() of the same address.
void release(const void* address);
void acquire(const void* address);
/// The running thread reads or writes memory by other means than its own instructions.
void observe_read(const void* p, std::size_t bytes);
void observe_write(const void* p, std::size_t bytes);

/// While it lives, memory accesses of the running thread are the emulator's own business.
class Unobserved {
public:
    Unobserved();
    ~Unobserved();
    Unobserved(const Unobserved&) = delete;
    Unobserved& operator=(const Unobserved&) = delete;
};

}  // namespace rondo::lane
