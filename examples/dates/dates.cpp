/// Translation in the small: a day as people write it in three languages becomes ISO 8601, character by character, and
/// attention shows which characters each digit was read from.
#include <algorithm>
#include <cstdio>
#include <set>

#include "common/draw.hpp"
#include "common/lesson.hpp"
#include "rondo/batches.hpp"
#include "rondo/metrics.hpp"
#include "rondo/seq2seq.hpp"
#include "rondo/text.hpp"
#include "rondo/trainer.hpp"

using namespace rondo;

namespace {

using Ids = std::vector<std::int32_t>;

constexpr const char* kEnglish[] = {"January", "February", "March",     "April",   "May",      "June",
                                    "July",    "August",   "September", "October", "November", "December"};
constexpr const char* kGerman[] = {"Januar", "Februar", "März",      "April",   "Mai",      "Juni",
                                   "Juli",   "August",  "September", "Oktober", "November", "Dezember"};
constexpr const char* kFrench[] = {"janvier", "février", "mars",      "avril",   "mai",      "juin",
                                   "juillet", "août",    "septembre", "octobre", "novembre", "décembre"};
constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

struct Pair {
    std::string written, iso;
};

Pair make_pair(lesson::Random& random) {
    const auto month = static_cast<std::size_t>(random.below(12));
    const int d = 1 + static_cast<int>(random.below(kDays[month])), m = 1 + static_cast<int>(month);
    const int y = 1900 + static_cast<int>(random.below(200));
    const std::string day = std::to_string(d), year = std::to_string(y);
    const char* ends[] = {"th", "st", "nd", "rd"};
    const std::string ordinal = day + ends[d % 10 < 4 && d / 10 != 1 ? d % 10 : 0];
    const std::string forms[] = {day + " " + kEnglish[month] + " " + year,
                                 std::string(kEnglish[month]) + " " + ordinal + ", " + year,
                                 "the " + ordinal + " of " + kEnglish[month] + ", " + year,
                                 std::string(kEnglish[month]).substr(0, 3) + " " + day + " " + year,
                                 std::to_string(m) + "/" + day + "/" + year,
                                 day + ". " + kGerman[month] + " " + year,
                                 "am " + day + "." + std::to_string(m) + "." + year,
                                 "le " + (d == 1 ? "1er" : day) + " " + kFrench[month] + " " + year};
    char iso[40];
    std::snprintf(iso, sizeof iso, "%04d-%02d-%02d", y, m, d);
    return {random.of(forms), iso};
}

/// Rows of the attention's table are characters of the date, its end last; columns those of what was written.
void draw_maps(const std::vector<Pair>& pairs, const Vocabulary& vocabulary, Translator& translator,
               const std::vector<Ids>& sources, const std::vector<Ids>& targets, const std::string& path) {
    const double cell = 16, left = 40, height = 12 * cell + 60;
    lesson::Picture picture(left + 28 * cell, static_cast<double>(pairs.size()) * height);
    for (std::size_t n = 0; n < pairs.size(); ++n) {
        const std::vector<double> weights = translator.attention(sources[n], targets[n]);
        const double top = static_cast<double>(n) * height + 34;
        using Anchor = lesson::Picture::Anchor;
        for (std::size_t s = 0; s < sources[n].size(); ++s)
            picture.text({left + (static_cast<double>(s) + 0.5) * cell, top - 6}, vocabulary.token(sources[n][s]),
                         Anchor::middle);
        for (std::size_t t = 0; t <= targets[n].size(); ++t) {
            const std::string token = t < targets[n].size() ? vocabulary.token(targets[n][t]) : "end";
            const double y = top + static_cast<double>(t) * cell;
            picture.text({left - 6, y + 12}, token, Anchor::end);
            for (std::size_t s = 0; s < sources[n].size(); ++s)
                if (const double w = weights[t * sources[n].size() + s]; w > 0.02)
                    picture.rect({left + static_cast<double>(s) * cell, y}, cell, cell, "#124", std::min(w, 0.99));
        }
        picture.frame({left, top}, static_cast<double>(sources[n].size()) * cell,
                      static_cast<double>(targets[n].size() + 1) * cell, "#888");
    }
    picture.save(path);
}

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    // No line is both trained on and tried.
    lesson::Random random(setting.seed);
    const auto count = static_cast<std::size_t>(setting.pick(1200, 12000, 60000));
    const auto tested = static_cast<std::size_t>(setting.pick(50, 500, 2000));
    std::vector<Pair> pairs;
    std::set<std::string> seen;
    std::string text;
    while (pairs.size() < count + tested)
        if (Pair pair = make_pair(random); seen.insert(pair.written).second) {
            text += pair.written + pair.iso;
            pairs.push_back(std::move(pair));
        }
    const Vocabulary vocabulary = Vocabulary::build(text, Vocabulary::Kind::characters);

    Seq2SeqSpec spec;
    spec.encoder = {.classes = vocabulary.size(),
                    .embedding = 32,
                    .hidden = setting.pick(48, 64, 256),
                    .cell = "gru",
                    .bidirectional = true};
    spec.target_classes = vocabulary.size();
    spec.attention = Seq2SeqSpec::Attention::additive;

    std::vector<std::int64_t> lengths;
    for (std::size_t i = 0; i < count; ++i) lengths.push_back(static_cast<std::int64_t>(pairs[i].written.size()));
    const LengthBatches batches(lengths, setting.pick(16, 32, 128), setting.seed);
    const std::int64_t epochs = setting.pick(3, 3, 4), updates = epochs * batches.batches();

    DeviceStream stream(setting.device);
    Network network(setting.device, network_spec(spec));
    network.initialise({.seed = setting.seed}, stream);
    Trainer trainer(network,
                    {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                     .schedule = {.kind = ScheduleSpec::Kind::cosine,
                                  .rate = setting.pick(0.01, 0.005, 0.002),
                                  .warmup = 20,
                                  .total = updates},
                     .clip = {ClipSpec::Kind::norm, 1}},
                    stream);
    lesson::Curve loss{"loss", {}};
    {
        lesson::Bar bar("dates", updates);
        for (std::int64_t i = 0; i < updates; ++i) {
            std::vector<Ids> source, target, next;
            for (const std::int64_t n : batches.batch(i / batches.batches(), i % batches.batches())) {
                const Pair& pair = pairs[static_cast<std::size_t>(n)];
                source.push_back(vocabulary.encode(pair.written));
                target.push_back(vocabulary.encode(pair.iso));
                next.push_back(target.back());
                target.back().insert(target.back().begin(), spec.begin());
                next.back().push_back(spec.end());
            }
            const lesson::Padded x(source, 0), read(target, 0), said(next, -1);
            const Sequence inputs[] = {x, read, said};
            if (const auto metrics = trainer.queue(inputs)) {
                if (i % 10 == 0) loss.points.push_back({static_cast<double>(i), metrics->loss});
                bar.step("loss a character " + lesson::number(metrics->loss));
            }
        }
        trainer.finish();
    }

    Translator translator(setting.device, spec, network.read_parameters(stream));
    const std::vector<Pair> test(pairs.begin() + static_cast<std::ptrdiff_t>(count), pairs.end());
    std::vector<Ids> sources, targets;
    for (const Pair& pair : test) sources.push_back(vocabulary.encode(pair.written));
    const auto found = translator.translate(sources, {.width = 3, .max_length = 12});
    ErrorRate rate, commonest;
    for (std::size_t i = 0; i < test.size(); ++i) {
        targets.push_back(found[i].empty() ? Ids{} : found[i][0].tokens);
        rate.add(vocabulary.encode(test[i].iso), targets.back());
        commonest.add(vocabulary.encode(test[i].iso), vocabulary.encode("2000-11-11"));
    }
    for (std::size_t i = 0; i < 5; ++i)
        std::printf("%s -> %s\n", test[i].written.c_str(), vocabulary.decode(targets[i]).c_str());
    draw_maps({test.begin(), test.begin() + 3}, vocabulary, translator, sources, targets,
              setting.path("attention.svg"));
    lesson::draw(setting.path("dates.svg"), {{"Loss a character", "updates", "nats", {loss}, {}}});
    using Must = lesson::Figure::Must;
    return {{"characters wrong, of new days", rate.rate(), "always 2000-11-11", commonest.rate(), Must::be_at_most,
             setting.pick(0.25, 0.005, 0.001)},
            {"days wholly right", rate.exact_share(), "always 2000-11-11", commonest.exact_share(), Must::be_at_least,
             setting.pick(0.02, 0.97, 0.99)}};
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv, "dates", "Translates dates, and shows where it looked", teach);
}
