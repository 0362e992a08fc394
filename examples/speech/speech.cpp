/// Spoken digits become letters: log-mel features, a bidirectional stack, and CTC, which learns by itself where in the
/// sound each letter is. The voices it is tried on are not those it has learned from.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/draw.hpp"
#include "common/lesson.hpp"
#include "rondo/batches.hpp"
#include "rondo/ctc_decode.hpp"
#include "rondo/metrics.hpp"
#include "rondo/sequence_model.hpp"
#include "rondo/trainer.hpp"
#include "speech/sound.hpp"

using namespace rondo;

namespace {

using Ids = std::vector<std::int32_t>;

constexpr const char* kDigits[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};
constexpr std::string_view kLetters = "_ efghinorstuvwxz";  // class 0, _, is CTC's blank
constexpr std::int64_t kFeatures = 2 * speech::kBands;

// Accents are heard in training, some throats are not.
constexpr const char* kAccents[] = {"en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029"};
constexpr const char* kTrained[] = {"m1", "m2", "m3", "m5", "m6", "f1", "f2", "f5"};
constexpr const char* kUnheard[] = {"m4", "m7", "f3", "f4"};

Ids ids_of(const std::string& text) {
    Ids ids;
    for (const char c : text) ids.push_back(static_cast<std::int32_t>(kLetters.find(c)));
    return ids;
}
std::string text_of(const Ids& ids) {
    std::string text;
    for (const std::int32_t id : ids) text += kLetters[static_cast<std::size_t>(id)];
    return text;
}

struct Utterance {
    std::vector<float> features;  ///< [steps][kFeatures]
    Ids letters;
    std::int64_t steps() const { return static_cast<std::int64_t>(features.size()) / kFeatures; }
};

template <class Throats>
std::vector<Utterance> record(std::int64_t count, const Throats& throats, std::int64_t most_digits,
                              lesson::Random& random, lesson::Bar& bar) {
    std::vector<Utterance> out;
    while (static_cast<std::int64_t>(out.size()) < count) {
        std::string words;
        for (std::int64_t digits = 1 + random.below(most_digits); digits > 0; --digits)
            words += (words.empty() ? "" : " ") + std::string(random.of(kDigits));
        const speech::Voice voice{random.of(kAccents) + std::string("+") + random.of(throats),
                                  static_cast<int>(30 + random.below(40)), static_cast<int>(130 + random.below(60))};
        out.push_back({speech::log_mel(speech::speak(voice, words)), ids_of(words)});
        bar.step("speaking");
    }
    return out;
}

/// Every feature has mean 0 and deviation 1 over the utterances that were trained on.
struct Scale {
    std::vector<double> mean = std::vector<double>(kFeatures, 0), deviation = std::vector<double>(kFeatures, 0);

    explicit Scale(const std::vector<Utterance>& utterances) {
        double steps = 0;
        for (const Utterance& u : utterances) {
            steps += static_cast<double>(u.steps());
            for (std::size_t i = 0; i < u.features.size(); ++i) {
                mean[i % kFeatures] += static_cast<double>(u.features[i]);
                deviation[i % kFeatures] += std::pow(static_cast<double>(u.features[i]), 2);
            }
        }
        for (std::size_t f = 0; f < kFeatures; ++f) {
            mean[f] /= steps;
            deviation[f] = std::sqrt(deviation[f] / steps - mean[f] * mean[f]);
        }
    }
    void apply(std::vector<Utterance>& utterances) const {
        for (Utterance& u : utterances)
            for (std::size_t i = 0; i < u.features.size(); ++i)
                u.features[i] = static_cast<float>((static_cast<double>(u.features[i]) - mean[i % kFeatures]) /
                                                   deviation[i % kFeatures]);
    }
};

struct Heard {
    ErrorRate errors;
    std::vector<double> logits;  ///< [steps][letters] of the first utterance
};

Heard listen(Network& network, const std::vector<Utterance>& utterances, Stream stream) {
    Heard heard;
    const std::size_t batch = 50, classes = kLetters.size();
    for (std::size_t begin = 0; begin < utterances.size(); begin += batch) {
        const std::size_t count = std::min(batch, utterances.size() - begin);
        std::vector<std::vector<float>> x;
        for (std::size_t b = 0; b < count; ++b) x.push_back(utterances[begin + b].features);
        const lesson::Padded features(x, kFeatures);
        const Sequence inputs[] = {features, {}};
        network.forward(inputs, Mode::inference, nullptr, stream);
        const HostTensor output = network.read_value("output", stream);  // [T, count, classes]
        for (std::size_t b = 0; b < count; ++b) {
            const Utterance& u = utterances[begin + b];
            std::vector<double> logits;
            for (std::int64_t t = 0; t < u.steps(); ++t)
                for (std::size_t c = 0; c < classes; ++c)
                    logits.push_back(
                        output.at(static_cast<std::int64_t>((static_cast<std::size_t>(t) * count + b) * classes + c)));
            heard.errors.add(u.letters, ctc_greedy(logits, static_cast<std::int64_t>(classes)));
            if (begin + b == 0) heard.logits = logits;
        }
    }
    return heard;
}

/// The sound's bands over time, and below how sure the network was of each letter when.
void draw_utterance(const Utterance& u, const std::vector<double>& logits, const std::string& path) {
    const double step = 12, band = 5, letter = 15, left = 44;
    const auto classes = static_cast<std::int64_t>(kLetters.size());
    const double below = speech::kBands * band + 40;
    lesson::Picture picture(left + static_cast<double>(u.steps()) * step + 10,
                            below + static_cast<double>(classes) * letter + 10);
    picture.text({left, 14}, text_of(u.letters));
    for (std::int64_t t = 0; t < u.steps(); ++t) {
        const double x = left + static_cast<double>(t) * step;
        for (std::int64_t f = 0; f < speech::kBands; ++f) {
            const double loud = static_cast<double>(u.features[static_cast<std::size_t>(t * kFeatures + f)]);
            const double shade = std::round(std::clamp((loud + 1) / 3, 0.0, 0.99) * 8) / 8;
            if (shade > 0)
                picture.rect({x, 24 + (speech::kBands - 1 - static_cast<double>(f)) * band}, step, band, "#124", shade);
        }
        const double* z = &logits[static_cast<std::size_t>(t * classes)];
        double sum = 0;
        for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(z[c]);
        for (std::int64_t c = 0; c < classes; ++c)
            if (const double p = std::exp(z[c]) / sum; p > 0.05)
                picture.rect({x, below + static_cast<double>(c) * letter}, step, letter, c == 0 ? "#bbb" : "#e15759",
                             std::min(p, 0.99));
    }
    for (std::int64_t c = 0; c < classes; ++c) {
        const char letter_text[] = {kLetters[static_cast<std::size_t>(c)], 0};
        picture.text({left - 8, below + (static_cast<double>(c) + 0.75) * letter}, c == 0 ? "blank" : letter_text,
                     lesson::Picture::Anchor::end, c == 0 ? 9 : 13);
    }
    picture.save(path);
}

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    speech::need_espeak();
    const std::int64_t count = setting.pick(80, 1000, 10000), tested = setting.pick(30, 200, 1000);
    const std::int64_t digits = setting.pick(1, 3, 5), batch = setting.pick(4, 16, 64),
                       epochs = setting.pick(15, 6, 20);
    lesson::Random random(setting.seed);
    std::vector<Utterance> train, test;
    {
        lesson::Bar bar("speech", count + tested);
        train = record(count, kTrained, digits, random, bar);
        test = record(tested, kUnheard, digits, random, bar);
    }
    const Scale scale(train);
    scale.apply(train);
    scale.apply(test);
    // What is said longest is shown.
    std::iter_swap(test.begin(), std::max_element(test.begin(), test.end(), [](const Utterance& a, const Utterance& b) {
                       return a.letters.size() < b.letters.size();
                   }));

    std::vector<std::int64_t> lengths;
    for (const Utterance& u : train) lengths.push_back(u.steps());
    const LengthBatches batches(lengths, batch, setting.seed);
    const std::int64_t updates = epochs * batches.batches();
    DeviceStream stream(setting.device);
    Network network(setting.device,
                    network_spec(SequenceModelSpec{.encoder = {.features = kFeatures,
                                                               .hidden = setting.pick(48, 96, 384),
                                                               .layers = setting.pick(1, 2, 3),
                                                               .dropout = setting.pick(0.0, 0.1, 0.2),
                                                               .bidirectional = true},
                                                   .head = SequenceModelSpec::Head::ctc,
                                                   .outputs = static_cast<std::int64_t>(kLetters.size())}));
    network.initialise({.seed = setting.seed}, stream);
    Trainer trainer(network,
                    {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                     .schedule = {.kind = ScheduleSpec::Kind::cosine,
                                  .rate = setting.pick(0.01, 0.003, 0.001),
                                  .warmup = updates / 20,
                                  .total = updates},
                     .clip = {ClipSpec::Kind::norm, 1}},
                    stream);
    lesson::Curve heard{"voices trained on", {}}, unheard{"new voices", {}};
    {
        lesson::Bar bar("speech", updates);
        for (std::int64_t i = 0; i < updates; ++i) {
            const std::int64_t epoch = i / batches.batches(), at = i % batches.batches();
            std::vector<std::vector<float>> x;
            std::vector<Ids> y;
            for (const std::int64_t n : batches.batch(epoch, at)) {
                x.push_back(train[static_cast<std::size_t>(n)].features);
                y.push_back(train[static_cast<std::size_t>(n)].letters);
            }
            const lesson::Padded features(x, kFeatures), letters(y, -1);
            const Sequence inputs[] = {features, letters};
            const auto metrics = trainer.queue(inputs);
            bar.step(metrics ? "loss a letter " + lesson::number(metrics->loss) : "");
            if (at == batches.batches() - 1 && setting.size != lesson::Size::tiny) {
                trainer.finish();
                const std::vector<Utterance> some(train.begin(), train.begin() + tested);
                heard.points.push_back({static_cast<double>(epoch + 1), listen(network, some, stream).errors.rate()});
                unheard.points.push_back({static_cast<double>(epoch + 1), listen(network, test, stream).errors.rate()});
            }
        }
        trainer.finish();
    }

    const Heard result = listen(network, test, stream);
    const Ids first = ctc_greedy(result.logits, static_cast<std::int64_t>(kLetters.size()));
    std::printf("said: %s\nread: %s\n", text_of(test[0].letters).c_str(), text_of(first).c_str());
    draw_utterance(test[0], result.logits, setting.path("utterance.svg"));
    if (!heard.points.empty())
        lesson::draw(setting.path("speech.svg"),
                     {{"Letters wrong", "epochs", "share", {heard, unheard}, {}, false, 0, 1}});
    double baseline = 1;  // who says the same whatever is heard
    for (const char* digit : kDigits) {
        ErrorRate same;
        for (const Utterance& u : test) same.add(u.letters, ids_of(digit));
        baseline = std::min(baseline, same.rate());
    }
    return {{"letters wrong, new voices", result.errors.rate(), "always the same word", baseline,
             lesson::Figure::Must::be_at_most, setting.pick(0.55, 0.1, 0.05)}};
}

}  // namespace

int main(int argc, char** argv) { return lesson::run(argc, argv, "speech", "Spoken digits to letters, by CTC", teach); }
