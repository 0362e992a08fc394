// What train, generate, eval and info refuse: one line, exit code 2, nothing written.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "cli/program_runner.hpp"
#include "rondo/safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

using namespace test;

class TrainRefuses : public testing::Test {
protected:
    TrainRefuses() {
        for (int i = 0; i < 200; ++i) text += "some words on a line\n";
        write_text(folder.file("text"), text);
        entries = folder.entries();
    }
    Finished train(std::vector<std::string> more) const {
        std::vector<std::string> args = {
            "train",    "--out", folder.file("out"), "--steps", "2",        "--hidden", "8",
            "--layers", "1",     "--batch",          "4",       "--window", "8"};
        if (std::count(more.begin(), more.end(), "--text") != 1)
            args.insert(args.end(), {"--text", folder.file("text")});
        args.insert(args.end(), more.begin(), more.end());
        return run_rondo(args);
    }
    void expect_flags_refused(std::vector<std::string> flags, const std::string& said) const {
        SCOPED_TRACE(flags.front());
        expect_refused(train(std::move(flags)), said);
        EXPECT_EQ(folder.entries(), entries) << "something was written";
    }
    void expect_config_refused(const std::string& json, const std::string& said) {
        SCOPED_TRACE(json);
        write_text(folder.file("text.json"), json);
        expect_refused(train({"--config", folder.file("text.json")}), said);
        std::filesystem::remove(folder.file("text.json"));
        EXPECT_EQ(folder.entries(), entries) << "something was written";
    }
    TemporaryFolder folder;
    std::string text;
    std::ptrdiff_t entries = 0;
};

TEST_F(TrainRefuses, FlagsThatAreNotAllowed) {
    expect_flags_refused({"--cell", "elman"}, "cell = elman: must be one of");
    expect_flags_refused({"--dtype", "f8"}, "dtype = f8: must be one of");
    expect_flags_refused({"--device", "gpu"}, "device = gpu: must be one of");
    expect_flags_refused({"--hidden", "0"}, "hidden = 0: must be at least 1");
    expect_flags_refused({"--hidden", "1000000000"}, "hidden = 1000000000: must be at most");
    expect_flags_refused({"--threads", "100000"}, "threads = 100000: must be in");
    expect_flags_refused({"--lr", "-1"}, "lr = -1: must be 0 or above");
    expect_flags_refused({"--clip-limit", "0"}, "clip_limit = 0: must be above 0");
    expect_flags_refused({"--vocabulary", "1"}, "vocabulary = 1: must be at least 2");
    expect_flags_refused({"--validation-fraction", "0.00001"}, "validation_fraction = 1e-05: of this text is nothing");
    expect_flags_refused({"--text", folder.file("text"), "--text", folder.file("text")}, "--train");
    expect_flags_refused({"--hidden", "12x"}, "hidden = 12x: must be a whole number");
    expect_flags_refused({"--hidden", "1.5"}, "hidden = 1.5: must be a whole number");
    expect_flags_refused({"--layers", "0"}, "layers = 0: must be");
    expect_flags_refused({"--layers", "[]"}, "layers = []: must name");
    expect_flags_refused({"--layers", "[1]"}, "layers[0] = 1: must be an object");
    expect_flags_refused({"--layers", R"([{"width": 3}])"}, "layers[0] = width: is no field");
    expect_flags_refused({"--layers", R"([{"hidden": "3"}])"}, "layers[0].hidden = 3: must be a whole number");
    expect_flags_refused({"--layers", "[{]"}, "must be valid JSON");
    expect_flags_refused({"--lr", "nan"}, "lr = nan: must be a finite number");
    expect_flags_refused({"--lr", "inf"}, "lr = inf: must be a finite number");
    expect_flags_refused({"--lr", "-1"}, "= -1: must be");
    expect_flags_refused({"--dropout", "1"}, "dropout = 1: must be in [0, 1)");
    expect_flags_refused({"--batch", "0"}, "batch = 0: must be");
    expect_flags_refused({"--window", "0"}, "window = 0: must be");
    expect_flags_refused({"--history", "4"}, "history = 4: must be");
    expect_flags_refused({"--optimizer", "rprop"}, "rprop: must be one of");
    expect_flags_refused({"--schedule", "never"}, "never: must be one of");
    expect_flags_refused({"--clip", "hard"}, "hard: must be one of");
    expect_flags_refused({"--clip-limit", "0"}, "limit = 0: must be");
    expect_flags_refused({"--softmax", "half"}, "softmax = half: must be one of");
    expect_flags_refused({"--softmax", "sampled"}, "samples = 0: must be at least 1");
    expect_flags_refused({"--samples", "8"}, "samples = 8: must be");
    expect_flags_refused({"--init", "zero"}, "init = zero: must be one of");
    expect_flags_refused({"--biases", "three"}, "biases = three: must be one of");
    expect_flags_refused({"--tokens", "syllables"}, "syllables: must be");
    expect_flags_refused({"--tied=maybe"}, "tied = maybe: must be true or false");
    expect_flags_refused({"--steps", "0"}, "epochs = 0: must be above 0");
    expect_flags_refused({"--validation-fraction", "1"}, "validation_fraction = 1: must be");
    expect_flags_refused({"--projection", "8"}, "projection = 8: must be");
    expect_flags_refused({"--colour", "blue"}, "--colour");
}

TEST_F(TrainRefuses, WhatNothingWouldRead) {
    const std::string pairs = "task seq2seq with model rnn";
    expect_flags_refused({"--task", "seq2seq", "--own-words", "drawn"},
                         "own_words = drawn: is for " + pairs + " and teacher_forcing below 1");
    expect_flags_refused({"--task", "seq2seq", "--teacher-forcing-steps", "9"}, "and teacher_forcing below 1");
    expect_flags_refused({"--task", "seq2seq", "--attention", "none", "--decoder", "luong"}, pairs + " and attention");
    expect_flags_refused({"--task", "seq2seq", "--model", "transformer", "--attention", "dot"}, "attention = dot");
    expect_flags_refused({"--task", "seq2seq", "--test-target", folder.file("text")}, "a file to test on");
    expect_flags_refused({"--task", "seq2seq"}, "window = 8: is for task lm");
    expect_flags_refused({"--task", "tag", "--tokens", "words"}, "tokens = words: is for tasks lm, classify");
    expect_flags_refused({"--task", "tag", "--pool", "max"}, "pool = max: is for tasks classify and forecast");
    expect_flags_refused({"--task", "tag", "--tied"}, "tied = true: is for task lm");
    expect_flags_refused({"--task", "forecast", "--embedding", "8"}, "embedding = 8: is for other tasks");
    expect_flags_refused({"--tokens", "bytes", "--vocabulary", "9"}, "vocabulary = 9: is for texts of other tokens");
    expect_flags_refused({"--model", "transformer", "--zoneout", "0.1"}, "zoneout = 0.1: is for model rnn");
    expect_flags_refused({"--dropout-per-sequence"}, "dropout_per_sequence = true: is for model rnn with dropout");
    expect_flags_refused({"--heads", "4"}, "heads = 4: is for model transformer");
    expect_flags_refused({"--horizon", "4"}, "horizon = 4: is for task forecast");
    expect_flags_refused({"--beam", "4"}, "beam = 4: is for task ctc");
    expect_flags_refused({"--max-length", "4"}, "max_length = 4: is for task seq2seq");
    expect_flags_refused({"--validation-fraction", "0", "--patience", "2"}, "patience = 2: is for runs that validate");
    expect_flags_refused({"--test", folder.file("text"), "--test-fraction", "0.1"}, "without a file to test on");
    expect_flags_refused({"--init-range", "0.1"}, "init_range = 0.1: is for init uniform");
    expect_flags_refused({"--optimizer", "sgd", "--beta1", "0.5"}, "beta1 = 0.5: is for optimizers adam and adamw");
    expect_flags_refused({"--decay-biases=false"}, "decay_biases = false: is for runs with weight_decay");
    expect_flags_refused({"--factor", "0.5"}, "factor = 0.5: is for schedules steps and exponential");
    expect_flags_refused({"--schedule", "steps", "--after", "2"}, "after = 2: is for schedule exponential");
    expect_flags_refused({"--total", "9"}, "total = 9: is for schedule cosine");
    expect_flags_refused({"--clip", "none", "--clip-limit", "5"}, "clip_limit = 5: is for gradients that are clipped");
    expect_config_refused(R"({"clip": "none", "clip_limit": 3})", "clip_limit = 3: is for gradients that are clipped");
    // A file's fields may be for the flags that come with it, or be overruled by them.
    write_text(folder.file("text.json"), R"({"clip": "norm", "clip_limit": 3, "heads": 2, "cell": "gru"})");
    const Finished done = train({"--config", folder.file("text.json"), "--model", "transformer", "--clip", "none"});
    EXPECT_EQ(done.exit_code, 0) << done.err;
}

TEST_F(TrainRefuses, ConfigurationsThatAreNotAllowed) {
    expect_config_refused(R"({"hiden": 8})", "config = hiden: is no field");
    expect_config_refused(R"({"hidden": "8"})", "hidden = 8: must be a whole number");
    expect_config_refused(R"({"hidden": 8.5})", "hidden = 8.5: must be a whole number");
    expect_config_refused(R"({"hidden": 9223372036854775808})", "must be a whole number");
    expect_config_refused(R"({"lr": NaN})", "which has no NaN or infinity (line 1, column 8)");
    expect_config_refused("{\n  \"lr\": Infinity}", "(line 2, column 9)");
    expect_config_refused(R"({"lr": "nan"})", "lr = nan: must be a finite number");
    expect_config_refused(R"({"lr": 1e999})", "number that is too large");
    expect_config_refused(R"({"lr": null})", "lr = null: must be a finite number");
    expect_config_refused(R"({"tied": 1})", "tied = 1: must be true or false");
    expect_config_refused(R"({"cell": 4})", "cell = 4: must be a string");
    expect_config_refused(R"({"layers": {}})", "layers = {}: must be a whole number or a list");
    expect_config_refused(R"({"lr": 1, "lr": 2})", "occurs twice");
    expect_config_refused(R"([1])", "config = array: must be a JSON object");
    expect_config_refused("{", "must be valid JSON");
    expect_flags_refused({"--config", folder.file("none.json")}, "none.json: cannot be opened");
}

TEST_F(TrainRefuses, TextsThatDoNotDo) {
    expect_flags_refused({"--text", folder.file("none")}, "none: cannot be opened");
    expect_flags_refused({"--text", folder.path()}, "must be a text file, not a folder");
    expect_flags_refused({"--validation", folder.file("none")}, "validation = ");
    expect_flags_refused({"--window", "2000"}, "must be more than batch * window");
    expect_flags_refused({"--evaluation-batch", "5000"}, "validation = ");
    write_text(folder.file("empty"), "");
    write_text(folder.file("short"), "abc");
    write_text(folder.file("latin"), text + "\xe4");
    entries += 3;
    expect_flags_refused({"--text", folder.file("empty")}, "empty: must not be empty");
    expect_flags_refused({"--text", folder.file("short"), "--validation-fraction", "0"},
                         "must be more than batch * window");
    expect_flags_refused({"--text", folder.file("latin"), "--validation-fraction", "0"}, "UTF-8");
}

TEST_F(TrainRefuses, FoldersThatCannotBeWritten) {
    expect_flags_refused({"--out", folder.file("text")}, "must be a folder");
    expect_flags_refused({"--out", folder.file("text/run")}, "must be a folder");
    expect_flags_refused({"--out", ""}, "out = ");
}

TEST_F(TrainRefuses, ResumingWithAnotherModelOrText) {
    ASSERT_EQ(train({}).exit_code, 0);
    const std::string before = read_text(folder.file("out/last.safetensors"));
    const auto resume = [&](std::vector<std::string> more) {
        std::vector<std::string> args = {"train", "--resume", folder.file("out")};
        args.insert(args.end(), more.begin(), more.end());
        return run_rondo(args);
    };
    expect_refused(resume({"--hidden", "9"}), "hidden = 9: must be that of the checkpoint, 8");
    expect_refused(resume({"--window", "9"}), "window = 9: must be that of the checkpoint, 8");
    write_text(folder.file("other"), "and more\n" + text);
    expect_refused(resume({"--text", folder.file("other")}), "must hold the text that the checkpoint was trained on");
    EXPECT_EQ(read_text(folder.file("out/last.safetensors")), before);
    expect_refused(run_rondo({"train", "--resume", folder.file("none")}), "cannot be opened");
    expect_refused(run_rondo({"train", "--resume", folder.path()}), "is a folder without");
}

TEST_F(TrainRefuses, CheckpointsThatAreNone) {
    write_safetensors(folder.file("tensors"), {});
    for (const char* command : {"generate", "eval"}) {
        std::vector<std::string> args = {command, "--checkpoint", folder.file("tensors")};
        if (std::string(command) == "eval") args.insert(args.end(), {"--text", folder.file("text")});
        expect_refused(run_rondo(args), "is no checkpoint");
        args[2] = folder.file("text");
        expect_refused(run_rondo(args), "no valid safetensors file");
    }
    expect_refused(run_rondo({"info", folder.file("text")}), "no valid safetensors file");
}

TEST_F(TrainRefuses, GeneratingAndEvaluatingOutOfRange) {
    ASSERT_EQ(train({}).exit_code, 0);
    const auto generate = [&](std::vector<std::string> more) {
        std::vector<std::string> args = {"generate", "--checkpoint", folder.file("out")};
        args.insert(args.end(), more.begin(), more.end());
        return run_rondo(args);
    };
    expect_refused(generate({"--temperature", "-1"}), "temperature = -1: must");
    expect_refused(generate({"--temperature", "nan"}), "temperature = nan: must");
    expect_refused(generate({"--top-p", "0"}), "top_p = 0: must");
    expect_refused(generate({"--top-k", "-1"}), "top_k = -1: must");
    expect_refused(generate({"--length", "0"}), "length = 0: must");
    expect_refused(generate({"--prompt", "\xff"}), "UTF-8");
    write_text(folder.file("one"), "a");
    expect_refused(run_rondo({"eval", "--checkpoint", folder.file("out"), "--text", folder.file("one")}), "text = ");
    expect_refused(run_rondo({"info", "--hidden", "8", "--cell", "elman"}), "cell = elman");
}

}  // namespace
}  // namespace rondo
