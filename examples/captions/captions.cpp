/// A picture becomes a vector, and the vector a sentence: "a small red circle above a large blue square". The sentences
/// it is tried on were never in training: it must have learned what their words mean.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/draw.hpp"
#include "common/lesson.hpp"
#include "rondo/metrics.hpp"
#include "rondo/text.hpp"
#include "rondo/trainer.hpp"

using namespace rondo;

namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int64_t kSide = 16, kNumbers = 3 * kSide * kSide;  // red, green and blue of each pixel
constexpr const char* kShapes[] = {"circle", "square", "triangle", "cross"};
struct Colour {
    const char* name;
    float red, green, blue;
};
constexpr Colour kColours[] = {
    {"red", 0.9f, 0.1f, 0.1f}, {"green", 0.1f, 0.7f, 0.2f}, {"blue", 0.1f, 0.3f, 0.9f}, {"yellow", 0.9f, 0.8f, 0.1f}};

struct Thing {
    std::size_t shape, colour;
    bool large;
    std::string words() const {
        return std::string(large ? "a large " : "a small ") + kColours[colour].name + " " + kShapes[shape];
    }
};

/// Whether a point (x, y) from the middle of a thing of that radius belongs to it.
bool covers(const Thing& thing, double x, double y) {
    const double r = thing.large ? 3.4 : 2.2;
    switch (thing.shape) {
        case 0:
            return std::hypot(x, y) <= r;
        case 1:
            return std::max(std::abs(x), std::abs(y)) <= 0.9 * r;
        case 2:
            return y <= r && y >= -r && std::abs(x) <= (y + r) / 2;
        default:
            return std::min(std::abs(x), std::abs(y)) <= 0.3 * r && std::max(std::abs(x), std::abs(y)) <= r;
    }
}

struct Example {
    std::vector<float> picture;
    std::string caption;
};

/// Two things, one above the other or beside it, each somewhere in its half.
Example make_example(lesson::Random& random) {
    const auto thing = [&] {
        return Thing{static_cast<std::size_t>(random.below(std::ssize(kShapes))),
                     static_cast<std::size_t>(random.below(std::ssize(kColours))), random.below(2) == 0};
    };
    const Thing things[] = {thing(), thing()};
    const bool above = random.below(2) == 0;
    Example e{std::vector<float>(kNumbers, 1),
              things[0].words() + (above ? " above " : " beside ") + things[1].words()};
    for (int i = 0; i < 2; ++i) {
        const double along = i == 0 ? 3.5 : 11.5, across = random.uniform(5, 10);
        const double cx = (above ? across : along) + random.uniform(-0.5, 0.5);
        const double cy = (above ? along : across) + random.uniform(-0.5, 0.5);
        for (std::int64_t y = 0; y < kSide; ++y)
            for (std::int64_t x = 0; x < kSide; ++x)
                if (covers(things[i], static_cast<double>(x) - cx, static_cast<double>(y) - cy)) {
                    const Colour& c = kColours[things[i].colour];
                    const float values[] = {c.red, c.green, c.blue};
                    std::copy_n(values, 3, &e.picture[static_cast<std::size_t>(3 * (y * kSide + x))]);
                }
    }
    return e;
}

/// One sentence of ten is kept for the test, whatever the picture of it.
bool kept_back(const std::string& caption) {
    std::uint32_t hash = 2166136261u;  // FNV-1a
    for (const char c : caption) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return hash % 10 == 0;
}
Example make_example(lesson::Random& random, bool test) {
    for (;;)
        if (Example e = make_example(random); kept_back(e.caption) == test) return e;
}

/// The picture's vector stands beside each word that the stack reads.
///     picture [B,768] -> linear -> relu -> linear -> relu = vector [B,H]
///     word [T,B] -> embedding, vector -> LSTM -> linear -> the next word
NetworkSpec model(std::int64_t words, std::int64_t hidden) {
    const std::int64_t width = 32;
    NetworkSpec spec;
    spec.inputs = {{"picture", DType::f32, kNumbers}, {"word"}, {"next"}};
    const ActivationSpec relu{ActivationSpec::Kind::relu};
    spec.nodes = {{"see", LinearSpec{kNumbers, 2 * hidden}, {"picture"}, {"seen"}},
                  {"see_relu", relu, {"seen"}, {"seen_relu"}},
                  {"think", LinearSpec{2 * hidden, hidden}, {"seen_relu"}, {"thought"}},
                  {"think_relu", relu, {"thought"}, {"vector"}},
                  {"embedding", EmbeddingSpec{words, width}, {"word"}, {"embedded"}},
                  {"concat", ConcatSpec{}, {"embedded", "vector"}, {"both"}},
                  {"rnn", StackSpec{width + hidden, {{.hidden = hidden}}, {}, {}}, {"both"}, {"h"}},
                  {"linear", LinearSpec{hidden, words}, {"h"}, {"logits"}},
                  {"loss", CrossEntropySpec{}, {"logits", "next"}}};
    return spec;
}

/// Words and the next words, both with <eos> at their outer end, and pictures side by side.
struct Batch {
    std::vector<float> pictures;
    std::vector<Ids> words, next;

    void add(const Example& e, const Vocabulary& vocabulary) {
        pictures.insert(pictures.end(), e.picture.begin(), e.picture.end());
        next.push_back(vocabulary.encode(e.caption + "\n"));
        words.push_back(next.back());
        std::rotate(words.back().rbegin(), words.back().rbegin() + 1, words.back().rend());
    }
    Sequence picture_input() const {
        return {ConstView(pictures.data(), {static_cast<std::int64_t>(words.size()), kNumbers})};
    }
};

/// The likeliest word after each, until all have ended.
std::vector<Ids> describe(Network& network, const Batch& batch, const Vocabulary& vocabulary, Stream stream) {
    const auto count = static_cast<std::int64_t>(batch.words.size());
    NetworkState state = network.make_state(count);
    std::vector<Ids> said(batch.words.size());
    Ids last(batch.words.size(), vocabulary.end_of_line());
    for (int t = 0; t < 12; ++t) {
        const Sequence inputs[] = {batch.picture_input(), {ConstView(last.data(), {1, count})}, {}};
        network.forward(inputs, Mode::inference, &state, stream);
        network.keep_state(1, state, stream);
        last = lesson::likeliest(network.read_value("logits", stream));
        for (std::size_t b = 0; b < said.size(); ++b)
            if (said[b].empty() || said[b].back() != vocabulary.end_of_line()) said[b].push_back(last[b]);
    }
    return said;
}

ErrorRate judge(const std::vector<Ids>& wanted, const std::vector<Ids>& said) {
    ErrorRate rate;
    for (std::size_t b = 0; b < wanted.size(); ++b) rate.add(wanted[b], said[b]);
    return rate;
}

void draw_gallery(const Batch& batch, const std::vector<Ids>& said, const Vocabulary& vocabulary,
                  const std::string& path) {
    const double pixel = 7, width = 290, height = kSide * pixel + 60;
    const std::size_t shown = std::min<std::size_t>(6, said.size());
    lesson::Picture gallery(3 * width, 2 * height);
    for (std::size_t b = 0; b < shown; ++b) {
        const double x0 = static_cast<double>(b % 3) * width + 80, y0 = static_cast<double>(b / 3) * height + 12;
        for (std::int64_t i = 0; i < kSide * kSide; ++i) {
            const float* p = &batch.pictures[b * kNumbers + static_cast<std::size_t>(3 * i)];
            if (*std::min_element(p, p + 3) == 1) continue;
            char fill[16];
            std::snprintf(fill, sizeof fill, "#%02x%02x%02x", static_cast<unsigned>(p[0] * 255),
                          static_cast<unsigned>(p[1] * 255), static_cast<unsigned>(p[2] * 255));
            gallery.rect({x0 + static_cast<double>(i % kSide) * pixel, y0 + static_cast<double>(i / kSide) * pixel},
                         pixel, pixel, fill);
        }
        gallery.frame({x0, y0}, kSide * pixel, kSide * pixel, "#888");
        std::string text = vocabulary.decode(std::span(said[b]).first(said[b].size() - 1));
        const std::size_t half = std::min(text.size(), text.find(' ', text.size() / 2));
        gallery.text({x0 + kSide * pixel / 2, y0 + kSide * pixel + 18}, text.substr(0, half),
                     lesson::Picture::Anchor::middle);
        gallery.text({x0 + kSide * pixel / 2, y0 + kSide * pixel + 34}, text.substr(half),
                     lesson::Picture::Anchor::middle);
    }
    gallery.save(path);
}

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    lesson::Random random(setting.seed);
    std::string text;
    for (int i = 0; i < 300; ++i) text += make_example(random, false).caption + "\n";
    const Vocabulary vocabulary = Vocabulary::build(text, Vocabulary::Kind::words);

    const std::int64_t updates = setting.pick(600, 4000, 20000), size = setting.pick(16, 48, 256);
    DeviceStream stream(setting.device);
    Network network(setting.device, model(vocabulary.size(), setting.pick(64, 128, 512)));
    network.initialise({.forget_bias = 1, .seed = setting.seed}, stream);
    Trainer trainer(network,
                    {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                     .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = 0.002, .warmup = 50, .total = updates},
                     .clip = {ClipSpec::Kind::norm, 1}},
                    stream);
    lesson::Bar bar("captions", updates);
    for (std::int64_t i = 0; i < updates; ++i) {
        Batch batch;
        for (std::int64_t b = 0; b < size; ++b) batch.add(make_example(random, false), vocabulary);
        const lesson::Padded words(batch.words, 0), next(batch.next, -1);
        const Sequence inputs[] = {batch.picture_input(), words, next};
        const auto metrics = trainer.queue(inputs);
        bar.step(metrics ? "loss " + lesson::number(metrics->loss) : "");
    }
    trainer.finish();

    Batch test, blind;  // blind: the pictures are of other sentences
    for (int i = 0; i < 300; ++i) {
        test.add(make_example(random, true), vocabulary);
        blind.add(make_example(random, true), vocabulary);
    }
    const std::vector<Ids> said = describe(network, test, vocabulary, stream);
    const ErrorRate right = judge(test.next, said);
    const ErrorRate wrong = judge(test.next, describe(network, blind, vocabulary, stream));
    for (std::size_t b = 0; b < 3; ++b) bar.say("it sees " + vocabulary.decode(said[b]));
    draw_gallery(test, said, vocabulary, setting.path("captions.svg"));
    using Must = lesson::Figure::Must;
    const char* kBlind = "looking at another picture";
    std::vector<lesson::Figure> figures = {{"words wrong, of new sentences", right.rate(), kBlind, wrong.rate(),
                                            Must::be_at_most, setting.pick(0.35, 0.1, 0.02)}};
    if (setting.size != lesson::Size::tiny)
        figures.push_back({"sentences wholly right", right.exact_share(), kBlind, wrong.exact_share(),
                           Must::be_at_least, setting.pick(0.0, 0.4, 0.9)});
    return figures;
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv, "captions", "Describes pictures that the program draws", teach);
}
