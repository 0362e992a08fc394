#pragma once
/// The order in which threads, blocks and queued work run, and how a test sets it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rondo::lane {

enum class Order {
    forward,  ///< first come, first served; asynchronous copies land as late as they may
    reverse,  ///< the newest first; copies land at once
    random,   ///< anything legal, decided by the seed
};

struct Schedule {
    Order order = Order::forward;
    std::uint64_t seed = 1;

    std::string name() const;
    /// "forward", "reverse" or "random:SEED". Throws std::invalid_argument on anything else.
    static Schedule parse(std::string_view text);
};

/// The running schedule. Setting one starts its random numbers anew.
const Schedule& schedule();
void set_schedule(Schedule schedule);

/// The schedules that a self-test tries: fewer under a sanitizer, where each takes its time.
std::vector<Schedule> test_schedules();

/// A random number below `bound`, from the schedule's seed.
std::size_t random_below(std::size_t bound);

/// When set, bounded waits that cannot end give up, as they would on a device after their limit. Otherwise such a wait
/// is a livelock and reported.
void let_waits_expire(bool expire);
bool waits_expire();

}  // namespace rondo::lane
