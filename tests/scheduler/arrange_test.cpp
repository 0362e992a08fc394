/// What runs beside what is a pure choice, and a plan does what was chosen wherever the layer allows it.
#include "scheduler/arrange.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cpu/cpu_backend.hpp"
#include "scheduler/order.hpp"

namespace rondo {
namespace {

/// A CPU for which plans are made as for a device of so many streams, and which notes what it is asked.
class ManyStreams final : public CpuBackend {
public:
    explicit ManyStreams(int count) : CpuBackend(1), count_(count) {}

    int streams() const override { return count_; }
    Stream beside(Stream, int n) override { return {&places_.at(static_cast<std::size_t>(n))}; }
    void order(std::span<const Wait> waits) override {
        noted.emplace_back();
        for (const Wait& wait : waits) noted.back().waits.emplace_back(number_of(wait.before), number_of(wait.after));
    }
    LoopPolicy loop_policy(const LoopTask& task) const override {
        at_once = task.at_once;
        return CpuBackend::loop_policy(task);
    }

    /// What a stream is given in order: an operation, or waits of one stream for another, queued together.
    struct Noted {
        std::vector<std::pair<int, int>> waits;  ///< the one that is waited for, the one that waits
        int operation = -1;
    };
    std::vector<Noted> noted;
    mutable int at_once = 0;  ///< of the last loop that was asked for

private:
    int number_of(Stream stream) const { return static_cast<int>(static_cast<char*>(stream.handle) - places_.data()); }

    int count_;
    std::array<char, kMostStreams> places_{};
};

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
        for (const int streams : {1, 8}) EXPECT_EQ(arrange(spec, ordered(6, order), streams).directions, order);
    EXPECT_EQ(arrange(spec, {6, 3}, 1).directions, DirectionOrder::in_turn);
    EXPECT_EQ(arrange(spec, {6, 3}, 8).directions, DirectionOrder::streams);
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

Plan plan_of(const StackSpec& spec, const Extent& extent, int streams = kMostStreams) {
    return make_plan(ManyStreams(streams), spec, extent);
}

TEST(Arrange, DirectionsRunTogetherWhereTheyDoNotDependOnEachOther) {
    const std::vector<Loop> together{{0, 2, 0, 0}}, beside{{0, 1, 0, 0}, {1, 1, 1, 1}},
        turn{{0, 1, 0, 0}, {1, 1, 0, 0}};
    const StackSpec spec{4, {bidirectional()}}, summed{4, {bidirectional(Merge::sum)}};
    EXPECT_EQ(loops(plan_of(spec, ordered(6, DirectionOrder::batched)).forward), together);
    EXPECT_EQ(loops(plan_of(spec, ordered(6, DirectionOrder::batched)).backward), together);
    EXPECT_EQ(loops(plan_of(spec, ordered(6, DirectionOrder::streams)).forward), beside);
    EXPECT_EQ(loops(plan_of(spec, ordered(6, DirectionOrder::in_turn)).forward), turn);
    EXPECT_EQ(plan_of(spec, ordered(6, DirectionOrder::streams)).program->streams, 2);
    EXPECT_EQ(plan_of(spec, ordered(6, DirectionOrder::streams), 1).program->streams, 1);
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
    EXPECT_TRUE(chosen(stack_of(2), 256, 8));
    EXPECT_TRUE(chosen(stack_of(2, 4096 / 3), 256, 8));
    EXPECT_FALSE(chosen(stack_of(2, 4096 / 3 + 1), 256, 8)) << "steps of many elements";
    EXPECT_FALSE(chosen(stack_of(2), 255, 8)) << "few pieces";
    EXPECT_FALSE(chosen(stack_of(2), 256, 1)) << "one stream";
    EXPECT_FALSE(chosen(stack_of(1), 256, 8)) << "one layer";
    EXPECT_FALSE(arrange(stack_of(2), waved(256, LayerOrder::in_turn), 8).wavefront);
    EXPECT_TRUE(arrange(stack_of(2), waved(2), 1).wavefront) << "asked for";
}

TEST(Arrange, WavefrontsNeedOneDirection) {
    const auto possible = [](const StackSpec& spec) { return arrange(spec, waved(100), 8).wavefront; };
    EXPECT_TRUE(possible(stack_of(1))) << "products beside the loop";
    EXPECT_FALSE(arrange(stack_of(1), waved(100, LayerOrder::wavefront, Mode::inference), 8).wavefront);
    EXPECT_FALSE(arrange(stack_of(2), waved(1), 8).wavefront) << "one step";
    StackSpec reverse = stack_of(3), mixed = stack_of(3), both = stack_of(2), dropped = stack_of(2);
    for (LayerSpec& layer : reverse.layers) layer.direction = Direction::reverse;
    mixed.layers[2].direction = Direction::reverse;
    for (LayerSpec& layer : both.layers) layer.direction = Direction::bidirectional;
    dropped.layers[0].dropout = dropped.layers[1].dropout = 0.5;
    EXPECT_TRUE(possible(reverse));
    EXPECT_FALSE(possible(mixed));
    EXPECT_FALSE(possible(both));
    EXPECT_TRUE(possible(dropped));
}

TEST(Arrange, PiecesAreEqualAndAtLeastTwo) {
    EXPECT_EQ(arrange(stack_of(2), waved(320), 8).piece, 32);
    EXPECT_EQ(arrange(stack_of(2), waved(321), 8).piece, 30);
    EXPECT_EQ(arrange(stack_of(2), waved(5), 8).piece, 3);
    EXPECT_EQ(arrange(stack_of(2), waved(5, LayerOrder::in_turn), 8).piece, 0);
}

/// Layers have a stream each, and in backward another one for the products of their weights, as far as there are any.
TEST(Arrange, WavefrontsTakeTheStreamsTheyHaveUseFor) {
    const auto used = [](std::size_t layers, int streams, Mode mode = Mode::training) {
        return plan_of(stack_of(layers), waved(100, LayerOrder::wavefront, mode), streams).program->streams;
    };
    EXPECT_EQ(used(4, 8), 8);
    EXPECT_EQ(used(3, 8), 6);
    EXPECT_EQ(used(3, 8, Mode::inference), 3);
    EXPECT_EQ(used(9, 8), 8);
    EXPECT_EQ(used(4, 3), 3);
    EXPECT_EQ(used(4, 1), 1);
    const Plan plan = plan_of(stack_of(4), waved(100));
    for (const auto* list : {&plan.forward, &plan.backward})
        for (const Operation& op : *list) {
            EXPECT_EQ(op.stream, op.layer + (op.kind == Operation::Kind::weight_product ? 4 : 0));
            EXPECT_EQ(op.workspace, op.layer);
        }
}

/// Loops that need all of a grid to be resident must know how many of them there are.
TEST(Arrange, LoopsAreToldHowManyRunAtOnce) {
    const auto at_once = [](std::size_t layers, const Extent& extent, int streams) {
        const ManyStreams backend(streams);
        make_plan(backend, stack_of(layers), extent);
        return backend.at_once;
    };
    EXPECT_EQ(at_once(4, waved(100), 8), 4);
    EXPECT_EQ(at_once(4, waved(100, LayerOrder::wavefront, Mode::inference), 8), 4);
    EXPECT_EQ(at_once(9, waved(1000), 8), 8) << "streams";
    EXPECT_EQ(at_once(4, waved(100), 3), 3);
    EXPECT_EQ(at_once(4, waved(40), 8), 2) << "pieces";
    EXPECT_EQ(at_once(4, waved(100, LayerOrder::in_turn), 8), 1);
}

/// In a wave no layer needs another one's work of the same wave.
TEST(Arrange, WavesDependOnTheWaveBefore) {
    const Plan plan = plan_of(stack_of(4), waved(100));
    for (const auto* list : {&plan.forward, &plan.backward}) {
        int loops = 0;
        for (const Operation& op : *list) {
            for (int i : op.after) {
                const Operation& before = (*list)[static_cast<std::size_t>(i)];
                EXPECT_TRUE(before.wave < op.wave || (before.wave == op.wave && before.layer == op.layer));
            }
            if (op.kind == Operation::Kind::time_loop) ++loops;
        }
        EXPECT_EQ(loops, 4 * 4);
    }
}

using Operations = std::vector<bool>;  ///< a set of a list's; behind them what the caller has queued before

struct Failure {};

/// The streams' queues that come of a plan's operations; `fails`: which of them throws.
class Queues {
public:
    Queues(int streams, const Plan& plan, const std::vector<Operation>& list, int fails = -1)
        : list_(list), backend_(streams) {
        Pass pass{backend_, plan,    *plan.program, backend_.beside({}, 0),
                  nullptr,  nullptr, nullptr,       nullptr,
                  nullptr,  nullptr, nullptr,       {}};
        for (int s = 0; s < plan.program->streams; ++s)
            pass.streams[static_cast<std::size_t>(s)] = backend_.beside({}, s);
        int next = 0;
        const auto run = [&](const Pass&, const Operation&) {
            if (next == fails) throw Failure();
            backend_.noted.emplace_back();
            backend_.noted.back().operation = next++;
        };
        if (fails < 0)
            run_in_order(pass, list, run);
        else
            EXPECT_THROW(run_in_order(pass, list, run), Failure);
    }

    /// What has run before each operation begins, however fast the streams are; behind them what has run before that
    /// which the caller queues next. One wait may be left out.
    std::vector<Operations> run_before(int without = -1) const {
        std::vector<Operations> found;
        std::array<Operations, kMostStreams> done;
        done.fill(Operations(list_.size() + 1));
        done[0].back() = true;
        int n = 0;
        for (const ManyStreams::Noted& noted : backend_.noted) {
            const std::array<Operations, kMostStreams> by_now = done;
            for (const auto& wait : noted.waits) {
                if (n++ == without) continue;
                merge(done.at(static_cast<std::size_t>(wait.second)), by_now.at(static_cast<std::size_t>(wait.first)));
            }
            if (noted.operation < 0) continue;
            const auto i = static_cast<std::size_t>(noted.operation);
            Operations& on_stream = done.at(static_cast<std::size_t>(list_[i].stream));
            found.push_back(on_stream);
            on_stream[i] = true;
        }
        found.push_back(done[0]);
        return found;
    }

    /// Whether every operation comes after those it needs and the caller's work, and the caller's next work after all.
    bool in_order(int without = -1) const {
        const std::vector<Operations> before = run_before(without);
        for (std::size_t i = 0; i < list_.size(); ++i) {
            for (int needed : list_[i].after)
                if (!before[i][static_cast<std::size_t>(needed)]) return false;
            if (!before[i].back() || !before.back()[i]) return false;
        }
        return true;
    }

    int waits() const {
        std::size_t count = 0;
        for (const ManyStreams::Noted& noted : backend_.noted) count += noted.waits.size();
        return static_cast<int>(count);
    }

    static void merge(Operations& to, const Operations& from) {
        for (std::size_t i = 0; i < to.size(); ++i) to[i] = to[i] || from[i];
    }

private:
    const std::vector<Operation>& list_;
    ManyStreams backend_;
};

std::vector<std::pair<Plan, int>> plans_on_streams() {
    std::vector<std::pair<Plan, int>> list;
    StackSpec both{4, {bidirectional(), {.cell = "gru", .hidden = 5}, bidirectional()}};
    list.emplace_back(plan_of(both, ordered(6, DirectionOrder::streams)), kMostStreams);
    for (const std::size_t layers : {1, 2, 3, 4, 5, 8, 9})
        for (const int streams : {2, 3, 8})
            for (const bool dropped : {false, true}) {
                StackSpec stack = stack_of(layers);
                for (LayerSpec& layer : stack.layers) layer.dropout = dropped ? 0.5 : 0;
                Extent extent = waved(layers < 5 ? 130 : 70);
                extent.ragged = !dropped;
                list.emplace_back(plan_of(stack, extent, streams), streams);
            }
    return list;
}

TEST(StreamOrder, OperationsComeAfterThoseTheyNeed) {
    for (const auto& [plan, streams] : plans_on_streams())
        for (const auto* list : {&plan.forward, &plan.backward})
            EXPECT_TRUE(Queues(streams, plan, *list).in_order()) << streams << " streams\n" << plan.to_string();
}

TEST(StreamOrder, NoWaitIsTooMany) {
    for (const auto& [plan, streams] : plans_on_streams()) {
        for (const auto* list : {&plan.forward, &plan.backward}) {
            const Queues queues(streams, plan, *list);
            for (int n = 0; n < queues.waits(); ++n)
                EXPECT_FALSE(queues.in_order(n)) << "wait " << n << " on " << streams << " streams\n"
                                                 << plan.to_string();
        }
    }
}

/// Its memory is the caller's again, to free if he likes.
TEST(StreamOrder, AfterAPassThatThrewCallersComeAfterAllThatWasQueued) {
    const Plan plan = plan_of(stack_of(4), waved(130));
    for (const auto* list : {&plan.forward, &plan.backward})
        for (int fails = 0; fails < static_cast<int>(list->size()); ++fails) {
            const Operations done = Queues(kMostStreams, plan, *list, fails).run_before().back();
            EXPECT_EQ(std::count(done.begin(), done.end() - 1, true), fails);
        }
}

/// The gradients of every other piece's gates lie in one place.
TEST(StreamOrder, WhatAPieceMakesIsReadBeforeItIsOverwritten) {
    Extent extent = waved(130);
    extent.observe = true;
    const Plan plan = plan_of(stack_of(4), extent);
    const std::vector<Operation>& list = plan.backward;
    const std::vector<Operations> before = Queues(kMostStreams, plan, list).run_before();
    int readers = 0;
    for (std::size_t i = 0; i < list.size(); ++i)
        for (std::size_t k = 0; k < list.size(); ++k) {
            if (list[i].kind != Operation::Kind::time_loop || list[k].kind == Operation::Kind::time_loop) continue;
            const std::int64_t later = (list[k].begin - list[i].begin) / plan.program->arrangement.piece;
            if (list[k].layer != list[i].layer || later < 0 || later % 2 != 0) continue;
            EXPECT_TRUE(later == 0 ? before[k][i] : before[i][k]) << i << " and " << k << "\n" << plan.to_string();
            ++readers;
        }
    EXPECT_EQ(readers, 4 * (5 + 4) * 3);  // of four layers and five pieces, of which four pairs share their place
}

/// Loops and products come after those that they need and those of their own stream, and after no others: all layers may
/// be at work together, and in backward a piece's products beside the next piece's loop.
TEST(StreamOrder, WhatDoesNotDependRunsTogether) {
    const Plan plan = plan_of(stack_of(4), waved(130));
    for (const auto* list : {&plan.forward, &plan.backward}) {
        const std::vector<Operations> before = Queues(kMostStreams, plan, *list).run_before();
        std::vector<Operations> needed;
        int together = 0;
        for (std::size_t i = 0; i < list->size(); ++i) {
            Operations all(list->size() + 1);
            all.back() = true;
            for (std::size_t k = 0; k < i; ++k) {
                const std::vector<int>& after = (*list)[i].after;
                const bool depends = std::find(after.begin(), after.end(), static_cast<int>(k)) != after.end();
                if (!depends && (*list)[k].stream != (*list)[i].stream) continue;
                Queues::merge(all, needed[k]);
                all[k] = true;
            }
            needed.push_back(all);
            if ((*list)[i].kind != Operation::Kind::time_loop) continue;
            int beside = 0;
            for (std::size_t k = 0; k < i; ++k) {
                const Operation::Kind kind = (*list)[k].kind;
                if (kind != Operation::Kind::time_loop && kind != Operation::Kind::weight_product) continue;
                EXPECT_EQ(before[i][k], needed[i][k]) << k << " before " << i << "\n" << plan.to_string();
                beside += before[i][k] ? 0 : 1;
            }
            together = std::max(together, beside);
        }
        EXPECT_GE(together, list == &plan.forward ? 3 : 7);
    }
}

}  // namespace
}  // namespace rondo
