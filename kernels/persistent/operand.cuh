#pragma once
/// The operand of a time loop's products on its way between the blocks of a group. There are two, in turn: who has all
/// of operand i+1 knows that every block of the group is done with operand i, which operand i+2 overwrites.
#include "device/bulk_copy.cuh"
#include "device/ordered.cuh"
#include "persistent/weights.cuh"

namespace rondo::kernels {

template <class S>
class Operand {
public:
    /// rows: how many of the group's rows there are. All threads of all blocks of the group make one.
    RONDO_DEVICE Operand(const Geometry& geometry, const LoopExchange& exchange, unsigned char* shared, int rows,
                         int planes)
        : geometry_(geometry),
          exchange_(exchange),
          bytes_(rows * planes * geometry.span() * static_cast<int>(sizeof(S))) {
        if (geometry.exchange == Exchange::grid) {
            buffers_ = reinterpret_cast<S*>(
                static_cast<unsigned char*>(exchange.scratch) + static_cast<std::size_t>(geometry.groups) * 128 +
                static_cast<std::size_t>(group()) * ((2 * buffer_bytes() + 127) / 128 * 128));
            return;
        }
        buffers_ = reinterpret_cast<S*>(shared + geometry.operand);
        auto* const words = reinterpret_cast<std::uint32_t*>(buffers_);
        for (unsigned i = threadIdx.x; i < 2 * buffer_bytes() / 4; i += blockDim.x) words[i] = 0;
        if (geometry.exchange == Exchange::solo) {
            __syncthreads();
            return;
        }
        if (threadIdx.x == 0) {
            for (int i = 0; i < 2; ++i) device::mbarrier_init(full()[i], 1);
            device::mbarrier_fence_init();
            for (int i = 0; i < 2; ++i) device::mbarrier_arrive_expect(full()[i], static_cast<unsigned>(bytes_));
        }
        device::cluster_sync();
    }

    /// Operand i, once await(i) has returned.
    RONDO_DEVICE const S* rows(int i) const { return buffers_ + i % 2 * (geometry_.rows * geometry_.pitch); }

    /// To how many blocks every piece is put.
    RONDO_DEVICE int copies() const { return geometry_.exchange == Exchange::cluster ? geometry_.ranks : 1; }
    /// 16 bytes of operand i, from `column` of a row on, to the n-th of them.
    RONDO_DEVICE void put(int i, int n, int row, int column, const Words& words) {
        auto* const to = reinterpret_cast<std::uint32_t*>(const_cast<S*>(rows(i)) + row * geometry_.pitch + column);
        if (geometry_.exchange == Exchange::cluster)
            device::store_async(device::remote_address(to, static_cast<unsigned>(n)), words,
                                device::remote_address(&full()[i % 2], static_cast<unsigned>(n)));
        else
            device::store_vector(to, words);
    }
    /// After this block's last put of operand i. All threads call it.
    RONDO_DEVICE void announce() {
        if (geometry_.exchange != Exchange::grid) return;
        __syncthreads();
        if (threadIdx.x == 0) device::add_release(arrived(), 1);
    }
    /// Waits for all of operand i. All threads call it. A block that has waited in vain once waits no more, and what it
    /// makes is worthless.
    RONDO_DEVICE void await(int i) {
        switch (geometry_.exchange) {
            case Exchange::solo:
                return __syncthreads();
            case Exchange::cluster:
                if (device::lane_index() == 0 && !late_)
                    judge(device::mbarrier_wait<device::Scope::cluster>(full()[i % 2], static_cast<unsigned>(i / 2 % 2),
                                                                        {exchange_.nanoseconds}));
                // For operand i+2; it cannot be complete before this arrival.
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
    /// cluster: of the two buffers.
    RONDO_DEVICE static device::Mbarrier* full() {
        RONDO_SHARED(device::Mbarrier, barriers, [2]);
        return barriers;
    }
    RONDO_DEVICE std::size_t buffer_bytes() const {
        return static_cast<std::size_t>(geometry_.rows) * static_cast<std::size_t>(geometry_.pitch) * sizeof(S);
    }
    RONDO_DEVICE void judge(bool in_time) {
        late_ = !in_time;
        if (late_) *exchange_.late = 1;
    }

    const Geometry& geometry_;
    const LoopExchange& exchange_;
    const int bytes_;  // of an operand, as this block gets it
    S* buffers_ = nullptr;
    bool late_ = false;
};

}  // namespace rondo::kernels
