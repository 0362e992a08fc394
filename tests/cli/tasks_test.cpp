/// Every task of rondo train, end to end on data made here: each must reach a stated quality, on what it was not trained
/// on; and what eval, predict and translate make of the model.
#include <gtest/gtest.h>

#include <cmath>
#include <ctime>
#include <filesystem>
#include <set>
#include <sstream>
#include <tuple>

#include "cli/attention_map.hpp"
#include "cli/model_config.hpp"
#include "cli/program_runner.hpp"
#include "cli/tokenizer.hpp"
#include "rondo/safetensors.hpp"
#include "support/random.hpp"
#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

using namespace test;

using Words = std::vector<std::string>;

class Tasks : public testing::Test {
protected:
    /// Trains to folder "run" within it; the rest of the command line is given.
    Finished train(const std::string& task, const std::string& data, Words more) const {
        write_text(folder.file("data"), data);
        return train_file(task, folder.file("data"), std::move(more));
    }
    Finished train_file(const std::string& task, const std::string& path, Words more) const {
        Words args{"train",    "--task", task,        "--train", path,   "--out", folder.file("run"),
                   "--device", "cpu",    "--threads", "1",       "--lr", "0.01"};
        args.insert(args.end(), more.begin(), more.end());
        return run_rondo(args);
    }

    /// A figure of `rondo eval` on a file.
    double figure(const std::string& name, const std::string& path) const {
        const Finished eval = run_rondo(
            {"eval", "--checkpoint", folder.file("run"), "--text", path, "--device", "cpu", "--threads", "1"});
        EXPECT_EQ(eval.exit_code, 0) << eval.err;
        std::istringstream lines(eval.out);
        for (std::string line; std::getline(lines, line);)
            if (line.starts_with(name + ": ")) return std::stod(line.substr(name.size() + 2));
        ADD_FAILURE() << "no " << name << " in\n" << eval.out;
        return std::nan("");
    }
    double figure_of(const std::string& name, const std::string& data) const {
        write_text(folder.file("held_out"), data);
        return figure(name, folder.file("held_out"));
    }

    Words predict(const std::string& input, const std::string& command = "predict", Words more = {}) const {
        write_text(folder.file("input"), input);
        Words args{command,    "--checkpoint", folder.file("run"), "--input", folder.file("input"),
                   "--device", "cpu",          "--threads",        "1"};
        args.insert(args.end(), more.begin(), more.end());
        const Finished done = run_rondo(args);
        EXPECT_EQ(done.exit_code, 0) << done.err;
        Words lines;
        std::istringstream stream(done.out);
        for (std::string line; std::getline(stream, line);) lines.push_back(line);
        return lines;
    }

    TemporaryFolder folder;
};
class SlowTasks : public Tasks {};

/// Words of which the last colour decides the label.
std::string colours(int count, std::uint64_t seed) {
    Random random(seed);
    const char* fillers[] = {"a", "the", "of", "and", "in"};
    std::string text;
    for (int i = 0; i < count; ++i) {
        const bool warm = random.below(2) == 1;
        text += warm ? "warm\t" : "cold\t";
        const std::int64_t before = random.below(4), after = random.below(3);
        for (std::int64_t w = 0; w < before; ++w) text += std::string(fillers[random.below(5)]) + " ";
        text += std::string(random.below(2) == 1 ? "blue" : "red") + " but ";
        text += std::string(warm ? (random.below(2) ? "red" : "orange") : (random.below(2) ? "blue" : "green"));
        for (std::int64_t w = 0; w < after; ++w) text += std::string(" ") + fillers[random.below(5)];
        text += "\n";
    }
    return text;
}

int count_of(const std::string& part, const std::string& text) {
    int count = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
    return count;
}

TEST_F(Tasks, ClassifyLearnsLabels) {
    for (const char* model : {"rnn", "transformer"}) {
        const Finished done =
            train("classify", colours(600, 1),
                  {"--tokens", "words", "--model", model, "--hidden", "16", "--layers", "1", "--batch", "16",
                   "--epochs", "6", "--validation-fraction", "0.1", "--test-fraction", "0.1", "--overwrite"});
        ASSERT_EQ(done.exit_code, 0) << done.err;
        EXPECT_NE(done.err.find("% padding, "), std::string::npos) << done.err;
        EXPECT_NE(done.err.find("test: step"), std::string::npos) << done.err;
        EXPECT_GE(figure_of("accuracy", colours(200, 2)), 0.97) << model;
        EXPECT_GE(figure_of("f1", colours(200, 2)), 0.97) << model;
        const Words lines = predict("the blue but red of\nred but blue\n");
        ASSERT_EQ(lines.size(), 2u);
        EXPECT_TRUE(lines[0].starts_with("warm\t")) << lines[0];
        EXPECT_TRUE(lines[1].starts_with("cold\t")) << lines[1];
    }
}

/// The tag of a letter is the letter that follows.
std::string letters(int count, std::uint64_t seed) {
    Random random(seed);
    std::string text;
    for (int i = 0; i < count; ++i) {
        std::string word;
        const std::int64_t length = 2 + random.below(6);
        for (std::int64_t t = 0; t < length; ++t) word += static_cast<char>('a' + random.below(3));
        for (std::size_t t = 0; t < word.size(); ++t)
            text += std::string(1, word[t]) + "\t" + (t + 1 < word.size() ? std::string(1, word[t + 1]) : "end") + "\n";
        text += "\n";
    }
    return text;
}

TEST_F(Tasks, TagsThatTheFutureDecidesNeedBothDirections) {
    const Words common{"--hidden", "12", "--layers", "1", "--batch", "16", "--epochs", "4", "--overwrite"};
    ASSERT_EQ(train("tag", letters(500, 1), common).exit_code, 0);
    EXPECT_LE(figure_of("accuracy", letters(100, 2)), 0.6);
    Words both = common;
    both.push_back("--bidirectional");
    ASSERT_EQ(train("tag", letters(500, 1), both).exit_code, 0);
    EXPECT_GE(figure_of("accuracy", letters(100, 2)), 0.99);
    EXPECT_GE(figure_of("f1", letters(100, 2)), 0.99);
    EXPECT_EQ(predict("a b c a\n"), (Words{"b c a end"}));
}

/// Digits backwards.
std::string reversals(int count, std::uint64_t seed) {
    Random random(seed);
    std::string text;
    for (int i = 0; i < count; ++i) {
        std::string digits;
        const std::int64_t length = 1 + random.below(5);
        for (std::int64_t t = 0; t < length; ++t) digits += static_cast<char>('0' + random.below(5));
        text += digits + "\t" + std::string(digits.rbegin(), digits.rend()) + "\n";
    }
    return text;
}

TEST_F(SlowTasks, Seq2SeqTranslates) {
    const auto model_and = [](const char* model, Words more) {
        more.insert(more.end(), {"--model", model, "--hidden", "32", "--layers", "1", "--batch", "32", "--lr", "0.003",
                                 "--overwrite", "--max-length", "12"});
        return more;
    };
    // A transformer has no directions.
    EXPECT_EQ(
        train("seq2seq", reversals(50, 1), model_and("transformer", {"--bidirectional", "--steps", "1"})).exit_code, 2);
    for (const char* model : {"rnn", "transformer"}) {
        const Words more = std::string(model) == "rnn" ? Words{"--bidirectional", "--steps", "450"}
                                                       : Words{"--warmup", "100", "--steps", "1200"};
        const Finished done = train("seq2seq", reversals(1500, 1), model_and(model, more));
        ASSERT_EQ(done.exit_code, 0) << done.err;
        // Sinusoids tell a transformer where it reads less well than a stack's own steps.
        const bool recurrent = std::string(model) == "rnn";
        EXPECT_GE(figure_of("exact", reversals(100, 2)), recurrent ? 0.93 : 0.75) << model;
        EXPECT_LE(figure_of("error_rate", reversals(100, 2)), recurrent ? 0.05 : 0.15) << model;
        EXPECT_EQ(predict("1234\n20\n"), (Words{"4321", "02"})) << model;
        EXPECT_EQ(predict("1234\n20\n", "translate", {"--beam", "4"}), (Words{"4321", "02"})) << model;
        const Words best =
            predict("1234\n", "translate", {"--beam", "3", "--best", "2", "--attention", folder.file("attention.csv")});
        ASSERT_EQ(best.size(), 2u);
        EXPECT_TRUE(best[0].starts_with("4321\t-0."));
        EXPECT_TRUE(read_text(folder.file("attention.csv")).starts_with("\"\",\"1\",\"2\",\"3\",\"4\"\n\"4\","));
        predict("1234\n20\n", "translate", {"--attention", folder.file("attention.svg")});
        EXPECT_EQ(count_of("<rect", read_text(folder.file("attention.svg"))), 1 + (5 * 4 + 1) + (3 * 2 + 1));
    }
}

/// Step by step, and from its own words more and more often.
TEST_F(SlowTasks, Seq2SeqGoesStepByStep) {
    const Words more{"--decoder",
                     "bahdanau",
                     "--attention",
                     "additive",
                     "--cell",
                     "gru",
                     "--bidirectional",
                     "--hidden",
                     "24",
                     "--layers",
                     "1",
                     "--batch",
                     "32",
                     "--lr",
                     "0.005",
                     "--steps",
                     "400",
                     "--teacher-forcing",
                     "0.5",
                     "--teacher-forcing-steps",
                     "300",
                     "--max-length",
                     "12"};
    const Finished done = train("seq2seq", reversals(1500, 1), more);
    ASSERT_EQ(done.exit_code, 0) << done.err;
    EXPECT_GE(figure_of("exact", reversals(100, 2)), 0.8);
    EXPECT_EQ(predict("1234\n20\n", "translate", {"--beam", "4"}), (Words{"4321", "02"}));
    EXPECT_EQ(train("seq2seq", reversals(50, 1), {"--overwrite", "--decoder", "input_feeding", "--attention", "none"})
                  .exit_code,
              2);
    EXPECT_EQ(train("seq2seq", reversals(50, 1), {"--overwrite", "--teacher-forcing", "1.5"}).exit_code, 2);
}

TEST_F(Tasks, Seq2SeqReadsParallelFiles) {
    std::string sources, targets;
    std::istringstream lines(reversals(300, 1));
    for (std::string line; std::getline(lines, line);) {
        sources += line.substr(0, line.find('\t')) + "\n";
        targets += line.substr(line.find('\t') + 1) + "\n";
    }
    write_text(folder.file("target"), targets);
    const Words more{"--train-target", folder.file("target"), "--hidden", "8", "--layers", "1", "--steps", "2"};
    EXPECT_EQ(train("seq2seq", sources, more).exit_code, 0);
    write_text(folder.file("target"), targets + "1\n");
    const Finished uneven = train("seq2seq", sources, more);
    EXPECT_EQ(uneven.exit_code, 2);
    EXPECT_NE(uneven.err.find("train_target"), std::string::npos) << uneven.err;
}

/// Letters held for one to three steps, with silence between.
std::string recordings(int count, std::uint64_t seed) {
    Random random(seed);
    std::string text;
    for (int i = 0; i < count; ++i) {
        std::string word, heard;
        const std::int64_t length = 1 + random.below(5);
        for (std::int64_t t = 0; t < length; ++t) {
            const char c = static_cast<char>('a' + random.below(4));
            heard += std::string(static_cast<std::size_t>(1 + random.below(3)), c) + "__";
            word += c;
        }
        text += heard + "\t" + word + "\n";
    }
    return text;
}

TEST_F(Tasks, CtcTranscribes) {
    const Finished done =
        train("ctc", recordings(800, 1),
              {"--hidden", "16", "--layers", "1", "--batch", "16", "--epochs", "4", "--bidirectional"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    EXPECT_LE(figure_of("symbol_error_rate", recordings(100, 2)), 0.02);
    EXPECT_LE(figure_of("word_error_rate", recordings(100, 2)), 0.05);
    EXPECT_EQ(predict("aa__a__bbb__\n"), (Words{"aab"}));
}

/// Features of two numbers a step: which one is high says the label, and half the steps are silent.
TEST_F(Tasks, CtcReadsFeatures) {
    Random random(3);
    std::vector<HostTensor> tensors;
    Metadata metadata;
    for (int i = 0; i < 200; ++i) {
        const std::int64_t length = 1 + random.below(4);
        HostTensor x("x." + std::to_string(i), DType::f32, {4 * length, 2});
        std::string word;
        for (std::int64_t t = 0; t < 4 * length; ++t)
            for (std::int64_t f = 0; f < 2; ++f) x.as<float>()[static_cast<std::size_t>(2 * t + f)] = 0.1f;
        for (std::int64_t u = 0; u < length; ++u) {
            const std::int64_t label = random.below(2);
            for (std::int64_t t = 4 * u; t < 4 * u + 2; ++t) x.as<float>()[static_cast<std::size_t>(2 * t + label)] = 1;
            word += label == 0 ? 'p' : 'q';
        }
        tensors.push_back(std::move(x));
        metadata["y." + std::to_string(i)] = word;
    }
    std::vector<NamedTensor> named;
    for (const HostTensor& x : tensors) named.push_back({x.name, x.view()});
    write_safetensors(folder.file("data.safetensors"), named, metadata);
    ASSERT_EQ(train_file("ctc", folder.file("data.safetensors"),
                         {"--hidden", "12", "--layers", "1", "--batch", "16", "--epochs", "20", "--bidirectional"})
                  .exit_code,
              0);
    EXPECT_LE(figure("symbol_error_rate", folder.file("data.safetensors")), 0.05);
}

std::string seasons(int count) {
    std::string text = "month,value\n";
    Random random(5);
    const std::vector<double> noise = random.uniforms(count);
    for (int t = 0; t < count; ++t)
        text += std::to_string(t) + "," +
                std::to_string(50 + 20 * std::sin(2 * M_PI * t / 12) + 8 * std::sin(2 * M_PI * t / 17) +
                               noise[static_cast<std::size_t>(t)]) +
                "\n";
    return text;
}

/// Two periods that do not fit: last year's number is not what comes.
TEST_F(SlowTasks, ForecastBeatsTheSeasonalNaive) {
    const Finished done =
        train("forecast", seasons(500),
              {"--hidden", "24", "--layers", "1", "--batch", "32", "--epochs", "60", "--context", "36", "--horizon",
               "6", "--pool", "last", "--validation-fraction", "0.15", "--test-fraction", "0.15"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    EXPECT_NE(done.err.find("test: step"), std::string::npos);
    EXPECT_LE(figure_of("mase", seasons(500)), 0.4);
    EXPECT_LE(figure_of("mae", seasons(500)), 0.4 * figure_of("naive_mae", seasons(500)));
    const Words next = predict(seasons(470));
    ASSERT_EQ(next.size(), 6u);
    for (std::size_t h = 0; h < 6; ++h) {
        const double t = 470 + static_cast<double>(h);
        EXPECT_NEAR(std::stod(next[h]), 50 + 20 * std::sin(2 * M_PI * t / 12) + 8 * std::sin(2 * M_PI * t / 17), 4);
    }
}

/// Twelve months that grow by a quarter a year: their logarithms differ from the year before's by hardly more than noise.
std::string growth(int count) {
    std::string text = "# made here\nmonth,value\n";
    Random random(6);
    for (int t = 0; t < count; ++t)
        text += std::to_string(t) + "," +
                std::to_string(100 * std::exp(0.02 * t + std::sin(t % 12) + random.uniform(0.001))) + "\n";
    return text;
}

/// Trained for a step only: what is right comes from the differences, also where one is added to another forecast.
TEST_F(Tasks, ForecastsOfDifferencesOfLogarithms) {
    const Words more{
        "--hidden", "4", "--layers",     "1",  "--context",   "3",   "--horizon",   "15",
        "--steps",  "1", "--difference", "12", "--transform", "log", "--overwrite", "--validation-fraction",
        "0"};
    ASSERT_EQ(train("forecast", growth(100), more).exit_code, 0);
    EXPECT_LE(figure_of("smape", growth(100)), 1);
    const Words next = predict(growth(15));
    ASSERT_EQ(next.size(), 15u);
    for (int h = 0; h < 15; ++h)
        EXPECT_NEAR(std::log(std::stod(next[static_cast<std::size_t>(h)]) / 100),
                    0.02 * (15 + h) + std::sin((15 + h) % 12), 0.02);
    const Finished refused = train("forecast", growth(50) + "50,0\n", more);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_NE(refused.err.find("transform = log: is of no number like 0"), std::string::npos) << refused.err;
}

/// The recipe and the series that come along, for a few epochs.
TEST_F(Tasks, AirlinePassengersAreForecastBetterThanByTheYearBefore) {
    const std::string data = RONDO_SOURCE_DIR "/host/cli/data/airline.csv";
    const Finished done =
        run_rondo({"train", "--config", RONDO_SOURCE_DIR "/host/cli/configs/airline.json", "--train", data, "--out",
                   folder.file("run"), "--epochs", "6", "--device", "cpu", "--threads", "1"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    EXPECT_LE(figure("mase", data), 0.6);
    EXPECT_LE(figure("mae", data), 0.6 * figure("naive_mae", data));
}

TEST_F(Tasks, TransformersModelLanguage) {
    std::string text;
    for (int i = 0; i < 400; ++i) text += "the quick brown fox jumps over the lazy dog .\n";
    ASSERT_EQ(train("lm", text,
                    {"--model", "transformer", "--hidden", "16", "--heads", "2", "--layers", "1", "--window", "32",
                     "--batch", "8", "--steps", "120"})
                  .exit_code,
              0);
    EXPECT_LE(figure_of("perplexity", text), 1.2);
    const Finished written = run_rondo({"generate", "--checkpoint", folder.file("run"), "--prompt", "the quick ",
                                        "--length", "9", "--temperature", "0", "--device", "cpu", "--threads", "1"});
    EXPECT_EQ(written.out, "the quick brown fox\n");
}

/// Each word of two stems, which the pieces then are.
std::string stems(int count, std::uint64_t seed) {
    Random random(seed);
    const char* stem[] = {"wald", "haus", "berg", "stein"};
    std::string text;
    for (int i = 0; i < count; ++i) {
        const std::int64_t a = random.below(4), b = random.below(4);
        text += std::string(stem[a]) + stem[b] + " im " + stem[b] + "\t" + stem[b] + " " + stem[a] + "\n";
    }
    return text;
}

TEST_F(Tasks, SubwordsAreCutBySentencePiece) {
    const Words more{"--tokens", "subwords", "--vocabulary", "40",      "--hidden", "32",         "--layers",
                     "1",        "--batch",  "16",           "--steps", "250",      "--overwrite"};
    const Finished done = train("seq2seq", stems(400, 1), more);
#if RONDO_HAVE_SENTENCEPIECE
    ASSERT_EQ(done.exit_code, 0) << done.err;
    EXPECT_GE(figure_of("exact", stems(50, 2)), 0.95);
    EXPECT_EQ(predict("waldstein im stein\n"), (Words{"stein wald"}));

    // A model of the user's own, and what a language model writes with it.
    cli::TrainConfig config;
    config.tokens = "subwords";
    config.vocabulary = 30;
    const std::string text = "der waldberg ruft\nder steinberg ruft\n";
    const cli::Tokenizer tokenizer(text + text, config);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    EXPECT_EQ(tokenizer.decode(cli::Tokenizer(tokenizer.metadata()).encode_line("der berg")), "der berg");
    EXPECT_LT(tokenizer.encode_line("der waldberg").size(), 12u);  // more than characters
    write_text(folder.file("my.model"), cli::Subwords::train(text + text, 30).serialized());
    std::string lines;
    for (int i = 0; i < 100; ++i) lines += text.substr(0, 18);
    ASSERT_EQ(train("lm", lines,
                    {"--tokens", "subwords", "--subword-model", folder.file("my.model"), "--hidden", "16", "--layers",
                     "1", "--window", "8", "--batch", "4", "--steps", "60", "--overwrite"})
                  .exit_code,
              0);
    const Finished written = run_rondo({"generate", "--checkpoint", folder.file("run"), "--prompt", "der", "--length",
                                        "24", "--temperature", "0", "--device", "cpu"});
    EXPECT_TRUE(written.out.starts_with("der waldberg ruft\nd")) << written.out;

    write_text(folder.file("my.model"), "no model");
    const Finished refused = train(
        "seq2seq", stems(50, 1), {"--tokens", "subwords", "--subword-model", folder.file("my.model"), "--steps", "1"});
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_NE(refused.err.find("subword_model = 8 bytes"), std::string::npos) << refused.err;
    Metadata damaged = tokenizer.metadata();
    damaged["subwords.model"].pop_back();
    EXPECT_THROW(cli::Tokenizer{damaged}, Error);
#else
    EXPECT_EQ(done.exit_code, 2);
    EXPECT_NE(done.err.find("libsentencepiece-dev"), std::string::npos) << done.err;
#endif
}

TEST(TextOfPieces, SpacesAndBytes) {
    EXPECT_EQ(cli::text_of_piece("\u2581ab\u2581"), " ab ");
    EXPECT_EQ(cli::text_of_piece("<0xC3>"), "\xC3");
    EXPECT_EQ(cli::text_of_piece("<0xG3>"), "<0xG3>");
}

TEST(AttentionMaps, ArePlacedByRowAndColumn) {
    const std::string svg = cli::svg_of({{{"<", " "}, {"&"}, {0.25, 0.75}}});
    EXPECT_NE(svg.find(">&lt;</text>"), std::string::npos) << svg;
    EXPECT_NE(svg.find(">\u2423</text>"), std::string::npos);
    EXPECT_NE(svg.find(">&amp;</text>"), std::string::npos);
    EXPECT_NE(svg.find("x=\"21\" y=\"21\" width=\"22\" height=\"22\" fill-opacity=\"0.250\""), std::string::npos);
    EXPECT_NE(svg.find("x=\"43\" y=\"21\" width=\"22\" height=\"22\" fill-opacity=\"0.750\""), std::string::npos);
}

/// What `rondo data` writes, by lines.
std::vector<std::pair<std::string, std::string>> made(const Words& words) {
    Words args{"data"};
    args.insert(args.end(), words.begin(), words.end());
    const Finished done = run_rondo(args);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    std::vector<std::pair<std::string, std::string>> lines;
    std::istringstream stream(done.out);
    for (std::string line; std::getline(stream, line);)
        lines.emplace_back(line.substr(0, line.find('\t')), line.substr(line.find('\t') + 1));
    return lines;
}

TEST(MadeData, SumsAreRightAndNoneIsTwice) {
    const auto lines = made({"addition", "--count", "2000", "--digits", "2", "--seed", "7"});
    std::set<std::pair<int, int>> seen;
    for (const auto& [sum, result] : lines) {
        const int a = std::stoi(sum), b = std::stoi(sum.substr(sum.find('+') + 1));
        EXPECT_EQ(std::stoi(result), a + b) << sum;
        EXPECT_LT(std::max(a, b), 100);
        EXPECT_TRUE(seen.insert(std::minmax(a, b)).second) << sum;
    }
    EXPECT_EQ(lines.size(), 2000u);
    EXPECT_EQ(lines, made({"addition", "--count", "2000", "--digits", "2", "--seed", "7"}));
    EXPECT_NE(lines, made({"addition", "--count", "2000", "--digits", "2", "--seed", "8"}));
    expect_refused(run_rondo({"data", "addition", "--digits", "1", "--count", "28"}), "count = 28: must be at most 27");
    expect_refused(run_rondo({"data"}), "subcommand");
}

TEST(MadeData, DatesAreRight) {
    const auto lines = made({"dates", "--count", "500"});
    const char* weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    std::set<std::string> seen;
    int with_weekday = 0;
    for (auto [text, date] : lines) {
        std::tm day{};
        ASSERT_NE(strptime(date.c_str(), "%Y-%m-%d", &day), nullptr) << date;
        EXPECT_EQ(date.size(), 10u);
        EXPECT_NE(text.find(date.substr(0, 4)), std::string::npos) << text;
        EXPECT_NE(text.find(std::to_string(day.tm_mday)), std::string::npos) << text;
        EXPECT_TRUE(seen.insert(text).second) << text;
        for (char& c : text) c = static_cast<char>(std::tolower(c));
        char month[16];
        std::strftime(month, sizeof month, "%b", &day);
        month[0] = static_cast<char>(std::tolower(month[0]));
        EXPECT_TRUE(text.find(month) != std::string::npos ||
                    text.find(std::to_string(day.tm_mon + 1)) != std::string::npos);
        const std::time_t when = timegm(&day);
        for (int d = 0; d < 7; ++d) {
            if (!text.starts_with(weekdays[d])) continue;
            EXPECT_EQ(gmtime(&when)->tm_wday, d) << text;
            ++with_weekday;
        }
    }
    EXPECT_GT(with_weekday, 50);
}

/// Every recipe that comes along, by a smaller model and a few steps.
TEST_F(Tasks, RecipesRun) {
    namespace fs = std::filesystem;
    std::string sources, targets;
    std::istringstream lines(reversals(60, 1));
    for (std::string line; std::getline(lines, line);) {
        sources += line.substr(0, line.find('\t')) + "\n";
        targets += line.substr(line.find('\t') + 1) + "\n";
    }
    write_text(folder.file("source"), sources);
    write_text(folder.file("target"), targets);
    write_text(folder.file("pairs"), reversals(60, 1));
    write_text(folder.file("labels"), colours(60, 1));
    int recipes = 0;
    for (const fs::directory_entry& file : fs::directory_iterator(RONDO_SOURCE_DIR "/host/cli/configs")) {
        const std::string name = file.path().stem().string();
        if (name.starts_with("ptb_")) continue;  // train_test.cpp
        const std::string text = read_text(file.path().string());
        Words args{
            "train",   "--config", file.path().string(), "--out", folder.file(name), "--hidden", "8", "--steps", "2",
            "--batch", "8",        "--device",           "cpu",   "--threads",       "1"};
        const auto data = [&](const char* field, const std::string& path) {
            if (text.find(std::string("\"") + field + "\"") == std::string::npos) return;
            std::string flag = std::string("--") + field;
            std::replace(flag.begin(), flag.end(), '_', '-');
            args.insert(args.end(), {flag, path});
        };
        const bool parallel = text.find("\"train_target\"") != std::string::npos;
        const std::string forecast = std::string(RONDO_SOURCE_DIR "/host/cli/data/") + name + ".csv";
        const std::string set = text.find("\"classify\"") != std::string::npos   ? folder.file("labels")
                                : text.find("\"forecast\"") != std::string::npos ? forecast
                                : parallel                                       ? folder.file("source")
                                                                                 : folder.file("pairs");
        for (const char* field : {"train", "validation", "test"}) data(field, set);
        if (text.find("\"seq2seq\"") != std::string::npos)
            args.insert(args.end(), {"--evaluation-examples", "2", "--max-length", "3"});
        for (const char* field : {"train_target", "validation_target", "test_target"})
            data(field, folder.file("target"));
        const Finished done = run_rondo(args);
        EXPECT_EQ(done.exit_code, 0) << name << ": " << done.err;
        ++recipes;
    }
    EXPECT_GE(recipes, 14);
}

/// Noise inside the recurrence changes what training makes of the weights, in every task and in cells of every kind.
TEST_F(Tasks, LayersAreDescribedAlikeInAllOfThem) {
    const std::tuple<std::string, std::string, std::string> tasks[] = {{"classify", colours(30, 1), "rnn"},
                                                                       {"tag", letters(30, 1), "rnn"},
                                                                       {"seq2seq", reversals(30, 1), "encoder_rnn"},
                                                                       {"ctc", recordings(30, 1), "rnn"},
                                                                       {"forecast", seasons(400), "rnn"}};
    for (const auto& [task, data, node] : tasks) {
        std::string weights[2];
        for (const bool noisy : {false, true}) {
            const std::string first =
                R"({"cell": "slstm", "hidden": 6)" + std::string(noisy ? R"(, "zoneout": 0.3})" : "}");
            const Words more{"--layers",
                             "[" + first + R"(, {"cell": "lngru", "hidden": 5}])",
                             "--bidirectional",
                             "--steps",
                             "2",
                             "--batch",
                             "8",
                             "--overwrite"};
            const Finished done = train(task, data, more);
            ASSERT_EQ(done.exit_code, 0) << task << ": " << done.err;
            const SafetensorsReader file(folder.file("run/last.safetensors"));
            const TensorInfo& tensor = file.tensor(node + ".weight_hh_l0_reverse");
            weights[noisy].resize(static_cast<std::size_t>(tensor.bytes()));
            file.read(tensor, reinterpret_cast<std::byte*>(weights[noisy].data()));
        }
        EXPECT_NE(weights[0], weights[1]) << task;
    }
    const Finished steps =
        train("seq2seq", reversals(30, 1), {"--decoder", "bahdanau", "--recurrent-dropout", "0.3", "--steps", "1"});
    EXPECT_EQ(steps.exit_code, 2);
    EXPECT_NE(steps.err.find("must not draw masks for a whole sequence in a loop"), std::string::npos) << steps.err;
}

TEST(ModelConfig, EncodersHaveAllThatLayersHave) {
    cli::TrainConfig config;
    config.bidirectional = true;
    config.biases = "one";
    config.cell_clip = 3;
    config.dropout = 0.1;
    config.input_dropout = 0.2;
    config.dropout_per_sequence = true;
    config.recurrent_dropout = 0.3;
    config.weight_dropout = 0.4;
    config.zoneout = 0.5;
    config.zoneout_cell = 0.6;
    LayerSpec layer{.cell = "lstm", .hidden = 256, .direction = Direction::bidirectional, .biases = Biases::one};
    layer.cell_clip = 3;
    layer.dropout = 0.1;
    layer.dropout_per_sequence = true;
    layer.recurrent_dropout = 0.3;
    layer.weight_dropout = 0.4;
    layer.zoneout = 0.5;
    layer.zoneout_cell = 0.6;
    LayerSpec first = layer;
    first.dropout = 0.2;
    EXPECT_EQ(cli::encoder_of(config, 5).stack, (std::vector<LayerSpec>{first, layer}));
}

TEST_F(Tasks, GoOnExactlyWhereTheyStopped) {
    const Words common{"--tokens", "words", "--hidden", "8", "--layers", "1", "--batch", "16", "--dropout", "0.2"};
    const auto with = [&](Words more) {
        Words all = common;
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    ASSERT_EQ(train("classify", colours(200, 1), with({"--steps", "30"})).exit_code, 0);
    const std::string whole = read_text(folder.file("run/last.safetensors"));
    ASSERT_EQ(train("classify", colours(200, 1), with({"--steps", "17", "--overwrite"})).exit_code, 0);
    ASSERT_EQ(run_rondo({"train", "--resume", folder.file("run"), "--steps", "30"}).exit_code, 0);
    const SafetensorsReader parts(folder.file("run/last.safetensors"));
    write_text(folder.file("whole.safetensors"), whole);
    const SafetensorsReader at_once(folder.file("whole.safetensors"));
    for (const TensorInfo& tensor : at_once.tensors()) {
        std::vector<std::byte> a(static_cast<std::size_t>(tensor.bytes())), b(a.size());
        at_once.read(tensor, a.data());
        parts.read(parts.tensor(tensor.name), b.data());
        EXPECT_EQ(a, b) << tensor.name;
    }
}

TEST_F(Tasks, RefuseWhatDoesNotFit) {
    const auto refused = [&](const std::string& task, const std::string& data, Words more, const std::string& why) {
        more.insert(more.end(), {"--steps", "2", "--hidden", "8", "--overwrite"});
        const Finished done = train(task, data, more);
        EXPECT_EQ(done.exit_code, 2) << task;
        EXPECT_NE(done.err.find(why), std::string::npos) << done.err;
    };
    refused("poetry", "a\tb\n", {}, "task = poetry");
    refused("classify", "no tab\n", {}, "line 1");
    refused("classify", "a\tb\na\tc\n", {"--validation-fraction", "0"}, "two different");
    refused("tag", "a\n", {}, "line 1");
    refused("seq2seq", "a\tb\n\tc\n", {}, "line 2");
    refused("seq2seq", reversals(20, 1), {"--attention", "soft"}, "attention = soft");
    refused("ctc", "ab\tabc\n", {"--validation-fraction", "0"}, "must fit its 2 steps");
    refused("forecast", "1\n2\nx3\n", {}, "line 3");
    refused("forecast", "1\n2\n3\n", {}, "too short");
    refused("lm", letters(400, 1), {"--bidirectional"}, "bidirectional");
    ASSERT_EQ(train("tag", letters(50, 1), {"--steps", "1", "--overwrite", "--hidden", "8"}).exit_code, 0);
    expect_refused(
        run_rondo({"eval", "--checkpoint", folder.file("run"), "--text", folder.file("data"), "--window", "4"}),
        "window = 4: is for task lm");
    expect_refused(run_rondo({"translate", "--checkpoint", folder.file("run"), "--length-penalty", "1"}),
                   "length_penalty = 1: is for a beam");
    for (const char* command : {"generate", "translate"})
        EXPECT_EQ(run_rondo({command, "--checkpoint", folder.file("run"), "--device", "cpu"}).exit_code, 2) << command;
}

}  // namespace
}  // namespace rondo
