#include "device/launch.hpp"
#include "device/vector.cuh"
#include "device/warp.cuh"
#include "lane/kernels/simple.hpp"

namespace rondo::lane_test {
namespace {

using namespace rondo::device;

__global__ void axpy_kernel(float* __restrict__ y, const float* __restrict__ x, float a, std::int64_t count, Bug bug) {
    const std::int64_t end = bug == Bug::one_too_many ? count + 1 : count;
    const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x; i < end; i += step)
        y[i] += a * x[i < count ? i : 0];
}

constexpr int kRowThreads = 256, kRowWarps = kRowThreads / 32;

__global__ void __launch_bounds__(kRowThreads)
    row_sums_kernel(float* __restrict__ sums, const float* __restrict__ x, std::int64_t cols, Bug bug) {
    RONDO_SHARED(float, partial, [kRowWarps]);
    const unsigned lane = lane_index(), warp = warp_index();
    float sum = 0;
    for (std::int64_t i = threadIdx.x; i < cols; i += kRowThreads) sum += x[blockIdx.x * cols + i];
    sum = warp_sum(sum);
    if (lane == 0) partial[warp] = sum;
    if (bug == Bug::wild_shared_index && threadIdx.x == 0) partial[kRowWarps] = sum;
    if (bug != Bug::missing_barrier) __syncthreads();
    if (warp != 0) return;

    sum = lane < kRowWarps ? partial[lane] : 0.0f;
    if (bug != Bug::divergent_shuffle) {
        sum = warp_sum(sum);
    } else if (lane < 16) {
        sum = warp_sum(sum);
    }
    if (lane == 0) sums[blockIdx.x] = sum;
    if (bug == Bug::barrier_in_branch) __syncthreads();
}

__global__ void mirror_kernel(float* __restrict__ y, const float* __restrict__ x, Bug bug) {
    RONDO_SHARED(float, sums, [32]);
    const unsigned lane = threadIdx.x;
    const float* const from = x + 4 * lane + (bug == Bug::misaligned_load ? 1 : 0);
    const Vector<float, 4> v = load_vector<4>(from);
    sums[lane] = v[0] + v[1] + v[2] + v[3];
    if (bug == Bug::half_warp_leaves && lane >= 16) return;
    if (bug != Bug::missing_syncwarp) __syncwarp();
    y[lane] = sums[lane ^ 31];
}

}  // namespace

void axpy(float* y, const float* x, float a, std::int64_t count, Bug bug, cudaStream_t stream) {
    launch({.kernel = "axpy", .grid = 3, .block = 64, .stream = stream}, axpy_kernel, y, x, a, count, bug);
}

void row_sums(float* sums, const float* x, std::int64_t rows, std::int64_t cols, Bug bug, cudaStream_t stream) {
    launch({.kernel = "row_sums", .grid = blocks_for(rows, 1), .block = kRowThreads, .stream = stream}, row_sums_kernel,
           sums, x, cols, bug);
}

void mirror(float* y, const float* x, Bug bug, cudaStream_t stream) {
    launch({.kernel = "mirror", .grid = 1, .block = 32, .stream = stream}, mirror_kernel, y, x, bug);
}

}  // namespace rondo::lane_test
