/// Every wrapper of kernels/device/ against plain arithmetic: the twins in the lane, the instructions on a GPU.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "lane/kernels/probes.hpp"
#include "lane/support/device_array.hpp"
#include "lane/support/kernel_cases.hpp"
#include "lane/support/platform.hpp"
#include "rondo/error.hpp"

namespace rondo::lane_test {
namespace {

class DeviceLayerGpu : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = no_device(); !reason.empty()) GTEST_SKIP() << reason;
    }
};

/// Runs `enqueue` in every order and hands what it left in an array of `count` to `check`.
template <class T, class Enqueue, class Check>
void probe(std::size_t count, Enqueue enqueue, Check check) {
    in_every_order([&] {
        const auto out = DeviceArray<T>::zeros(count);
        const TestStream stream;
        device::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // the zeros are another stream's
        enqueue(out.data(), stream);
        stream.synchronize();
        check(out.download());
    });
}

TEST_F(DeviceLayerGpu, MatrixProductsAreThoseOfWholeNumbers) {
    for (const Operand operand : {Operand::bf16, Operand::f16, Operand::tf32}) {
        const std::size_t depth = operand == Operand::tf32 ? 8 : 16;
        std::vector<float> a(16 * depth), b(depth * 8);
        for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(static_cast<int>(i * 7 % 23) - 11);
        for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(static_cast<int>(i * 5 % 17) - 8);
        const DeviceArray<float> left(a), right(b);
        probe<float>(
            16 * 8, [&](float* d, cudaStream_t stream) { probe_mma(operand, d, left.data(), right.data(), stream); },
            [&](const std::vector<float>& d) {
                for (std::size_t row = 0; row < 16; ++row)
                    for (std::size_t col = 0; col < 8; ++col) {
                        float want = 0;
                        for (std::size_t k = 0; k < depth; ++k) want += 2 * a[row * depth + k] * b[k * 8 + col];
                        EXPECT_EQ(d[row * 8 + col], want) << static_cast<int>(operand) << ": " << row << ", " << col;
                    }
            });
    }
}

TEST_F(DeviceLayerGpu, MatricesAreLoadedAsFragments) {
    for (const int count : {1, 2, 4})
        for (const bool transposed : {false, true})
            probe<std::uint32_t>(
                static_cast<std::size_t>(32 * count),
                [&](std::uint32_t* words, cudaStream_t stream) {
                    probe_load_matrices(words, count, transposed, stream);
                },
                [&](const std::vector<std::uint32_t>& words) {
                    for (unsigned lane = 0; lane < 32; ++lane)
                        for (unsigned m = 0; m < static_cast<unsigned>(count); ++m) {
                            const unsigned g = lane / 4, t = lane % 4;
                            const unsigned low = transposed ? (m * 8 + 2 * t) * 8 + g : (m * 8 + g) * 8 + 2 * t;
                            const unsigned high = transposed ? low + 8 : low + 1;
                            EXPECT_EQ(words[lane * static_cast<unsigned>(count) + m], low | high << 16)
                                << count << (transposed ? " transposed" : "") << ", lane " << lane;
                        }
                });
}

/// x rounded to `bits` of mantissa, the leading one included, ties to even or away from zero; in range.
float rounded_to(float x, int bits, bool ties_away) {
    if (x == 0 || !std::isfinite(x)) return x;
    int exponent = 0;
    static_cast<void>(std::frexp(x, &exponent));
    const double unit = std::ldexp(1.0, exponent - bits), scaled = static_cast<double>(x) / unit;
    return static_cast<float>((ties_away ? std::round(scaled) : std::nearbyint(scaled)) * unit);
}

TEST_F(DeviceLayerGpu, RoundingAndApproximation) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    std::vector<float> x{0.0f,
                         -0.0f,
                         1.0f,
                         1.0f + 0x1p-11f,
                         1.0f + 3 * 0x1p-11f,
                         1.0f + 0x1p-8f,
                         1.0f + 3 * 0x1p-8f,
                         -1.0f - 0x1p-11f,
                         3.14159274f,
                         -2.71828175f,
                         0.333333343f,
                         1.0f + 0x1p-23f,
                         100.5f,
                         -0.0123f,
                         2048.0f + 1.0f,
                         2048.0f + 3.0f,
                         kInfinity,
                         -kInfinity,
                         NAN};
    const DeviceArray<float> input(x);
    probe<Rounded>(
        x.size(),
        [&](Rounded* out, cudaStream_t stream) {
            probe_rounding(out, input.data(), static_cast<int>(x.size()), stream);
        },
        [&](const std::vector<Rounded>& out) {
            for (std::size_t i = 0; i < x.size(); ++i) {
                SCOPED_TRACE(x[i]);
                if (std::isnan(x[i])) {
                    EXPECT_TRUE(std::isnan(out[i].tf32) && std::isnan(out[i].bf16) && std::isnan(out[i].f16));
                    EXPECT_TRUE(std::isnan(out[i].tanh) && std::isnan(out[i].exp2) && std::isnan(out[i].reciprocal));
                    continue;
                }
                EXPECT_EQ(out[i].tf32, rounded_to(x[i], 11, true));
                EXPECT_EQ(out[i].bf16, rounded_to(x[i], 8, false));
                EXPECT_EQ(out[i].f16, rounded_to(x[i], 11, false));
                EXPECT_EQ(out[i].packed_low, out[i].bf16);
                EXPECT_EQ(out[i].packed_high, -out[i].bf16);
                EXPECT_NEAR(out[i].tanh, std::tanh(x[i]), 1e-3f);
                if (std::fabs(x[i]) > 50) continue;
                EXPECT_NEAR(out[i].exp2 / std::exp2(x[i]), 1, 1e-6f);
                if (x[i] != 0) EXPECT_NEAR(out[i].reciprocal * x[i], 1, 1e-6f);
            }
        });
}

TEST_F(DeviceLayerGpu, VectorsOfEverySize) {
    std::vector<float> x(64);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    const DeviceArray<float> input(x);
    for (const int bytes : {2, 4, 8, 16})
        probe<float>(
            x.size(),
            [&](float* y, cudaStream_t stream) {
                probe_vectors(y, input.data(), static_cast<int>(x.size()), bytes, stream);
            },
            [&](const std::vector<float>& y) {
                const auto halves = [](float value) {
                    const auto bits = __builtin_bit_cast(std::uint32_t, value);
                    return __builtin_bit_cast(float, bits << 16 | bits >> 16);
                };
                // Reversed by 16-bit halves, but for the vectors of four floats.
                for (std::size_t i = 0; i < x.size(); ++i) {
                    const float want = x[x.size() - 1 - i];
                    EXPECT_EQ(y[i], bytes == 16 ? want : halves(want)) << bytes << " bytes, at " << i;
                }
            });
}

TEST_F(DeviceLayerGpu, ExchangesAndReductions) {
    probe<Exchanged>(
        64, [](Exchanged* out, cudaStream_t stream) { probe_exchange(out, stream); },
        [](const std::vector<Exchanged>& out) {
            for (int i = 0; i < 64; ++i) {
                SCOPED_TRACE(i);
                const Exchanged& e = out[static_cast<std::size_t>(i)];
                const int warp = i / 32, lane = i % 32;
                EXPECT_EQ(e.from_5, warp * 32 + 5);
                EXPECT_EQ(e.flipped_3, i ^ 3);
                EXPECT_EQ(e.down_2, lane < 30 ? i + 2 : i);
                EXPECT_EQ(e.up_2, lane >= 2 ? i - 2 : i);
                EXPECT_EQ(e.in_eights, lane % 8 < 7 ? i + 1 : i);
                EXPECT_EQ(e.odd, 0xaaaaaaaau);
                EXPECT_EQ(e.any_above_40 != 0, warp == 1);
                EXPECT_EQ(e.all_below_32 != 0, warp == 0);
                EXPECT_EQ(e.odd_in_block, 32);
                EXPECT_EQ(e.sum, static_cast<float>(warp == 0 ? 496 : 1520));
                EXPECT_EQ(e.sum_of_4, static_cast<float>(4 * (i / 4 * 4) + 6));
                EXPECT_EQ(e.highest, static_cast<float>(warp * 32 + 31));
                EXPECT_EQ(e.block_sum, 2016.0f);
                EXPECT_TRUE(std::isnan(e.block_highest));
            }
        });
}

TEST_F(DeviceLayerGpu, EveryTicketIsDrawnOnce) {
    constexpr unsigned kBlocks = 5, kThreads = 32 * kBlocks;
    in_every_order([&] {
        const auto tickets = DeviceArray<unsigned>::zeros(kThreads), counters = DeviceArray<unsigned>::zeros(4);
        probe_counters(tickets.data(), counters.data(), kBlocks, nullptr);
        const std::vector<unsigned> drawn = tickets.download(), counted = counters.download();
        EXPECT_EQ(std::set<unsigned>(drawn.begin(), drawn.end()).size(), kThreads);
        EXPECT_EQ(counted, (std::vector<unsigned>{kThreads, 2 * kThreads, 3 * kThreads, kThreads - 1}));
    });
}

TEST_F(DeviceLayerGpu, AsynchronousCopiesFillUpWithZeros) {
    std::vector<float> x(16);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i + 1);
    const DeviceArray<float> input(x);
    for (const int valid : {0, 4, 12, 16})
        probe<float>(
            16, [&](float* out, cudaStream_t stream) { probe_copy_async(out, input.data(), valid, stream); },
            [&](const std::vector<float>& out) {
                for (std::size_t i = 0; i < 16; ++i)
                    EXPECT_EQ(out[i], static_cast<int>(i % 4 * 4) < valid ? x[i] : 0.0f) << valid << " bytes, at " << i;
            });
}

TEST_F(DeviceLayerGpu, BlocksOfAClusterReachEachOther) {
    probe<Neighbours>(
        4, [](Neighbours* out, cudaStream_t stream) { probe_cluster(out, stream); },
        [](const std::vector<Neighbours>& out) {
            for (unsigned rank = 0; rank < 4; ++rank) {
                SCOPED_TRACE(rank);
                const Neighbours& n = out[rank];
                const float right = 100.0f * static_cast<float>((rank + 1) % 4 + 1),
                            own = 100.0f * static_cast<float>(rank + 1);
                EXPECT_EQ(n.rank, rank);
                EXPECT_EQ(n.size, 4u);
                EXPECT_EQ(n.in_time, 1u);
                EXPECT_EQ(n.flagged, (rank + 1) % 4 + 1);
                EXPECT_EQ(n.stored4, right + 10);
                EXPECT_EQ(n.stored8, static_cast<double>(right) + 20);
                EXPECT_EQ(n.by_pointer, right + 40);
                EXPECT_EQ(n.pushed4, right + 50);
                EXPECT_EQ(n.pushed8, static_cast<double>(right) + 51);
                EXPECT_EQ(n.loaded4, own + 10);
                EXPECT_EQ(n.loaded8, static_cast<double>(own) + 20);
                for (int i = 0; i < 4; ++i) {
                    EXPECT_EQ(n.stored16[i], right + 30 + static_cast<float>(i));
                    EXPECT_EQ(n.pushed16[i], right + 52 + static_cast<float>(i));
                    EXPECT_EQ(n.copied[i], right + 60 + static_cast<float>(i));
                    EXPECT_EQ(n.loaded16[i], own + 30 + static_cast<float>(i));
                }
            }
        });
}

TEST_F(DeviceLayerGpu, BoundedWaitsEnd) {
    expect_expiry();
    probe<unsigned>(
        1, [](unsigned* expired, cudaStream_t stream) { probe_expiry(expired, 1'000'000, stream); },
        [](const std::vector<unsigned>& expired) { EXPECT_EQ(expired[0], 1u); });
}

TEST_F(DeviceLayerGpu, LargeDynamicSharedMemory) {
    for (const std::size_t bytes : {std::size_t{512}, std::size_t{100} * 1024, std::size_t{60} * 1024})
        probe<float>(
            bytes / sizeof(float), [&](float* out, cudaStream_t stream) { probe_dynamic_shared(out, bytes, stream); },
            [](const std::vector<float>& out) {
                for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], static_cast<float>(i));
            });
}

TEST_F(DeviceLayerGpu, ARefusedLaunchNamesTheKernel) {
    const DeviceArray<float> x(4);
    const DeviceArray<Rounded> out(1);
    try {
        probe_rounding(out.data(), x.data(), 5000, nullptr);
        ADD_FAILURE() << "5000 threads in a block";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::device);
        EXPECT_NE(std::string(error.what()).find("probe_rounding"), std::string::npos) << error.what();
    }
    // It has left nothing behind that a later call would be blamed for.
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(DeviceLayerGpu, LoopsOverManySteps) {
    for (const KernelCase& kernel : kernel_cases()) {
        SCOPED_TRACE(kernel.name);
        in_every_order([&] { EXPECT_TRUE(kernel.run(Bug::none)); });
    }
}

}  // namespace
}  // namespace rondo::lane_test
