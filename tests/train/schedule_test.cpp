/// Learning rates.
#include <gtest/gtest.h>

#include <cmath>

#include "rondo/optimizer.hpp"

namespace rondo {
namespace {

using Kind = ScheduleSpec::Kind;

TEST(Schedule, Constant) { EXPECT_EQ(learning_rate({.rate = 0.3}, 1000, 50), 0.3); }

TEST(Schedule, Steps) {
    const ScheduleSpec spec{.kind = Kind::steps, .rate = 8, .factor = 0.5, .every = 3};
    for (auto [epoch, rate] : {std::pair{0, 8.0}, {2, 8.0}, {3, 4.0}, {5, 4.0}, {6, 2.0}})
        EXPECT_EQ(learning_rate(spec, 7, epoch), rate) << epoch;
}

/// Zaremba et al.'s small recipe: rate 1 for four epochs, then halved each.
TEST(Schedule, Exponential) {
    const ScheduleSpec spec{.kind = Kind::exponential, .rate = 1, .factor = 0.5, .after = 4};
    for (auto [epoch, rate] : {std::pair{0, 1.0}, {3, 1.0}, {4, 0.5}, {5, 0.25}, {12, 1.0 / 512}})
        EXPECT_EQ(learning_rate(spec, 7, epoch), rate) << epoch;
    EXPECT_NEAR(learning_rate({.kind = Kind::exponential, .factor = 1 / 1.15, .after = 14}, 0, 15), std::pow(1.15, -2),
                1e-15);
    EXPECT_EQ(learning_rate({.kind = Kind::exponential, .rate = 1, .factor = 0.5}, 0, 0), 0.5);
}

TEST(Schedule, CosineWithWarmup) {
    const ScheduleSpec spec{.kind = Kind::cosine, .rate = 1, .warmup = 10, .total = 110, .minimum = 0.2};
    EXPECT_NEAR(learning_rate(spec, 0, 0), 0.1, 1e-15);
    EXPECT_NEAR(learning_rate(spec, 4, 0), 0.5, 1e-15);
    EXPECT_NEAR(learning_rate(spec, 9, 0), 1, 1e-15);
    EXPECT_NEAR(learning_rate(spec, 10, 0), 1, 1e-15);
    EXPECT_NEAR(learning_rate(spec, 60, 0), 0.6, 1e-15);
    EXPECT_NEAR(learning_rate(spec, 35, 0), 0.2 + 0.4 * (1 + std::sqrt(0.5)), 1e-15);
    EXPECT_NEAR(learning_rate(spec, 110, 0), 0.2, 1e-15);
    EXPECT_NEAR(learning_rate(spec, 1000, 0), 0.2, 1e-15);
}

TEST(Schedule, WarmupGoesWithAnyKind) {
    const ScheduleSpec spec{.kind = Kind::exponential, .rate = 2, .factor = 0.5, .after = 1, .warmup = 4};
    EXPECT_EQ(learning_rate(spec, 1, 0), 1);
    EXPECT_EQ(learning_rate(spec, 1, 1), 0.5);
    EXPECT_EQ(learning_rate(spec, 4, 1), 1);
}

TEST(Schedule, RefusesWhatMakesNoSense) {
    const double nan = std::nan("");
    EXPECT_THROW(validate(ScheduleSpec{.rate = -1}), Error);
    EXPECT_THROW(validate(ScheduleSpec{.rate = nan}), Error);
    EXPECT_THROW(validate(ScheduleSpec{.factor = 0}), Error);
    EXPECT_THROW(validate(ScheduleSpec{.factor = nan}), Error);
    EXPECT_THROW(validate(ScheduleSpec{.every = 0}), Error);
    EXPECT_THROW(validate(ScheduleSpec{.after = -1}), Error);
    EXPECT_THROW(validate(ScheduleSpec{.warmup = -1}), Error);
    EXPECT_THROW(validate(ScheduleSpec{.minimum = nan}), Error);
    EXPECT_THROW((validate(ScheduleSpec{.kind = Kind::cosine, .warmup = 5, .total = 5})), Error);
    EXPECT_THROW(learning_rate({}, -1, 0), Error);
    EXPECT_THROW(learning_rate({}, 0, -1), Error);
}

TEST(Schedule, WordsReadBack) {
    for (Kind kind : {Kind::constant, Kind::steps, Kind::exponential, Kind::cosine})
        EXPECT_EQ(parse_schedule(name_of(kind)), kind);
    for (auto rule : {OptimizerSpec::Rule::sgd, OptimizerSpec::Rule::adam, OptimizerSpec::Rule::adamw})
        EXPECT_EQ(parse_rule(name_of(rule)), rule);
    for (auto kind : {ClipSpec::Kind::none, ClipSpec::Kind::norm, ClipSpec::Kind::tensor_norm, ClipSpec::Kind::value})
        EXPECT_EQ(parse_clip(name_of(kind)), kind);
    for (auto reduction : {Reduction::sum, Reduction::mean, Reduction::mean_of_batch})
        EXPECT_EQ(parse_reduction(name_of(reduction)), reduction);
    EXPECT_THROW(parse_schedule("Constant"), Error);
    EXPECT_THROW(parse_rule(""), Error);
    EXPECT_THROW(parse_clip("l2"), Error);
    EXPECT_THROW(parse_reduction("average"), Error);
}

}  // namespace
}  // namespace rondo
