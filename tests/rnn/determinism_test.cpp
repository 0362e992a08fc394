/// The same bits: from run to run, with any number of threads, whatever the other rows are and whatever was in memory.
#include <gtest/gtest.h>

#include "rnn/variations.hpp"
#include "support/cases.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

std::vector<Problem> problems(Precision precision) {
    std::vector<Problem> list;
    for (const Case& c : stack_cases(30)) list.push_back(make_problem(c, precision));
    return list;
}

/// Wide enough that the work is worth sharing out.
std::vector<Problem> wide_problems(Precision precision) {
    std::vector<Problem> list;
    int n = 0;
    for (LayerSpec layer : cell_variants()) {
        layer.hidden = 70;
        if (layer.projection > 0) layer.projection = 33;
        layer.direction = ++n % 2 ? Direction::bidirectional : Direction::forward;
        const StackSpec spec{.input = 40, .layers = {layer, layer}, .precision = precision};
        list.push_back(random_problem(describe(layer), spec, 6, 37, n % 3 ? std::vector<std::int64_t>{} : [] {
            std::vector<std::int64_t> lengths(37);
            for (std::size_t b = 0; b < lengths.size(); ++b) lengths[b] = static_cast<std::int64_t>(b % 7);
            return lengths;
        }(), 90 + static_cast<std::uint64_t>(n)));
    }
    return list;
}

class DeterminismTest : public ::testing::TestWithParam<Precision> {};

TEST_P(DeterminismTest, SameRunTwiceGivesTheSameBits) {
    for (const Problem& p : problems(GetParam())) {
        RnnHarness first(Device::cpu(1), p), second(Device::cpu(1), p);
        first.run();
        second.run();
        EXPECT_EQ(first.bits(), second.bits()) << p.name;
        const auto before = first.bits();
        first.poison_outputs();
        first.run();
        EXPECT_EQ(first.bits(), before) << p.name << ", in the same memory";
    }
}

TEST_P(DeterminismTest, NothingDependsOnWhatWasInMemory) {
    for (const Problem& p : problems(GetParam())) {
        RnnHarness poisoned(Device::cpu(1), p), zeroed(Device::cpu(1), p);
        for (Guarded* memory :
             {zeroed.y, zeroed.dx, zeroed.dparameters, zeroed.reserve, zeroed.workspace, zeroed.prepared})
            memory->put(Tensor(static_cast<std::size_t>(memory->size()), 0.0));
        poisoned.run();
        zeroed.run();
        EXPECT_EQ(poisoned.bits(), zeroed.bits()) << p.name;
    }
}

TEST_P(DeterminismTest, InputsAreLeftAsTheyWere) {
    for (const Problem& p : problems(GetParam())) {
        RnnHarness h(Device::cpu(1), p);
        std::vector<Guarded*> inputs{h.parameters, h.x, h.dy};
        for (const auto* list : {&h.state_memory, &h.dfinal_memory, &h.dstep_memory})
            inputs.insert(inputs.end(), list->begin(), list->end());
        std::vector<std::vector<std::byte>> before;
        for (Guarded* memory : inputs) before.push_back(memory->bytes());
        h.run();
        for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_EQ(inputs[i]->bytes(), before[i]) << p.name << " " << i;
    }
}

TEST_P(DeterminismTest, OtherRowsNeverChangeARowsBits) {
    Random random(11);
    std::vector<Problem> list = problems(GetParam());
    for (Problem& p : wide_problems(GetParam())) list.push_back(std::move(p));
    for (const Problem& p : list) {
        if (p.batch < 2 || !p.ragged()) continue;
        const std::int64_t kept = random.below(p.batch);
        Problem other = p;
        for (std::int64_t b = 0; b < p.batch; ++b)
            if (b != kept) other.inputs.lengths[static_cast<std::size_t>(b)] = random.below(p.steps + 1);
        auto change = [&](Tensor& t, std::int64_t width) {
            for (std::size_t i = 0; i < t.size(); ++i)
                if (static_cast<std::int64_t>(i) / width % p.batch != kept) t[i] = random.uniform(2);
        };
        change(other.inputs.x, p.spec.input);
        change(other.upstream.y, p.spec.output());
        const auto states = reference::states(p.spec);
        for (std::size_t s = 0; s < states.size(); ++s) {
            change(other.inputs.states[s], states[s].width);
            change(other.upstream.final_states[s], states[s].width);
            change(other.upstream.state_steps[s], states[s].width);
        }
        const Result before = result_of_row(p, run_on(Device::cpu(1), p), kept);
        const Result after = result_of_row(p, run_on(Device::cpu(1), other), kept);
        EXPECT_EQ(before.outputs.y, after.outputs.y) << p.name;
        EXPECT_EQ(before.outputs.final_states, after.outputs.final_states) << p.name;
        EXPECT_EQ(before.outputs.state_steps, after.outputs.state_steps) << p.name;
        EXPECT_EQ(before.dx, after.dx) << p.name;
        EXPECT_EQ(before.dstates, after.dstates) << p.name;
    }
}

INSTANTIATE_TEST_SUITE_P(Precisions, DeterminismTest, ::testing::Values(Precision::f64(), Precision::f32()),
                         [](const auto& p) { return std::string(p.param.name()); });

TEST(RnnThreadsTest, AnyNumberOfThreadsGivesTheSameBits) {
    for (const Precision precision : {Precision::f64(), Precision::f32()})
        for (const Problem& p : wide_problems(precision)) {
            RnnHarness one(Device::cpu(1), p);
            one.run();
            for (const int threads : {2, 3}) {
                RnnHarness more(Device::cpu(threads), p);
                more.run();
                EXPECT_EQ(one.bits(), more.bits()) << p.name << " with " << threads << " threads";
            }
        }
}

}  // namespace
}  // namespace rondo::test
