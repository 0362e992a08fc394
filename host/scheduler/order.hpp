#pragma once
/// A plan's operations on its streams, each after those it waits for.
#include <algorithm>

#include "scheduler/pass.hpp"

namespace rondo {

/// Waits no more than it must: a stream that has waited for another one comes after all that was queued there by then,
/// and after all that this one had waited for.
class StreamOrder {
public:
    StreamOrder(const Pass& pass, const std::vector<Operation>& list) : pass_(pass), list_(list) {
        queued_.fill(kNothing);
        for (Operations& of : known_) of.fill(kNothing);
        queued_[0] = kCallers;
    }

    /// Queues the waits of an operation; of all its wave with the first, so that none waits for another one's work.
    void before(int i) {
        const Operation& op = list_[static_cast<std::size_t>(i)];
        if (op.wave == 0 || op.wave != wave_) {
            by_now_ = known_;
            wait_for(op);
            for (auto k = static_cast<std::size_t>(i) + 1; k < list_.size() && op.wave > 0; ++k) {
                if (list_[k].wave != op.wave) break;
                wait_for(list_[k]);
            }
            queue_waits();
        }
        wave_ = op.wave;
        queued_[static_cast<std::size_t>(op.stream)] = i;
    }

    /// The caller's stream comes after everything.
    void join() {
        by_now_ = known_;
        for (std::size_t from = kStreams; from-- > 1;) wait(0, from, queued_[from]);
        queue_waits();
    }

private:
    static constexpr std::size_t kStreams = kMostStreams;
    static constexpr int kNothing = -2, kCallers = -1;  ///< in place of an operation: none, and what the caller queued
    using Operations = std::array<int, kStreams>;       ///< one of each stream

    void wait_for(const Operation& op) {
        const auto to = static_cast<std::size_t>(op.stream);
        for (int other : op.after)
            wait(to, static_cast<std::size_t>(list_[static_cast<std::size_t>(other)].stream), other);
        wait(to, 0, kCallers);
    }

    /// For an operation of another stream, unless that is known to have run.
    void wait(std::size_t to, std::size_t from, int operation) {
        if (to == from || known_[to][from] >= operation) return;
        waits_[count_++] = {pass_.streams[from], pass_.streams[to]};
        for (std::size_t s = 0; s < kStreams; ++s) known_[to][s] = std::max(known_[to][s], by_now_[from][s]);
        known_[to][from] = queued_[from];
    }

    void queue_waits() {
        if (count_ > 0) pass_.backend.order(std::span<const Wait>(waits_).first(count_));
        count_ = 0;
    }

    const Pass& pass_;
    const std::vector<Operation>& list_;
    int wave_ = 0;                                 ///< of the operation that was queued last
    Operations queued_{};                          ///< the last operation of a stream
    std::array<Operations, kStreams> known_{};     ///< the last one of each other stream that a stream comes after
    std::array<Operations, kStreams> by_now_{};    ///< the same before the waits that are being gathered
    std::array<Wait, kStreams * kStreams> waits_;  ///< to be queued together: one for each two streams at the most
    std::size_t count_ = 0;
};

/// run(pass on the operation's stream, operation)
template <class Run>
void run_in_order(const Pass& pass, const std::vector<Operation>& list, const Run& run) {
    StreamOrder order(pass, list);
    try {
        for (std::size_t i = 0; i < list.size(); ++i) {
            order.before(static_cast<int>(i));
            run(pass.of(list[i]), list[i]);
        }
    } catch (...) {
        order.join();  // what is queued by then still works in the caller's memory
        throw;
    }
    order.join();
}

}  // namespace rondo
