#pragma once
/// The one pool of threads of a CPU device.
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace rondo::cpu {

/// A reference to something that can be called: what std::function would copy, this only points to.
template <class Signature>
class FunctionRef;

template <class... Args>
class FunctionRef<void(Args...)> {
public:
    template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>) FunctionRef(const F& f)
    noexcept  // implicit on purpose: a lambda is written where it is taken
        : object_(&f), call_([](const void* object, Args... args) { (*static_cast<const F*>(object))(args...); }) {}

    void operator()(Args... args) const { call_(object_, args...); }

private:
    const void* object_;
    void (*call_)(const void*, Args...);
};

/// N - 1 sleeping threads and the caller. Which thread does what is fixed by the numbers alone.
/// One thread at a time may call parallel_for; a call from inside a call runs inline, as thread 0.
class ThreadPool {
public:
    /// f(begin, end, thread): does the items [begin, end); `thread` is in [0, threads()), no two at once alike.
    using Range = FunctionRef<void(std::int64_t begin, std::int64_t end, int thread)>;

    /// 0 takes one thread for each core this process may use. Throws Error when negative.
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const noexcept { return threads_; }

    /// Splits [0, count) into at most threads() neighbouring ranges of at least `grain` items (where there are as
    /// many) and returns when all are done. Allocates nothing. f must not throw. On x86, numbers below the smallest
    /// normal one are zero inside f, on whichever thread; the caller's own setting is as before afterwards.
    void parallel_for(std::int64_t count, std::int64_t grain, Range f);

private:
    struct alignas(64) Slot;  // where one worker is told to go and says that it is done

    void work(int thread);
    void dismiss() noexcept;

    int threads_;
    bool busy_ = false;
    std::unique_ptr<Slot[]> slots_;
    std::vector<std::thread> workers_;
};

}  // namespace rondo::cpu
