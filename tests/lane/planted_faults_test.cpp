/// Faults for compute-sanitizer to find, so that its silence over the rest means something (cmake/gpu_report.py). On a
/// GPU alone; never run with the tests.
#include <gtest/gtest.h>

#include "lane/kernels/simple.hpp"
#include "lane/support/device_array.hpp"
#include "lane/support/kernel_cases.hpp"
#include "rondo/error.hpp"

namespace rondo::lane_test {
namespace {

/// What comes out does not matter, nor whether the device noticed.
void run(const char* name, Bug bug) {
    try {
        static_cast<void>(kernel_case(name).run(bug));
    } catch (const Error&) {
    }
}

TEST(PlantedFaults, DISABLED_WritesBehindItsOutput) { run("axpy", Bug::one_too_many); }

TEST(PlantedFaults, DISABLED_LeavesOutABarrier) { run("row_sums", Bug::missing_barrier); }

TEST(PlantedFaults, DISABLED_ReadsWhatNobodyWrote) {
    const DeviceArray<float> y(1000), x(1000);
    axpy(y.data(), x.data(), 2, 1000, Bug::none, nullptr);
    device::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

/// Lanes that are gone, and warps that are gone: either will do.
TEST(PlantedFaults, DISABLED_MeetsNobodyAtABarrier) {
    run("mirror", Bug::half_warp_leaves);
    run("row_sums", Bug::barrier_in_branch);
}

}  // namespace
}  // namespace rondo::lane_test
