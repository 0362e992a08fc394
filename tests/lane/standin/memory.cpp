#include "lane/standin/memory.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "lane/emulator/sanitizer.hpp"
#include "lane/emulator/shared_memory.hpp"
#include "lane/standin/machine.hpp"
#include "lane/standin/queue.hpp"

namespace rondo::lane {
namespace {

constexpr std::size_t kRange = std::size_t{16} << 30;    // of addresses; the machine's memory is taken as it is touched
constexpr std::size_t kCapacity = std::size_t{2} << 30;  // what the device claims to have
constexpr std::size_t kAllocationAlignment = 256;        // cudaMalloc's
constexpr std::size_t kForbiddenGap = 256;               // behind each allocation, forbidden to the address sanitizer
constexpr std::size_t kQuarantine = std::size_t{32} << 20;  // freed memory that is not given out again at once

unsigned char* base = nullptr;
std::size_t opened_to = 0;  // how much of the range has been in use
int works = 0;
std::size_t used = 0, limit = kCapacity;
std::map<unsigned char*, std::size_t> live;    // bytes asked for
std::map<unsigned char*, int> owner;           // of what is live: a device
std::map<unsigned char*, std::size_t> vacant;  // bytes, gaps included
std::deque<std::pair<unsigned char*, std::size_t>> quarantine;
std::size_t quarantined = 0;
std::map<unsigned char*, std::size_t> pinned;

std::size_t room_for(std::size_t bytes) {
    return (bytes + kAllocationAlignment - 1) / kAllocationAlignment * kAllocationAlignment + kForbiddenGap;
}

/// The range is the host's to touch while a device works, and nobody's otherwise. By a protection key, which is a matter
/// of nanoseconds; where the processor has none it stays open, since mprotect takes longer than all kernels together.
int key = -1;

void open_range(bool open) {
    if (key >= 0) pkey_set(key, open ? 0 : PKEY_DISABLE_ACCESS);
}

bool in_range(const void* p) { return base != nullptr && p >= base && p < base + kRange; }

void on_fault(int number, siginfo_t* info, void*) {
    if (in_range(info->si_addr)) {
        static constexpr char kText[] = "lane: the host touches device memory\n";
        static_cast<void>(!write(STDERR_FILENO, kText, sizeof(kText) - 1));
    }
    signal(number, SIG_DFL);  // and again, for a core or the default message
}

void reserve_range() {
    void* range = mmap(nullptr, kRange, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) fail(cudaErrorMemoryAllocation);
    base = static_cast<unsigned char*>(range);
    key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
    if (key >= 0 && pkey_mprotect(range, kRange, PROT_READ | PROT_WRITE, key) != 0) key = -1;
    if (kAddressSanitizer || kThreadSanitizer) return;  // they tell the place themselves
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
}

void give_back(unsigned char* p, std::size_t room) {
    const auto [after, inserted] = vacant.emplace(p, room);
    static_cast<void>(inserted);
    if (const auto next = std::next(after); next != vacant.end() && next->first == p + after->second) {
        after->second += next->second;
        vacant.erase(next);
    }
    if (after == vacant.begin()) return;
    const auto before = std::prev(after);
    if (before->first + before->second != p) return;
    before->second += after->second;
    vacant.erase(after);
}

unsigned char* take(std::size_t room) {
    for (auto place = vacant.begin(); place != vacant.end(); ++place) {
        if (place->second < room) continue;
        unsigned char* p = place->first;
        const std::size_t rest = place->second - room;
        vacant.erase(place);
        if (rest > 0) vacant.emplace(p + room, rest);
        return p;
    }
    if (opened_to + room > kRange) fail(cudaErrorMemoryAllocation);
    unsigned char* p = base + opened_to;
    opened_to += room;
    forbid(p, room);
    return p;
}

/// The entry of `list` that holds p.
const std::pair<unsigned char* const, std::size_t>* find(const std::map<unsigned char*, std::size_t>& list,
                                                         const void* p) {
    auto place = list.upper_bound(static_cast<unsigned char*>(const_cast<void*>(p)));
    if (place == list.begin()) return nullptr;
    --place;
    return p < place->first + place->second ? &*place : nullptr;
}

}  // namespace

void* allocate_device(std::size_t bytes) {
    need(bytes <= limit && used + bytes <= limit, cudaErrorMemoryAllocation);
    if (base == nullptr) reserve_range();
    const DeviceWorks device;
    unsigned char* p = take(room_for(bytes));
    allow(p, bytes);
    fill_with_nan(p, bytes);
    live.emplace(p, bytes);
    owner.emplace(p, current_device());
    used += bytes;
    ++machine().counters.allocations;
    return p;
}

bool free_device(void* p) {
    const auto place = live.find(static_cast<unsigned char*>(p));
    if (place == live.end()) return false;
    const std::size_t bytes = place->second, room = room_for(bytes);
    const DeviceWorks device;
    fill_with_nan(p, bytes);
    forbid(p, bytes);
    live.erase(place);
    owner.erase(static_cast<unsigned char*>(p));
    used -= bytes;
    quarantine.emplace_back(static_cast<unsigned char*>(p), room);
    quarantined += room;
    while (quarantined > kQuarantine) {
        quarantined -= quarantine.front().second;
        give_back(quarantine.front().first, quarantine.front().second);
        quarantine.pop_front();
    }
    return true;
}

void* allocate_pinned(std::size_t bytes) {
    void* p = std::aligned_alloc(kAllocationAlignment,
                                 (bytes + kAllocationAlignment - 1) / kAllocationAlignment * kAllocationAlignment);
    need(p != nullptr, cudaErrorMemoryAllocation);
    fill_with_nan(p, bytes);
    pinned.emplace(static_cast<unsigned char*>(p), bytes);
    ++machine().counters.allocations;
    return p;
}

bool free_pinned(void* p) {
    const auto place = pinned.find(static_cast<unsigned char*>(p));
    if (place == pinned.end()) return false;
    pinned.erase(place);
    std::free(p);
    return true;
}

std::size_t device_bytes_used() { return used; }
std::size_t device_bytes_limit() { return limit; }
void limit_memory(std::size_t bytes) { limit = bytes; }
void lift_memory_limit() { limit = kCapacity; }

Place place_of(const void* p) {
    if (in_range(p)) return Place::device;
    return find(pinned, p) != nullptr ? Place::pinned : Place::host;
}

bool lies_in(Place place, const void* p, std::size_t bytes) {
    if (place == Place::host) return p != nullptr && !in_range(p);
    const auto* entry = find(place == Place::device ? live : pinned, p);
    if (entry == nullptr) return false;
    const std::size_t offset = std::size_t(static_cast<const unsigned char*>(p) - entry->first);
    return bytes <= entry->second - offset;
}

int device_of(const void* p) {
    const auto* entry = in_range(p) ? find(live, p) : nullptr;
    return entry == nullptr ? -1 : owner.at(entry->first);
}

bool looks_like_host_pointer(const void* p) {
    if (kAddressSanitizer || kThreadSanitizer) return false;  // their heaps lie elsewhere
    static const unsigned char* const heap = [] {
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);)
            if (line.find("[heap]") != std::string::npos)
                return reinterpret_cast<const unsigned char*>(std::stoull(line, nullptr, 16));
        return static_cast<const unsigned char*>(nullptr);
    }();
    return heap != nullptr && p >= heap && p < sbrk(0) && place_of(p) == Place::host;
}

DeviceWorks::DeviceWorks() {
    if (works++ == 0) open_range(true);
}
DeviceWorks::~DeviceWorks() {
    if (--works == 0) open_range(false);
}

std::vector<std::string> unfreed_memory() {
    run_all();
    std::vector<std::string> list;
    for (const auto& [p, bytes] : live) list.push_back(std::to_string(bytes) + " bytes of device memory");
    for (const auto& [p, bytes] : pinned) list.push_back(std::to_string(bytes) + " bytes of pinned memory");
    return list;
}

bool keeps_the_host_out() {
    if (base == nullptr) reserve_range();
    return key >= 0;
}

}  // namespace rondo::lane
