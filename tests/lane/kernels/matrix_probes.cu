#include "device/approximate.cuh"
#include "device/launch.hpp"
#include "device/mma.cuh"
#include "lane/kernels/probes.hpp"

namespace rondo::lane_test {
namespace {

using namespace rondo::device;

/// Fragments as mma.cuh lays them out, from row-major float matrices.
template <class T>
__global__ void mma_k16_kernel(float* d, const float* a, const float* b) {
    const unsigned g = lane_index() / 4, t = lane_index() % 4;
    const auto a_pair = [&](unsigned row, unsigned k) {
        return pack(to_storage<T>(a[row * 16 + k]), to_storage<T>(a[row * 16 + k + 1]));
    };
    const auto b_pair = [&](unsigned k) {
        return pack(to_storage<T>(b[k * 8 + g]), to_storage<T>(b[(k + 1) * 8 + g]));
    };
    const std::uint32_t left[4] = {a_pair(g, 2 * t), a_pair(g + 8, 2 * t), a_pair(g, 2 * t + 8),
                                   a_pair(g + 8, 2 * t + 8)};
    const std::uint32_t right[2] = {b_pair(2 * t), b_pair(2 * t + 8)};
    float sums[4] = {d[g * 8 + 2 * t], d[g * 8 + 2 * t + 1], d[(g + 8) * 8 + 2 * t], d[(g + 8) * 8 + 2 * t + 1]};
    for (int i = 0; i < 2; ++i) mma_m16n8k16<T>(sums, left, right);
    for (unsigned i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
}

__global__ void mma_tf32_kernel(float* d, const float* a, const float* b) {
    const unsigned g = lane_index() / 4, t = lane_index() % 4;
    const std::uint32_t left[4] = {to_tf32(a[g * 8 + t]), to_tf32(a[(g + 8) * 8 + t]), to_tf32(a[g * 8 + t + 4]),
                                   to_tf32(a[(g + 8) * 8 + t + 4])};
    const std::uint32_t right[2] = {to_tf32(b[t * 8 + g]), to_tf32(b[(t + 4) * 8 + g])};
    float sums[4] = {d[g * 8 + 2 * t], d[g * 8 + 2 * t + 1], d[(g + 8) * 8 + 2 * t], d[(g + 8) * 8 + 2 * t + 1]};
    for (int i = 0; i < 2; ++i) mma_m16n8k8_tf32(sums, left, right);
    for (unsigned i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
}

template <int kCount, bool kTransposed>
__global__ void load_matrices_kernel(std::uint32_t* words) {
    RONDO_SHARED(unsigned short, rows, [32][8]);
    const unsigned lane = lane_index();
    for (unsigned i = 0; i < 8; ++i) rows[lane][i] = static_cast<unsigned short>(lane * 8 + i);
    __syncwarp();
    std::uint32_t mine[kCount];
    if constexpr (kTransposed)
        load_matrices_transposed(mine, rows[lane % (8 * kCount)]);
    else
        load_matrices(mine, rows[lane % (8 * kCount)]);
    for (int i = 0; i < kCount; ++i) words[static_cast<int>(lane) * kCount + i] = mine[i];
}

__global__ void rounding_kernel(Rounded* out, const float* x, int count) {
    const int i = static_cast<int>(threadIdx.x);
    if (i >= count) return;
    const std::uint32_t pair = pack(to_storage<bf16>(x[i]), to_storage<bf16>(-x[i]));
    out[i] = {.tf32 = bit_cast<float>(to_tf32(x[i])),
              .bf16 = to_compute(to_storage<bf16>(x[i])),
              .f16 = to_compute(to_storage<f16>(x[i])),
              .packed_low = to_compute(unpack<bf16>(pair, 0)),
              .packed_high = to_compute(unpack<bf16>(pair, 1)),
              .tanh = tanh_approximate(x[i]),
              .exp2 = exp2_approximate(x[i]),
              .reciprocal = reciprocal_approximate(x[i])};
}

template <int kCount>
void launch_load_matrices(std::uint32_t* words, bool transposed, cudaStream_t stream) {
    launch({.kernel = "probe_load_matrices", .block = 32, .stream = stream},
           transposed ? load_matrices_kernel<kCount, true> : load_matrices_kernel<kCount, false>, words);
}

}  // namespace

void probe_mma(Operand operand, float* d, const float* a, const float* b, cudaStream_t stream) {
    auto* kernel = mma_tf32_kernel;
    if (operand == Operand::bf16) kernel = mma_k16_kernel<bf16>;
    if (operand == Operand::f16) kernel = mma_k16_kernel<f16>;
    launch({.kernel = "probe_mma", .block = 32, .stream = stream}, kernel, d, a, b);
}

void probe_load_matrices(std::uint32_t* words, int count, bool transposed, cudaStream_t stream) {
    if (count == 1) launch_load_matrices<1>(words, transposed, stream);
    if (count == 2) launch_load_matrices<2>(words, transposed, stream);
    if (count == 4) launch_load_matrices<4>(words, transposed, stream);
}

void probe_rounding(Rounded* out, const float* x, int count, cudaStream_t stream) {
    launch({.kernel = "probe_rounding", .block = static_cast<unsigned>(count), .stream = stream}, rounding_kernel, out,
           x, count);
}

}  // namespace rondo::lane_test
