/// The program on an emulated GPU, as its user calls it: `--device cuda` does what `--device cpu` does.
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "cli/program_runner.hpp"
#include "cli/stack_files.hpp"
#include "rondo/checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace rondo::test {
namespace {

class EmulatedProgram : public testing::Test {
protected:
    EmulatedProgram() { use_program(RONDO_EMULATED); }

    Finished rondo(std::vector<std::string> args) const {
        const Finished finished = run_rondo(args);
        EXPECT_EQ(finished.exit_code, 0) << args[0] << ": " << finished.err;
        return finished;
    }
    /// The loss column of a run's log.csv.
    std::vector<double> losses(const std::string& run) const {
        std::istringstream lines(read_text(folder.file(run + "/log.csv")));
        std::vector<double> values;
        std::string line, cell;
        std::getline(lines, line);
        while (std::getline(lines, line)) {
            std::istringstream cells(line);
            for (int i = 0; i < 5; ++i) std::getline(cells, cell, ',');
            values.push_back(std::stod(cell));
        }
        return values;
    }
    TemporaryFolder folder;
};

class EmulatedTraining : public EmulatedProgram {
protected:
    EmulatedTraining() {
        std::string text;
        for (int i = 0; i < 40; ++i) text += "she sells sea shells; ";
        write_text(folder.file("text"), text);
    }
    void train(const std::string& out, const std::string& device, std::vector<std::string> more) const {
        std::vector<std::string> args = {"train",
                                         "--text",
                                         folder.file("text"),
                                         "--out",
                                         folder.file(out),
                                         "--device",
                                         device,
                                         "--hidden",
                                         "16",
                                         "--layers",
                                         "2",
                                         "--batch",
                                         "4",
                                         "--window",
                                         "12",
                                         "--log-every",
                                         "1",
                                         "--lr",
                                         "0.02",
                                         "--dropout",
                                         "0.1"};
        args.insert(args.end(), more.begin(), more.end());
        rondo(args);
    }
};

TEST_F(EmulatedTraining, FollowsTheCpu) {
    train("cpu", "cpu", {"--steps", "30", "--validation-fraction", "0.2"});
    train("cuda", "cuda", {"--steps", "30", "--validation-fraction", "0.2"});
    const std::vector<double> cpu = losses("cpu"), cuda = losses("cuda");
    ASSERT_EQ(cpu.size(), 30u);
    ASSERT_EQ(cuda.size(), 30u);
    EXPECT_LT(cpu.back(), 0.6 * cpu.front());
    for (std::size_t i = 0; i < cpu.size(); ++i) EXPECT_NEAR(cuda[i], cpu[i], 2e-4 * cpu[i]) << i;
    // What one device trained the other one reads.
    const auto evaluated = [&](const std::string& run, const std::string& device) {
        const std::string out =
            rondo({"eval", "--checkpoint", folder.file(run), "--text", folder.file("text"), "--device", device}).out;
        return std::stod(out.substr(out.find("perplexity: ") + 12));
    };
    EXPECT_NEAR(evaluated("cuda", "cpu"), evaluated("cuda", "cuda"), 1e-3);
    const auto generated = [&](const std::string& device) {
        return rondo({"generate", "--checkpoint", folder.file("cuda"), "--prompt", "she ", "--length", "40",
                      "--temperature", "0", "--device", device})
            .out;
    };
    EXPECT_EQ(generated("cuda"), generated("cpu"));
}

TEST_F(EmulatedTraining, InSixteenBitsToo) {
    train("cpu", "cpu", {"--steps", "30"});
    const double expected = losses("cpu").back();
    for (const char* dtype : {"bf16", "f16"}) {
        train(dtype, "cuda", {"--steps", "30", "--dtype", dtype});
        EXPECT_NEAR(losses(dtype).back(), expected, 0.1 * expected) << dtype;
    }
}

TEST_F(EmulatedTraining, GoesOnWhereItStopped) {
    train("whole", "cuda", {"--steps", "24", "--dtype", "f16"});
    train("half", "cuda", {"--steps", "11", "--dtype", "f16"});
    rondo({"train", "--resume", folder.file("half"), "--steps", "24"});
    const Checkpoint a = load_checkpoint(folder.file("whole/last.safetensors")),
                     b = load_checkpoint(folder.file("half/last.safetensors"));
    for (const HostTensor& tensor : a.tensors) EXPECT_EQ(tensor.data, find(b.tensors, tensor.name).data) << tensor.name;
    for (const char* key : {"progress.step", "progress.loss_scale", "progress.updates"})
        EXPECT_EQ(a.metadata.at(key), b.metadata.at(key)) << key;
}

TEST_F(EmulatedProgram, RunsAStackInEveryType) {
    LayerSpec both, last;
    both.cell = "lstm";
    both.hidden = 6;
    both.projection = 4;
    both.direction = Direction::bidirectional;
    last.cell = "lstm";
    last.hidden = 6;
    last.projection = 4;
    last.direction = Direction::bidirectional;
    const StackSpec spec{3, {both, last}};
    write_tensors(folder.file("w"), random_weights(spec));
    write_tensors(folder.file("x"), {random_tensor("x", DType::f64, {7, 3, 3}, 1),
                                     random_tensor("dy", DType::f64, {7, 3, 8}, 2), lengths_tensor({7, 0, 4})});
    const auto run = [&](const std::string& device, const std::string& dtype) {
        rondo({"run", "--weights", folder.file("w"), "--input", folder.file("x"), "--output",
               folder.file(device + dtype), "--grad", "--device", device, "--dtype", dtype});
        return SafetensorsReader(folder.file(device + dtype));
    };
    const SafetensorsReader reference = run("reference", "f64");
    struct Allowance {
        const char* dtype;
        double tolerance;
    };
    for (const Allowance a : {Allowance{"f64", 1e-10}, {"f32", 2e-5}, {"tf32", 5e-3}, {"f16", 1e-2}, {"bf16", 8e-2}}) {
        const SafetensorsReader out = run("cuda", a.dtype);
        ASSERT_EQ(out.tensors().size(), reference.tensors().size());
        for (const TensorInfo& tensor : reference.tensors()) {
            const auto x = read_tensor(out, tensor.name), y = read_tensor(reference, tensor.name);
            for (std::size_t i = 0; i < y.size(); ++i)
                ASSERT_NEAR(x[i], y[i], a.tolerance * (1 + std::abs(y[i]))) << a.dtype << " " << tensor.name;
        }
    }
}

/// The other tasks: modules around the stacks, batches of many lengths. What is said of an input is the same, too.
TEST_F(EmulatedProgram, TrainsEveryTaskAsOnTheCpu) {
    struct Task {
        std::string task, data, input, command;
        std::vector<std::string> options;
    };
    const std::string words =
                          "warm\ta red but orange\ncold\tof blue\nwarm\tthe orange of red\ncold\ta green blue but\n",
                      digits = "123\t321\n40\t04\n2314\t4132\n04\t40\n", heard = "aa_b\tab\nb__a_a\tbaa\ncc_a\tca\n";
    const std::vector<Task> tasks = {
        {"classify", words, "a blue\nred orange but\n", "predict", {"--tokens", "words", "--bidirectional"}},
        {"classify", words, "a blue\nred\n", "predict", {"--model", "transformer", "--heads", "2"}},
        {"tag", "a\tb\nb\tend\n\nc\ta\na\tend\n\n", "a c\n", "predict", {"--bidirectional"}},
        {"seq2seq",
         digits,
         "12\n3\n",
         "translate",
         {"--bidirectional", "--attention", "additive", "--max-length", "6"}},
        {"seq2seq", digits, "12\n3\n", "translate", {"--model", "transformer", "--heads", "2", "--max-length", "6"}},
        {"ctc", heard, "aa_c\n", "predict", {"--bidirectional"}},
        {"forecast", "10\n12\n15\n11\n9\n7\n8\n", "", "", {"--context", "8", "--horizon", "2"}},
    };
    for (const Task& task : tasks) {
        std::string data;
        for (int i = 0; i < 6; ++i) data += task.data;
        write_text(folder.file("data"), data);
        write_text(folder.file("input"), task.input);
        for (const std::string device : {"cpu", "cuda"}) {
            std::vector<std::string> args = {"train",
                                             "--task",
                                             task.task,
                                             "--train",
                                             folder.file("data"),
                                             "--out",
                                             folder.file(device),
                                             "--device",
                                             device,
                                             "--hidden",
                                             "8",
                                             "--layers",
                                             "1",
                                             "--batch",
                                             "4",
                                             "--steps",
                                             "12",
                                             "--log-every",
                                             "1",
                                             "--lr",
                                             "0.02",
                                             "--dropout",
                                             "0.1",
                                             "--overwrite"};
            args.insert(args.end(), task.options.begin(), task.options.end());
            rondo(args);
        }
        const std::vector<double> cpu = losses("cpu"), cuda = losses("cuda");
        ASSERT_EQ(cpu.size(), 12u) << task.task;
        ASSERT_EQ(cuda.size(), 12u) << task.task;
        for (std::size_t i = 0; i < cpu.size(); ++i)
            EXPECT_NEAR(cuda[i], cpu[i], 2e-4 * cpu[i]) << task.task << " " << i;
        if (task.command.empty()) continue;
        const auto answers = [&](const std::string& device) {
            return rondo({task.command, "--checkpoint", folder.file("cuda"), "--input", folder.file("input"),
                          "--device", device})
                .out;
        };
        EXPECT_EQ(answers("cuda"), answers("cpu")) << task.task;
    }
}

}  // namespace
}  // namespace rondo::test
