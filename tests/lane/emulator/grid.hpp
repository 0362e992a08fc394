#pragma once
/// A launch as it runs: its blocks, warps and threads, and where each of them stands.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/lane/hooks.hpp"
#include "device/lane/launch.hpp"
#include "lane/emulator/fiber.hpp"

namespace rondo::lane {

struct Block;
struct Warp;
struct Grid;

struct Thread {
    explicit Thread(std::size_t stack_bytes) : fiber(stack_bytes) {}

    Fiber fiber;
    uint3 index{};
    unsigned lane = 0;
    Block* block = nullptr;
    Warp* warp = nullptr;
    bool done = true;
    const char* stands_in = "";  ///< what it waits in, or did last
    Where where;

    const void* polled_address = nullptr;  ///< the last word it read to see whether it had changed
    std::uint64_t polled_value = 0;
    unsigned open_copies = 0;         ///< cp.async: those not yet in a group
    unsigned groups = 0;              ///< groups closed so far
    bool in_cluster_barrier = false;  ///< has arrived and not yet waited
    unsigned cluster_phase = 0;       ///< at which phase it arrived
};

/// Where a number of threads meet. The first to come decides what they meet in.
struct Barrier {
    unsigned expected = 0;
    unsigned arrived = 0;
    unsigned phase = 0;
    const char* kind = "";
    Where where;
    std::vector<Thread*> waiting;
    unsigned votes = 0;       ///< of the phase under way
    unsigned last_votes = 0;  ///< of the one before
    char order[2] = {};       ///< what the thread sanitizer knows the two last phases by
};

/// A meeting of lanes that hand each other values. Slots of a phase stay until the phase after the next.
struct Meeting {
    Barrier barrier;
    alignas(16) unsigned char slots[2][32 * kSlotBytes] = {};
};

struct Warp {
    unsigned lanes = 0;  ///< how many the block has of it
    Meeting full;
    std::map<unsigned, std::unique_ptr<Meeting>> partial;  ///< by mask
};

struct Block {
    Grid* grid = nullptr;
    uint3 index{};
    unsigned linear = 0;
    unsigned rank = 0;  ///< in its cluster
    Barrier barrier;
    std::vector<std::unique_ptr<Warp>> warps;
    unsigned char* shared = nullptr;  ///< null when it is not running
    unsigned live = 0;                ///< threads that have not left
};

/// A cluster's barrier counts arrivals apart from waits, so that a thread can do something in between.
struct Cluster {
    Barrier barrier;
};

struct Grid {
    Shape shape{};
    const std::function<void()>* body = nullptr;
    unsigned cluster_size = 1;
    unsigned threads_per_block = 1;
    std::vector<Block> blocks;
    std::vector<Cluster> clusters;
    std::vector<std::size_t> variable_offsets;  ///< by declaration; the same in every block
    std::size_t static_end = 0;                 ///< where the next one may lie
    std::size_t static_bytes = 0;               ///< of them all, without gaps

    Cluster& cluster_of(const Block& block) { return clusters[block.linear / cluster_size]; }
};

/// The running thread. Null between launches.
Thread* running();
inline Thread& self() { return *running(); }

/// Runs a launch to its end. Throws Failure.
void run(const Shape& shape, const std::function<void()>& body);

/// Lets go of the threads that are kept for the next launch. Due before a fork: to the thread sanitizer they are threads,
/// and it looks at nothing in the child of a process that has any.
void dismiss_threads();

}  // namespace rondo::lane
