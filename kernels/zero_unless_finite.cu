// p[i] = 0 unless all values are finite: a carried state after a step whose loss was not
//   p in words of 4 bytes   values [count], a few: every thread reads them
//   traffic: none where all are finite, otherwise 4 bytes a word; deterministic
#include "arrays.hpp"
#include "elements.cuh"

namespace rondo::kernels {

static __global__ void __launch_bounds__(kThreads)
    zero_unless_finite_kernel(std::uint32_t* p, std::int64_t words, const double* values, std::int64_t count) {
    bool finite = true;
    for (std::int64_t v = 0; v < count; ++v) finite = finite && values[v] - values[v] == 0;
    if (finite) return;
    for (std::int64_t i = global_thread(); i < words; i += grid_threads()) p[i] = 0;
}

void zero_unless_finite(void* p, std::int64_t bytes, const double* values, std::int64_t count, cudaStream_t stream) {
    if (bytes == 0) return;
    device::launch(
        {.kernel = "zero_unless_finite", .grid = striding_blocks(bytes / 4), .block = kThreads, .stream = stream},
        zero_unless_finite_kernel, static_cast<std::uint32_t*>(p), bytes / 4, values, count);
}

}  // namespace rondo::kernels
