/// Words whose tag only the rest of the sentence decides: one reading direction against two.
#include <cstdio>
#include <map>

#include "common/draw.hpp"
#include "common/lesson.hpp"
#include "rondo/batches.hpp"
#include "rondo/metrics.hpp"
#include "rondo/sequence_model.hpp"
#include "rondo/text.hpp"
#include "rondo/trainer.hpp"

using namespace rondo;

namespace {

using Ids = std::vector<std::int32_t>;

/// A word with two readings, and the ends of a sentence that decide which one was meant.
struct Twofold {
    const char* word;
    const char* tags[2];
    std::vector<const char*> ends[2];
};

const std::vector<Twofold> kTwofold = {
    {"bass", {"FISH", "MUSIC"}, {{"swam away", "was fried in butter"}, {"was out of tune", "hummed all night"}}},
    {"bow", {"WEAPON", "SHIP"}, {{"shot an arrow", "missed its target"}, {"cut the waves", "struck a rock"}}},
    {"seal", {"ANIMAL", "STAMP"}, {{"caught a herring", "barked at us"}, {"was made of wax", "broke off the letter"}}},
    {"crane", {"ANIMAL", "MACHINE"}, {{"built its nest", "laid two eggs"}, {"lifted a beam", "needed new cables"}}},
    {"mouse", {"ANIMAL", "MACHINE"}, {{"ate the cheese", "fled from the cat"}, {"lost its cable", "had two buttons"}}}};
constexpr const char* kAdjectives[] = {"old", "small", "heavy", "famous", "forgotten", "grey", "lovely", "strange"};
constexpr const char* kPlaces[] = {"in the harbour", "near the church", "behind our house", "on the hill",
                                   "of my uncle",    "by the river",    "from the museum",  "at the corner"};

struct Sentence {
    Ids words, tags;       // tags of everyday words are 0
    std::size_t at = 0;    // of the twofold word
    std::int64_t gap = 0;  // words between it and the first that decides
};

/// "the old bass in the harbour near the church swam away"
Sentence make_sentence(lesson::Random& random, std::map<std::string, std::int32_t>& words,
                       std::map<std::string, std::int32_t>& tags) {
    Sentence s;
    const auto add = [&](std::string_view text, const std::string& tag = "O") {
        for (const std::string& word : split_words(text)) {
            s.words.push_back(words.try_emplace(word, static_cast<std::int32_t>(words.size())).first->second);
            s.tags.push_back(tags.try_emplace(tag, static_cast<std::int32_t>(tags.size())).first->second);
        }
    };
    const Twofold& twofold = random.of(kTwofold);
    const auto reading = static_cast<std::size_t>(random.below(2));
    add("the");
    if (random.below(2) == 0) add(random.of(kAdjectives));
    s.at = s.words.size();
    add(twofold.word, twofold.tags[reading]);
    for (std::int64_t places = random.below(4); places > 0; --places) add(random.of(kPlaces));
    s.gap = static_cast<std::int64_t>(s.words.size() - s.at) - 1;
    add(random.of(twofold.ends[reading]));
    return s;
}

struct Model {
    Model(const lesson::Setting& setting, bool both, std::int64_t words, std::int64_t tags, std::int64_t updates)
        : stream(setting.device),
          network(setting.device, network_spec(SequenceModelSpec{.encoder = {.classes = words,
                                                                             .embedding = 32,
                                                                             .hidden = setting.pick(16, 32, 256),
                                                                             .bidirectional = both},
                                                                 .head = SequenceModelSpec::Head::tags,
                                                                 .outputs = tags})),
          trainer(network,
                  {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                   .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = 0.01, .total = updates},
                   .clip = {ClipSpec::Kind::norm, 1}},
                  stream) {
        network.initialise({.seed = setting.seed}, stream);
    }

    /// Right tags of the twofold words alone, by how far off what decides them is.
    std::map<std::int64_t, ErrorRate> judge(const std::vector<Sentence>& sentences) {
        std::vector<Ids> words;
        for (const Sentence& s : sentences) words.push_back(s.words);
        const lesson::Padded x(words, 0);
        const Sequence inputs[] = {x, {}};
        network.forward(inputs, Mode::inference, nullptr, stream);
        const Ids said = lesson::likeliest(network.read_value("output", stream));
        std::map<std::int64_t, ErrorRate> found;
        for (std::size_t b = 0; b < sentences.size(); ++b) {
            const Sentence& s = sentences[b];
            found[s.gap].add(std::span(&s.tags[s.at], 1), std::span(&said[s.at * sentences.size() + b], 1));
        }
        return found;
    }

    DeviceStream stream;
    Network network;
    Trainer trainer;
};

double accuracy_of(const std::map<std::int64_t, ErrorRate>& found) {
    ErrorRate all;
    for (const auto& [gap, rate] : found) all.exact += rate.exact, all.rows += rate.rows;
    return all.exact_share();
}

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    const std::int64_t count = setting.pick(500, 4000, 50000), batch = setting.pick(10, 20, 500);
    const std::int64_t epochs = setting.pick(6, 5, 5), tested = setting.pick(200, 1000, 5000);
    std::map<std::string, std::int32_t> words, tags;
    tags["O"] = 0;
    lesson::Random random(setting.seed);
    std::vector<Sentence> train, test;
    for (std::int64_t i = 0; i < count; ++i) train.push_back(make_sentence(random, words, tags));
    for (std::int64_t i = 0; i < tested; ++i) test.push_back(make_sentence(random, words, tags));

    std::vector<std::int64_t> lengths;
    for (const Sentence& s : train) lengths.push_back(static_cast<std::int64_t>(s.words.size()));
    const LengthBatches batches(lengths, batch, setting.seed);
    const std::int64_t updates = epochs * batches.batches();

    const auto kinds = static_cast<std::int64_t>(words.size()), readings = static_cast<std::int64_t>(tags.size());
    Model models[] = {{setting, false, kinds, readings, updates}, {setting, true, kinds, readings, updates}};
    lesson::Curve learning[] = {{"left to right", {}}, {"both directions", {}}};
    lesson::Bar bar("tagging", 2 * updates);
    for (std::int64_t i = 0; i < updates; ++i) {
        std::vector<Ids> x, y;
        for (const std::int64_t n : batches.batch(i / batches.batches(), i % batches.batches())) {
            x.push_back(train[static_cast<std::size_t>(n)].words);
            y.push_back(train[static_cast<std::size_t>(n)].tags);
        }
        const lesson::Padded inputs(x, 0), targets(y, -1);
        const Sequence fed[] = {inputs, targets};
        for (std::size_t m = 0; m < 2; ++m) {
            if (i % std::max<std::int64_t>(updates / setting.pick(4, 20, 20), 1) == 0)
                learning[m].points.push_back({static_cast<double>(i), accuracy_of(models[m].judge(test))});
            bar.step("loss " + lesson::number(models[m].trainer.step(fed).loss));
        }
    }

    lesson::Curve by_gap[] = {{"left to right", {}}, {"both directions", {}}};
    double accuracy[2];
    for (std::size_t m = 0; m < 2; ++m) {
        const auto found = models[m].judge(test);
        accuracy[m] = accuracy_of(found);
        learning[m].points.push_back({static_cast<double>(updates), accuracy[m]});
        for (const auto& [gap, rate] : found)
            by_gap[m].points.push_back({static_cast<double>(gap), rate.exact_share()});
    }
    lesson::draw(setting.path("tagging.svg"),
                 {{"Twofold words tagged right", "updates", "share", {learning[0], learning[1]}, {}, false, 0, 1.02},
                  {"The same at the end",
                   "words to the one that decides",
                   "share",
                   {by_gap[0], by_gap[1]},
                   {},
                   false,
                   0,
                   1.02}});
    return {{"twofold words tagged right, both directions", accuracy[1], "left to right", accuracy[0],
             lesson::Figure::Must::be_at_least, setting.pick(0.85, 0.95, 0.98)}};
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv, "tagging", "Tags that the future decides: one direction against two", teach);
}
