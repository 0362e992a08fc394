/// Time loops in one launch, however a launch is laid out: what the dispatcher would choose on this device is one layout
/// of many.
#include <bit>
#include <cmath>
#include <cstring>

#include "cuda/findings.hpp"
#include "cuda/loop_choice.hpp"
#include "cuda/on_gpu.hpp"
#include "lane/support/device_array.hpp"
#include "persistent/persistent.hpp"
#include "support/random.hpp"

namespace rondo::test {
namespace {

using kernels::Exchange;
using kernels::Geometry;

struct Layout {
    Exchange exchange;
    int ranks, rows, cluster = 1, round = 1;
};

/// A layer's loop over some steps, forward and backward, on numbers of its own.
template <DType kType>
class LayerLoop {
public:
    static constexpr std::int64_t kSteps = 3;

    LayerLoop(const char* cell, int gates, int states, int saved, std::int64_t hidden, std::int64_t batch)
        : launches_(kernels::find_loops<kType>(cell, {})),
          gates_(gates),
          states_(states),
          saved_(saved),
          hidden_(hidden),
          batch_(batch) {
        for (std::int64_t row = 0; row < batch; ++row) lengths_.push_back(row % 4 == 1 ? row % kSteps : kSteps);
    }

    Geometry laid_out(const Layout& layout, bool backward) const {
        kernels::LoopShape shape{
            .gates = gates_, .states = states_, .element_bytes = size_of(kType), .backward = backward};
        shape.batch = batch_;
        shape.hidden = hidden_;
        const bool clusters = backward || layout.exchange != Exchange::grid;
        Geometry g = kernels::lay_out(shape, layout.exchange, layout.ranks, layout.rows, clusters ? layout.cluster : 1,
                                      layout.round);
        g.threefold = true;
        return g;
    }
    bool fits(const Layout& layout) const {
        const Geometry forward = laid_out(layout, false), backward = laid_out(layout, true);
        const auto held = [](const void* kernel, const Geometry& g) {
            const int most = g.units > 0 ? kernels::most_groups(kernel, g) : 0;
            return g.exchange == Exchange::grid ? most >= g.groups : most > 0;
        };
        return held(launches_.forward_kernel, forward) && held(launches_.backward_kernel, backward);
    }

    /// All that both passes make.
    std::vector<float> run(const Layout& layout) const {
        Random random(5);
        const std::int64_t of_step = batch_ * hidden_;
        const Bytes w(numbers(random, gates_ * hidden_ * hidden_, 0.25), true);
        const Bytes bias(numbers(random, gates_ * hidden_), false);
        const Bytes gates_x(numbers(random, kSteps * of_step * gates_), false);
        const Bytes dy(numbers(random, kSteps * of_step), true), later(numbers(random, of_step * gates_), true);
        const lane_test::DeviceArray<std::int64_t> lengths(lengths_);
        std::vector<Bytes> states, carries, dstates;
        for (int s = 0; s < states_; ++s) {
            std::vector<float> all = numbers(random, of_step);
            all.resize(static_cast<std::size_t>((kSteps + 1) * of_step));
            states.emplace_back(all, s == 0);
            carries.emplace_back(numbers(random, of_step), s == 0);
            dstates.emplace_back(std::vector<float>(static_cast<std::size_t>(of_step)), false);
        }
        const auto empty = [&](std::int64_t planes) {
            return Bytes(std::vector<float>(static_cast<std::size_t>(kSteps * of_step * planes)), true);
        };
        const Bytes saved = empty(std::max(1, saved_)), y = empty(1), dgates_x = empty(gates_),
                    dgates_h = empty(gates_);
        const cuda::Findings findings(0);
        const auto exchange = [&](const lane_test::DeviceArray<unsigned char>& scratch) {
            return kernels::LoopExchange{scratch.data(), 5'000'000'000, findings.late()};
        };
        const Geometry forward = laid_out(layout, false), backward = laid_out(layout, true);
        const auto board_f = lane_test::DeviceArray<unsigned char>::zeros(forward.scratch_bytes + 1);
        const auto board_b = lane_test::DeviceArray<unsigned char>::zeros(backward.scratch_bytes + 1);

        kernels::Directions<kernels::LoopForward> f;
        f.of[0].batch = batch_;
        f.of[0].hidden = hidden_;
        f.of[0].steps = kSteps;
        f.of[0].lengths = lengths.data();
        f.of[0].w = w.at(0);
        f.of[0].bias_h = bias.at(0);
        f.of[0].gates_x = gates_x.at(0);
        f.of[0].saved = saved.at(0);
        f.of[0].y = y.at(0);
        f.of[0].y_stride = hidden_;
        f.of[0].y_step = of_step;
        f.of[0].exchange = exchange(board_f);
        kernels::Directions<kernels::LoopBackward> b;
        const std::int64_t last = kSteps - 1;
        b.of[0].batch = batch_;
        b.of[0].hidden = hidden_;
        b.of[0].steps = kSteps;
        b.of[0].t = last;
        b.of[0].lengths = lengths.data();
        b.of[0].w = w.at(0);
        b.of[0].later_dgates = later.at(0);
        b.of[0].carry_in_storage = true;
        b.of[0].saved = saved.at(last * of_step * saved_);
        b.of[0].dy = dy.at(last * of_step);
        b.of[0].dy_stride = hidden_;
        b.of[0].dy_step = -of_step;
        b.of[0].dgates_x = dgates_x.at(last * of_step * gates_);
        b.of[0].dgates_h = dgates_h.at(last * of_step * gates_);
        b.of[0].exchange = exchange(board_b);
        for (std::size_t s = 0; s < states.size(); ++s) {
            f.of[0].state[s] = states[s].at(0);
            f.of[0].next[s] = states[s].at(of_step);
            f.of[0].every[s] = true;
            b.of[0].carry[s] = carries[s].at(0);
            b.of[0].state[s] = states[s].at(last * of_step);
            b.of[0].next[s] = states[s].at((last + 1) * of_step);
            b.of[0].dstate[s] = dstates[s].at(0);
        }
        launches_.forward(f, forward, nullptr);
        launches_.backward(b, backward, nullptr);
        device::check(cudaDeviceSynchronize(), "time loops");
        findings.report();

        std::vector<float> made;
        const auto take = [&](const Bytes& bytes) {
            const std::vector<float> values = bytes.values();
            made.insert(made.end(), values.begin(), values.end());
        };
        for (const Bytes& bytes : states) take(bytes);
        for (const Bytes& bytes : dstates) take(bytes);
        for (const Bytes* bytes : {&saved, &y, &dgates_x, &dgates_h}) take(*bytes);
        return made;
    }

private:
    /// Numbers on the device: in the storage type, or in f32.
    class Bytes {
    public:
        Bytes(const std::vector<float>& values, bool in_storage)
            : wide_(!in_storage || kType == DType::f32), bytes_(packed(values, wide_)) {}

        void* at(std::int64_t i) const { return bytes_.data() + i * (wide_ ? 4 : 2); }
        std::vector<float> values() const {
            const std::vector<unsigned char> bytes = bytes_.download();
            std::vector<float> values(bytes.size() / (wide_ ? 4 : 2));
            for (std::size_t i = 0; i < values.size(); ++i) {
                std::uint32_t word = 0;
                if (wide_)
                    std::memcpy(&word, &bytes[4 * i], 4);
                else
                    word = static_cast<std::uint32_t>(bytes[2 * i] | bytes[2 * i + 1] << 8) << 16;  // bf16
                values[i] = std::bit_cast<float>(word);
            }
            return values;
        }

    private:
        static std::vector<unsigned char> packed(const std::vector<float>& values, bool wide) {
            const std::size_t width = wide ? 4 : 2;
            std::vector<unsigned char> bytes(values.size() * width);
            for (std::size_t i = 0; i < values.size(); ++i) {
                const auto word = std::bit_cast<std::uint32_t>(values[i]) >> (wide ? 0 : 16);
                std::memcpy(&bytes[i * width], &word, width);
            }
            return bytes;
        }

        bool wide_;
        lane_test::DeviceArray<unsigned char> bytes_;
    };

    /// Of seven bits, which every storage type holds.
    static std::vector<float> numbers(Random& random, std::int64_t count, double limit = 1) {
        std::vector<float> values(static_cast<std::size_t>(count));
        for (float& value : values)
            value = static_cast<float>(limit * static_cast<double>(random.below(128) - 64) / 64);
        return values;
    }

    kernels::LoopLaunches launches_;
    int gates_, states_, saved_;
    std::int64_t hidden_, batch_;
    std::vector<std::int64_t> lengths_;
};

/// One wave, two and more, a last group that has fewer of them, rounds of one pass and of two, blocks without units,
/// clusters within a grid.
constexpr Layout kLayouts[] = {
    {Exchange::solo, 1, 24, 1, 2},    {Exchange::cluster, 2, 48},    {Exchange::cluster, 4, 16},
    {Exchange::cluster, 4, 24, 1, 2}, {Exchange::cluster, 8, 8},     {Exchange::grid, 1, 24},
    {Exchange::grid, 1, 48, 1, 2},    {Exchange::grid, 2, 16},       {Exchange::grid, 2, 24, 1, 2},
    {Exchange::grid, 4, 24},          {Exchange::grid, 4, 24, 2},    {Exchange::grid, 4, 48, 2, 2},
    {Exchange::grid, 4, 48, 4},       {Exchange::grid, 8, 48, 1, 2}, {Exchange::grid, 8, 48, 2},
    {Exchange::grid, 8, 40, 4, 2},
};

class CudaLoopLayoutsGpu : public GpuTest {
protected:
    template <DType kType>
    void check(const char* cell, int gates, int states, int saved, std::int64_t hidden, float allowed) {
        constexpr std::int64_t kBatch = 45;
        const LayerLoop<kType> loop(cell, gates, states, saved, hidden, kBatch);
        const std::vector<float> alone = loop.run({Exchange::solo, 1, 8});
        int tried = 0;
        for (const Layout& layout : kLayouts) {
            if (!loop.fits(layout)) continue;
            ++tried;
            const std::vector<float> made = loop.run(layout);
            ASSERT_EQ(made.size(), alone.size());
            int wrong = 0;
            for (std::size_t i = 0; i < made.size(); ++i)
                wrong += !(std::abs(made[i] - alone[i]) <= allowed * (1 + std::abs(alone[i])));
            EXPECT_EQ(wrong, 0) << cell << " of " << hidden << ", " << cuda::describe(loop.laid_out(layout, false))
                                << "; backward " << cuda::describe(loop.laid_out(layout, true));
        }
        EXPECT_GE(tried, 10) << cell << " of " << hidden;
    }
};

TEST_F(CudaLoopLayoutsGpu, DoAsOneBlockDoesInF32) {
    constexpr float kAllowed = 2e-5f;
    check<DType::f32>("lstm", 4, 2, 4, 50, kAllowed);
    check<DType::f32>("gru", 3, 1, 4, 61, kAllowed);
    check<DType::f32>("rnn_tanh", 1, 1, 0, 100, kAllowed);
}

/// A sum in another order may round h the other way.
TEST_F(CudaLoopLayoutsGpu, DoAsOneBlockDoesInBf16) {
    constexpr float kAllowed = 0.04f;
    check<DType::bf16>("lstm", 4, 2, 4, 113, kAllowed);
    check<DType::bf16>("gru", 3, 1, 4, 80, kAllowed);
}

}  // namespace
}  // namespace rondo::test
