#include "device/bulk_copy.cuh"
#include "device/launch.hpp"
#include "device/ordered.cuh"
#include "lane/kernels/probes.hpp"

namespace rondo::lane_test {
namespace {

using namespace rondo::device;

/// What a block's right neighbour writes into it. Numbers tell the writer and the place.
struct alignas(16) Mailbox {
    float stored16[4];
    float pushed16[4];
    float copied[4];
    double stored8, pushed8;
    float stored4, by_pointer, pushed4;
    unsigned flag;
};

struct alignas(16) Four {
    float v[4];
};

RONDO_DEVICE Four four_from(float first) { return {{first, first + 1, first + 2, first + 3}}; }

__global__ void cluster_kernel(Neighbours* out) {
    constexpr SpinLimit kLimit{2'000'000'000};
    RONDO_SHARED(Mailbox, mail, [1]);
    RONDO_SHARED(Four, source, [1]);
    RONDO_SHARED(Mbarrier, arrived, [1]);
    const unsigned rank = cluster_rank(), size = cluster_size(), left = (rank + size - 1) % size;
    const bool leads = threadIdx.x == 0;
    const float base = 100.0f * static_cast<float>(rank + 1);
    constexpr unsigned kPushedBytes = sizeof(float) + sizeof(double) + 2 * sizeof(Four);
    if (leads) {
        mbarrier_init(arrived[0], 2);
        mbarrier_fence_init();
        mail[0].flag = 0;
        source[0] = four_from(base + 60);
        fence_before_bulk_copy();
    }
    cluster_sync();

    const auto there = [&](const void* mine) { return remote_address(mine, left); };
    if (leads) {
        mbarrier_arrive_expect(arrived[0], kPushedBytes);
        store_remote(there(&mail[0].stored4), base + 10);
        store_remote(there(&mail[0].stored8), static_cast<double>(base) + 20);
        store_remote(there(&mail[0].stored16), four_from(base + 30));
        *cluster_pointer(&mail[0].by_pointer, left) = base + 40;
        store_async(there(&mail[0].pushed4), base + 50, there(&arrived));
        store_async(there(&mail[0].pushed8), static_cast<double>(base) + 51, there(&arrived));
        store_async(there(&mail[0].pushed16), four_from(base + 52), there(&arrived));
        copy_bulk_remote(there(&mail[0].copied), &source, sizeof(Four), there(&arrived));
        // Everything that was stored plainly comes with this arrival, and with the flag.
        store_release<Scope::cluster>(cluster_pointer(&mail[0].flag, left), rank + 1);
        mbarrier_arrive_remote(there(&arrived));
    }
    const bool in_time = mbarrier_wait<Scope::cluster>(arrived[0], 0, kLimit);
    if (leads) {
        Neighbours n{};
        n.rank = rank;
        n.size = size;
        n.in_time = in_time;
        n.flagged = load_acquire<Scope::cluster>(&mail[0].flag);
        n.stored4 = mail[0].stored4;
        n.stored8 = mail[0].stored8;
        n.by_pointer = mail[0].by_pointer;
        n.pushed4 = mail[0].pushed4;
        n.pushed8 = mail[0].pushed8;
        for (int i = 0; i < 4; ++i) {
            n.stored16[i] = mail[0].stored16[i];
            n.pushed16[i] = mail[0].pushed16[i];
            n.copied[i] = mail[0].copied[i];
        }
        n.loaded4 = load_remote<float>(there(&mail[0].stored4));
        n.loaded8 = load_remote<double>(there(&mail[0].stored8));
        const Four loaded = load_remote<Four>(there(&mail[0].stored16));
        for (int i = 0; i < 4; ++i) n.loaded16[i] = loaded.v[i];
        out[rank] = n;
    }
    cluster_sync();
}

}  // namespace

void probe_cluster(Neighbours* out, cudaStream_t stream) {
    launch({.kernel = "probe_cluster", .grid = 4, .block = 32, .cluster = 4, .stream = stream}, cluster_kernel, out);
}

}  // namespace rondo::lane_test
