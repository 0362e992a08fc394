#include "scheduler/windows.hpp"

#include <algorithm>

#include "rondo/error.hpp"

namespace rondo {

std::vector<Window> truncation_windows(std::int64_t steps, std::int64_t k1, std::int64_t k2) {
    require(steps >= 1, "steps", steps, "must be at least 1");
    require(k1 >= 1, "k1", k1, "must be at least 1");
    require(k2 >= k1, "k2", k2, "must be at least k1");
    std::vector<Window> windows;
    for (std::int64_t taken = 0; taken < steps;) {
        const std::int64_t end = steps - taken > k1 ? taken + k1 : steps;
        windows.push_back({std::max<std::int64_t>(0, end - k2), end, taken});
        taken = end;
    }
    return windows;
}

}  // namespace rondo
