/// Every task of rondo train, end to end on data made here: each must reach a stated quality, on what it was not trained
/// on; and what eval, predict and translate make of the model.
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "cli/program_runner.hpp"
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
    for (const char* command : {"generate", "translate"})
        EXPECT_EQ(run_rondo({command, "--checkpoint", folder.file("run"), "--device", "cpu"}).exit_code, 2) << command;
}

}  // namespace
}  // namespace rondo
