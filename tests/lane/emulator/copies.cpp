#include "lane/emulator/copies.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "lane/emulator/failure.hpp"
#include "lane/emulator/mbarrier.hpp"
#include "lane/emulator/sanitizer.hpp"
#include "lane/emulator/schedule.hpp"
#include "lane/emulator/scheduler.hpp"
#include "lane/emulator/shared_memory.hpp"

namespace rondo::lane {
namespace {

constexpr std::size_t kMaxStoreBytes = 16;

struct Copy {
    unsigned char* to = nullptr;
    const unsigned char* from = nullptr;  ///< null: `value` is stored
    unsigned char value[kMaxStoreBytes] = {};
    std::size_t bytes = 0;
    std::size_t valid = 0;             ///< the rest becomes zero
    std::uint64_t* barrier = nullptr;  ///< null: cp.async
    unsigned group = 0;                ///< cp.async: of its thread
    Where where;
};

std::vector<Copy> under_way;                               // those of barriers; oldest first
std::unordered_map<const Thread*, std::vector<Copy>> own;  // cp.async, which land when their thread waits for them

void carry_out(const Copy& copy) {
    copy_unobserved(copy.to, copy.from != nullptr ? copy.from : copy.value, copy.valid);
    for (std::size_t i = copy.valid; i < copy.bytes; ++i) copy_unobserved(copy.to + i, "", 1);
    if (copy.barrier != nullptr) mbarrier_complete(copy.barrier, copy.bytes, copy.where);
    scheduler().progress();
}

void land(std::size_t position) {
    const Copy copy = under_way[position];
    under_way.erase(under_way.begin() + std::ptrdiff_t(position));
    carry_out(copy);
}

void begin(Copy copy, const char* kind) {
    if (forbidden(copy.to, copy.bytes)) misuse(std::string(kind) + " writes out of bounds", copy.where);
    if (copy.from != nullptr && forbidden(copy.from, copy.valid))
        misuse(std::string(kind) + " reads out of bounds", copy.where);
    // The thread sanitizer takes the copy for an act of the thread that starts it.
    observe_write(copy.to, copy.bytes);
    if (copy.from != nullptr) observe_read(copy.from, copy.valid);
    const Unobserved unobserved;
    if (copy.barrier != nullptr) mbarrier_release(copy.barrier);
    if (schedule().order == Order::reverse) {
        carry_out(copy);
        return;
    }
    fill_with_nan(copy.to, copy.bytes);
    if (copy.barrier == nullptr) {
        own[&self()].push_back(copy);
        return;
    }
    under_way.push_back(copy);
    land_some_copies();
}

}  // namespace

bool land_a_copy() {
    if (under_way.empty()) return false;
    land(schedule().order == Order::random ? random_below(under_way.size()) : 0);
    return true;
}

void land_some_copies() {
    if (schedule().order == Order::random && !under_way.empty() && random_below(4) == 0) land_a_copy();
}

void drop_copies_of(const Thread& thread) { own.erase(&thread); }

void refuse_copies_into(const unsigned char* memory, std::size_t bytes) {
    for (const Copy& copy : under_way)
        if (copy.to >= memory && copy.to < memory + bytes)
            misuse("a block leaves while a copy into its shared memory is under way, started", copy.where);
}

void forget_copies() {
    under_way.clear();
    own.clear();
}

void copy_async(void* to, const void* from, std::size_t bytes, std::size_t valid, Where where) {
    require_aligned(to, bytes, "cp.async", where);
    require_aligned(from, bytes, "cp.async", where);
    Thread& me = self();
    ++me.open_copies;
    Copy copy;
    copy.to = static_cast<unsigned char*>(to);
    copy.from = static_cast<const unsigned char*>(from);
    copy.bytes = bytes;
    copy.valid = valid;
    copy.group = me.groups;
    copy.where = where;
    begin(copy, "cp.async");
}

void copy_async_commit() {
    Thread& me = self();
    me.open_copies = 0;
    ++me.groups;
}

void copy_async_wait(int groups_left, Where where) {
    const Unobserved unobserved;
    Thread& me = self();
    me.where = where;
    const auto found = own.find(&me);
    if (found == own.end()) return;
    std::vector<Copy>& copies = found->second;
    // Copies that were never committed belong to no group and are not waited for.
    const auto left = std::find_if(copies.begin(), copies.end(), [&](const Copy& copy) {
        return copy.group >= me.groups || me.groups - copy.group <= unsigned(groups_left);
    });
    for (auto copy = copies.begin(); copy != left; ++copy) carry_out(*copy);
    copies.erase(copies.begin(), left);
}

void copy_bulk(void* to, const void* from, std::size_t bytes, std::uint64_t* barrier, Where where) {
    constexpr const char* kKind = "a bulk copy";
    if (bytes % 16 != 0) misuse("a bulk copy of a size that is not a multiple of 16", where);
    require_aligned(to, 16, kKind, where);
    require_aligned(from, 16, kKind, where);
    Copy copy;
    copy.to = static_cast<unsigned char*>(to);
    copy.from = static_cast<const unsigned char*>(from);
    copy.bytes = copy.valid = bytes;
    copy.barrier = barrier;
    copy.where = where;
    begin(copy, kKind);
}

void store_async(void* to, const void* value, std::size_t bytes, std::uint64_t* barrier, Where where) {
    constexpr const char* kKind = "an asynchronous store";
    require_aligned(to, bytes, kKind, where);
    Copy copy;
    copy.to = static_cast<unsigned char*>(to);
    copy_unobserved(copy.value, value, bytes);
    copy.bytes = copy.valid = bytes;
    copy.barrier = barrier;
    copy.where = where;
    begin(copy, kKind);
}

}  // namespace rondo::lane
