#pragma once
/// Where the blocks of a grid that gather from each other write operands, in global memory, and how a block gets them:
/// once a counter says that all have written a wave, one thread, the courier, has it copied into shared memory.
///
/// There is room for several operands, in turn. A warp that announces a wave of operand i+2 is done with all of operand
/// i, so that who has gathered that wave may overwrite operand i with i+4: two would do for others, but a block also
/// reads its own part again, when it has time.
#include "device/bulk_copy.cuh"
#include "device/ordered.cuh"
#include "persistent/weights.cuh"

namespace rondo::kernels {

class Board {
public:
    RONDO_DEVICE Board(const Geometry& geometry, const LoopExchange& exchange, unsigned char* shared)
        : geometry_(geometry),
          exchange_(exchange),
          landings_(shared + geometry.operand),
          gathering_(static_cast<int>(blockIdx.x) / geometry.ranks * geometry.cluster +
                     static_cast<int>(blockIdx.x) % geometry.cluster) {}

    /// Before anything else; rows and their waves: of the group. All threads call it.
    RONDO_DEVICE void open(int rows, int waves) {
        rows_ = rows;
        waves_ = waves;
        if (threadIdx.x == 0) {
            for (int wave = 0; wave < geometry_.waves; ++wave) device::mbarrier_init(written(wave), blockDim.x / 32);
            for (int i = 0; i < geometry_.landings; ++i) device::mbarrier_init(landed(i), 1);
            device::mbarrier_fence_init();
        }
        __syncthreads();
    }

    /// Operand i, for this block to write its part of. What nobody writes is zero.
    RONDO_DEVICE unsigned char* operand(int i) const {
        return static_cast<unsigned char*>(exchange_.scratch) +
               static_cast<std::size_t>(geometry_.groups * geometry_.cluster * geometry_.waves) * kCounterBytes +
               static_cast<std::size_t>(gathering_ * kBoards + i % kBoards) * geometry_.board_bytes;
    }
    /// After what this warp writes of a wave, and has read of landings. All warps call it for every wave.
    RONDO_DEVICE void announce(int i, int wave) {
        device::fence_before_bulk_copy();
        __syncwarp();
        if (device::lane_index() == 0) device::mbarrier_arrive(written(wave));
        if (!is_courier()) return;
        judge(late_ || device::mbarrier_wait(written(wave), static_cast<unsigned>(i % 2), {exchange_.nanoseconds}));
        device::add_release(counter(wave), 1);
    }
    /// Has a wave copied to where await() will find it, once all blocks have announced it, which is where the courier
    /// waits. The block is done with the `landings` before. All threads may call it.
    RONDO_DEVICE void fetch(int i, int wave) {
        if (!is_courier()) return;
        const unsigned wanted = static_cast<unsigned>(i + 1) * static_cast<unsigned>(geometry_.gathering);
        judge(late_ || device::spin_until([&] { return device::load_acquire(counter(wave)) >= wanted; },
                                          {exchange_.nanoseconds}));
        if (late_) return;  // nor does it wait for what the landing still gets
        const int from = wave * of_wave(), left = rows_ - from;
        const auto bytes = static_cast<unsigned>((left < of_wave() ? left : of_wave()) * geometry_.board_row_bytes);
        device::fence_after_acquire();
        device::mbarrier_arrive_expect(landed(landing(wave)), bytes);
        device::copy_bulk(landings_ + landing(wave) * of_wave() * geometry_.board_row_bytes,
                          operand(i) + from * geometry_.board_row_bytes, bytes, landed(landing(wave)));
    }
    /// Waits for a wave that is fetched, and returns its landing. All threads call it.
    RONDO_DEVICE int await(int i, int wave) {
        if (device::lane_index() == 0 && !late_) {
            // How often that landing was used before.
            const int others = geometry_.landings - 1;
            const int turn = i * ((waves_ - landing(wave) + others) >> others) + (wave >> others);
            judge(
                device::mbarrier_wait(landed(landing(wave)), static_cast<unsigned>(turn % 2), {exchange_.nanoseconds}));
        }
        __syncwarp();
        return landing(wave);
    }

private:
    /// The last warp has the least to make.
    RONDO_DEVICE static bool is_courier() { return threadIdx.x == blockDim.x - 32; }
    /// How often a block has announced a wave, all in all.
    RONDO_DEVICE unsigned* counter(int wave) const {
        return static_cast<unsigned*>(exchange_.scratch) +
               (gathering_ * geometry_.waves + wave) * (kCounterBytes / static_cast<int>(sizeof(unsigned)));
    }
    RONDO_DEVICE int of_wave() const { return geometry_.wave * kSlab; }  // rows
    RONDO_DEVICE int landing(int wave) const { return wave & (geometry_.landings - 1); }
    RONDO_DEVICE static device::Mbarrier& written(int wave) {
        RONDO_SHARED(device::Mbarrier, barriers, [kMostWaves]);
        return barriers[wave];
    }
    RONDO_DEVICE static device::Mbarrier& landed(int i) {
        RONDO_SHARED(device::Mbarrier, barriers, [2]);
        return barriers[i];
    }
    RONDO_DEVICE void judge(bool in_time) {
        if (in_time) return;
        late_ = true;
        *exchange_.late = 1;
    }

    const Geometry& geometry_;
    const LoopExchange& exchange_;
    unsigned char* const landings_;
    const int gathering_;  // which of all sets of blocks that gather from each other
    int rows_ = 0, waves_ = 0;
    bool late_ = false;
};

}  // namespace rondo::kernels
