#include "lane/emulator/schedule.hpp"

#include <stdexcept>

#include "lane/emulator/sanitizer.hpp"

namespace rondo::lane {
namespace {

Schedule current;
std::uint64_t state = 1;
bool expire = false;

}  // namespace

std::string Schedule::name() const {
    switch (order) {
        case Order::forward:
            return "forward";
        case Order::reverse:
            return "reverse";
        case Order::random:
            break;
    }
    return "random:" + std::to_string(seed);
}

Schedule Schedule::parse(std::string_view text) {
    if (text == "forward") return {Order::forward, 1};
    if (text == "reverse") return {Order::reverse, 1};
    constexpr std::string_view kRandom = "random:";
    if (text.substr(0, kRandom.size()) == kRandom)
        return {Order::random, std::stoull(std::string(text.substr(kRandom.size())))};
    throw std::invalid_argument("schedule '" + std::string(text) + "': must be forward, reverse or random:SEED");
}

const Schedule& schedule() { return current; }

void set_schedule(Schedule next) {
    current = next;
    state = next.seed * 0x9E3779B97F4A7C15ull | 1;
}

std::vector<Schedule> test_schedules() {
    std::vector<Schedule> list{{Order::forward, 1}, {Order::reverse, 1}, {Order::random, 1}};
    if (!kThreadSanitizer && !kAddressSanitizer)
        for (std::uint64_t seed = 2; seed <= 6; ++seed) list.push_back({Order::random, seed});
    return list;
}

std::size_t random_below(std::size_t bound) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % bound;
}

void let_waits_expire(bool value) { expire = value; }
bool waits_expire() { return expire; }

}  // namespace rondo::lane
