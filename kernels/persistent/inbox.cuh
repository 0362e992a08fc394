#pragma once
/// What the blocks of a cluster send each other for a step, or one block itself: operands, or backward sums. There are
/// two boxes, in turn, each in waves: who has all that was sent of a wave for step i+1 knows that every block of the
/// cluster is done with that wave of box i, which step i+2 overwrites. For a block has sent all of step i+1 only once
/// each of its warps has multiplied operand i, or added up its sums of step i.
#include "device/bulk_copy.cuh"
#include "persistent/weights.cuh"

namespace rondo::kernels {

class Inbox {
public:
    RONDO_DEVICE Inbox(const Geometry& geometry, const LoopExchange& exchange, unsigned char* shared)
        : geometry_(geometry), exchange_(exchange), boxes_(shared + geometry.inbox) {}

    /// Before anything else. row_bytes: that a block is sent for a step and a row of the batch, of `rows`. All threads
    /// of all blocks of the cluster call it.
    RONDO_DEVICE void open(int row_bytes, int rows) {
        row_bytes_ = row_bytes;
        rows_ = rows;
        auto* const words = reinterpret_cast<std::uint32_t*>(boxes_);
        for (unsigned i = threadIdx.x; i < 2 * geometry_.box_bytes / 4; i += blockDim.x) words[i] = 0;
        if (geometry_.cluster == 1) return __syncthreads();
        if (threadIdx.x == 0) {
            for (int wave = 0; wave < geometry_.waves; ++wave)
                for (int i = 0; i < 2; ++i) device::mbarrier_init(full(i, wave), 1);
            device::mbarrier_fence_init();
            for (int wave = 0; wave < geometry_.waves; ++wave)
                for (int i = 0; i < 2; ++i) expect(i, wave);
        }
        device::cluster_sync();
    }

    /// What is sent for step i; a wave of it to be read once await() of that has returned.
    RONDO_DEVICE unsigned char* box(int i) const { return boxes_ + (i % 2) * geometry_.box_bytes; }
    /// Puts 16 bytes to a place in the box of a block of the cluster, of rows of that wave.
    RONDO_DEVICE void put(int i, int wave, int rank, int byte, const Words& words) const {
        if (geometry_.cluster > 1)
            device::store_async(device::remote_address(box(i) + byte, static_cast<unsigned>(rank)), words,
                                device::remote_address(&full(i, wave), static_cast<unsigned>(rank)));
        else
            device::store_vector(reinterpret_cast<std::uint32_t*>(box(i) + byte), words);
    }
    /// Waits for all that is sent for a wave of step i. All threads call it. A block that has waited in vain once waits
    /// no more, and what it makes is worthless. all_waves_come_together: they are put before the first is awaited.
    RONDO_DEVICE void await(int i, int wave, bool all_waves_come_together = false) {
        if (geometry_.cluster == 1) {
            if (wave == 0 || !all_waves_come_together) __syncthreads();
            return;
        }
        if (device::lane_index() == 0 && !late_) {
            late_ = !device::mbarrier_wait<device::Scope::cluster>(full(i, wave), static_cast<unsigned>(i / 2 % 2),
                                                                   {exchange_.nanoseconds});
            if (late_) *exchange_.late = 1;
        }
        // For step i+2; its box cannot be full before this arrival.
        if (threadIdx.x == 0 && !late_) expect(i, wave);
        __syncwarp();
    }
    /// No block leaves while another may still write to it.
    RONDO_DEVICE void end() const {
        if (geometry_.cluster > 1) device::cluster_sync();
    }

private:
    /// Of a cluster's boxes.
    RONDO_DEVICE static device::Mbarrier& full(int i, int wave) {
        RONDO_SHARED(device::Mbarrier, barriers, [2 * kMostWaves]);
        return barriers[i % 2 * kMostWaves + wave];
    }
    RONDO_DEVICE void expect(int i, int wave) const {
        const int of_wave = geometry_.wave * kSlab, left = rows_ - wave * of_wave;
        // A wave that a group's last rows leave empty is never waited for.
        const int rows = left < 0 ? 0 : left < of_wave ? left : of_wave;
        device::mbarrier_arrive_expect(full(i, wave), static_cast<unsigned>(rows * row_bytes_));
    }

    const Geometry& geometry_;
    const LoopExchange& exchange_;
    unsigned char* const boxes_;
    int row_bytes_ = 0, rows_ = 0;
    bool late_ = false;
};

}  // namespace rondo::kernels
