// mma.sync m16n8k16 in bf16 with the weights (A) in registers for the whole loop, h (B) from registers or from shared
// memory, sums in f32: the inner loop of every persistent kernel. A warp has 32 rows and 64 columns of the weights.
//   sums [warps][32][N] out, exact     told [blocks] out
#include "device/mma.cuh"
#include "micro/told.cuh"

namespace rondo::bench {
namespace {

using namespace rondo::device;

constexpr int kTilesM = 2, kTilesK = 4, kDepth = 16 * kTilesK;
constexpr int kPitch = kDepth + 8;  // elements of a row of h in shared memory: no bank conflicts

struct Issue {
    std::int64_t steps;
    float* sums;
    Told* told;
};

// Powers of two of either sign: sums of a few thousand products are exact.
__host__ __device__ float weight_at(unsigned row, unsigned k) { return (row * 7 + k * 5) % 3 == 0 ? 0.5f : -1.0f; }
__host__ __device__ float h_at(unsigned k, unsigned column) { return (k * 3 + column) % 5 < 2 ? 1.0f : -0.5f; }

RONDO_DEVICE std::uint32_t weights_at(unsigned row, unsigned k) {
    return pack(to_storage<bf16>(weight_at(row, k)), to_storage<bf16>(weight_at(row, k + 1)));
}
RONDO_DEVICE std::uint32_t pair_of_h(unsigned k, unsigned column) {
    return pack(to_storage<bf16>(h_at(k, column)), to_storage<bf16>(h_at(k + 1, column)));
}

template <int kColumns, int kWarps, bool kFromShared>
__global__ void __launch_bounds__(32 * kWarps) issue_kernel(const Issue issue) {
    constexpr int kTilesN = kColumns / 8;
    RONDO_SHARED(bf16, h, [kColumns * kPitch]);
    for (unsigned i = threadIdx.x; i < kColumns * kDepth; i += 32 * kWarps)
        h[i / kDepth * kPitch + i % kDepth] = to_storage<bf16>(h_at(i % kDepth, i / kDepth));
    __syncthreads();

    const unsigned group = lane_index() / 4, pair = lane_index() % 4 * 2;
    std::uint32_t a[kTilesM][kTilesK][4];
    RONDO_UNROLL
    for (unsigned m = 0; m < kTilesM; ++m) {
        RONDO_UNROLL
        for (unsigned k = 0; k < kTilesK; ++k) {
            const unsigned row = 16 * m + group, column = 16 * k + pair;
            a[m][k][0] = weights_at(row, column);
            a[m][k][1] = weights_at(row + 8, column);
            a[m][k][2] = weights_at(row, column + 8);
            a[m][k][3] = weights_at(row + 8, column + 8);
        }
    }
    // From registers only the first 16 of k are h; all four products then use them, as the host's sum does.
    std::uint32_t b[kTilesN][2];
    RONDO_UNROLL
    for (unsigned n = 0; n < kTilesN; ++n) {
        b[n][0] = pair_of_h(pair, 8 * n + group);
        b[n][1] = pair_of_h(pair + 8, 8 * n + group);
    }

    float d[kTilesM][kTilesN][4] = {};
    const Watch watch = Watch::start();
#pragma unroll 1
    for (std::int64_t step = 0; step < issue.steps; ++step) {
        RONDO_UNROLL
        for (int k = 0; k < kTilesK; ++k) {
            if constexpr (kFromShared) {
                RONDO_UNROLL
                for (int n = 0; n < kTilesN; ++n)
                    load_matrices<2>(b[n], h + (8 * n + static_cast<int>(lane_index()) % 8) * kPitch + 16 * k +
                                               static_cast<int>(lane_index()) / 8 % 2 * 8);
            }
            RONDO_UNROLL
            for (int n = 0; n < kTilesN; ++n) {
                RONDO_UNROLL
                for (int m = 0; m < kTilesM; ++m) mma_m16n8k16<bf16>(d[m][n], a[m][k], b[n]);
            }
        }
    }
    float* const sums = issue.sums + (blockIdx.x * kWarps + warp_index()) * (16 * kTilesM * kColumns);
    RONDO_UNROLL
    for (unsigned m = 0; m < kTilesM; ++m) {
        RONDO_UNROLL
        for (unsigned n = 0; n < kTilesN; ++n) {
            RONDO_UNROLL
            for (unsigned i = 0; i < 4; ++i)
                sums[(16 * m + group + i / 2 * 8) * kColumns + 8 * n + pair + i % 2] = d[m][n][i];
        }
    }
    // After the stores: nothing else keeps the compiler from moving the products behind the clock.
    tell<32 * kWarps>(issue.told, watch, 0, true);
}

bool right(const std::vector<float>& sums, int columns, bool from_shared, int steps) {
    constexpr unsigned kRows = 16 * kTilesM;
    for (std::size_t i = 0; i < sums.size(); ++i) {
        const auto column = static_cast<unsigned>(i) % static_cast<unsigned>(columns);
        const unsigned row = static_cast<unsigned>(i) / static_cast<unsigned>(columns) % kRows;
        float sum = 0;
        for (unsigned k = 0; k < kDepth; ++k) sum += weight_at(row, k) * h_at(from_shared ? k : k % 16, column);
        if (sums[i] != sum * static_cast<float>(steps)) return false;
    }
    return true;
}

template <int kColumns, int kWarps, bool kFromShared>
void issue_figure(std::vector<Figure>& figures, const Effort& effort) {
    Figure figure{.of = "mma issue", .unit = "cycles an mma of a scheduler"};
    figure.what = rondo::detail::concat("N=", kColumns, ", ", kWarps, " warps an SM, h from ",
                                        kFromShared ? "shared memory" : "registers");
    figure.assumed = "6.3 cycles (63% of peak)";
    try {
        const auto blocks = static_cast<unsigned>(effort.tiny ? 2 : effort.multiprocessors);
        const std::size_t count = std::size_t{blocks} * kWarps * 16 * kTilesM * kColumns;
        DeviceMemory<float> sums(count, effort.stream);
        const auto launch_it = [&](Told* told, int steps, bool check) {
            launch({.kernel = "mma_issue", .grid = blocks, .block = 32 * kWarps, .stream = effort.stream},
                   issue_kernel<kColumns, kWarps, kFromShared>, Issue{steps, sums.data(), told});
            if (check && !right(sums.download(), kColumns, kFromShared, steps))
                throw Error(ErrorCode::device, "the sums are wrong");
        };
        Figure step = figure;
        measure(step, effort, {static_cast<int>(blocks), effort.steps, launch_it, [](int) { return 0ull; }});
        figure.error = step.error;
        const double each = kTilesM * kTilesK * (kColumns / 8) * kWarps / 4.0;  // of a step, a scheduler
        if (step.value.samples > 0) {
            figure.value = {step.cycles / each, step.value.spread, step.value.samples};
            figure.cycles = step.cycles;
            figure.rate = 4 / figure.value.median;  // 512 multiply-adds a cycle and scheduler, of which an mma has 2048
            figure.rate_unit = "of peak";
        }
    } catch (const std::exception& error) {
        figure.error = error.what();
    }
    figures.push_back(figure);
}

template <int kColumns, int kWarps>
void both_sources(std::vector<Figure>& figures, const Effort& effort) {
    issue_figure<kColumns, kWarps, false>(figures, effort);
    issue_figure<kColumns, kWarps, true>(figures, effort);
}

template <int kColumns>
void by_warps(std::vector<Figure>& figures, const Effort& effort) {
    both_sources<kColumns, 4>(figures, effort);
    if (effort.tiny) return;
    both_sources<kColumns, 8>(figures, effort);
    both_sources<kColumns, 16>(figures, effort);
}

}  // namespace

std::vector<Figure> mma_issue(const Effort& effort) {
    std::vector<Figure> figures;
    by_warps<8>(figures, effort);
    by_warps<16>(figures, effort);
    by_warps<32>(figures, effort);
    return figures;
}

}  // namespace rondo::bench
