// A launch from its shape to the end of its last block.
#include <algorithm>
#include <string>
#include <vector>

#include "lane/emulator/copies.hpp"
#include "lane/emulator/failure.hpp"
#include "lane/emulator/sanitizer.hpp"
#include "lane/emulator/schedule.hpp"
#include "lane/emulator/scheduler.hpp"
#include "lane/emulator/shared_memory.hpp"

namespace rondo::lane {
namespace {

// Blocks that run side by side although they need not, to let them get into each other's way.
constexpr unsigned kMixedThreads = 2048;
// Under the thread sanitizer, always, as far as it can count: a race is one only between threads that run at once.
constexpr unsigned kObservedThreads = 4096;

unsigned count(dim3 d) { return d.x * d.y * d.z; }
uint3 index_of(unsigned linear, dim3 extents) {
    return {linear % extents.x, linear / extents.x % extents.y, linear / extents.x / extents.y};
}

/// How many clusters run together.
unsigned clusters_together(const Grid& grid) {
    const unsigned clusters = unsigned(grid.clusters.size());
    if (grid.shape.cooperative) return clusters;
    unsigned room = 0;
    if (kThreadSanitizer)
        room = kObservedThreads;
    else if (schedule().order == Order::random)
        room = kMixedThreads;
    return std::clamp(room / (grid.cluster_size * grid.threads_per_block), 1u, clusters);
}

Grid lay_out(const Shape& shape, const std::function<void()>& body) {
    Grid grid;
    grid.shape = shape;
    grid.body = &body;
    grid.cluster_size = count(shape.cluster);
    grid.threads_per_block = count(shape.block);
    grid.blocks.resize(count(shape.grid));
    grid.clusters.resize(grid.blocks.size() / grid.cluster_size);
    return grid;
}

void prepare(Grid& grid, Block& block, unsigned linear) {
    block.grid = &grid;
    block.linear = linear;
    block.index = index_of(linear, grid.shape.grid);
    block.rank = linear % grid.cluster_size;
    block.barrier.expected = block.live = grid.threads_per_block;
    block.barrier.waiting.reserve(grid.threads_per_block);
    for (unsigned first = 0; first < grid.threads_per_block; first += 32) {
        block.warps.push_back(std::make_unique<Warp>());
        Warp& warp = *block.warps.back();
        warp.lanes = std::min(32u, grid.threads_per_block - first);
        warp.full.barrier.expected = warp.lanes;
        warp.full.barrier.waiting.reserve(32);
    }
}

void prepare(Thread& thread, Block& block, unsigned rank) {
    thread.index = index_of(rank, block.grid->shape.block);
    thread.lane = rank % 32;
    thread.block = &block;
    thread.warp = block.warps[rank / 32].get();
    thread.stands_in = "its first lines";
    thread.where = {block.grid->shape.kernel, 0};
    thread.polled_address = nullptr;
    thread.open_copies = thread.groups = 0;
    thread.in_cluster_barrier = false;
}

void run_together(Grid& grid, const std::vector<Block*>& blocks) {
    enter_shared_memory(grid, blocks);
    const std::vector<Thread*> threads = scheduler().recruit(blocks.size() * grid.threads_per_block);
    std::size_t next = 0;
    for (Block* block : blocks)
        for (unsigned rank = 0; rank < grid.threads_per_block; ++rank) prepare(*threads[next++], *block, rank);
    scheduler().drain(grid, threads);
    for (Block* block : blocks) block->warps.clear();
}

}  // namespace

void run(const Shape& shape, const std::function<void()>& body) {
    Grid grid = lay_out(shape, body);
    for (Cluster& cluster : grid.clusters) {
        cluster.barrier.expected = grid.cluster_size * grid.threads_per_block;
        cluster.barrier.waiting.reserve(cluster.barrier.expected);
    }
    std::vector<unsigned> order(grid.clusters.size());
    for (unsigned i = 0; i < order.size(); ++i) order[i] = i;
    if (schedule().order == Order::reverse) std::reverse(order.begin(), order.end());
    if (schedule().order == Order::random)
        for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_below(i)]);

    const std::size_t together = clusters_together(grid);
    try {
        for (std::size_t first = 0; first < order.size(); first += together) {
            std::vector<Block*> blocks;
            for (std::size_t i = first; i < std::min(first + together, order.size()); ++i) {
                for (unsigned rank = 0; rank < grid.cluster_size; ++rank) {
                    const unsigned linear = order[i] * grid.cluster_size + rank;
                    prepare(grid, grid.blocks[linear], linear);
                    blocks.push_back(&grid.blocks[linear]);
                }
            }
            run_together(grid, blocks);
        }
    } catch (const Failure& failure) {
        forget_copies();
        throw failure.in_kernel(shape.kernel);
    }
}

}  // namespace rondo::lane
