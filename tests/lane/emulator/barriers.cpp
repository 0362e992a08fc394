// Where threads meet: blocks, warps, clusters.
#include <cstring>
#include <string>

#include "lane/emulator/failure.hpp"
#include "lane/emulator/sanitizer.hpp"
#include "lane/emulator/schedule.hpp"
#include "lane/emulator/scheduler.hpp"
#include "lane/emulator/shared_memory.hpp"

namespace rondo::lane {
namespace {

bool same_place(Where a, Where b) { return a.line == b.line && std::strcmp(a.file, b.file) == 0; }

std::string place(const char* kind, Where where) { return std::string(kind) + " at " + describe(where); }

/// The first arrival of a phase says what is met in; the others must agree.
void agree(Barrier& barrier, const char* kind, Where where, bool same_line) {
    if (barrier.arrived == 0) {
        barrier.kind = kind;
        barrier.where = where;
        return;
    }
    if (std::strcmp(barrier.kind, kind) == 0 && (!same_line || same_place(barrier.where, where))) return;
    throw Failure(FailureKind::divergence, "some threads are in " + place(barrier.kind, barrier.where) +
                                               ", others of the same group in " + place(kind, where));
}

/// True for the arrival that completes the phase.
bool arrive(Barrier& barrier, bool orders_memory) {
    if (orders_memory) release(&barrier.order[barrier.phase & 1]);
    if (++barrier.arrived < barrier.expected) return false;
    barrier.arrived = 0;
    ++barrier.phase;
    barrier.last_votes = barrier.votes;
    barrier.votes = 0;
    for (Thread* thread : barrier.waiting) scheduler().wake(thread);
    barrier.waiting.clear();
    scheduler().progress();
    return true;
}

/// Arrives and comes back when all have. Returns the phase that was completed.
unsigned meet(Barrier& barrier, const char* kind, Where where, bool orders_memory) {
    Thread& me = self();
    me.where = where;
    me.stands_in = kind;
    const unsigned phase = barrier.phase;
    if (arrive(barrier, orders_memory)) {
        // Elsewhere than in a forward schedule the last to come need not be the first to go on.
        if (schedule().order != Order::forward) scheduler().yield();
    } else {
        barrier.waiting.push_back(&me);
        scheduler().wait();
    }
    if (orders_memory) acquire(&barrier.order[phase & 1]);
    return phase;
}

Meeting& meeting(unsigned mask, const char* kind, Where where) {
    Thread& me = self();
    Warp& warp = *me.warp;
    const unsigned present = warp.lanes == 32 ? ~0u : (1u << warp.lanes) - 1;
    if ((mask >> me.lane & 1u) == 0)
        misuse(std::string(kind) + " by lane " + std::to_string(me.lane) + ", which its mask leaves out", where);
    if ((mask & present) == present) return warp.full;
    auto& partial = warp.partial[mask & present];
    if (!partial) {
        partial = std::make_unique<Meeting>();
        partial->barrier.expected = unsigned(__builtin_popcount(mask & present));
        partial->barrier.waiting.reserve(32);
    }
    return *partial;
}

}  // namespace

void block_barrier(Where where) {
    const Unobserved unobserved;
    Barrier& barrier = self().block->barrier;
    agree(barrier, "__syncthreads", where, true);
    meet(barrier, "__syncthreads", where, true);
}

Votes block_votes(bool vote, Where where) {
    const Unobserved unobserved;
    Barrier& barrier = self().block->barrier;
    agree(barrier, "__syncthreads with votes", where, true);
    barrier.votes += vote;
    meet(barrier, "__syncthreads with votes", where, true);
    // Nobody can have completed the next phase before this thread has arrived there.
    return {int(barrier.last_votes), barrier.last_votes == barrier.expected, barrier.last_votes > 0};
}

void warp_barrier(unsigned mask, Where where) {
    const Unobserved unobserved;
    Meeting& m = meeting(mask, "__syncwarp", where);
    agree(m.barrier, "__syncwarp", where, false);
    meet(m.barrier, "__syncwarp", where, true);
}

const unsigned char* exchange(unsigned mask, const void* mine, std::size_t bytes, const char* kind, Where where) {
    const Unobserved unobserved;
    Meeting& m = meeting(mask, kind, where);
    agree(m.barrier, kind, where, true);
    unsigned char* slots = m.slots[m.barrier.phase & 1];
    copy_unobserved(slots + self().lane * kSlotBytes, mine, bytes);
    meet(m.barrier, kind, where, false);
    return slots;
}

void require_lane(unsigned mask, unsigned source, const char* kind, Where where) {
    if (source < self().warp->lanes && (mask >> source & 1u) != 0) return;
    misuse(std::string(kind) + " reads lane " + std::to_string(source) + ", which is not in the mask", where);
}

void require_aligned(const void* address, std::size_t alignment, const char* kind, Where where) {
    if (reinterpret_cast<std::uintptr_t>(address) % alignment == 0) return;
    misuse(std::string(kind) + " with an address that is not a multiple of " + std::to_string(alignment), where);
}

void cluster_arrive(Where where) {
    const Unobserved unobserved;
    Thread& me = self();
    if (me.in_cluster_barrier) misuse("cluster_arrive twice without cluster_wait", where);
    Barrier& barrier = me.block->grid->cluster_of(*me.block).barrier;
    me.in_cluster_barrier = true;
    me.cluster_phase = barrier.phase;
    me.where = where;
    me.stands_in = "cluster_arrive";
    arrive(barrier, true);
}

void cluster_wait(Where where) {
    const Unobserved unobserved;
    Thread& me = self();
    if (!me.in_cluster_barrier) misuse("cluster_wait without cluster_arrive", where);
    Barrier& barrier = me.block->grid->cluster_of(*me.block).barrier;
    me.where = where;
    me.stands_in = "cluster_wait";
    if (barrier.phase == me.cluster_phase) {
        barrier.waiting.push_back(&me);
        scheduler().wait();
    } else if (schedule().order != Order::forward) {
        scheduler().yield();
    }
    acquire(&barrier.order[me.cluster_phase & 1]);
    me.in_cluster_barrier = false;
}

void yield_to_others(Where where) {
    const Unobserved unobserved;
    self().where = where;
    scheduler().yield();
}

void observed(const void* address, std::uint64_t value, Where where) {
    const Unobserved unobserved;
    Thread& me = self();
    if (me.polled_address == address && me.polled_value == value) {
        static_cast<void>(scheduler().fruitless(where));
        return;
    }
    me.polled_address = address;
    me.polled_value = value;
    scheduler().progress();
}

bool wait_expired(Where where) {
    const Unobserved unobserved;
    const bool expired = scheduler().fruitless(where);
    scheduler().yield();
    return expired;
}

void visible_step() {
    const Unobserved unobserved;
    scheduler().progress();
    scheduler().maybe_yield();
}

void trap(Where where) { throw Failure(FailureKind::trap, "__trap at " + describe(where)); }

}  // namespace rondo::lane
