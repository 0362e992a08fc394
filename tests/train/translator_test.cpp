/// Encoder-decoders: training lowers the loss of a toy task to nothing, and what writes the target token by token agrees
/// with what was trained.
#include <gtest/gtest.h>

#include <cmath>

#include "model/gradient_check.hpp"
#include "rondo/seq2seq.hpp"
#include "rondo/trainer.hpp"

namespace rondo {
namespace {

using test::Feed;
using test::kStream;
using Ids = std::vector<std::int32_t>;
using Way = Seq2SeqSpec::Attention;

Seq2SeqSpec seq2seq(EncoderSpec::Kind kind, Way attention, bool bidirectional = false, const char* cell = "lstm") {
    Seq2SeqSpec spec;
    spec.encoder.kind = kind;
    spec.encoder.classes = 5;
    spec.encoder.hidden = 8;
    spec.encoder.heads = 2;
    spec.encoder.feed_forward = 6;
    spec.encoder.cell = cell;
    spec.encoder.bidirectional = bidirectional;
    spec.encoder.precision = Precision::f64();
    spec.target_classes = 4;
    spec.attention = attention;
    return spec;
}

std::vector<Seq2SeqSpec> all_kinds() {
    const auto rnn = EncoderSpec::Kind::rnn, transformer = EncoderSpec::Kind::transformer;
    std::vector<Seq2SeqSpec> specs{seq2seq(rnn, Way::none), seq2seq(rnn, Way::dot, false, "gru"),
                                   seq2seq(rnn, Way::general, true), seq2seq(rnn, Way::additive, true, "gru"),
                                   seq2seq(transformer, Way::none)};
    specs[2].encoder.layers = 2;
    specs[2].decoder_hidden = 5;
    specs[2].decoder_layers = 3;
    using Decoder = Seq2SeqSpec::Decoder;
    using OwnWords = Seq2SeqSpec::OwnWords;
    Seq2SeqSpec feeding = specs[2], bahdanau = specs[3], own = specs[3];
    feeding.decoder = Decoder::input_feeding;
    bahdanau.decoder = Decoder::bahdanau;
    own.decoder = Decoder::bahdanau;
    own.encoder.hidden = 5;
    own.own_words = OwnWords::likeliest;
    Seq2SeqSpec plain = specs[0];
    plain.own_words = OwnWords::drawn;
    Seq2SeqSpec unlike = seq2seq(rnn, Way::general);  // layers, which a bridge of all their h leads over
    unlike.encoder.stack = {{.cell = "lstm", .hidden = 4, .direction = Direction::bidirectional},
                            {.cell = "gru", .hidden = 5, .direction = Direction::bidirectional}};
    unlike.decoder = Decoder::bahdanau;
    specs.insert(specs.end(), {feeding, bahdanau, own, plain, unlike});
    return specs;
}

/// The source's ids backwards, those above 3 left out.
Ids target_of(const Ids& source) {
    Ids target;
    for (std::size_t i = source.size(); i-- > 0;)
        if (source[i] < 4) target.push_back(source[i]);
    return target;
}

std::vector<Ids> sources(std::size_t count, std::uint64_t seed, std::int64_t most = 4) {
    test::Random random(seed);
    std::vector<Ids> list;
    for (std::size_t i = 0; i < count; ++i) {
        Ids& source = list.emplace_back();
        const std::int64_t length = 1 + random.below(most);
        for (std::int64_t t = 0; t < length; ++t) source.push_back(static_cast<std::int32_t>(random.below(5)));
    }
    return list;
}

Feed feed_of(const Seq2SeqSpec& spec, const std::vector<Ids>& list) {
    const auto batch = static_cast<std::int64_t>(list.size());
    std::vector<std::int64_t> source_lengths, target_lengths;
    std::int64_t s = 0, t = 0;
    for (const Ids& source : list) {
        source_lengths.push_back(static_cast<std::int64_t>(source.size()));
        target_lengths.push_back(static_cast<std::int64_t>(target_of(source).size()) + 1);
        s = std::max(s, source_lengths.back());
        t = std::max(t, target_lengths.back());
    }
    Ids source(static_cast<std::size_t>(s * batch)), in(static_cast<std::size_t>(t * batch)), out(in.size(), -1);
    for (std::size_t b = 0; b < list.size(); ++b) {
        Ids target = target_of(list[b]);
        for (std::size_t i = 0; i < list[b].size(); ++i) source[i * list.size() + b] = list[b][i];
        in[b] = spec.begin();
        for (std::size_t i = 0; i < target.size(); ++i) {
            in[(i + 1) * list.size() + b] = target[i];
            out[i * list.size() + b] = target[i];
        }
        out[target.size() * list.size() + b] = spec.end();
    }
    Feed feed;
    feed.ids({s, batch}, source, source_lengths).ids({t, batch}, in, target_lengths).ids({t, batch}, out);
    if (spec.own_words != Seq2SeqSpec::OwnWords::never) {
        Ids forced(in.size(), 1);
        for (std::size_t i = list.size(); i < forced.size(); ++i) forced[i] = i % 3 == 0;
        feed.ids({t, batch}, forced);
    }
    return feed;
}

Network network_for(const Seq2SeqSpec& spec) {
    Network network(Device::cpu(1), network_spec(spec));
    network.initialise({.kind = InitSpec::Kind::uniform, .range = 0.4, .seed = 5}, kStream);
    return network;
}

TEST(Translator, NetworksHaveTheirGradients) {
    for (const Seq2SeqSpec& spec : all_kinds()) {
        Network network = network_for(spec);
        test::check_parameter_gradients(network, feed_of(spec, sources(3, 4)), Reduction::mean);
    }
}

/// Σ log p of the best hypothesis is the training network's loss on it, with the opposite sign.
TEST(Translator, AgreesWithTheTrainingNetwork) {
    for (const Seq2SeqSpec& spec : all_kinds()) {
        Network network = network_for(spec);
        Translator translator(Device::cpu(1), spec, network.read_parameters(kStream));
        const std::vector<Ids> list = sources(5, 6);
        for (const std::int64_t width : {1, 3}) {
            const auto found = translator.translate(list, {.width = width, .max_length = 6});
            for (std::size_t i = 0; i < list.size(); ++i)
                for (const Hypothesis& h : found[i]) {
                    Ids in{spec.begin()}, out = h.tokens;
                    in.insert(in.end(), h.tokens.begin(), h.tokens.end());
                    out.push_back(spec.end());
                    const auto steps = static_cast<std::int64_t>(in.size());
                    Feed feed;
                    feed.ids({static_cast<std::int64_t>(list[i].size()), 1}, list[i])
                        .ids({steps, 1}, in)
                        .ids({steps, 1}, out);
                    if (spec.own_words != Seq2SeqSpec::OwnWords::never) feed.ids({steps, 1}, Ids(in.size(), 1));
                    EXPECT_NEAR(test::loss_of(network, feed, Reduction::sum), -h.log_p, 1e-9);
                }
        }
    }
}

TEST(Translator, DoesNotDependOnItsNeighbours) {
    for (const Seq2SeqSpec& spec : all_kinds()) {
        Network network = network_for(spec);
        Translator translator(Device::cpu(1), spec, network.read_parameters(kStream));
        const std::vector<Ids> list = sources(4, 8);
        const auto together = translator.translate(list, {.width = 2, .max_length = 5});
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto alone = translator.translate(std::span(&list[i], 1), {.width = 2, .max_length = 5});
            EXPECT_EQ(alone[0][0].tokens, together[i][0].tokens);
            EXPECT_NEAR(alone[0][0].log_p, together[i][0].log_p, 1e-10);
        }
    }
}

TEST(SlowTranslator, LearnsToReverse) {
    for (Seq2SeqSpec spec :
         {seq2seq(EncoderSpec::Kind::rnn, Way::general, true), seq2seq(EncoderSpec::Kind::transformer, Way::none)}) {
        spec.encoder.hidden = 32;
        spec.encoder.feed_forward = 64;
        spec.encoder.precision = Precision::f32();
        Network network(Device::cpu(1), network_spec(spec));
        network.initialise({.seed = 3}, kStream);
        TrainerSpec how;
        how.optimizer.rule = OptimizerSpec::Rule::adam;
        how.schedule.rate = 5e-3;
        Trainer trainer(network, how, kStream);
        for (std::uint64_t step = 0; step < 500; ++step) trainer.step(feed_of(spec, sources(32, 100 + step)).inputs());
        Translator translator(Device::cpu(1), spec, network.read_parameters(kStream));
        const std::vector<Ids> list = sources(50, 7);
        std::size_t right = 0;
        const auto found = translator.translate(list, {.max_length = 8});
        for (std::size_t i = 0; i < list.size(); ++i) right += found[i][0].tokens == target_of(list[i]) ? 1u : 0u;
        EXPECT_GE(right, 42u);
    }
}

TEST(Translator, ShowsWhereItLooks) {
    for (const Seq2SeqSpec& spec : all_kinds()) {
        Network network = network_for(spec);
        Translator translator(Device::cpu(1), spec, network.read_parameters(kStream));
        const Ids source{0, 3, 1}, target{2, 1};
        if (spec.encoder.kind == EncoderSpec::Kind::rnn && spec.attention == Way::none) {
            EXPECT_THROW(translator.attention(source, target), Error);
            continue;
        }
        const std::vector<double> weights = translator.attention(source, target);
        ASSERT_EQ(weights.size(), 9u);
        for (std::size_t t = 0; t < 3; ++t)
            EXPECT_NEAR(weights[3 * t] + weights[3 * t + 1] + weights[3 * t + 2], 1, 1e-12);
    }
}

TEST(Translator, RefusesWhatDoesNotFit) {
    Seq2SeqSpec spec = seq2seq(EncoderSpec::Kind::rnn, Way::dot, true);
    EXPECT_THROW(network_spec(spec), Error);  // memory of both directions, decoder of one
    spec = seq2seq(EncoderSpec::Kind::transformer, Way::none);
    spec.encoder.heads = 3;
    EXPECT_THROW(network_spec(spec), Error);
    spec.encoder.heads = 2;
    spec.decoder_hidden = 6;
    EXPECT_THROW(network_spec(spec), Error);
    spec.decoder_hidden = 0;
    spec.own_words = Seq2SeqSpec::OwnWords::drawn;
    EXPECT_THROW(network_spec(spec), Error);  // a transformer has no step of before
    spec = seq2seq(EncoderSpec::Kind::transformer, Way::none);
    spec.encoder.stack = {{.hidden = 8}};
    EXPECT_THROW(network_spec(spec), Error);  // nor recurrent layers
    spec.encoder.kind = EncoderSpec::Kind::rnn;
    spec.decoder_layers = 2;
    EXPECT_THROW(network_spec(spec), Error);  // of which kind?
    spec = seq2seq(EncoderSpec::Kind::rnn, Way::none);
    spec.decoder = Seq2SeqSpec::Decoder::bahdanau;
    EXPECT_THROW(network_spec(spec), Error);
    spec = seq2seq(EncoderSpec::Kind::rnn, Way::general);
    Network network = network_for(spec);
    Translator translator(Device::cpu(1), spec, network.read_parameters(kStream));
    EXPECT_THROW(translator.translate(std::vector<Ids>{{1}, {}}, {}), Error);
    EXPECT_TRUE(translator.translate(std::vector<Ids>{}, {}).empty());
}

}  // namespace
}  // namespace rondo
