#pragma once
/// What the blocks of a group send each other for a step: operands, or backward in a cluster sums. There are two boxes,
/// in turn: who has all that was sent for step i+1 knows that every block of the group is done with box i, which step
/// i+2 overwrites. For a block has sent all of step i+1 only once each of its warps has multiplied operand i, or added
/// up its sums of step i.
#include "device/bulk_copy.cuh"
#include "device/ordered.cuh"
#include "persistent/weights.cuh"

namespace rondo::kernels {

class Inbox {
public:
    RONDO_DEVICE Inbox(const Geometry& geometry, const LoopExchange& exchange, unsigned char* shared)
        : geometry_(geometry), exchange_(exchange) {
        if (geometry.exchange == Exchange::grid)
            boxes_ = static_cast<unsigned char*>(exchange.scratch) + static_cast<std::size_t>(geometry.groups) * 128 +
                     static_cast<std::size_t>(group()) * 2 * geometry.box_bytes;
        else
            boxes_ = shared + geometry.inbox;
    }

    /// Before anything else. bytes: that a block is sent for a step. All threads of all blocks of the group call it.
    RONDO_DEVICE void open(int bytes) {
        bytes_ = bytes;
        if (geometry_.exchange == Exchange::grid) return;
        auto* const words = reinterpret_cast<std::uint32_t*>(boxes_);
        for (unsigned i = threadIdx.x; i < 2 * geometry_.box_bytes / 4; i += blockDim.x) words[i] = 0;
        if (geometry_.exchange == Exchange::solo) return __syncthreads();
        if (threadIdx.x == 0) {
            for (int i = 0; i < 2; ++i) device::mbarrier_init(full()[i], 1);
            device::mbarrier_fence_init();
            for (int i = 0; i < 2; ++i) device::mbarrier_arrive_expect(full()[i], static_cast<unsigned>(bytes_));
        }
        device::cluster_sync();
    }

    /// What is sent for step i; to be read once await(i) has returned. Of a grid's group there is one for all.
    RONDO_DEVICE unsigned char* box(int i) const { return boxes_ + (i % 2) * geometry_.box_bytes; }
    /// Puts 16 bytes to a place in the box of a block; rank: of a cluster's.
    RONDO_DEVICE void put(int i, int rank, int byte, const Words& words) const {
        if (geometry_.exchange == Exchange::cluster)
            device::store_async(device::remote_address(box(i) + byte, static_cast<unsigned>(rank)), words,
                                device::remote_address(&full()[i % 2], static_cast<unsigned>(rank)));
        else
            device::store_vector(reinterpret_cast<std::uint32_t*>(box(i) + byte), words);
    }
    /// After this block's last put for a step. All threads call it.
    RONDO_DEVICE void announce() const {
        if (geometry_.exchange != Exchange::grid) return;
        __syncthreads();
        if (threadIdx.x == 0) device::add_release(arrived(), 1);
    }
    /// Waits for all that is sent for step i. All threads call it. A block that has waited in vain once waits no more,
    /// and what it makes is worthless.
    RONDO_DEVICE void await(int i) {
        switch (geometry_.exchange) {
            case Exchange::solo:
                return __syncthreads();
            case Exchange::cluster:
                if (device::lane_index() == 0 && !late_)
                    judge(device::mbarrier_wait<device::Scope::cluster>(full()[i % 2], static_cast<unsigned>(i / 2 % 2),
                                                                        {exchange_.nanoseconds}));
                // For step i+2; its box cannot be full before this arrival.
                if (threadIdx.x == 0 && !late_)
                    device::mbarrier_arrive_expect(full()[i % 2], static_cast<unsigned>(bytes_));
                __syncwarp();
                return;
            case Exchange::grid:
                if (threadIdx.x == 0 && !late_) {
                    const unsigned wanted = static_cast<unsigned>(i + 1) * static_cast<unsigned>(geometry_.ranks);
                    judge(device::spin_until([&] { return device::load_acquire(arrived()) >= wanted; },
                                             {exchange_.nanoseconds}));
                }
                return __syncthreads();
        }
    }
    /// No block leaves while another may still write to it.
    RONDO_DEVICE void end() const {
        if (geometry_.exchange == Exchange::cluster) device::cluster_sync();
    }

private:
    RONDO_DEVICE int group() const { return static_cast<int>(blockIdx.x) / geometry_.ranks; }
    /// grid: how many blocks of the group have announced, all in all.
    RONDO_DEVICE unsigned* arrived() const { return static_cast<unsigned*>(exchange_.scratch) + group() * 32; }
    /// cluster: of the two boxes.
    RONDO_DEVICE static device::Mbarrier* full() {
        RONDO_SHARED(device::Mbarrier, barriers, [2]);
        return barriers;
    }
    RONDO_DEVICE void judge(bool in_time) {
        late_ = !in_time;
        if (late_) *exchange_.late = 1;
    }

    const Geometry& geometry_;
    const LoopExchange& exchange_;
    unsigned char* boxes_ = nullptr;
    int bytes_ = 0;
    bool late_ = false;
};

}  // namespace rondo::kernels
