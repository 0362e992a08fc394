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

}  // namespace
}  // namespace rondo
