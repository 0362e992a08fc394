// rondo::plan_update where its numbers lie: one thread, so that the host need not wait for a gradient's norm
#include "arrays.hpp"
#include "device/launch.hpp"
#include "device/platform.cuh"

namespace rondo::kernels {

static __global__ void __launch_bounds__(1) plan_update_kernel(const UpdatePlan plan) { rondo::plan_update(plan); }

void plan_update(const UpdatePlan& plan, cudaStream_t stream) {
    device::launch({.kernel = "plan_update", .block = 1, .stream = stream}, plan_update_kernel, plan);
}

}  // namespace rondo::kernels
