// *largest = max |x[i]|, in double; NaN where any x is
//   traffic: S bytes an element, read once; the order of a maximum does not matter
#include "sum.cuh"

namespace rondo::kernels {

template <class S>
__global__ void __launch_bounds__(kSumThreads) largest_shares(double* partial, const S* x, std::int64_t count) {
    double most = 0;
    for (std::int64_t i = global_thread(); i < count; i += grid_threads())
        most = device::Maximum{}(fabs(static_cast<double>(to_compute(x[i]))), most);
    most = device::block_max<kSumThreads>(most);
    if (threadIdx.x == 0) partial[blockIdx.x] = most;
}

static __global__ void __launch_bounds__(kSumThreads)
    largest_of_shares(double* largest, const double* partial, std::int64_t count) {
    double most = 0;
    for (std::int64_t i = threadIdx.x; i < count; i += kSumThreads) most = device::Maximum{}(partial[i], most);
    most = device::block_max<kSumThreads>(most);
    if (threadIdx.x == 0) *largest = most;
}

void largest(DType dtype, const void* x, std::int64_t count, double* largest, double* scratch, cudaStream_t stream) {
    const std::int64_t blocks = partials_of(count);
    with_storage(dtype, [&]<class S>() {
        device::launch({.kernel = "largest_shares",
                        .grid = dim3(static_cast<unsigned>(blocks)),
                        .block = kSumThreads,
                        .stream = stream},
                       largest_shares<S>, scratch, static_cast<const S*>(x), count);
    });
    device::launch({.kernel = "largest_of_shares", .block = kSumThreads, .stream = stream}, largest_of_shares, largest,
                   scratch, blocks);
}

}  // namespace rondo::kernels
