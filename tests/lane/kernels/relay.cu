#include "device/launch.hpp"
#include "device/ordered.cuh"
#include "device/spin.cuh"
#include "lane/kernels/loops.hpp"

namespace rondo::lane_test {
namespace {

using namespace rondo::device;

__global__ void relay_kernel(int* values, unsigned* flags, unsigned* expired, Bug bug) {
    constexpr SpinLimit kLimit{2'000'000'000};
    const unsigned block = blockIdx.x;
    if (threadIdx.x == 0) {
        const bool unordered = bug == Bug::unordered_flag;
        const auto ready = [&] { return (unordered ? load_relaxed(&flags[block]) : load_acquire(&flags[block])) != 0; };
        if (!spin_until(ready, kLimit)) {
            atomicOr(expired, 1u);
            return;
        }
        values[block + 1] = values[block] + 1;
        if (bug == Bug::forgotten_flag && block == 1) return;
        if (unordered)
            store_relaxed(&flags[block + 1], 1u);
        else
            store_release(&flags[block + 1], 1u);
    }
}

}  // namespace

void relay(int* values, unsigned* flags, unsigned* expired, int blocks, Bug bug, cudaStream_t stream) {
    launch(
        {.kernel = "relay", .grid = static_cast<unsigned>(blocks), .block = 32, .cooperative = true, .stream = stream},
        relay_kernel, values, flags, expired, bug);
}

}  // namespace rondo::lane_test
