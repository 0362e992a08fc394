/// What a training step asks of the device once it is recorded: one launch of a graph, uploads and two small copies
/// back; no memory, and no waiting but for the metrics of the step before.
#include <gtest/gtest.h>

#include "cuda/make_backend.hpp"
#include "lane/standin/standin.hpp"
#include "rondo/language_model.hpp"
#include "rondo/trainer.hpp"

namespace rondo {
namespace {

TEST(LaneTraining, ARecordedStepIsOneGraphAndNoMemory) {
    const Device device(cuda::make_backend(0));
    const DeviceStream stream(device);
    Network network(device, network_spec({.classes = 7, .hidden = 8, .layers = 2, .dropout = 0.3}));
    network.initialise({}, stream);
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i < 401; ++i) ids.push_back(i * i % 7);
    const TokenStreams streams(ids, 4);
    for (const ClipKind clip : {ClipKind::norm, ClipKind::tensor_norm, ClipKind::value}) {
        Trainer trainer(network, {.optimizer = {.rule = OptimizerSpec::Rule::adam}, .clip = {clip, 0.1}, .window = 5},
                        stream);
        for (int i = 0; i < 4; ++i) trainer.queue(streams);
        trainer.finish();
        lane::reset_counters();
        constexpr int kSteps = 6;
        for (int i = 0; i < kSteps; ++i) trainer.queue(streams);
        const lane::Counters counts = lane::counters();
        EXPECT_EQ(counts.graph_launches, kSteps);
        EXPECT_EQ(counts.allocations, 0);
        EXPECT_EQ(counts.synchronisations, 2 * (kSteps - 1)) << "losses and findings of all but the last";
        trainer.finish();
    }
}

}  // namespace
}  // namespace rondo
