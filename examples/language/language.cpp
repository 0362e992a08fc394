/// Two language models of one text, one of characters and one of words, and what they would write as they learn. The
/// text is Rondo's own headers, or yours: --data FILE.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/draw.hpp"
#include "common/lesson.hpp"
#include "common/ngram.hpp"
#include "rondo/generator.hpp"
#include "rondo/language_model.hpp"
#include "rondo/metrics.hpp"
#include "rondo/trainer.hpp"

using namespace rondo;

namespace {

/// A file, or all of a folder's in order of their names.
std::string read_text(const std::string& path) {
    namespace fs = std::filesystem;
    std::vector<fs::path> files;
    if (fs::is_directory(path)) {
        for (const auto& entry : fs::recursive_directory_iterator(path))
            if (entry.is_regular_file()) files.push_back(entry.path());
        std::sort(files.begin(), files.end());
    } else {
        files.push_back(path);
    }
    std::ostringstream text;
    for (const fs::path& file : files) {
        std::ifstream stream(file, std::ios::binary);
        if (!stream) refuse("data", file.string(), "cannot be read");
        text << stream.rdbuf();
    }
    return text.str();
}

struct Result {
    double bits, counted;  ///< a character of the unseen part: the model's and that of counting
    lesson::Curve curve;
};

Result learn(const std::string& text, Vocabulary::Kind kind, const lesson::Setting& setting) {
    const bool words = kind == Vocabulary::Kind::words;
    const std::string name = words ? "words" : "characters";
    // The last tenth is not trained on. A line is not cut.
    const std::size_t cut = text.find('\n', text.size() * 9 / 10) + 1;
    const std::string seen = text.substr(0, cut), unseen = text.substr(cut);
    const Vocabulary vocabulary = Vocabulary::build(seen, kind, words ? 4000 : 0);
    const std::vector<std::int32_t> ids = vocabulary.encode(seen), unseen_ids = vocabulary.encode(unseen);
    const TokenStreams streams(ids, setting.pick(4, 16, 64)), unseen_streams(unseen_ids, 4);
    // From nats an id to bits a character of the unseen part. A word that is not in the vocabulary must be spelled as
    // well: each of its letters as one of 96.
    double spelled = 0;
    if (words)
        for (const std::string& word : split_words(unseen))
            if (vocabulary.id(word) == vocabulary.unknown())
                spelled += std::log2(96) * static_cast<double>(word.size());
    const auto bits_of = [&](double nats) {
        return (nats / std::log(2.0) * static_cast<double>(unseen_ids.size()) + spelled) /
               static_cast<double>(unseen.size());
    };

    DeviceStream stream(setting.device);
    Network network(setting.device, network_spec(LanguageModelSpec{.classes = vocabulary.size(),
                                                                   .embedding = setting.pick(32, 128, 512),
                                                                   .hidden = setting.pick(64, 256, 1024),
                                                                   .dropout = words ? 0.4 : 0.1}));
    network.initialise({.forget_bias = 1, .seed = setting.seed}, stream);
    const std::int64_t window = setting.pick(24, 48, 96), epochs = setting.pick(1, words ? 12 : 8, 20);
    const std::int64_t updates = epochs * ((streams.steps() + window - 1) / window);
    Trainer trainer(
        network,
        {.optimizer = {.rule = OptimizerSpec::Rule::adam},
         .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = setting.pick(0.01, 0.004, 0.002), .total = updates},
         .clip = {ClipSpec::Kind::norm, 1},
         .window = window},
        stream);

    Result result{0, 0, {name, {}}};
    const auto measure = [&] {
        result.bits = bits_of(evaluate(network, unseen_streams, 100, stream).loss());
        result.curve.points.push_back(
            {static_cast<double>(trainer.progress().step) / static_cast<double>(updates), result.bits});
    };
    lesson::Bar bar(name, updates);
    const std::int64_t looks = setting.pick(2, 8, 20);
    for (std::int64_t i = 1; i <= updates; ++i) {
        const auto metrics = trainer.queue(streams);
        bar.step(metrics ? "bits " + lesson::number(metrics->loss / std::log(2.0)) : "");
        if (i * looks / updates == (i - 1) * looks / updates) continue;
        trainer.finish();
        measure();
        Generator generator(network, {.temperature = 0.7, .seed = setting.seed}, stream);
        generator.feed(vocabulary.encode("\n/// The"));
        std::vector<std::int32_t> written;
        for (int n = 0; n < (words ? 30 : 150); ++n) written.push_back(generator.next());
        bar.say("---- " + name + ", " + std::to_string(100 * i / updates) + " %, " + lesson::number(result.bits) +
                " bits a character: /// The" + (words ? " " : "") + vocabulary.decode(written) + "\n");
    }
    result.counted = bits_of(lesson::NGram(ids, vocabulary.size(), words ? 2 : 5).loss(unseen_ids));
    return result;
}

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    std::string text = read_text(setting.data.empty() ? RONDO_EXAMPLE_TEXT : setting.data);
    if (setting.size == lesson::Size::tiny) text.resize(text.find('\n', 60000) + 1);
    const Result characters = learn(text, Vocabulary::Kind::characters, setting);
    const Result words = learn(text, Vocabulary::Kind::words, setting);
    lesson::draw(
        setting.path("language.svg"),
        {{"Bits a character of text not seen", "share of training", "bits", {characters.curve, words.curve}, {}}});
    using Must = lesson::Figure::Must;
    return {{"bits a character, model of characters", characters.bits, "counting five of them", characters.counted,
             Must::be_at_most, setting.pick(4.3, characters.counted, characters.counted)},
            {"bits a character, model of words", words.bits, "counting two of them", words.counted, Must::be_at_most,
             setting.pick(4.9, words.counted, words.counted)}};
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv, "language", "Language models of characters and of words, with samples as they learn",
                       teach);
}
