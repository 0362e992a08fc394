#include "device/bulk_copy.cuh"
#include "device/launch.hpp"
#include "lane/kernels/loops.hpp"

namespace rondo::lane_test {
namespace {

using namespace rondo::device;

constexpr int kBlocks = 4;
constexpr SpinLimit kLimit{2'000'000'000};

RONDO_DEVICE float step(const ClusterLoop& loop, const float* h, int t, int unit) {
    float sum = loop.x[t * loop.hidden + unit];
    for (int k = 0; k < loop.hidden; ++k) sum += loop.w[unit * loop.hidden + k] * h[k];
    sum = tanhf(sum);
    loop.y[t * loop.hidden + unit] = sum;
    return sum;
}

__global__ void cluster_loop_kernel(const ClusterLoop loop) {
    RONDO_DYNAMIC_SHARED(float, h);  // [2][hidden]
    const int hidden = loop.hidden;
    const int unit = static_cast<int>(cluster_rank() * blockDim.x + threadIdx.x);
    for (int i = static_cast<int>(threadIdx.x); i < 2 * hidden; i += static_cast<int>(blockDim.x)) h[i] = 0;
    cluster_sync();
    for (int t = 0; t < loop.steps; ++t) {
        const float value = step(loop, h + t % 2 * hidden, t, unit);
        for (unsigned rank = 0; rank < kBlocks; ++rank)
            store_remote(remote_address(h + (t + 1) % 2 * hidden + unit, rank), value);
        if (loop.bug == Bug::leaves_early && t + 1 == loop.steps) return;
        if (loop.bug == Bug::block_instead_of_cluster)
            __syncthreads();
        else
            cluster_sync();
    }
}

/// As above, but h arrives at one mbarrier for each of the two buffers, and nobody waits for all of the cluster. Two
/// buffers are enough: who has all of h(t) knows that every thread is done with h(t-1), which h(t+1) overwrites.
__global__ void pushed_loop_kernel(const ClusterLoop loop) {
    RONDO_DYNAMIC_SHARED(float, h);  // [2][hidden]
    RONDO_SHARED(Mbarrier, full, [2]);
    const int hidden = loop.hidden;
    const int unit = static_cast<int>(cluster_rank() * blockDim.x + threadIdx.x);
    if (threadIdx.x == 0) {
        mbarrier_init(full[0], 1);
        mbarrier_init(full[1], 1);
        mbarrier_fence_init();
    }
    for (int i = static_cast<int>(threadIdx.x); i < 2 * hidden; i += static_cast<int>(blockDim.x)) h[i] = 0;
    if (loop.bug == Bug::late_init)
        __syncthreads();
    else
        cluster_sync();

    // The n-th filling of a buffer, from 0, is awaited by the parity of n. h(0) lies in buffer 0 from the beginning.
    const auto await = [&](int t) { return mbarrier_wait<Scope::cluster>(full[t % 2], ((t - 1) / 2) & 1u, kLimit); };
    bool ok = true;
    for (int t = 0; t < loop.steps && ok; ++t) {
        const int from = t % 2, to = loop.bug == Bug::single_buffer ? from : (t + 1) % 2;
        if (t > 0 && loop.bug != Bug::no_wait_for_data) ok = await(loop.bug == Bug::wrong_parity ? t + 2 : t);
        if (!ok) break;
        if (threadIdx.x == 0) {
            mbarrier_arrive_expect(full[(t + 1) % 2], static_cast<unsigned>(hidden * sizeof(float)));
            if (loop.bug == Bug::arrives_twice) mbarrier_arrive(full[(t + 1) % 2]);
        }
        const float value = step(loop, h + from * hidden, t, unit);
        for (unsigned rank = 0; rank < kBlocks; ++rank)
            store_async(remote_address(h + to * hidden + unit, rank), value, remote_address(&full[(t + 1) % 2], rank));
    }
    if (loop.bug == Bug::leaves_early) return;
    // What the last step pushed is still to come, and the block stays while others may push into it.
    if (ok) ok = await(loop.steps);
    if (!ok) atomicOr(loop.expired, 1u);
    cluster_sync();
}

}  // namespace

void cluster_loop(const ClusterLoop& loop, cudaStream_t stream) {
    launch({.kernel = loop.pushed ? "pushed_loop" : "cluster_loop",
            .grid = kBlocks,
            .block = static_cast<unsigned>(loop.hidden / kBlocks),
            .cluster = kBlocks,
            .shared_bytes = 2 * sizeof(float) * static_cast<std::size_t>(loop.hidden),
            .stream = stream},
           loop.pushed ? pushed_loop_kernel : cluster_loop_kernel, loop);
}

}  // namespace rondo::lane_test
