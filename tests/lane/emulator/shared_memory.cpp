#include "lane/emulator/shared_memory.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include "lane/emulator/copies.hpp"
#include "lane/emulator/failure.hpp"
#include "lane/emulator/sanitizer.hpp"

namespace rondo::lane {
namespace {

// An arena is [static variables, each followed by a gap][dynamic][gap]; the gaps are forbidden to the address sanitizer.
constexpr std::size_t kSharedGap = 64;
constexpr std::size_t kStaticRoom = 2 * kStaticSharedBytes;
constexpr std::size_t kSharedAlignment = 1024;

std::size_t arena_bytes(const Grid& grid) { return kStaticRoom + grid.shape.shared_bytes + kSharedGap; }

struct Release {
    void operator()(unsigned char* p) const { ::operator delete(p, std::align_val_t(kSharedAlignment)); }
};
using Arena = std::unique_ptr<unsigned char, Release>;

/// Kept from launch to launch, the size of the largest so far.
struct Arenas {
    std::vector<Arena> list;
    std::size_t bytes = 0;

    ~Arenas() {
        for (const Arena& arena : list) allow(arena.get(), bytes);
    }
    unsigned char* get(std::size_t index, std::size_t wanted) {
        if (wanted > bytes) {
            for (const Arena& arena : list) allow(arena.get(), bytes);
            list.clear();
            bytes = wanted;
        }
        while (list.size() <= index)
            list.emplace_back(static_cast<unsigned char*>(::operator new(bytes, std::align_val_t(kSharedAlignment))));
        return list[index].get();
    }
};

Arenas arenas;
int variables = 0;
constexpr std::size_t kNowhere = ~std::size_t{0};

void open_variable(Block& block, std::size_t offset, std::size_t bytes) {
    allow(block.shared + offset, bytes);
    fill_with_nan(block.shared + offset, bytes);
}

}  // namespace

void fill_with_nan(void* p, std::size_t bytes) {
    auto* to = static_cast<volatile unsigned char*>(p);
    if (!kThreadSanitizer) {
        __builtin_memset(p, 0xff, bytes);
        return;
    }
    for (std::size_t i = 0; i < bytes; ++i) to[i] = 0xff;  // a call of memset would be observed
}

void copy_unobserved(void* p, const void* q, std::size_t bytes) {
    if (!kThreadSanitizer) {
        __builtin_memmove(p, q, bytes);
        return;
    }
    auto* to = static_cast<volatile unsigned char*>(p);
    const auto* from = static_cast<const volatile unsigned char*>(q);
    for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i];
}

void enter_shared_memory(Grid& grid, const std::vector<Block*>& blocks) {
    // Largest first: growing would take away what the blocks before were given.
    static_cast<void>(arenas.get(0, arena_bytes(grid)));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        Block& block = *blocks[i];
        block.shared = arenas.get(i, arena_bytes(grid));
        forbid(block.shared, arenas.bytes);
        open_variable(block, kStaticRoom, grid.shape.shared_bytes);
    }
    // Variables are laid out anew where the first thread comes to their declaration.
    grid.variable_offsets.assign(grid.variable_offsets.size(), kNowhere);
    grid.static_bytes = grid.static_end = 0;
}

void leave_shared_memory(Block& block) {
    refuse_copies_into(block.shared, arena_bytes(*block.grid));
    fill_with_nan(block.shared + kStaticRoom, block.grid->shape.shared_bytes);
    forbid(block.shared, arena_bytes(*block.grid));
    block.shared = nullptr;
}

int new_shared_variable() { return variables++; }

void* shared_memory(int variable, std::size_t bytes, std::size_t alignment) {
    const Unobserved unobserved;
    Grid& grid = *self().block->grid;
    auto& offsets = grid.variable_offsets;
    if (offsets.size() <= std::size_t(variable)) offsets.resize(std::size_t(variable) + 1, kNowhere);
    std::size_t& offset = offsets[std::size_t(variable)];
    if (offset == kNowhere) {
        offset = (grid.static_end + alignment - 1) / alignment * alignment;
        grid.static_end = offset + bytes + kSharedGap;
        grid.static_bytes += bytes;
        if (grid.static_bytes > kStaticSharedBytes || grid.static_end > kStaticRoom)
            misuse("more than 48 KB of static shared memory", self().where);
        if (grid.static_bytes + grid.shape.shared_bytes > kSharedBytes)
            misuse("more than 227 KB of static and dynamic shared memory", self().where);
        for (Block& block : grid.blocks)
            if (block.shared != nullptr) open_variable(block, offset, bytes);
    }
    return self().block->shared + offset;
}

void* dynamic_shared() { return self().block->shared + kStaticRoom; }

unsigned cluster_rank() { return self().block->rank; }
unsigned cluster_size() { return self().block->grid->cluster_size; }

void* map_shared(const void* mine, unsigned rank, Where where) {
    const Unobserved unobserved;
    Block& block = *self().block;
    Grid& grid = *block.grid;
    const std::size_t offset = std::size_t(static_cast<const unsigned char*>(mine) - block.shared);
    if (offset >= arena_bytes(grid)) misuse("an address outside the block's shared memory", where);
    if (rank >= grid.cluster_size) misuse("block " + std::to_string(rank) + " is not in the cluster", where);
    const Block& other = grid.blocks[block.linear - block.rank + rank];
    if (other.shared == nullptr) misuse("shared memory of a block that has left", where);
    return other.shared + offset;
}

}  // namespace rondo::lane
