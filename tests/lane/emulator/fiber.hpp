#pragma once
/// A stack of its own that control can be passed to and from, on one thread of the operating system.
#include <cstddef>
#include <memory>

namespace rondo::lane {

class Fiber {
public:
    /// The thread that is running now, with the stack it has.
    Fiber();
    /// A new stack; start() gives it something to run.
    explicit Fiber(std::size_t stack_bytes);
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// The next resume() calls `entry`, which must not return but leave through finish(). A fiber may be started again
    /// after it has finished; to the thread sanitizer it then is the same thread as before, which knows nothing of what
    /// its starter did in the meantime.
    void start(void (*entry)());
    /// First thing in `entry`.
    static void entered(Fiber& self, Fiber& from);
    /// From `*this`, which is running, to `next`; returns when somebody resumes `*this`.
    void resume(Fiber& next);
    /// As resume, for good.
    [[noreturn]] void finish(Fiber& next);

    /// False once the stack has been used to its end.
    bool stack_intact() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace rondo::lane
