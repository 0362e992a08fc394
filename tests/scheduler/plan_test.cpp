/// Plans are data: what they book and list can be checked without running them.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "rondo/rnn.hpp"

namespace rondo {
namespace {

StackSpec mixed_stack() {
    LayerSpec lstm{.cell = "lstm", .hidden = 7, .direction = Direction::bidirectional, .projection = 3};
    LayerSpec gru{.cell = "gru", .hidden = 5, .options = {.reset_before = true}, .dropout = 0.25};
    LayerSpec vanilla{.cell = "rnn_tanh", .hidden = 4, .direction = Direction::reverse, .biases = Biases::one};
    return {.input = 6, .layers = {lstm, gru, vanilla}};
}

Plan plan_of(const StackSpec& spec, const Extent& extent) { return Rnn(Device::cpu(1), spec).plan(extent); }

TEST(Plan, NamesParametersAsPyTorchDoes) {
    const Plan plan = plan_of(mixed_stack(), {10, 2});
    std::vector<std::string> names;
    for (const ParameterInfo& p : plan.parameters) names.push_back(p.name);
    EXPECT_EQ(names, (std::vector<std::string>{"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0",
                                               "weight_hr_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse",
                                               "bias_ih_l0_reverse", "bias_hh_l0_reverse", "weight_hr_l0_reverse",
                                               "weight_ih_l1", "weight_hh_l1", "bias_ih_l1", "bias_hh_l1",
                                               "weight_ih_l2_reverse", "weight_hh_l2_reverse", "bias_ih_l2_reverse"}));
    EXPECT_EQ(plan.parameter("weight_ih_l0").shape, (Shape{28, 6}));
    EXPECT_EQ(plan.parameter("weight_hh_l0").shape, (Shape{28, 3}));
    EXPECT_EQ(plan.parameter("weight_hr_l0").shape, (Shape{3, 7}));
    EXPECT_EQ(plan.parameter("weight_ih_l1").shape, (Shape{15, 6}));
    EXPECT_EQ(plan.parameter("weight_ih_l2_reverse").shape, (Shape{4, 5}));
    EXPECT_THROW(plan.parameter("weight_hr_l1"), Error);
}

TEST(Plan, ListsStatesLayerByLayer) {
    const Plan plan = plan_of(mixed_stack(), {10, 2});
    std::vector<std::pair<std::string, std::int64_t>> states;
    for (const StateInfo& s : plan.states) states.emplace_back(s.name, s.width);
    EXPECT_EQ(
        states,
        (std::vector<std::pair<std::string, std::int64_t>>{
            {"h_l0", 3}, {"c_l0", 7}, {"h_l0_reverse", 3}, {"c_l0_reverse", 7}, {"h_l1", 5}, {"h_l2_reverse", 4}}));
}

TEST(Plan, ParametersAndBuffersDoNotOverlap) {
    for (Mode mode : {Mode::training, Mode::inference}) {
        const Plan plan = plan_of(mixed_stack(), {1000, 3, mode, true});
        std::int64_t end = 0;
        for (const ParameterInfo& p : plan.parameters) {
            EXPECT_GE(p.offset, end) << p.name;
            EXPECT_EQ(p.offset % 16, 0) << p.name;
            end = p.offset + p.shape.size();
        }
        EXPECT_GE(plan.parameter_count, end);
        std::map<BufferInfo::Kind, std::int64_t> ends;
        for (const BufferInfo& b : plan.buffers) {
            EXPECT_GE(b.offset, ends[b.kind]) << b.name;
            EXPECT_EQ(b.offset % 64, 0) << b.name;
            ends[b.kind] = b.offset + b.bytes;
        }
        EXPECT_GE(plan.prepared_bytes, ends[BufferInfo::Kind::prepared]);
        EXPECT_GE(plan.reserve_bytes, ends[BufferInfo::Kind::reserve]);
        EXPECT_GE(plan.workspace_bytes, ends[BufferInfo::Kind::workspace]);
        if (mode == Mode::inference) EXPECT_EQ(plan.reserve_bytes, 0);
    }
}

/// Every loop covers its steps once, in the direction of time, in pieces that follow one another.
TEST(Plan, LoopsCoverEveryStepOnceInOrder) {
    const Plan plan = plan_of(mixed_stack(), {5000, 8});
    for (bool backward : {false, true}) {
        std::map<std::pair<int, int>, std::vector<std::pair<std::int64_t, std::int64_t>>> loops;
        for (const Operation& op : backward ? plan.backward : plan.forward)
            if (op.kind == Operation::Kind::time_loop) loops[{op.layer, op.direction}].emplace_back(op.begin, op.end);
        ASSERT_EQ(loops.size(), 4u);
        for (auto& [at, ranges] : loops) {
            const bool reverse = at.second == 1 || at.first == 2;
            if (reverse != backward) std::reverse(ranges.begin(), ranges.end());
            std::int64_t end = 0;
            for (auto [b, e] : ranges) {
                EXPECT_EQ(b, end);
                EXPECT_GT(e, b);
                end = e;
            }
            EXPECT_EQ(end, 5000);
        }
        EXPECT_GT((loops[{0, 0}].size()), 1u) << "this extent is meant to be cut into chunks";
    }
}

TEST(Plan, OperationsDependOnEarlierOnesOnly) {
    const Plan plan = plan_of(mixed_stack(), {5000, 8, Mode::training, true});
    for (const auto* list : {&plan.forward, &plan.backward})
        for (std::size_t i = 0; i < list->size(); ++i) {
            for (int before : (*list)[i].after) EXPECT_LT(before, static_cast<int>(i));
            if (i > 0)
                EXPECT_FALSE((*list)[i].after.empty() && (*list)[i].kind == Operation::Kind::input_product &&
                             (*list)[i].layer > 0);
        }
}

TEST(Plan, PrintsWhatItDoes) {
    const std::string text = plan_of(mixed_stack(), {10, 2}).to_string();
    for (const char* word :
         {"lstm 7 projected to 3, bidirectional concatenated", "gru 5", "reset before", "dropout 0.25",
          "weight_hr_l0_reverse [3, 7]", "time_loop", "weight_product", "reserve", "workspace"})
        EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
}

TEST(Plan, EqualExtentsGiveEqualIdentities) {
    const StackSpec spec = mixed_stack();
    EXPECT_EQ(plan_of(spec, {10, 2}).id, plan_of(spec, {10, 2}).id);
    EXPECT_NE(plan_of(spec, {10, 2}).id, plan_of(spec, {11, 2}).id);
    EXPECT_NE(plan_of(spec, {10, 2}).id, plan_of(spec, {10, 2, Mode::inference}).id);
}

}  // namespace
}  // namespace rondo
