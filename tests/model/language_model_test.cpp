/// The language model's description, and its way through metadata.
#include "rondo/language_model.hpp"

#include "model/gradient_check.hpp"

namespace rondo {
namespace {

using namespace test;

TEST(LanguageModel, IsTheGraphItSays) {
    const LanguageModelSpec spec{
        .classes = 11, .hidden = 8, .layers = 2, .dropout = 0.25, .precision = Precision::f64()};
    Network network(Device::cpu(1), network_spec(spec));
    network.initialise({}, kStream);
    EXPECT_EQ(network.parameter("embedding.weight").shape, (Shape{11, 8}));
    EXPECT_EQ(network.parameter("rnn.weight_ih_l1").shape, (Shape{32, 8}));
    EXPECT_EQ(network.parameter("linear.weight").shape, (Shape{11, 8}));
    Feed feed;
    feed.ids({3, 2}, random_ids(1, 6, 11)).ids({3, 2}, random_ids(2, 6, 11));
    network.forward(feed.inputs(), Mode::inference, nullptr, kStream);
    EXPECT_EQ(network.value("logits").shape, (Shape{3, 2, 11}));
    network.set_random({1, 1}, kStream);
    check_parameter_gradients(network, feed, Reduction::mean_of_batch);
}

TEST(LanguageModel, TiesItsEmbedding) {
    const LanguageModelSpec spec{.classes = 11, .hidden = 8, .tied = true};
    Network network(Device::cpu(1), network_spec(spec));
    EXPECT_EQ(network.parameters().size(), 6u);
    LanguageModelSpec narrow = spec;
    narrow.embedding = 4;
    EXPECT_THROW(network_spec(narrow), Error);
    narrow.embedding = 0;
    narrow.projection = 4;
    EXPECT_THROW(network_spec(narrow), Error);
}

TEST(LanguageModel, SurvivesMetadata) {
    const LanguageModelSpec spec{.classes = 11,
                                 .embedding = 9,
                                 .cell = "lstm",
                                 .options = {.peepholes = true, .coupled = true},
                                 .hidden = 8,
                                 .layers = 3,
                                 .projection = 5,
                                 .dropout = 0.1,
                                 .dropout_per_sequence = true,
                                 .recurrent_clip = {RecurrentClip::Kind::norm, 1.0 / 3},
                                 .precision = Precision::f64()};
    EXPECT_EQ(language_model_from(to_metadata(spec)), spec);
    EXPECT_EQ(language_model_from(to_metadata({})), LanguageModelSpec{});
    LanguageModelSpec mixed;
    mixed.classes = 7;
    mixed.stack = {{.cell = "gru", .hidden = 4, .biases = Biases::one, .options = {.reset_before = true}},
                   {.hidden = 6, .projection = 2, .cell_clip = 0.7, .dropout = 0.2},
                   {.hidden = 6, .recurrent_dropout = 0.1, .weight_dropout = 0.2, .zoneout = 0.3, .zoneout_cell = 0.4}};
    EXPECT_EQ(language_model_from(to_metadata(mixed)), mixed);
    for (const auto& [key, value] : to_metadata(spec)) {
        Metadata broken = to_metadata(spec);
        broken.erase(key);
        EXPECT_THROW(language_model_from(broken), Error) << key;
        broken[key] = value + "?";
        if (key != "model.cell") {
            EXPECT_THROW(language_model_from(broken), Error) << key;
        }
    }
}

TEST(LanguageModel, RefusesWhatMakesNoSense) {
    const LanguageModelSpec good{.classes = 11, .hidden = 8};
    EXPECT_NO_THROW(network_spec(good));
    const auto refused = [&](auto change) {
        LanguageModelSpec spec = good;
        change(spec);
        EXPECT_THROW(network_spec(spec), Error);
    };
    refused([](auto& s) { s.classes = 1; });
    refused([](auto& s) { s.hidden = 0; });
    refused([](auto& s) { s.layers = 0; });
    refused([](auto& s) { s.embedding = -1; });
    refused([](auto& s) { s.cell = "none"; });
    refused([](auto& s) { s.dropout = 1; });
    refused([](auto& s) { s.dropout = std::nan(""); });
    refused([](auto& s) { s.recurrent_clip.limit = 1; });
    refused([](auto& s) { s.stack = {{.hidden = 4, .direction = Direction::reverse}}; });
}

}  // namespace
}  // namespace rondo
