/// What a training step asks of the device once it is recorded: one launch of a graph, uploads and two small copies
/// back; no memory, and no waiting but for the metrics of the step before.
#include <gtest/gtest.h>

#include "cuda/make_backend.hpp"
#include "lane/standin/standin.hpp"
#include "rondo/language_model.hpp"
#include "rondo/seq2seq.hpp"
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

/// Ids 1 to 4 of [steps,3], rows of all lengths.
struct Ids {
    explicit Ids(std::int64_t steps) : shape{steps, 3}, lengths{steps, 1, steps - 1} {
        for (std::int32_t i = 0; i < shape.size(); ++i) ids.push_back(1 + i * i % 5 % 4);
    }
    Sequence sequence() const { return {ConstView(ids.data(), shape), lengths}; }

    Shape shape;
    std::vector<std::int64_t> lengths;
    std::vector<std::int32_t> ids;
};

/// So is one of pooling, attention, layer normalisation and CTC.
TEST(LaneTraining, ARecordedStepOfAnyModuleIsOneGraph) {
    const Device device(cuda::make_backend(0));
    const DeviceStream stream(device);
    const EncoderSpec recurrent{.classes = 5, .hidden = 6, .dropout = 0.1, .bidirectional = true},
        transformer{.kind = EncoderSpec::Kind::transformer, .classes = 5, .hidden = 8, .dropout = 0.1, .heads = 2};
    const Ids source(9), target(4);
    const Sequence x = source.sequence(), y = target.sequence(), label{ConstView(target.ids.data(), {3}), {}};
    const std::pair<NetworkSpec, std::vector<Sequence>> models[] = {
        {network_spec(SequenceModelSpec{.encoder = recurrent, .outputs = 5, .pool = PoolSpec::Kind::max}), {x, label}},
        {network_spec(SequenceModelSpec{.encoder = transformer, .outputs = 5, .pool = PoolSpec::Kind::mean}),
         {x, label}},
        {network_spec(SequenceModelSpec{.encoder = recurrent, .head = SequenceModelSpec::Head::ctc, .outputs = 5}),
         {x, y}},
        {network_spec(Seq2SeqSpec{.encoder = transformer, .target_classes = 5}), {x, y, y}},
        {network_spec(
             Seq2SeqSpec{.encoder = recurrent, .target_classes = 5, .attention = Seq2SeqSpec::Attention::additive}),
         {x, y, y}},
        {network_spec(
             Seq2SeqSpec{.encoder = recurrent, .target_classes = 5, .decoder = Seq2SeqSpec::Decoder::input_feeding}),
         {x, y, y}},
    };
    for (const auto& [spec, inputs] : models) {
        Network network(device, spec);
        network.initialise({}, stream);
        Trainer trainer(network, {.optimizer = {.rule = OptimizerSpec::Rule::adam}}, stream);
        for (int i = 0; i < 3; ++i) trainer.queue(inputs);
        trainer.finish();
        lane::reset_counters();
        for (int i = 0; i < 3; ++i) trainer.queue(inputs);
        trainer.finish();
        EXPECT_EQ(lane::counters().graph_launches, 3);
        EXPECT_EQ(lane::counters().allocations, 0);
    }
}

}  // namespace
}  // namespace rondo
