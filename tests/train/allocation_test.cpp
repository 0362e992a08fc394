/// Once its extents are planned a training step takes no memory: every operator new of this program is counted.
#include <array>

#include "model/gradient_check.hpp"
#include "rondo/language_model.hpp"
#include "rondo/trainer.hpp"
#include "support/allocations.hpp"

namespace rondo {
namespace {

using test::allocations_of;
using test::kStream;

TEST(Allocations, OfTrainingStepsAreNone) {
    EXPECT_GT(allocations_of([] { std::vector<double>(100).swap(*std::make_unique<std::vector<double>>()); }), 0);
    Network network(Device::cpu(2), network_spec({.classes = 40, .hidden = 20, .layers = 2, .dropout = 0.3}));
    network.initialise({}, kStream);
    const TokenStreams streams(test::random_ids(1, 400, 40), 4);
    for (ClipSpec::Kind clip : {ClipSpec::Kind::norm, ClipSpec::Kind::tensor_norm, ClipSpec::Kind::value}) {
        Trainer trainer(
            network,
            {.optimizer = {.rule = OptimizerSpec::Rule::adam}, .clip = {clip, 0.01}, .window = 7, .history = 10},
            kStream);
        while (!trainer.step(streams).epoch_end) {
        }
        EXPECT_EQ(allocations_of([&] {
                      while (!trainer.step(streams).epoch_end) {
                      }
                  }),
                  0);
    }
}

TEST(Allocations, OfForwardsAreNone) {
    Network network(Device::cpu(1), network_spec({.classes = 40, .hidden = 20}));
    network.initialise({}, kStream);
    NetworkState state = network.make_state(2);
    const std::array<std::int32_t, 6> ids{1, 2, 3, 4, 5, 6};
    const std::array<std::int64_t, 2> lengths{3, 1};
    const std::array<Sequence, 2> plain{Sequence{ConstView(ids.data(), {3, 2})}, Sequence{}};
    const std::array<Sequence, 2> ragged{Sequence{ConstView(ids.data(), {3, 2}), lengths}, Sequence{}};
    const auto run = [&] {
        for (const auto& inputs : {&plain, &ragged}) {
            network.forward(*inputs, Mode::inference, &state, kStream);
            network.keep_state(3, state, kStream);
        }
    };
    run();
    EXPECT_EQ(allocations_of(run), 0);
}

}  // namespace
}  // namespace rondo
