/// What runs beside what is a pure choice, and a plan does what was chosen wherever the layer allows it.
#include "scheduler/arrange.hpp"

#include <gtest/gtest.h>

namespace rondo {
namespace {

LayerSpec bidirectional(Merge merge = Merge::concatenate) {
    return {.cell = "gru", .hidden = 5, .direction = Direction::bidirectional, .merge = merge};
}

Extent ordered(std::int64_t steps, DirectionOrder directions) {
    Extent extent{steps, 3};
    extent.directions = directions;
    return extent;
}

TEST(Arrange, TakesWhatIsAskedForAndOtherwiseWhatTheDeviceHas) {
    const StackSpec spec{4, {bidirectional()}};
    for (const auto order : {DirectionOrder::in_turn, DirectionOrder::streams, DirectionOrder::batched})
        for (const int streams : {1, 2}) EXPECT_EQ(arrange(spec, ordered(6, order), streams).directions, order);
    EXPECT_EQ(arrange(spec, {6, 3}, 1).directions, DirectionOrder::in_turn);
    EXPECT_EQ(arrange(spec, {6, 3}, 2).directions, DirectionOrder::streams);
}

struct Loop {
    int direction, directions, stream, workspace;
    bool operator==(const Loop&) const = default;
};

std::vector<Loop> loops(const std::vector<Operation>& list) {
    std::vector<Loop> found;
    for (const Operation& op : list)
        if (op.kind == Operation::Kind::time_loop)
            found.push_back({op.direction, op.directions, op.stream, op.workspace});
    return found;
}

Plan plan_of(const StackSpec& spec, const Extent& extent) { return Rnn(Device::cpu(1), spec).plan(extent); }

TEST(Arrange, DirectionsRunTogetherWhereTheyDoNotDependOnEachOther) {
    const std::vector<Loop> together{{0, 2, 0, 0}}, beside{{0, 1, 0, 0}, {1, 1, 1, 1}},
        turn{{0, 1, 0, 0}, {1, 1, 0, 0}};
    const StackSpec spec{4, {bidirectional()}}, summed{4, {bidirectional(Merge::sum)}};
    EXPECT_EQ(loops(plan_of(spec, ordered(6, DirectionOrder::batched)).forward), together);
    EXPECT_EQ(loops(plan_of(spec, ordered(6, DirectionOrder::batched)).backward), together);
    EXPECT_EQ(loops(plan_of(spec, ordered(6, DirectionOrder::streams)).forward), beside);
    EXPECT_EQ(loops(plan_of(spec, ordered(6, DirectionOrder::in_turn)).forward), turn);
    EXPECT_EQ(loops(plan_of(summed, ordered(6, DirectionOrder::batched)).forward), turn);
    EXPECT_EQ(loops(plan_of(summed, ordered(6, DirectionOrder::batched)).backward), together);
}

TEST(Arrange, ChunksOfStepsDoNotRunTogether) {
    const Plan plan = plan_of({4, {bidirectional()}}, ordered(50000, DirectionOrder::batched));
    ASSERT_GT(loops(plan.forward).size(), 2u) << "this extent is meant to be cut into chunks";
    for (const Loop& loop : loops(plan.forward)) EXPECT_EQ(loop.directions, 1);
    for (const Loop& loop : loops(plan.backward)) EXPECT_EQ(loop.directions, 1);
}

TEST(Arrange, OnlyWhatRunsBesideAnotherHasAWorkspaceOfItsOwn) {
    const auto booked = [](const StackSpec& spec, DirectionOrder order, const char* name) {
        for (const BufferInfo& buffer : plan_of(spec, ordered(6, order)).buffers)
            if (buffer.name == name) return true;
        return false;
    };
    const StackSpec both{4, {bidirectional()}}, one{4, {{.cell = "gru", .hidden = 5}}};
    EXPECT_TRUE(booked(both, DirectionOrder::batched, "gates_x_loop1"));
    EXPECT_FALSE(booked(both, DirectionOrder::in_turn, "gates_x_loop1"));
    EXPECT_FALSE(booked(one, DirectionOrder::batched, "gates_x_loop1"));
}

StackSpec stack_of(std::size_t layers, std::int64_t hidden = 5) {
    return {4, std::vector<LayerSpec>(layers, {.cell = "gru", .hidden = hidden})};
}

Extent waved(std::int64_t steps, LayerOrder layers = LayerOrder::wavefront, Mode mode = Mode::training) {
    Extent extent{steps, 3, mode};
    extent.layers = layers;
    return extent;
}

TEST(Arrange, WavefrontsAreForSmallStepsAndManyOfThem) {
    const auto chosen = [](const StackSpec& spec, std::int64_t steps, int streams) {
        return arrange(spec, waved(steps, LayerOrder::automatic), streams).wavefront;
    };
    EXPECT_TRUE(chosen(stack_of(2), 256, 2));
    EXPECT_TRUE(chosen(stack_of(2, 4096 / 3), 256, 2));
    EXPECT_FALSE(chosen(stack_of(2, 4096 / 3 + 1), 256, 2)) << "steps of many elements";
    EXPECT_FALSE(chosen(stack_of(2), 255, 2)) << "few pieces";
    EXPECT_FALSE(chosen(stack_of(2), 256, 1)) << "one stream";
    EXPECT_FALSE(arrange(stack_of(2), waved(256, LayerOrder::in_turn), 2).wavefront);
    EXPECT_TRUE(arrange(stack_of(2), waved(2), 1).wavefront) << "asked for";
}

TEST(Arrange, WavefrontsNeedOneDirectionAndNoDropoutBetweenLayers) {
    const auto possible = [](const StackSpec& spec, Mode mode = Mode::training) {
        return arrange(spec, waved(100, LayerOrder::wavefront, mode), 2).wavefront;
    };
    EXPECT_FALSE(possible(stack_of(1)));
    EXPECT_FALSE(arrange(stack_of(2), waved(1), 2).wavefront) << "one step";
    StackSpec reverse = stack_of(3), mixed = stack_of(3), both = stack_of(2), dropped = stack_of(2),
              first = stack_of(2);
    for (LayerSpec& layer : reverse.layers) layer.direction = Direction::reverse;
    mixed.layers[2].direction = Direction::reverse;
    for (LayerSpec& layer : both.layers) layer.direction = Direction::bidirectional;
    dropped.layers[1].dropout = first.layers[0].dropout = 0.5;
    EXPECT_TRUE(possible(reverse));
    EXPECT_FALSE(possible(mixed));
    EXPECT_FALSE(possible(both));
    EXPECT_FALSE(possible(dropped));
    EXPECT_TRUE(possible(dropped, Mode::inference)) << "nothing drops out";
    EXPECT_TRUE(possible(first)) << "before all layers";
}

TEST(Arrange, PiecesAreEqualAndAtLeastTwo) {
    EXPECT_EQ(arrange(stack_of(2), waved(320), 2).piece, 32);
    EXPECT_EQ(arrange(stack_of(2), waved(321), 2).piece, 30);
    EXPECT_EQ(arrange(stack_of(2), waved(5), 2).piece, 3);
    EXPECT_EQ(arrange(stack_of(2), waved(5, LayerOrder::in_turn), 2).piece, 0);
}

/// In a wave no layer needs another one's work of the same wave.
TEST(Arrange, WavesDependOnTheWaveBefore) {
    for (const bool backward : {false, true}) {
        const Plan plan = plan_of(stack_of(4), waved(100));
        const std::vector<Operation>& list = backward ? plan.backward : plan.forward;
        int loops = 0;
        for (const Operation& op : list) {
            EXPECT_EQ(op.stream, op.layer % 2);
            EXPECT_EQ(op.workspace, op.layer);
            for (int i : op.after) {
                const Operation& before = list[static_cast<std::size_t>(i)];
                EXPECT_TRUE(before.wave < op.wave || (before.wave == op.wave && before.layer == op.layer));
            }
            if (op.kind == Operation::Kind::time_loop) ++loops;
        }
        EXPECT_EQ(loops, 4 * 4);
    }
}

}  // namespace
}  // namespace rondo
