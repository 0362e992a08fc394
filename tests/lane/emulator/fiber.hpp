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
    /// after it has finished.
    void start(void (*entry)());
    /// First thing in `entry`.
    static void entered(Fiber& self, Fiber& from);
    /// From `*this`, which is running, to `next`; returns when somebody resumes `*this`.
    void resume(Fiber& next);
    /// As resume, for good.
    [[noreturn]] void finish(Fiber& next);
    /// Between two runs: forgets what the sanitizers know of the last one.
    void retire();

    /// False once the stack has been used to its end.
    bool stack_intact() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace rondo::lane
