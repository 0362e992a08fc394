/// What a stream of the backend takes of a device's memory.
#include <gtest/gtest.h>

#include "cuda/make_backend.hpp"
#include "lane/standin/standin.hpp"
#include "scheduler/backend.hpp"

namespace rondo {
namespace {

TEST(LaneStreamMemory, WhoOnlyUploadsTakesNoWorkspace) {
    const Device device(cuda::make_backend(0));
    Backend& backend = device.backend();
    const DeviceStream first(device), second(device);
    double number = 1;
    void* const to = backend.allocate(sizeof number);
    backend.upload(to, &number, sizeof number, first);  // takes what was made with the device
    lane::reset_counters();
    backend.upload(to, &number, sizeof number, second);
    EXPECT_EQ(lane::counters().allocations, 1) << "the pieces that uploads pass through";
    double* const sum = static_cast<double*>(backend.allocate(sizeof(double)));
    lane::reset_counters();
    backend.sum_of_squares(DType::f64, to, 1, sum, false, second);
    backend.sum_of_squares(DType::f64, to, 1, sum, false, second);
    EXPECT_EQ(lane::counters().allocations, 1) << "room for sums, once";
    backend.synchronize(second);
    backend.free(sum);
    backend.free(to);
}

}  // namespace
}  // namespace rondo
