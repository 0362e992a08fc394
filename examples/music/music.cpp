/// A composer: a language model over the characters of tunes in ABC notation. Nobody tells it about bars, keys or form;
/// it is judged by all three.
#include <cstdio>

#include "common/draw.hpp"
#include "common/lesson.hpp"
#include "common/ngram.hpp"
#include "music/tunes.hpp"
#include "rondo/generator.hpp"
#include "rondo/language_model.hpp"
#include "rondo/trainer.hpp"

using namespace rondo;

namespace {

std::string compose_many(lesson::Random& random, std::int64_t count) {
    std::string text;
    for (std::int64_t i = 0; i < count; ++i) text += music::compose(random);
    return text;
}

/// Draws ids until an empty line ends the tune, which begins with "M:".
template <class Draw>
std::string write_tune(const Vocabulary& vocabulary, const Draw& draw) {
    std::string tune = "M:";
    while (!tune.ends_with("\n\n") && tune.size() < 400) tune += vocabulary.token(draw());
    return tune;
}

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    lesson::Random random(setting.seed);
    const std::string text = compose_many(random, setting.pick(700, 4000, 40000));
    const std::string unseen = compose_many(random, setting.pick(50, 200, 1000));
    const Vocabulary vocabulary = Vocabulary::build(text, Vocabulary::Kind::characters);
    const std::vector<std::int32_t> ids = vocabulary.encode(text), unseen_ids = vocabulary.encode(unseen);
    const TokenStreams streams(ids, setting.pick(16, 32, 128)), unseen_streams(unseen_ids, 10);

    DeviceStream stream(setting.device);
    Network network(setting.device,
                    network_spec(LanguageModelSpec{
                        .classes = vocabulary.size(), .embedding = 32, .hidden = setting.pick(96, 192, 512)}));
    network.initialise({.forget_bias = 1, .seed = setting.seed}, stream);
    const std::int64_t window = setting.pick(32, 80, 200), epochs = setting.pick(4, 4, 4);
    const std::int64_t updates = epochs * ((streams.steps() + window - 1) / window);
    Trainer trainer(
        network,
        {.optimizer = {.rule = OptimizerSpec::Rule::adam},
         .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = setting.pick(0.01, 0.005, 0.002), .total = updates},
         .clip = {ClipSpec::Kind::norm, 1},
         .window = window},
        stream);

    const auto judge = [&](int tunes, std::string* first) {
        music::Ear ear;
        Generator generator(network, {.temperature = 0.8, .seed = setting.seed}, stream);
        for (int i = 0; i < tunes; ++i) {
            generator.reset();
            generator.feed(vocabulary.encode("\n\nM:"));
            const std::string tune = write_tune(vocabulary, [&] { return generator.next(); });
            ear.hear(tune);
            if (first && first->empty() && music::parse(tune)) *first = tune;
        }
        return ear;
    };

    lesson::Curve full{"bars that are full", {}}, home{"tunes that end at home", {}}, recall{"bars repeated", {}};
    {
        lesson::Bar bar("composing", updates);
        for (std::int64_t i = 0; i < updates; ++i) {
            if (setting.size != lesson::Size::tiny && i % (updates / 16) == 0) {
                const music::Ear ear = judge(20, nullptr);
                const double at = static_cast<double>(i);
                full.points.push_back({at, ear.full_bars()});
                home.points.push_back({at, ear.at_home()});
                recall.points.push_back({at, ear.recall()});
            }
            const auto metrics = trainer.queue(streams);
            bar.step(metrics ? "bits " + lesson::number(metrics->loss / std::log(2.0)) : "");
        }
        trainer.finish();
    }
    std::string tune;
    const music::Ear ear = judge(setting.pick(20, 200, 1000), &tune);
    const double bits = evaluate(network, unseen_streams, 100, stream).bits();

    const lesson::NGram counts(ids, vocabulary.size(), 4);
    music::Ear counted;
    for (int i = 0; i < setting.pick(20, 200, 1000); ++i) {
        std::vector<std::int32_t> before = vocabulary.encode("\n\nM:");
        counted.hear(write_tune(vocabulary, [&] {
            before.push_back(counts.draw(before, random));
            return before.back();
        }));
    }

    if (!tune.empty()) {
        std::printf("%s", tune.c_str());
        lesson::write_file(setting.path("tune.abc"), "X:1\nT:A tune that nobody wrote\nL:1/8\n" + tune);
        music::draw(*music::parse(tune), setting.path("tune.svg"));
        music::sound(*music::parse(tune), setting.path("tune.wav"));
    }
    if (!full.points.empty())
        lesson::draw(setting.path("music.svg"),
                     {{"What twenty tunes are like", "updates", "share", {full, home, recall}, {}, false, 0, 1.02}});
    const char* kCounts = "counting four characters";
    using Must = lesson::Figure::Must;
    std::vector<lesson::Figure> figures = {
        {"bars that are full", ear.full_bars(), kCounts, counted.full_bars(), Must::be_at_least,
         setting.pick(0.55, 0.97, 0.99)},
        {"bits a character of unseen tunes", bits, kCounts, counts.loss(unseen_ids) / std::log(2.0), Must::be_at_most,
         setting.pick(1.4, 1.1, 0.9)}};
    if (setting.size != lesson::Size::tiny)
        figures.push_back({"tunes that end on their key's own tone", ear.at_home(), kCounts, counted.at_home(),
                           Must::be_at_least, setting.pick(0.0, 0.6, 0.9)});
    return figures;
}

}  // namespace

int main(int argc, char** argv) { return lesson::run(argc, argv, "music", "Composes tunes in ABC notation", teach); }
