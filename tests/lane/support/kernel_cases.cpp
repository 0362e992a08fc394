#include "lane/support/kernel_cases.hpp"

#include <cmath>
#include <stdexcept>

#include "lane/kernels/copies.hpp"
#include "lane/kernels/loops.hpp"
#include "lane/kernels/simple.hpp"
#include "lane/support/device_array.hpp"

namespace rondo::lane_test {
namespace {

using Floats = std::vector<float>;

/// Numbers in [-scale, scale), always the same.
Floats numbers(std::size_t count, float scale = 1) {
    Floats values(count);
    unsigned state = 12345;
    for (float& value : values) {
        state = state * 1664525u + 1013904223u;
        value = scale * (static_cast<float>(state >> 8) / 8388608.0f - 1.0f);
    }
    return values;
}

bool close(const Floats& got, const Floats& want, float tolerance) {
    for (std::size_t i = 0; i < want.size(); ++i)
        if (!(std::fabs(got[i] - want[i]) <= tolerance)) return false;
    return true;
}

bool run_axpy(Bug bug) {
    const Floats x = numbers(1000), y = numbers(1000, 2);
    Floats want = y;
    for (std::size_t i = 0; i < want.size(); ++i) want[i] += 3 * x[i];
    const DeviceArray<float> to(y), from(x);
    const TestStream stream;
    axpy(to.data(), from.data(), 3, 1000, bug, stream);
    stream.synchronize();
    return close(to.download(), want, 1e-6f);
}

bool run_row_sums(Bug bug) {
    constexpr std::size_t kRows = 3, kCols = 777;
    const Floats x = numbers(kRows * kCols);
    Floats want(kRows);
    for (std::size_t row = 0; row < kRows; ++row)
        for (std::size_t col = 0; col < kCols; ++col) want[row] += x[row * kCols + col];
    const DeviceArray<float> sums(kRows), from(x);
    const TestStream stream;
    row_sums(sums.data(), from.data(), kRows, kCols, bug, stream);
    stream.synchronize();
    return close(sums.download(), want, 1e-4f);
}

bool run_mirror(Bug bug) {
    const Floats x = numbers(132);
    Floats want(32);
    for (std::size_t i = 0; i < 32; ++i)
        for (std::size_t k = 0; k < 4; ++k) want[i] += x[4 * (i ^ 31) + k];
    const DeviceArray<float> y(32), from(x);
    const TestStream stream;
    mirror(y.data(), from.data(), bug, stream);
    stream.synchronize();
    return close(y.download(), want, 1e-5f);
}

float as_bf16(float x) { return __bfloat162float(__float2bfloat16_rn(x)); }

/// y(t+1) = tanh(x(t) + round(h)·Wᵀ) for `batch` rows; `round` is applied to h between the steps.
Floats recurrence(const Floats& w, const Floats& x, std::size_t steps, std::size_t batch, std::size_t hidden,
                  float (*round)(float)) {
    Floats y(steps * batch * hidden), h(batch * hidden), next(batch * hidden);
    for (std::size_t t = 0; t < steps; ++t) {
        for (std::size_t b = 0; b < batch; ++b)
            for (std::size_t i = 0; i < hidden; ++i) {
                float sum = x[(t * batch + b) * hidden + i];
                for (std::size_t k = 0; k < hidden; ++k) sum += w[i * hidden + k] * h[b * hidden + k];
                y[(t * batch + b) * hidden + i] = std::tanh(sum);
                next[b * hidden + i] = round(std::tanh(sum));
            }
        h = next;
    }
    return y;
}

void refuse_expired(const DeviceArray<unsigned>& expired) {
    if (expired.download()[0] != 0) throw std::runtime_error("a bounded wait ran out");
}

bool run_grid_loop(Bug bug) {
    constexpr std::size_t kSteps = 5, kBatch = 8, kHidden = 64;
    Floats w = numbers(kHidden * kHidden, 0.2f);
    const Floats x = numbers(kSteps * kBatch * kHidden);
    std::vector<__nv_bfloat16> rounded(w.size());
    for (std::size_t i = 0; i < w.size(); ++i) {
        rounded[i] = __float2bfloat16_rn(w[i]);
        w[i] = as_bf16(w[i]);
    }
    const DeviceArray<__nv_bfloat16> weights(rounded);
    const auto h = DeviceArray<__nv_bfloat16>::zeros(2 * kBatch * kHidden);
    const DeviceArray<float> input(x), y(x.size());
    const auto arrived = DeviceArray<unsigned>::zeros(1), expired = DeviceArray<unsigned>::zeros(1);
    const TestStream stream;
    grid_loop({.w = weights.data(),
               .x = input.data(),
               .y = y.data(),
               .h = h.data(),
               .arrived = arrived.data(),
               .expired = expired.data(),
               .steps = kSteps,
               .hidden = kHidden,
               .bug = bug},
              stream);
    stream.synchronize();
    refuse_expired(expired);
    // A rounding of h may fall to either side: half a unit of bf16 through W.
    return close(y.download(), recurrence(w, x, kSteps, kBatch, kHidden, as_bf16), 5e-3f);
}

bool run_cluster(Bug bug, bool pushed) {
    constexpr std::size_t kSteps = 6, kHidden = 128;
    const Floats w = numbers(kHidden * kHidden, 0.1f), x = numbers(kSteps * kHidden);
    const DeviceArray<float> weights(w), input(x), y(x.size());
    const auto expired = DeviceArray<unsigned>::zeros(1);
    const TestStream stream;
    cluster_loop({.w = weights.data(),
                  .x = input.data(),
                  .y = y.data(),
                  .expired = expired.data(),
                  .steps = kSteps,
                  .hidden = kHidden,
                  .pushed = pushed,
                  .bug = bug},
                 stream);
    stream.synchronize();
    refuse_expired(expired);
    return close(y.download(), recurrence(w, x, kSteps, 1, kHidden, [](float v) { return v; }), 1e-4f);
}

bool run_relay(Bug bug) {
    constexpr int kBlocks = 6;
    std::vector<int> first(kBlocks + 1, 0);
    std::vector<unsigned> set(kBlocks + 1, 0);
    first[0] = 40;
    set[0] = 1;
    const DeviceArray<int> values(first);
    const DeviceArray<unsigned> flags(set);
    const auto expired = DeviceArray<unsigned>::zeros(1);
    const TestStream stream;
    relay(values.data(), flags.data(), expired.data(), kBlocks, bug, stream);
    stream.synchronize();
    refuse_expired(expired);
    return values.download()[kBlocks] == 40 + kBlocks;
}

bool run_tiles(Bug bug, bool bulk) {
    constexpr int kTiles = 7;
    const Floats in = numbers((kTiles + 1) * kTile);
    Floats want(kTiles * kTile);
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = 2 * in[i];
    const DeviceArray<float> from(in), out(want.size());
    const auto expired = DeviceArray<unsigned>::zeros(1);
    const TestStream stream;
    if (bulk)
        double_tiles_bulk(out.data(), from.data(), expired.data(), kTiles, bug, stream);
    else
        double_tiles_async(out.data(), from.data(), kTiles, bug, stream);
    stream.synchronize();
    refuse_expired(expired);
    return close(out.download(), want, 0);
}

}  // namespace

const std::vector<KernelCase>& kernel_cases() {
    static const std::vector<KernelCase> cases{
        {"axpy", run_axpy},
        {"row_sums", run_row_sums},
        {"mirror", run_mirror},
        {"grid_loop", run_grid_loop},
        {"cluster_loop", [](Bug bug) { return run_cluster(bug, false); }},
        {"pushed_loop", [](Bug bug) { return run_cluster(bug, true); }},
        {"relay", run_relay},
        {"tiles_bulk", [](Bug bug) { return run_tiles(bug, true); }},
        {"tiles_async", [](Bug bug) { return run_tiles(bug, false); }},
    };
    return cases;
}

const KernelCase& kernel_case(const std::string& name) {
    for (const KernelCase& each : kernel_cases())
        if (each.name == name) return each;
    throw std::invalid_argument("no kernel case " + name);
}

}  // namespace rondo::lane_test
