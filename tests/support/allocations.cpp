#include "support/allocations.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_THREAD__)
#define RONDO_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RONDO_THREAD_SANITIZER 1
#endif
#endif

namespace {

std::atomic<bool> counting{false};
std::atomic<int> allocations{0};

}  // namespace

#if !defined(RONDO_THREAD_SANITIZER)

namespace {

void* counted(std::size_t size, std::size_t alignment) noexcept {
    if (counting) ++allocations;
    if (alignment <= alignof(std::max_align_t)) return std::malloc(size ? size : 1);
    void* p = nullptr;
    return posix_memalign(&p, alignment, size ? size : 1) == 0 ? p : nullptr;
}

void* given(void* p) {
    if (!p) throw std::bad_alloc();
    return p;
}

constexpr std::size_t number(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

// All forms, so that no other operator's memory is given to free.
void* operator new(std::size_t size) { return given(counted(size, 1)); }
void* operator new[](std::size_t size) { return given(counted(size, 1)); }
void* operator new(std::size_t size, std::align_val_t a) { return given(counted(size, number(a))); }
void* operator new[](std::size_t size, std::align_val_t a) { return given(counted(size, number(a))); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
    return counted(size, number(a));
}
void* operator new[](std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
    return counted(size, number(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }

#endif  // RONDO_THREAD_SANITIZER

namespace rondo::test {

void start_counting_allocations() {
    allocations = 0;
    counting = true;
}

int stop_counting_allocations() {
    counting = false;
    return allocations;
}

}  // namespace rondo::test
