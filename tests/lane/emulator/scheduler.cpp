#include "lane/emulator/scheduler.hpp"

#include <map>
#include <string>

#include "lane/emulator/copies.hpp"
#include "lane/emulator/sanitizer.hpp"
#include "lane/emulator/schedule.hpp"
#include "lane/emulator/shared_memory.hpp"

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace rondo::lane {
namespace {

// Room for sanitized frames, which are several times the size.
constexpr std::size_t kStackBytes = (kAddressSanitizer || kThreadSanitizer ? 256 : 64) * 1024;

/// Fruitless looks by so many threads together after which late copies land; and, of all live ones, after how many such
/// rounds nothing more will come.
std::size_t round_of(std::size_t threads) { return 2 * threads + 2; }
constexpr std::size_t kRoundsToLivelock = 64;

}  // namespace

void ReadyQueue::reset(std::size_t room) {
    if (room > ring_.size()) ring_.resize(room);
    head_ = count_ = 0;
}
Thread*& ReadyQueue::at(std::size_t position) {
    const std::size_t slot = head_ + position;
    return ring_[slot >= ring_.size() ? slot - ring_.size() : slot];
}
void ReadyQueue::push_back(Thread* thread) { at(count_++) = thread; }
void ReadyQueue::push_front(Thread* thread) {
    head_ = head_ == 0 ? ring_.size() - 1 : head_ - 1;
    ++count_;
    ring_[head_] = thread;
}
Thread* ReadyQueue::take(std::size_t position) {
    Thread* thread = at(position);
    if (position == 0) {
        head_ = head_ + 1 == ring_.size() ? 0 : head_ + 1;
        --count_;
    } else {
        at(position) = at(--count_);
    }
    return thread;
}

Scheduler& scheduler() {
    static Scheduler instance;
    return instance;
}
Thread* running() { return scheduler().running(); }
void dismiss_threads() { scheduler().dismiss(); }

std::vector<Thread*> Scheduler::recruit(std::size_t count) {
    while (pool_.size() < count) pool_.push_back(std::make_unique<Thread>(kStackBytes));
    std::vector<Thread*> threads(count);
    for (std::size_t i = 0; i < count; ++i) threads[i] = pool_[i].get();
    return threads;
}

void Scheduler::drain(Grid& grid, const std::vector<Thread*>& threads) {
    grid_ = &grid;
    threads_ = threads;
    ready_.reset(threads.size() + 1);
    live_ = threads.size();
    failure_ = nullptr;
    idle_ = looks_ = 0;
    choose_laggard();
    release(&started_);
    for (Thread* thread : threads) {
        thread->done = false;
        thread->fiber.start(&Scheduler::run_thread);
        ready_.push_back(thread);
    }
    while (live_ > 0 && !failure_) {
        if (!ready_.empty()) {
            switch_to(pick());
        } else if (!land_a_copy()) {
            try {
                report(FailureKind::deadlock);
            } catch (...) {
                failure_ = std::current_exception();
            }
        }
    }
    stop_all();
    acquire(&joined_);
    grid_ = nullptr;
    if (failure_) std::rethrow_exception(failure_);
}

/// Unwinds the threads that are left, so that nothing of theirs stays behind.
void Scheduler::stop_all() {
    stopping_ = true;
    for (Thread* thread : threads_)
        if (!thread->done) switch_to(thread);
    stopping_ = false;
}

Thread* Scheduler::pick() {
    switch (schedule().order) {
        case Order::forward:
            return ready_.take(0);
        case Order::reverse:
            return ready_.take(ready_.size() - 1);
        case Order::random:
            break;
    }
    return pick_random();
}

Thread* Scheduler::pick_random() {
    constexpr int kAttempts = 6;
    std::size_t position = random_below(ready_.size());
    for (int i = 0; i < kAttempts; ++i) {
        const Thread* thread = ready_.look(position);
        if (thread->block != slow_block_ && thread->warp != slow_warp_) break;
        position = random_below(ready_.size());
    }
    return ready_.take(position);
}

void Scheduler::choose_laggard() {
    slow_block_ = nullptr;
    slow_warp_ = nullptr;
    if (schedule().order != Order::random || random_below(2) == 0) return;
    const Thread* thread = threads_[random_below(threads_.size())];
    if (threads_.front()->block != threads_.back()->block && random_below(4) != 0)
        slow_block_ = thread->block;
    else
        slow_warp_ = thread->warp;
}

/// Makes `next` (null: nobody, the launch itself) the one that runs; the switch of stacks follows.
Fiber& Scheduler::make_running(Thread* next, Fiber& from) {
    came_from_ = &from;
    running_ = next;
    if (next == nullptr) return main_;
    threadIdx = next->index;
    blockIdx = next->block->index;
    blockDim = grid_->shape.block;
    gridDim = grid_->shape.grid;
    return next->fiber;
}

void Scheduler::switch_to(Thread* next) {
    if (next == running_) return;
    Fiber& from = running_ != nullptr ? running_->fiber : main_;
    from.resume(make_running(next, from));
}

void Scheduler::run_thread() {
    Scheduler& s = scheduler();
    Fiber::entered(s.running_->fiber, *s.came_from_);
    acquire(&s.started_);
    try {
        if (!s.stopping_) (*s.grid_->body)();
    } catch (const Stop&) {
    } catch (...) {
        if (!s.failure_) s.failure_ = std::current_exception();
    }
    s.finish(s.running_);
}

void Scheduler::finish(Thread* thread) {
    release(&joined_);
    {
        const Unobserved unobserved;
        try {
            if (!thread->fiber.stack_intact())
                misuse("a thread has used up the stack that the lane gives it", thread->where);
            if (!stopping_ && !failure_) {
                drop_copies_of(*thread);
                if (--thread->block->live == 0) leave_shared_memory(*thread->block);
            }
        } catch (...) {
            if (!failure_) failure_ = std::current_exception();
        }
        thread->done = true;
        --live_;
        progress();
    }
    Thread* next = failure_ || stopping_ || ready_.empty() ? nullptr : pick();
    thread->fiber.finish(make_running(next, thread->fiber));
}

void Scheduler::wait() {
    switch_to(ready_.empty() ? nullptr : pick());
    if (stopping_) throw Stop{};
}

void Scheduler::yield() {
    land_some_copies();
    if (ready_.empty()) return;
    if (schedule().order == Order::reverse)
        ready_.push_front(running_);
    else
        ready_.push_back(running_);
    wait();
}

void Scheduler::maybe_yield() {
    if (schedule().order == Order::random && random_below(4) == 0) yield();
}

bool Scheduler::fruitless(Where where) {
    running_->where = where;
    running_->stands_in = "a poll";
    ++idle_;
    if (++looks_ >= round_of(ready_.size())) {
        // The others have done what they can do without it.
        looks_ = 0;
        slow_block_ = nullptr;
        slow_warp_ = nullptr;
        // One by one, but forward: there everything comes as soon as it can.
        while (land_a_copy()) {
            idle_ = 0;
            if (schedule().order != Order::forward) break;
        }
    }
    // Not of the ready ones: whoever has given up waiting is no longer one of them.
    const std::size_t patience = kRoundsToLivelock * round_of(live_);
    if (idle_ < patience) return false;
    if (!waits_expire() || idle_ > 2 * patience) report(FailureKind::livelock);
    return true;
}

void Scheduler::report(FailureKind kind) {
    std::map<std::string, unsigned> places;
    unsigned left = 0;
    for (const Thread* thread : threads_) {
        if (thread->done)
            ++left;
        else
            ++places[std::string(thread->stands_in) + " at " + describe(thread->where)];
    }
    std::string text;
    for (const auto& [place, count] : places)
        text +=
            (text.empty() ? "" : ", ") + std::to_string(count) + (count == 1 ? " thread in " : " threads in ") + place;
    throw Failure(kind, text + "; " + std::to_string(left) + " have left");
}

}  // namespace rondo::lane
