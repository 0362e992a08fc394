/// Was it liked? Reviews in which "not", "hardly" and "but" turn words around, so that counting words is not enough; or
/// your own, one a line, `label<TAB>text`, by --data (the first nine tenths to train on).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>

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

struct Review {
    std::string label, text;
};

constexpr const char* kGood[] = {"good", "moving", "clever", "funny", "brilliant", "warm", "gripping", "fresh"};
constexpr const char* kBad[] = {"bad", "dull", "silly", "tired", "clumsy", "cold", "endless", "stale"};
constexpr const char* kThings[] = {"film", "story", "ending", "cast", "music", "camera", "dialogue", "director"};

/// A remark that is liking or not, told plainly, denied, or told of something else.
std::string remark(lesson::Random& random, bool liked) {
    const std::string thing = random.of(kThings);
    const auto word = [&](bool good) { return std::string(good ? random.of(kGood) : random.of(kBad)); };
    switch (random.below(5)) {
        case 0:
            return "the " + thing + " is " + word(liked);
        case 1:
            return "the " + thing + " is not " + word(!liked) + " at all";
        case 2:
            return "nobody could call the " + thing + " " + word(!liked);
        case 3:
            return "i was told the " + thing + " was " + word(!liked) + " , and found it " + word(liked);
        default:
            return "it is hardly a " + word(!liked) + " " + thing;
    }
}

/// What comes after "but" is what counts.
Review make_review(lesson::Random& random) {
    const bool liked = random.below(2) == 0;
    const std::string last = remark(random, liked);
    const std::string text = random.below(2) == 0 ? last : remark(random, random.below(2) == 0) + " , but " + last;
    return {liked ? "liked" : "disliked", text};
}

std::vector<Review> read_reviews(const std::string& path) {
    std::ifstream file(path);
    if (!file) refuse("data", path, "cannot be read");
    std::vector<Review> reviews;
    for (std::string line; std::getline(file, line);) {
        const std::size_t tab = line.find('\t');
        require(tab != std::string::npos, "data", line, "must be label<TAB>text");
        reviews.push_back({line.substr(0, tab), line.substr(tab + 1)});
    }
    return reviews;
}

/// Naive Bayes over the words that occur, each counted once a review more than it did: the baseline that knows no
/// order.
double bayes_accuracy(const std::vector<Ids>& train, const Ids& train_labels, const std::vector<Ids>& test,
                      const Ids& test_labels, std::int64_t words, std::int64_t labels) {
    const auto at = [&](std::int32_t label, std::int32_t word) {
        return static_cast<std::size_t>(label * words + word);
    };
    std::vector<double> counts(static_cast<std::size_t>(words * labels), 1),
        all(static_cast<std::size_t>(labels), static_cast<double>(words));
    for (std::size_t i = 0; i < train.size(); ++i)
        for (const std::int32_t word : train[i]) {
            ++counts[at(train_labels[i], word)];
            ++all[static_cast<std::size_t>(train_labels[i])];
        }
    LabelCounts found(labels);
    for (std::size_t i = 0; i < test.size(); ++i) {
        std::vector<double> score(static_cast<std::size_t>(labels), 0);
        for (std::int32_t label = 0; label < labels; ++label)
            for (const std::int32_t word : test[i])
                score[static_cast<std::size_t>(label)] +=
                    std::log(counts[at(label, word)] / all[static_cast<std::size_t>(label)]);
        const auto best = static_cast<std::int32_t>(std::max_element(score.begin(), score.end()) - score.begin());
        found.add(std::span(&test_labels[i], 1), std::span(&best, 1));
    }
    return found.accuracy();
}

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    const bool own = !setting.data.empty();
    std::vector<Review> reviews;
    if (own) {
        reviews = read_reviews(setting.data);
    } else {
        lesson::Random random(setting.seed);
        for (std::int64_t i = 0; i < setting.pick(800, 5000, 50000); ++i) reviews.push_back(make_review(random));
    }
    const std::size_t count = reviews.size() * 9 / 10;
    std::string text;
    std::set<std::string> names;
    for (std::size_t i = 0; i < count; ++i) text += reviews[i].text + "\n";
    for (const Review& review : reviews) names.insert(review.label);
    const std::vector<std::string> labels(names.begin(), names.end());
    const Vocabulary vocabulary = Vocabulary::build(text, Vocabulary::Kind::words, 20000);

    std::vector<Ids> train, test;
    Ids train_labels, test_labels;
    std::vector<std::int64_t> lengths;
    for (std::size_t i = 0; i < reviews.size(); ++i) {
        (i < count ? train : test).push_back(vocabulary.encode(reviews[i].text + "\n"));
        (i < count ? train_labels : test_labels)
            .push_back(static_cast<std::int32_t>(std::lower_bound(labels.begin(), labels.end(), reviews[i].label) -
                                                 labels.begin()));
        if (i < count) lengths.push_back(static_cast<std::int64_t>(train[i].size()));
    }
    const auto kinds = static_cast<std::int64_t>(labels.size());

    DeviceStream stream(setting.device);
    Network network(setting.device, network_spec(SequenceModelSpec{.encoder = {.classes = vocabulary.size(),
                                                                               .embedding = setting.pick(24, 64, 256),
                                                                               .hidden = setting.pick(24, 64, 256),
                                                                               .dropout = own ? 0.4 : 0.0,
                                                                               .bidirectional = true},
                                                                   .head = SequenceModelSpec::Head::label,
                                                                   .outputs = kinds,
                                                                   .pool = PoolSpec::Kind::max,
                                                                   .dropout = own ? 0.5 : 0.0}));
    network.initialise({.seed = setting.seed}, stream);
    const LengthBatches batches(lengths, setting.pick(16, 32, 64), setting.seed);
    const std::int64_t epochs = setting.pick(4, 5, 5), updates = epochs * batches.batches();
    Trainer trainer(network,
                    {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                     .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = own ? 0.002 : 0.01, .total = updates},
                     .clip = {ClipSpec::Kind::norm, 1}},
                    stream);

    const auto judge = [&] {
        LabelCounts found(kinds);
        for (std::size_t begin = 0; begin < test.size(); begin += 100) {
            const std::size_t size = std::min<std::size_t>(100, test.size() - begin);
            const std::span<const Ids> some = std::span<const Ids>(test).subspan(begin, size);
            const lesson::Padded x(some, 0);
            const Sequence inputs[] = {x, {}};
            network.forward(inputs, Mode::inference, nullptr, stream);
            found.add(std::span<const std::int32_t>(test_labels).subspan(begin, size),
                      lesson::likeliest(network.read_value("output", stream)));
        }
        return found.accuracy();
    };

    lesson::Curve learning{"LSTM in both directions", {}};
    {
        lesson::Bar bar("sentiment", updates);
        for (std::int64_t i = 0; i < updates; ++i) {
            if (i % std::max<std::int64_t>(1, updates / 20) == 0)
                learning.points.push_back({static_cast<double>(i), judge()});
            std::vector<Ids> x;
            Ids y;
            for (const std::int64_t n : batches.batch(i / batches.batches(), i % batches.batches())) {
                x.push_back(train[static_cast<std::size_t>(n)]);
                y.push_back(train_labels[static_cast<std::size_t>(n)]);
            }
            const lesson::Padded words(x, 0);
            const Sequence inputs[] = {words, {ConstView(y.data(), {static_cast<std::int64_t>(y.size())})}};
            const auto metrics = trainer.queue(inputs);
            bar.step(metrics ? "loss " + lesson::number(metrics->loss) : "");
        }
        trainer.finish();
    }
    const double accuracy = judge();
    learning.points.push_back({static_cast<double>(updates), accuracy});
    const double bayes = bayes_accuracy(train, train_labels, test, test_labels, vocabulary.size(), kinds);
    const lesson::Curve counting{"counting words", {{0, bayes}, {static_cast<double>(updates), bayes}}, true};
    lesson::draw(setting.path("sentiment.svg"),
                 {{"Reviews understood", "updates", "share", {learning, counting}, {}, false, 0.4, 1.02}});
    if (!own)
        for (const char* review : {"the cast is not dull at all", "nobody could call the ending clever",
                                   "the music is brilliant , but it is hardly a funny film"}) {
            const std::vector<Ids> row{vocabulary.encode(std::string(review) + "\n")};
            const lesson::Padded x(row, 0);
            const Sequence inputs[] = {x, {}};
            network.forward(inputs, Mode::inference, nullptr, stream);
            const std::int32_t said = lesson::likeliest(network.read_value("output", stream))[0];
            std::printf("%s: %s\n", review, labels[static_cast<std::size_t>(said)].c_str());
        }
    return {{"reviews understood", accuracy, "naive Bayes", bayes, lesson::Figure::Must::be_at_least,
             own ? bayes - 0.02 : setting.pick(0.9, 0.98, 0.99)}};
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv, "sentiment", "Liked or not, where the order of words decides", teach);
}
