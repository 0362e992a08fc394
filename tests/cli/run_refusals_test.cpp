// What `rondo run` refuses: one line that names field, value and what is allowed, and no output.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "cli/program_runner.hpp"
#include "cli/stack_files.hpp"
#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

using namespace test;
using Tensors = std::vector<HostTensor>;

struct Mistake {
    const char* name;
    std::function<void(Tensors& weights, Tensors& input)> make;
    std::vector<std::string> flags;
    const char* said;
};

std::ostream& operator<<(std::ostream& out, const Mistake& m) { return out << m.name; }

HostTensor& named(Tensors& tensors, const std::string& name) {
    for (HostTensor& tensor : tensors)
        if (tensor.name == name) return tensor;
    throw std::logic_error(name);
}
void remove(Tensors& tensors, const std::string& name) {
    std::erase_if(tensors, [&](const HostTensor& tensor) { return tensor.name == name; });
}
void replace(Tensors& tensors, const std::string& name, const Shape& shape) {
    named(tensors, name) = random_tensor(name, DType::f64, shape, 9);
}
const auto nothing = [](Tensors&, Tensors&) {};

class RunRefuses : public testing::TestWithParam<Mistake> {};

TEST_P(RunRefuses, InOneLineAndWritesNothing) {
    const TemporaryFolder folder;
    LayerSpec lstm;
    lstm.cell = "lstm";
    lstm.hidden = 4;
    Tensors weights = random_weights({3, {lstm, lstm}});
    Tensors input = {random_tensor("x", DType::f64, {5, 2, 3}, 1), random_tensor("h0", DType::f64, {2, 2, 4}, 2),
                     lengths_tensor({5, 3})};
    GetParam().make(weights, input);
    write_tensors(folder.file("w"), weights);
    write_tensors(folder.file("x"), input);
    std::vector<std::string> args = {"run",      "--weights",     folder.file("w"), "--input", folder.file("x"),
                                     "--output", folder.file("y")};
    args.insert(args.end(), GetParam().flags.begin(), GetParam().flags.end());
    expect_refused(run_rondo(args), GetParam().said);
    EXPECT_EQ(folder.entries(), 2);
}

std::vector<Mistake> mistakes() {
    return {
        {"UnknownCell", nothing, {"--cell", "transformer"}, "cell = transformer: must be one of"},
        {"UnknownDtype", nothing, {"--dtype", "f8"}, "dtype = f8: must be one of"},
        {"UnknownDevice", nothing, {"--device", "tpu"}, "device = tpu: must be one of"},
        {"UnknownMerge", nothing, {"--merge", "product"}, "merge = product: must be one of"},
        {"UnknownFlag", nothing, {"--colour", "blue"}, "--colour"},
        {"ReferenceInBf16", nothing, {"--device", "reference", "--dtype", "bf16"}, "dtype = bf16: must be f64 or f32"},
        {"CellOfOtherGates", nothing, {"--cell", "gru"}, "must be [12, 3]"},
        {"TooManyCells", nothing, {"--cell", "lstm,lstm,lstm"}, "cell = 3: must be one cell for all layers"},
        {"CellClipNan", nothing, {"--cell-clip", "nan"}, "cell_clip = nan"},
        {"CellClipNegative", nothing, {"--cell-clip", "-1"}, "cell_clip = -1"},
        {"RecurrentClip", nothing, {"--recurrent-clip", "norm:0"}, "recurrent_clip = norm:0: must be"},
        {"RecurrentClipInf", nothing, {"--recurrent-clip", "value:inf"}, "recurrent_clip = value:inf: must be"},
        {"ResetBeforeOfLstm", nothing, {"--reset-before"}, "reset_before = true: needs"},
        {"PeepholesWithoutTensor", nothing, {"--peepholes"}, "tensor = weight_peephole_l0: is missing"},
        {"SumOfOneDirection", nothing, {"--merge", "sum"}, "needs a bidirectional layer"},
        {"Threads", nothing, {"--threads", "-2"}, "threads = -2: must be"},
        {"GradWithoutUpstream", nothing, {"--grad"}, "tensor = dy: is missing"},
        {"NoWeights", [](Tensors& w, Tensors&) { w.clear(); }, {}, "weights = no tensor: must hold weight_ih_l0"},
        {"MissingWeight",
         [](Tensors& w, Tensors&) { remove(w, "weight_ih_l1"); },
         {},
         "tensor = weight_ih_l1: is missing"},
        {"MissingLayer",
         [](Tensors& w, Tensors&) {
             w.push_back(random_tensor("weight_hh_l3", DType::f64, {16, 4}, 1));
         },
         {},
         "weight_hh_l2: is missing"},
        {"MissingBias", [](Tensors& w, Tensors&) { remove(w, "bias_ih_l0"); }, {}, "tensor = bias_ih_l0: is missing"},
        {"ExtraReverseBias",
         [](Tensors& w, Tensors&) { w.push_back(random_tensor("bias_ih_l0_reverse", DType::f64, {16}, 1)); },
         {},
         "tensor = bias_ih_l0_reverse: has no place"},
        {"HalfAReverse",
         [](Tensors& w, Tensors&) {
             w.push_back(random_tensor("weight_hh_l1_reverse", DType::f64, {16, 4}, 1));
         },
         {},
         "tensor = weight_ih_l1_reverse: is missing"},
        {"UnknownWeight",
         [](Tensors& w, Tensors&) { w.push_back(random_tensor("embedding.weight", DType::f64, {1}, 1)); },
         {},
         "tensor = embedding.weight: is no parameter"},
        {"LayerWithZero",
         [](Tensors& w, Tensors&) { w.push_back(random_tensor("weight_ih_l01", DType::f64, {1}, 1)); },
         {},
         "tensor = weight_ih_l01: is no parameter"},
        {"InputWidth",
         [](Tensors& w, Tensors&) {
             replace(w, "weight_ih_l1", {16, 5});
         },
         {},
         "weight_ih_l1 = [16, 5]: must be [16, 4]"},
        {"BiasShape",
         [](Tensors& w, Tensors&) { replace(w, "bias_hh_l0", {15}); },
         {},
         "bias_hh_l0 = [15]: must be [16]"},
        {"VectorForMatrix",
         [](Tensors& w, Tensors&) { replace(w, "weight_hh_l0", {16}); },
         {},
         "weight_hh_l0 = [16]: must be a matrix"},
        {"OddGates",
         [](Tensors& w, Tensors&) {
             replace(w, "weight_hh_l0", {10, 4});
         },
         {},
         "weight_hh_l0 = [10, 4]: rows must be"},
        {"FiveGates",
         [](Tensors& w, Tensors&) {
             replace(w, "weight_hh_l0", {20, 4});
         },
         {},
         "has 5 gates"},
        {"OneGateUntold",
         [](Tensors& w, Tensors&) {
             replace(w, "weight_hh_l0", {4, 4});
         },
         {},
         "--cell rnn_tanh or --cell rnn_relu"},
        {"IntegerWeight",
         [](Tensors& w, Tensors&) {
             named(w, "weight_hh_l0") = HostTensor("weight_hh_l0", DType::i64, {16, 4});
         },
         {},
         "weight_hh_l0 = i64: must be"},
        {"NoX", [](Tensors&, Tensors& x) { remove(x, "x"); }, {}, "tensor = x: is missing"},
        {"XWidth",
         [](Tensors&, Tensors& x) {
             replace(x, "x", {5, 2, 4});
         },
         {},
         "x = [5, 2, 4]: must be [T, B, 3]"},
        {"XRank",
         [](Tensors&, Tensors& x) {
             replace(x, "x", {10, 3});
         },
         {},
         "x = [10, 3]: must be [T, B, 3]"},
        {"XEmpty",
         [](Tensors&, Tensors& x) {
             named(x, "x") = HostTensor("x", DType::f64, {0, 2, 3});
         },
         {},
         "x = [0, 2, 3]: must be"},
        {"XIntegers",
         [](Tensors&, Tensors& x) {
             named(x, "x") = HostTensor("x", DType::i32, {5, 2, 3});
         },
         {},
         "x = i32: must be"},
        {"H0Shape",
         [](Tensors&, Tensors& x) {
             replace(x, "h0", {2, 4});
         },
         {},
         "h0 = [2, 4]: must be [2, 2, 4]"},
        {"UnknownInput",
         [](Tensors&, Tensors& x) { x.push_back(random_tensor("hx", DType::f64, {1}, 1)); },
         {},
         "tensor = hx: is no input"},
        {"LengthTooLong",
         [](Tensors&, Tensors& x) {
             named(x, "lengths") = lengths_tensor({5, 6});
         },
         {},
         "lengths[1] = 6: must be in [0, 5]"},
        {"LengthNegative",
         [](Tensors&, Tensors& x) {
             named(x, "lengths") = lengths_tensor({-1, 5});
         },
         {},
         "lengths[0] = -1: must be in [0, 5]"},
        {"LengthsOfOthers",
         [](Tensors&, Tensors& x) { named(x, "lengths") = lengths_tensor({5}); },
         {},
         "lengths = [1]: must be [2]"},
        {"LengthsAsFloats", [](Tensors&, Tensors& x) { replace(x, "lengths", {2}); }, {}, "lengths = f64: must be i64"},
        {"DyShape",
         [](Tensors&, Tensors& x) {
             x.push_back(random_tensor("dy", DType::f64, {5, 2, 8}, 1));
         },
         {"--grad"},
         "dy = [5, 2, 8]: must be [5, 2, 4]"},
    };
}

INSTANTIATE_TEST_SUITE_P(Cli, RunRefuses, testing::ValuesIn(mistakes()),
                         [](const auto& m) { return std::string(m.param.name); });

class RunFiles : public testing::Test {
protected:
    RunFiles() {
        LayerSpec gru;
        gru.cell = "gru";
        gru.hidden = 4;
        write_tensors(folder.file("w"), random_weights({3, {gru}}));
        write_tensors(folder.file("x"), {random_tensor("x", DType::f64, {5, 2, 3}, 1)});
    }
    Finished run(const std::string& weights, const std::string& input, const std::string& output) {
        return run_rondo({"run", "--weights", weights, "--input", input, "--output", output});
    }
    TemporaryFolder folder;
};

TEST_F(RunFiles, RefusesFilesThatAreMissingOrDamaged) {
    const std::string w = folder.file("w"), x = folder.file("x"), y = folder.file("y"), bad = folder.file("bad");
    expect_refused(run(folder.file("none"), x, y), "none: cannot be opened");
    expect_refused(run(w, folder.path(), y), "must be a regular file");
    const std::string good = read_text(w);
    write_text(bad, good.substr(0, good.size() - 8));
    expect_refused(run(bad, x, y), "truncated");
    write_text(bad, "not tensors at all");
    expect_refused(run(bad, x, y), "no valid safetensors file");
    std::string changed = good;
    changed.back() = static_cast<char>(changed.back() ^ 1);
    write_text(bad, changed);
    expect_refused(run(bad, x, y), "checksum does not match");
    const std::string twice =
        R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
    write_text(bad,
               std::string(1, static_cast<char>(twice.size())) + std::string(7, '\0') + twice + std::string(8, '\0'));
    expect_refused(run(w, bad, y), "tensor x occurs twice");
    EXPECT_EQ(folder.entries(), 3);
}

TEST_F(RunFiles, RefusesAnOutputThatCannotBeWritten) {
    const std::string w = folder.file("w"), x = folder.file("x");
    expect_refused(run(w, x, folder.file("no/folder/y")), "cannot be written");
    expect_refused(run(w, x, folder.path()), "must be a regular file");
    expect_refused(run(w, x, "/dev/null"), "must be a regular file");
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
    EXPECT_EQ(folder.entries(), 2);
}

TEST_F(RunFiles, AnOldOutputSurvivesAMistake) {
    ASSERT_EQ(run(folder.file("w"), folder.file("x"), folder.file("y")).exit_code, 0);
    const std::string before = read_text(folder.file("y"));
    write_tensors(folder.file("x"), {random_tensor("x", DType::f64, {5, 2, 4}, 1)});
    expect_refused(run(folder.file("w"), folder.file("x"), folder.file("y")), "x = [5, 2, 4]");
    EXPECT_EQ(read_text(folder.file("y")), before);
}

TEST(Program, RefusesWhatIsNoCommand) {
    expect_refused(run_rondo({}), "a command is needed");
    expect_refused(run_rondo({"dance"}), "dance");
    expect_refused(run_rondo({"run"}), "--weights");
    EXPECT_EQ(run_rondo({"--help"}).exit_code, 0);
    EXPECT_EQ(run_rondo({"train", "--help"}).exit_code, 0);
    EXPECT_EQ(run_rondo({"--version"}).exit_code, 0);
}

}  // namespace
}  // namespace rondo
