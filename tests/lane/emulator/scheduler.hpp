#pragma once
/// Which thread runs next, and what is said when none can.
#include <exception>
#include <memory>
#include <vector>

#include "lane/emulator/failure.hpp"
#include "lane/emulator/grid.hpp"

namespace rondo::lane {

/// A queue with a fixed room, so that nothing is allocated while threads run.
class ReadyQueue {
public:
    void reset(std::size_t room);
    bool empty() const { return count_ == 0; }
    std::size_t size() const { return count_; }
    void push_back(Thread* thread);
    void push_front(Thread* thread);
    const Thread* look(std::size_t position) { return at(position); }
    Thread* take(std::size_t position);

private:
    Thread*& at(std::size_t position);
    std::vector<Thread*> ring_;
    std::size_t head_ = 0, count_ = 0;
};

class Scheduler {
public:
    /// Threads that run from the next drain() on; `count` of them, made if need be.
    std::vector<Thread*> recruit(std::size_t count);
    void dismiss() { pool_.clear(); }
    /// Runs them until all have left. Throws what a thread threw, or Failure when none can go on.
    void drain(Grid& grid, const std::vector<Thread*>& threads);

    /// Called by the running thread: the others run, until somebody wakes it.
    void wait();
    void wake(Thread* thread) { ready_.push_back(thread); }
    /// The others may run; it stays ready.
    void yield();
    /// At random, in a random schedule.
    void maybe_yield();

    /// Something has changed that others may wait for.
    void progress() { idle_ = 0; }
    /// The running thread has looked for a change and found none. True: all have, for so long that there will be none.
    bool fruitless(Where where);

    Thread* running() const { return running_; }

private:
    struct Stop {};

    static void run_thread();
    Thread* pick();
    Thread* pick_random();
    void choose_laggard();
    Fiber& make_running(Thread* next, Fiber& from);
    void switch_to(Thread* next);
    void finish(Thread* thread);
    [[noreturn]] void report(FailureKind kind);
    void stop_all();

    ReadyQueue ready_;
    std::vector<std::unique_ptr<Thread>> pool_;
    std::vector<Thread*> threads_;
    Fiber main_;
    Fiber* came_from_ = nullptr;
    Thread* running_ = nullptr;
    Grid* grid_ = nullptr;
    std::exception_ptr failure_;
    std::size_t live_ = 0;
    std::size_t idle_ = 0;   ///< fruitless looks since something has changed
    std::size_t looks_ = 0;  ///< of them since the last round
    bool stopping_ = false;
    // In a random schedule some block or warp is held back in every other launch: what all the others can do without it,
    // they have then done before it moves.
    const Block* slow_block_ = nullptr;
    const Warp* slow_warp_ = nullptr;
    char started_ = 0, joined_ = 0;  // what the thread sanitizer knows the start and the end of all threads by
};

Scheduler& scheduler();

}  // namespace rondo::lane
