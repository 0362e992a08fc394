#include "cpu/thread_pool.hpp"

#include <sched.h>

#include <algorithm>
#include <chrono>

#include "rondo/error.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rondo::cpu {
namespace {

/// Longer than the gap between two steps of a time loop, shorter than anyone would notice on a busy machine.
constexpr std::chrono::microseconds kSpin{30};

void pause() noexcept {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// Waits until `value` is no longer `old`: awake for a while, then asleep.
std::uint32_t await_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) noexcept {
    const auto end = std::chrono::steady_clock::now() + kSpin;
    do {
        for (int i = 0; i < 16; ++i) {
            const std::uint32_t now = value.load(std::memory_order_acquire);
            if (now != old) return now;
            pause();
        }
    } while (std::chrono::steady_clock::now() < end);
    std::uint32_t now;
    while ((now = value.load(std::memory_order_acquire)) == old) value.wait(old, std::memory_order_acquire);
    return now;
}

/// While it lives, this thread takes numbers below the smallest normal one as zero. Gradients that vanish over many steps
/// pass through them, and x86 multiplies them a hundred times slower than others.
class FlushDenormals {
public:
#if defined(__x86_64__)
    FlushDenormals() noexcept : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | kFlushToZero | kDenormalsAreZero); }
    ~FlushDenormals() { _mm_setcsr(saved_); }

private:
    static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
    unsigned saved_;
#else
    FlushDenormals() noexcept {}
    ~FlushDenormals() {}  // not trivial, so that an object is no unused variable
#endif
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;
};

int usable_cores() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));  // more cores than a cpu_set_t holds
}

}  // namespace

struct alignas(64) ThreadPool::Slot {
    std::atomic<std::uint32_t> asked{0};  // counts the jobs given to the worker; the caller writes
    std::atomic<std::uint32_t> done{0};   // counts the jobs finished; the worker writes
    const Range* job = nullptr;           // null: go home
    std::int64_t begin = 0, end = 0;
};

ThreadPool::ThreadPool(int threads) {
    require(threads >= 0, "threads", threads, "must not be negative; 0 takes one for each core");
    threads_ = threads == 0 ? usable_cores() : threads;
    slots_ = std::make_unique<Slot[]>(static_cast<std::size_t>(threads_));
    workers_.reserve(static_cast<std::size_t>(threads_ - 1));
    try {
        for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { work(i); });
    } catch (...) {
        dismiss();
        throw;
    }
}

ThreadPool::~ThreadPool() { dismiss(); }

void ThreadPool::dismiss() noexcept {
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        Slot& slot = slots_[i + 1];
        slot.job = nullptr;
        slot.asked.fetch_add(1, std::memory_order_seq_cst);
        slot.asked.notify_one();
        workers_[i].join();
    }
}

void ThreadPool::work(int thread) {
    const FlushDenormals flush;
    Slot& slot = slots_[static_cast<std::size_t>(thread)];
    std::uint32_t seen = 0;
    for (;;) {
        seen = await_change(slot.asked, seen);
        if (slot.job == nullptr) return;
        (*slot.job)(slot.begin, slot.end, thread);
        // notify_one looks whether anybody sleeps. Were the store only a release, that look could come before it, and a
        // caller who fell asleep in between would never be woken (libstdc++ 12 on x86: some hours of training).
        slot.done.store(seen, std::memory_order_seq_cst);
        slot.done.notify_one();
    }
}

void ThreadPool::parallel_for(std::int64_t count, std::int64_t grain, Range f) {
    if (count <= 0) return;
    const FlushDenormals flush;
    const std::int64_t most = std::max<std::int64_t>(1, count / std::max<std::int64_t>(1, grain));
    const std::int64_t ranges = std::min<std::int64_t>(threads_, most);
    if (ranges == 1 || busy_) {
        f(0, count, 0);
        return;
    }
    busy_ = true;
    for (std::int64_t i = 1; i < ranges; ++i) {
        Slot& slot = slots_[static_cast<std::size_t>(i)];
        slot.job = &f;
        slot.begin = count * i / ranges;
        slot.end = count * (i + 1) / ranges;
        slot.asked.fetch_add(1, std::memory_order_seq_cst);
        slot.asked.notify_one();
    }
    f(0, count / ranges, 0);
    for (std::int64_t i = 1; i < ranges; ++i) {
        Slot& slot = slots_[static_cast<std::size_t>(i)];
        const std::uint32_t asked = slot.asked.load(std::memory_order_relaxed);
        for (std::uint32_t done = slot.done.load(std::memory_order_acquire); done != asked;)
            done = await_change(slot.done, done);
    }
    busy_ = false;
}

}  // namespace rondo::cpu
