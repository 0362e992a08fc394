#include "lane/emulator/mbarrier.hpp"

#include <string>

#include "lane/emulator/failure.hpp"
#include "lane/emulator/sanitizer.hpp"
#include "lane/emulator/scheduler.hpp"

namespace rondo::lane {
namespace {

// The word, from the lowest bit: arrivals of a phase (20), arrivals still to come (20), bytes still to come (23, biased,
// since they may come before they are announced), parity of the phase (1).
constexpr unsigned kCountBits = 20, kByteBits = 23;
constexpr std::uint64_t kCountMask = (1u << kCountBits) - 1, kByteMask = (1u << kByteBits) - 1;
constexpr std::int64_t kByteBias = 1 << (kByteBits - 1);
constexpr std::int64_t kMaxBytes = (1 << 20) - 1;  // what the hardware can count

struct State {
    std::uint64_t arrivals, left;
    std::int64_t bytes;
    unsigned parity;
};

State read(const std::uint64_t* barrier, Where where) {
    const std::uint64_t word = *barrier;
    State s;
    s.arrivals = word & kCountMask;
    s.left = word >> kCountBits & kCountMask;
    s.bytes = std::int64_t(word >> (2 * kCountBits) & kByteMask) - kByteBias;
    s.parity = unsigned(word >> 63);
    if (s.arrivals == 0 || s.arrivals == kCountMask) misuse("an mbarrier is used before mbarrier_init", where);
    return s;
}

void write(std::uint64_t* barrier, const State& s) {
    *barrier = s.arrivals | s.left << kCountBits | std::uint64_t(s.bytes + kByteBias) << (2 * kCountBits) |
               std::uint64_t(s.parity) << 63;
}

void settle(std::uint64_t* barrier, State s, Where where) {
    if (s.bytes > kMaxBytes || s.bytes < -kMaxBytes) misuse("an mbarrier expects more than 2^20 - 1 bytes", where);
    if (s.left == 0 && s.bytes == 0) {
        s.left = s.arrivals;
        s.parity ^= 1;
    }
    write(barrier, s);
    scheduler().progress();
}

const char* order_of(const std::uint64_t* barrier, unsigned parity) {
    return reinterpret_cast<const char*>(barrier) + 4 * parity;
}

}  // namespace

void mbarrier_init(std::uint64_t* barrier, unsigned arrivals, Where where) {
    if (arrivals == 0 || arrivals >= kCountMask) misuse("mbarrier_init with " + std::to_string(arrivals), where);
    observe_write(barrier, sizeof(*barrier));
    const Unobserved unobserved;
    write(barrier, {arrivals, arrivals, 0, 0});
}

void mbarrier_arrive(std::uint64_t* barrier, unsigned arrivals, std::int64_t expected_bytes, Where where) {
    observe_read(barrier, sizeof(*barrier));
    const Unobserved unobserved;
    State s = read(barrier, where);
    if (s.left < arrivals) misuse("an mbarrier is arrived at more often than it was initialised for", where);
    release(order_of(barrier, s.parity));
    s.left -= arrivals;
    s.bytes += expected_bytes;
    settle(barrier, s, where);
    scheduler().maybe_yield();
}

bool mbarrier_test(std::uint64_t* barrier, unsigned parity, Where where) {
    observe_read(barrier, sizeof(*barrier));
    const Unobserved unobserved;
    if (read(barrier, where).parity == (parity & 1)) {
        scheduler().yield();
        if (read(barrier, where).parity == (parity & 1)) {
            static_cast<void>(scheduler().fruitless(where));
            return false;
        }
    }
    acquire(order_of(barrier, parity & 1));
    return true;
}

void mbarrier_complete(std::uint64_t* barrier, std::size_t bytes, Where where) {
    State s = read(barrier, where);
    s.bytes -= std::int64_t(bytes);
    settle(barrier, s, where);
}

void mbarrier_release(const std::uint64_t* barrier) { release(order_of(barrier, unsigned(*barrier >> 63))); }

}  // namespace rondo::lane
