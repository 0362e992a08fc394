#include "lane/emulator/sanitizer.hpp"

#if defined(RONDO_LANE_ASAN)
#include <sanitizer/asan_interface.h>
#endif
#if defined(RONDO_LANE_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" {
void __tsan_read_range(void*, unsigned long);
void __tsan_write_range(void*, unsigned long);
void AnnotateIgnoreReadsBegin(const char*, int);
void AnnotateIgnoreReadsEnd(const char*, int);
void AnnotateIgnoreWritesBegin(const char*, int);
void AnnotateIgnoreWritesEnd(const char*, int);
}
#endif

namespace rondo::lane {

#if defined(RONDO_LANE_ASAN)
void forbid(const void* p, std::size_t bytes) { __asan_poison_memory_region(p, bytes); }
void allow(const void* p, std::size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
bool forbidden(const void* p, std::size_t bytes) {
    return __asan_region_is_poisoned(const_cast<void*>(p), bytes) != nullptr;
}
#else
void forbid(const void*, std::size_t) {}
void allow(const void*, std::size_t) {}
bool forbidden(const void*, std::size_t) { return false; }
#endif

#if defined(RONDO_LANE_TSAN)
void release(const void* address) { __tsan_release(const_cast<void*>(address)); }
void acquire(const void* address) { __tsan_acquire(const_cast<void*>(address)); }
void observe_read(const void* p, std::size_t bytes) { __tsan_read_range(const_cast<void*>(p), bytes); }
void observe_write(const void* p, std::size_t bytes) { __tsan_write_range(const_cast<void*>(p), bytes); }
Unobserved::Unobserved() {
    AnnotateIgnoreReadsBegin("lane", 0);
    AnnotateIgnoreWritesBegin("lane", 0);
}
Unobserved::~Unobserved() {
    AnnotateIgnoreWritesEnd("lane", 0);
    AnnotateIgnoreReadsEnd("lane", 0);
}
#else
void release(const void*) {}
void acquire(const void*) {}
void observe_read(const void*, std::size_t) {}
void observe_write(const void*, std::size_t) {}
Unobserved::Unobserved() = default;
Unobserved::~Unobserved() = default;
#endif

}  // namespace rondo::lane
