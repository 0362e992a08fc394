#pragma once
/// A plan's operations on its streams, each after those it waits for.
#include "scheduler/pass.hpp"

namespace rondo {

/// Waits no more than it must: a stream that has waited for another one comes after all that was queued there by then.
class StreamOrder {
public:
    StreamOrder(const Pass& pass, const std::vector<Operation>& list) : pass_(pass), list_(list) {}

    /// Queues the waits of an operation; of all its wave with the first, so that none waits for another one's work.
    void before(int i) {
        const Operation& op = list_[static_cast<std::size_t>(i)];
        if (op.wave == 0 || op.wave != wave_) {
            wait_for(op);
            for (auto k = static_cast<std::size_t>(i) + 1; k < list_.size() && op.wave > 0; ++k) {
                if (list_[k].wave != op.wave) break;
                wait_for(list_[k]);
            }
        }
        wave_ = op.wave;
        queued_[static_cast<std::size_t>(op.stream)] = i;
    }

    /// The caller's stream comes after everything.
    void join() {
        if (queued_[1] > known_[0]) wait(0, 1);
    }

private:
    void wait_for(const Operation& op) {
        const auto to = static_cast<std::size_t>(op.stream);
        if (to > 0 && !begun_) {
            begun_ = true;  // after what the caller queued
            wait(1, 0);
        }
        for (int other : op.after)
            if (const int from = list_[static_cast<std::size_t>(other)].stream; from != op.stream && other > known_[to])
                wait(to, static_cast<std::size_t>(from));
    }

    void wait(std::size_t stream, std::size_t for_other) {
        pass_.backend.order(pass_.streams[for_other], pass_.streams[stream]);
        known_[stream] = queued_[for_other];
    }

    static_assert(kMostStreams == 2, "known_ holds the other stream's last operation");
    const Pass& pass_;
    const std::vector<Operation>& list_;
    bool begun_ = false;
    int wave_ = 0;                                  ///< of the operation that was queued last
    std::array<int, kMostStreams> queued_{-1, -1};  ///< the last operation of a stream
    std::array<int, kMostStreams> known_{-1, -1};   ///< the last operation of the other one that a stream comes after
};

/// run(pass on the operation's stream, operation)
template <class Run>
void run_in_order(const Pass& pass, const std::vector<Operation>& list, const Run& run) {
    StreamOrder order(pass, list);
    for (std::size_t i = 0; i < list.size(); ++i) {
        order.before(static_cast<int>(i));
        run(pass.of(list[i]), list[i]);
    }
    order.join();
}

}  // namespace rondo
