// rondo train, eval and generate, end to end on small texts.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <map>
#include <sstream>
#include <thread>

#include "cli/program_runner.hpp"
#include "rondo/checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

using namespace test;
namespace fs = std::filesystem;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RONDO_SLOWED_DOWN 1
#endif
#endif
#if defined(RONDO_SLOWED_DOWN)
constexpr int kLinesOfSeconds = 400;
#else
constexpr int kLinesOfSeconds = 6000;  ///< of a text that takes a model of 300 units some seconds
#endif

/// Sentences of few words: soon learned, never quite.
std::string small_text(int lines) {
    const char* subjects[] = {"the cat", "a dog", "the old man", "my friend"};
    const char* verbs[] = {"sees", "likes", "follows", "hears"};
    std::string text;
    unsigned state = 12345;
    for (int i = 0; i < lines; ++i) {
        state = state * 1664525u + 1013904223u;
        text += std::string(subjects[state >> 30]) + " " + verbs[state >> 28 & 3] + " " + subjects[state >> 26 & 3] +
                " .\n";
    }
    return text;
}

std::vector<std::vector<std::string>> rows_of(const std::string& csv) {
    std::vector<std::vector<std::string>> rows;
    std::istringstream lines(read_text(csv));
    for (std::string line; std::getline(lines, line);) {
        rows.emplace_back();
        std::istringstream cells(line);
        for (std::string cell; std::getline(cells, cell, ',');) rows.back().push_back(cell);
    }
    return rows;
}

class Train : public testing::Test {
protected:
    Train() { write_text(folder.file("text"), small_text(400)); }

    /// A small model, trained to `out` in the folder.
    std::vector<std::string> args(const std::string& out, std::vector<std::string> more) const {
        std::vector<std::string> all = {"train",    "--text",  folder.file("text"),
                                        "--hidden", "32",      "--layers",
                                        "1",        "--batch", "8",
                                        "--window", "16",      "--log-every",
                                        "5",        "--lr",    "0.01",
                                        "--device", "cpu",     "--threads",
                                        "1"};
        all.insert(all.end(), {"--out", folder.file(out)});
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    Finished train(const std::string& out, std::vector<std::string> more) const {
        return run_rondo(args(out, std::move(more)));
    }

    /// The loss column of log.csv.
    std::vector<double> losses(const std::string& out) const {
        std::vector<double> values;
        const auto rows = rows_of(folder.file(out + "/log.csv"));
        for (std::size_t i = 1; i < rows.size(); ++i) values.push_back(std::stod(rows[i].at(4)));
        return values;
    }
    /// Parameters and optimizer moments of a checkpoint are the same, bit for bit.
    void expect_equal(const std::string& a, const std::string& b) const {
        const Checkpoint first = load_checkpoint(folder.file(a)), second = load_checkpoint(folder.file(b));
        ASSERT_EQ(first.tensors.size(), second.tensors.size());
        for (const HostTensor& tensor : first.tensors)
            EXPECT_EQ(tensor.data, find(second.tensors, tensor.name).data) << tensor.name;
        for (const char* key : {"progress.step", "progress.epoch", "progress.window"})
            EXPECT_EQ(first.metadata.at(key), second.metadata.at(key)) << key;
    }
    TemporaryFolder folder;
};
class SlowTrain : public Train {};

TEST_F(Train, LossFallsAndTheModelCanBeUsed) {
    const Finished trained = train("run", {"--steps", "60", "--validation-fraction", "0.2"});
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    const std::vector<double> loss = losses("run");
    ASSERT_EQ(loss.size(), 12u);
    EXPECT_LT(loss.back(), 0.6 * loss.front());
    EXPECT_NE(trained.out.find("checkpoint: " + folder.file("run/last.safetensors")), std::string::npos) << trained.out;
    EXPECT_NE(trained.err.find("validation: "), std::string::npos) << trained.err;
    EXPECT_TRUE(fs::exists(folder.file("run/best.safetensors")));
    EXPECT_GE(rows_of(folder.file("run/evaluations.csv")).size(), 2u);

    const Finished measured =
        run_rondo({"eval", "--checkpoint", folder.file("run"), "--text", folder.file("text"), "--device", "cpu"});
    ASSERT_EQ(measured.exit_code, 0) << measured.err;
    const std::size_t at = measured.out.find("perplexity: ");
    ASSERT_NE(at, std::string::npos) << measured.out;
    EXPECT_LT(std::stod(measured.out.substr(at + 12)), 8.0);  // of some 25 characters
    // The window is a matter of speed alone.
    const Finished other =
        run_rondo({"eval", "--checkpoint", folder.file("run"), "--text", folder.file("text"), "--window", "7"});
    EXPECT_EQ(measured.out.substr(0, at + 15), other.out.substr(0, at + 15));

    const std::vector<std::string> generate = {"generate", "--checkpoint", folder.file("run"), "--prompt", "the ",
                                               "--length", "80",           "--seed",           "4"};
    const Finished first = run_rondo(generate), second = run_rondo(generate);
    ASSERT_EQ(first.exit_code, 0) << first.err;
    EXPECT_EQ(first.out.rfind("the ", 0), 0u);
    EXPECT_EQ(first.out.size(), 4u + 80u + 1u);
    EXPECT_EQ(first.out, second.out);
    auto other_seed = generate;
    other_seed.back() = "5";
    EXPECT_NE(run_rondo(other_seed).out, first.out);
    auto several = generate;
    several.insert(several.end(), {"--texts", "2", "--timing", folder.file("timing")});
    const Finished both = run_rondo(several);
    const std::string head = "---- 1 of 2\n" + first.out + "---- 2 of 2\nthe ";
    EXPECT_EQ(both.out.substr(0, head.size()), head) << both.err;
    EXPECT_EQ(both.out.size(), head.size() + 80u + 1u);
    EXPECT_NE(both.out.substr(head.size() - 4), first.out);
    std::int64_t tokens = 0;
    const std::string timing = read_text(folder.file("timing")), field = "\"tokens\": ";
    for (std::size_t i = timing.find(field); i != std::string::npos; i = timing.find(field, i + 1))
        tokens += std::stoll(timing.substr(i + field.size()));
    EXPECT_EQ(tokens, 80);

    const Finished info = run_rondo({"info", folder.file("run/best.safetensors")});
    EXPECT_EQ(info.exit_code, 0);
    EXPECT_NE(info.out.find("checkpoint"), std::string::npos);
    EXPECT_NE(info.out.find("rnn.weight_hh_l0"), std::string::npos);
}

TEST_F(Train, ResumingEqualsNeverHavingStopped) {
    // Dropout, an epoch's end and an optimizer with moments lie between.
    const std::vector<std::string> same = {"--dropout", "0.2", "--evaluate-every", "20"};
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.end(), same.begin(), same.end());
        return more;
    };
    ASSERT_EQ(train("whole", with({"--steps", "90"})).exit_code, 0);
    ASSERT_EQ(train("parts", with({"--steps", "33"})).exit_code, 0);
    for (const char* steps : {"34", "90"}) {
        const Finished resumed = run_rondo({"train", "--resume", folder.file("parts"), "--steps", steps});
        ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    }
    expect_equal("whole/last.safetensors", "parts/last.safetensors");
    // The log goes on where it was.
    EXPECT_EQ(rows_of(folder.file("parts/log.csv")).back().at(0), "90");
    const Finished again = run_rondo({"train", "--resume", folder.file("parts"), "--steps", "90"});
    EXPECT_EQ(again.exit_code, 0) << again.err;
    expect_equal("whole/last.safetensors", "parts/last.safetensors");
}

TEST_F(Train, TheSameSeedGivesTheSameModel) {
    ASSERT_EQ(train("a", {"--steps", "12", "--dropout", "0.3"}).exit_code, 0);
    ASSERT_EQ(train("b", {"--steps", "12", "--dropout", "0.3"}).exit_code, 0);
    ASSERT_EQ(train("c", {"--steps", "12", "--dropout", "0.3", "--seed", "2"}).exit_code, 0);
    expect_equal("a/last.safetensors", "b/last.safetensors");
    EXPECT_NE(losses("a"), losses("c"));
}

TEST_F(Train, AnInterruptSavesAndCanBeGoneOnFrom) {
    const pid_t child = start_rondo(args("run", {"--steps", "1000000"}), folder.file("output"));
    const auto start = std::chrono::steady_clock::now();
    while (!fs::exists(folder.file("run/log.csv")) || rows_of(folder.file("run/log.csv")).size() < 3) {
        ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(120))
            << read_text(folder.file("output"));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_EQ(::kill(child, SIGINT), 0);
    EXPECT_EQ(wait_for(child), 0) << read_text(folder.file("output"));
    EXPECT_NE(read_text(folder.file("output")).find("interrupted"), std::string::npos);
    const std::int64_t steps =
        std::stoll(load_checkpoint(folder.file("run/last.safetensors")).metadata.at("progress.step"));
    EXPECT_GT(steps, 0);

    const std::string goal = std::to_string(steps + 5);
    ASSERT_EQ(run_rondo({"train", "--resume", folder.file("run"), "--steps", goal}).exit_code, 0);
    ASSERT_EQ(train("whole", {"--steps", goal}).exit_code, 0);
    expect_equal("run/last.safetensors", "whole/last.safetensors");
}

/// Validating takes long here: one stream, thousands of windows of one step.
TEST_F(SlowTrain, AnInterruptedEvaluationIsMadeUpFor) {
    write_text(folder.file("long"), small_text(kLinesOfSeconds));
    const std::vector<std::string> more = {
        "--validation", folder.file("long"), "--evaluation-batch", "1", "--evaluate-every", "3"};
    std::vector<std::string> slow = more;
    slow.insert(slow.end(), {"--steps", "6", "--hidden", "300"});
    const pid_t child = start_rondo(args("run", slow), folder.file("output"));
    const auto start = std::chrono::steady_clock::now();
    // The third step is in the log at the end of training alone: what shows that it validates is time.
    while (!fs::exists(folder.file("run/last.safetensors")) ||
           std::chrono::steady_clock::now() - start < std::chrono::seconds(1)) {
        ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(120))
            << read_text(folder.file("output"));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_EQ(::kill(child, SIGINT), 0);
    EXPECT_EQ(wait_for(child), 0) << read_text(folder.file("output"));
    EXPECT_NE(read_text(folder.file("output")).find("interrupted"), std::string::npos);
    const Metadata stopped = load_checkpoint(folder.file("run/last.safetensors")).metadata;
    if (stopped.at("progress.step") == "3") {
        EXPECT_EQ(stopped.at("run.due"), "1");
    }
    ASSERT_EQ(run_rondo({"train", "--resume", folder.file("run"), "--steps", "6"}).exit_code, 0);
    const auto rows = rows_of(folder.file("run/evaluations.csv"));
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[1].at(0), "3");
    EXPECT_EQ(rows[2].at(0), "6");
}

TEST_F(Train, GoingOnElsewhereTakesTheRunAlong) {
    ASSERT_EQ(train("first", {"--steps", "20", "--evaluate-every", "10"}).exit_code, 0);
    ASSERT_EQ(train("other", {"--steps", "5"}).exit_code, 0);
    const std::string before = read_text(folder.file("other/last.safetensors"));
    const std::vector<std::string> resume = {"train", "--resume", folder.file("first"), "--steps", "30", "--out"};
    auto to = [&](const char* out) {
        std::vector<std::string> all = resume;
        all.push_back(folder.file(out));
        return run_rondo(all);
    };
    const Finished refused = to("other");
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_NE(refused.err.find("holds a run already"), std::string::npos) << refused.err;
    EXPECT_EQ(read_text(folder.file("other/last.safetensors")), before);

    const Finished moved = to("second");
    ASSERT_EQ(moved.exit_code, 0) << moved.err;
    EXPECT_TRUE(fs::exists(folder.file("second/best.safetensors")));
    const auto rows = rows_of(folder.file("second/log.csv"));
    EXPECT_EQ(rows.at(1).at(0), "5");
    EXPECT_EQ(rows.back().at(0), "30");
    EXPECT_EQ(load_checkpoint(folder.file("first/last.safetensors")).metadata.at("progress.step"), "20");
}

TEST_F(Train, GivingUpSavesWhatThereIs) {
    const Finished finished = train("run", {"--steps", "50", "--cell", "rnn_relu", "--optimizer", "sgd", "--lr", "1e12",
                                            "--clip", "none", "--max-skipped", "4"});
    EXPECT_EQ(finished.exit_code, 1);
    EXPECT_NE(finished.err.find("4 steps in a row had a gradient that is not finite"), std::string::npos)
        << finished.err;
    EXPECT_NE(finished.err.find("gave up"), std::string::npos) << finished.err;
    for (const HostTensor& tensor : load_checkpoint(folder.file("run/last.safetensors")).tensors)
        if (tensor.dtype == DType::f32)
            for (float v : tensor.as<float>()) ASSERT_TRUE(std::isfinite(v)) << tensor.name;
    EXPECT_EQ(rows_of(folder.file("run/log.csv")).back().at(9), "4");
}

TEST_F(Train, PatienceEndsIt) {
    // A rate of zero never improves: the first evaluation is the best, the two after it are waited for.
    const Finished finished =
        train("run", {"--steps", "1000", "--lr", "0", "--evaluate-every", "10", "--patience", "2"});
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_NE(finished.err.find("no longer improves: 30 steps"), std::string::npos) << finished.err;
    EXPECT_NE(finished.out.find("best: " + folder.file("run/best.safetensors") + " (step 10,"), std::string::npos);
}

TEST_F(Train, MinutesAndEpochsEndIt) {
    const auto start = std::chrono::steady_clock::now();
    ASSERT_EQ(train("short", {"--minutes", "0.02"}).exit_code, 0);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
    ASSERT_EQ(train("two", {"--epochs", "2", "--window", "64", "--test-fraction", "0.1"}).exit_code, 0);
    const Checkpoint checkpoint = load_checkpoint(folder.file("two/last.safetensors"));
    EXPECT_EQ(checkpoint.metadata.at("progress.epoch"), "2");
    const auto rows = rows_of(folder.file("two/evaluations.csv"));
    ASSERT_EQ(rows.size(), 4u);
    EXPECT_EQ(rows[1].at(3), "validation");
    EXPECT_EQ(rows[2].at(3), "validation");
    EXPECT_EQ(rows[3].at(3), "test");
}

TEST_F(Train, EveryKindOfTokenAndStack) {
    struct {
        const char* name;
        std::vector<std::string> flags;
    } kinds[] = {
        {"bytes", {"--tokens", "bytes", "--cell", "gru", "--reset-before"}},
        {"words", {"--tokens", "words", "--vocabulary", "12", "--optimizer", "sgd", "--lr", "1"}},
        {"mixed",
         {"--layers",
          R"([{"cell": "gru", "hidden": 24}, {"hidden": 20, "projection": 10, "dropout": 0.1}, {"cell": "rnn_tanh"}])"}},
        {"tied",
         {"--tied", "--embedding", "32", "--recurrent-clip", "value:1", "--clip", "value", "--clip-limit", "0.5"}},
        {"sampled", {"--softmax", "sampled", "--samples", "6", "--tied", "--embedding", "32"}},
        {"tbptt", {"--window", "8", "--history", "24", "--schedule", "cosine", "--warmup", "3", "--forget-bias", "1"}},
        {"peepholes",
         {"--peepholes", "--coupled", "--biases", "one", "--cell-clip", "3", "--optimizer", "adamw", "--weight-decay",
          "0.01"}},
        {"double", {"--dtype", "f64"}},
        {"slstm", {"--cell", "slstm", "--recurrent-dropout", "0.1", "--weight-dropout", "0.2", "--zoneout", "0.1"}},
        {"norms",
         {"--layers", R"([{"cell": "lnlstm", "hidden": 24}, {"cell": "lngru", "hidden": 20, "zoneout": 0.1}])"}},
        {"scans",
         {"--layers", R"([{"cell": "mingru", "hidden": 24}, {"cell": "minlstm", "hidden": 20, "zoneout": 0.1}])"}},
    };
    for (const auto& kind : kinds) {
        std::vector<std::string> flags = kind.flags;
        flags.insert(flags.end(), {"--steps", "10"});
        const Finished trained = train(kind.name, flags);
        ASSERT_EQ(trained.exit_code, 0) << kind.name << ": " << trained.err;
        const Finished written =
            run_rondo({"generate", "--checkpoint", folder.file(kind.name), "--prompt", "the cat", "--length", "20"});
        ASSERT_EQ(written.exit_code, 0) << kind.name << ": " << written.err;
        EXPECT_EQ(written.out.rfind("the cat", 0), 0u) << written.out;
        EXPECT_EQ(run_rondo({"eval", "--checkpoint", folder.file(kind.name), "--text", folder.file("text")}).exit_code,
                  0)
            << kind.name;
    }
}

TEST_F(Train, TheConfigurationIsReadAndFlagsWin) {
    write_text(folder.file("config"),
               "{\"hidden\": 16, \"layers\": [{}, {\"cell\": \"gru\"}], \"steps\": 3, \"seed\": 9}");
    std::vector<std::string> all = {"train",
                                    "--config",
                                    folder.file("config"),
                                    "--text",
                                    folder.file("text"),
                                    "--out",
                                    folder.file("o"),
                                    "--steps",
                                    "4",
                                    "--window",
                                    "8",
                                    "--batch",
                                    "4"};
    const Finished finished = run_rondo(all);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const Checkpoint checkpoint = load_checkpoint(folder.file("o/last.safetensors"));
    EXPECT_EQ(checkpoint.metadata.at("progress.step"), "4");
    EXPECT_EQ(find(checkpoint.tensors, "rnn.weight_hh_l0").shape, (Shape{64, 16}));
    EXPECT_EQ(find(checkpoint.tensors, "rnn.weight_hh_l1").shape, (Shape{48, 16}));
    EXPECT_NE(checkpoint.metadata.at("config").find("\"seed\":9"), std::string::npos);
}

/// The recipes as they are installed, on small texts in the place of the Penn Treebank.
TEST_F(Train, PennTreebankRecipesRun) {
    for (const char* size : {"small", "medium", "large"}) {
        const std::string config = std::string(RONDO_SOURCE_DIR "/host/cli/configs/ptb_") + size + ".json";
        const Finished finished = run_rondo(
            {"train", "--config", config, "--train", folder.file("text"), "--validation", folder.file("text"), "--test",
             folder.file("text"), "--out", folder.file(size), "--hidden", "20", "--embedding", "20", "--epochs", "1"});
        ASSERT_EQ(finished.exit_code, 0) << finished.err;
        const Metadata metadata = load_checkpoint(folder.file(std::string(size) + "/last.safetensors")).metadata;
        EXPECT_EQ(metadata.at("trainer.reduction"), "mean_of_batch");
        EXPECT_EQ(metadata.at("trainer.schedule"), "exponential");
        EXPECT_EQ(metadata.at("trainer.rate"), "1");
    }
}

TEST_F(Train, AnOldRunIsNotOverwrittenUnasked) {
    ASSERT_EQ(train("run", {"--steps", "2"}).exit_code, 0);
    const std::string before = read_text(folder.file("run/last.safetensors"));
    expect_refused(train("run", {"--steps", "3"}), "holds a run already");
    EXPECT_EQ(read_text(folder.file("run/last.safetensors")), before);
    EXPECT_EQ(train("run", {"--steps", "3", "--overwrite"}).exit_code, 0);
    EXPECT_EQ(load_checkpoint(folder.file("run/last.safetensors")).metadata.at("progress.step"), "3");
}

/// The steps of a log's rows, each once.
std::vector<std::string> steps_of(const std::string& csv) {
    std::vector<std::string> steps;
    for (const auto& row : rows_of(csv))
        if (steps.empty() || steps.back() != row[0]) steps.push_back(row[0]);
    return steps;
}

TEST_F(Train, LooksAtGradientsWithoutChangingABit) {
    ASSERT_EQ(train("seen", {"--steps", "20", "--gradient-flow", "8"}).exit_code, 0);
    ASSERT_EQ(train("blind", {"--steps", "20", "--gradient-flow", "0"}).exit_code, 0);
    expect_equal("seen/last.safetensors", "blind/last.safetensors");
    EXPECT_FALSE(fs::exists(folder.file("blind/gradients.csv")));
    const std::string page = read_text(folder.file("seen/gradients.html"));
    EXPECT_NE(page.find("rnn.weight_hh_l0"), std::string::npos);
    EXPECT_NE(page.find("As training went"), std::string::npos);
    using Steps = std::vector<std::string>;
    EXPECT_EQ(steps_of(folder.file("seen/gradients.csv")), (Steps{"step", "1", "9", "17"}));
    // Going on, at the same steps.
    ASSERT_EQ(run_rondo({"train", "--resume", folder.file("seen"), "--steps", "30"}).exit_code, 0);
    for (const char* name : {"seen/gradients.csv", "seen/gates.csv", "seen/weight_gradients.csv"})
        EXPECT_EQ(steps_of(folder.file(name)), (Steps{"step", "1", "9", "17", "25"})) << name;
}

TEST_F(Train, WarnsInWordsAndSaysWhatHelps) {
    const Finished saturated = train("run", {"--steps", "12", "--gradient-flow", "4", "--cell", "rnn_tanh", "--init",
                                             "uniform", "--init-range", "6", "--lr", "0.0001"});
    ASSERT_EQ(saturated.exit_code, 0);
    const std::string said = "warning: gate a of rnn.l0 is saturated";
    const std::size_t at = saturated.err.find(said);
    ASSERT_NE(at, std::string::npos) << saturated.err;
    EXPECT_NE(saturated.err.find("Usually helps: a lower --lr", at), std::string::npos);
    EXPECT_EQ(saturated.err.find(said, at + 1), std::string::npos) << "told once";

    const Finished looked = run_rondo({"gradflow", "--checkpoint", folder.file("run"), "--text", folder.file("text"),
                                       "--batches", "2", "--out", folder.file("look"), "--threads", "1"});
    ASSERT_EQ(looked.exit_code, 0) << looked.err;
    EXPECT_NE(looked.out.find(said), std::string::npos) << looked.out;
    EXPECT_NE(read_text(folder.file("look/gradients.html")).find("is saturated"), std::string::npos);
    const auto gates = rows_of(folder.file("look/gates.csv"));
    EXPECT_EQ(gates[1][3], "mean");
    EXPECT_GT(std::stod(gates[1][4]) + std::stod(gates[1][5]), 0.9);
    expect_refused(run_rondo({"gradflow", "--out", folder.file("none")}), "checkpoint");
}

TEST_F(Train, ComparesCellsByTheirGradients) {
    const Finished compared =
        run_rondo({"gradflow", "--compare", "--hidden", "16", "--batch", "4", "--steps", "10", "--steps", "60", "--out",
                   folder.file("cells"), "--device", "cpu", "--threads", "1"});
    ASSERT_EQ(compared.exit_code, 0) << compared.err;
    // What the first of 60 steps gets of the last one's gradient.
    std::map<std::string, double> first;
    for (const auto& row : rows_of(folder.file("cells/ways.csv")))
        if (row[0] == "60" && row[2] == "none" && row[3] == "0") first[row[1]] = std::stod(row[5]);
    EXPECT_LT(first.at("vanilla"), 1e-8);
    EXPECT_GT(first.at("vanilla with large weights"), 1e2);
    EXPECT_GT(first.at("LSTM with long memory"), 1e-4);
    EXPECT_GT(first.at("GRU with long memory"), 1e-2);
    // Cut at every step: a cell with a memory loses most of its gradient, whole windows lose nothing.
    std::map<std::string, double> bias;
    for (const auto& row : rows_of(folder.file("cells/truncation.csv")))
        if (row[0] == "LSTM with long memory") bias[row[1]] = std::stod(row[2]);
    EXPECT_GT(bias.at("1"), 0.2);
    EXPECT_LT(bias.at("50"), bias.at("5"));
    EXPECT_NE(read_text(folder.file("cells/comparison.html")).find("</svg>"), std::string::npos);
}

TEST_F(Train, TheLossIsDrawn) {
    const Finished finished = train("run", {"--steps", "20", "--evaluate-every", "10", "--validation-fraction", "0.2"});
    ASSERT_EQ(finished.exit_code, 0);
    const std::string path = folder.file("run/loss.svg"), picture = read_text(path);
    EXPECT_NE(finished.out.find("plot: " + path), std::string::npos) << finished.out;
    EXPECT_NE(picture.find(">training<"), std::string::npos);
    EXPECT_NE(picture.find(">validation<"), std::string::npos);
    EXPECT_EQ(picture.find("nan"), std::string::npos);
}

}  // namespace
}  // namespace rondo
