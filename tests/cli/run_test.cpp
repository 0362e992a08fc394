// rondo run: the engine against the oracle, through files, on every kind of stack.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/program_runner.hpp"
#include "cli/stack_files.hpp"
#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

using namespace test;

struct Case {
    const char* name;
    StackSpec spec;
    std::vector<std::string> flags{};  ///< what names and shapes do not tell
    std::vector<std::int64_t> lengths{};
    bool states = true;  ///< initial states are given
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

LayerSpec layer(const std::string& cell, std::int64_t hidden, Direction direction = Direction::forward) {
    LayerSpec spec;
    spec.cell = cell;
    spec.hidden = hidden;
    spec.direction = direction;
    return spec;
}
template <class Change>
LayerSpec with(LayerSpec spec, Change change) {
    change(spec);
    return spec;
}

std::vector<Case> cases() {
    const auto both = Direction::bidirectional;
    const LayerSpec lstm = layer("lstm", 5), gru = layer("gru", 6);
    const auto coupled = with(lstm, [](LayerSpec& l) { l.options.coupled = true; });
    const auto peepholes = with(lstm, [](LayerSpec& l) { l.options.peepholes = true; });
    const auto projected = with(layer("lstm", 6, both), [](LayerSpec& l) { l.projection = 4; });
    const auto reset = with(gru, [](LayerSpec& l) { l.options.reset_before = true; });
    const auto one_bias = with(gru, [](LayerSpec& l) { l.biases = Biases::one; });
    const auto no_bias = with(lstm, [](LayerSpec& l) { l.biases = Biases::none; });
    const auto clipped = with(lstm, [](LayerSpec& l) { l.cell_clip = 0.2; });
    const auto summed = with(layer("gru", 4, both), [](LayerSpec& l) { l.merge = Merge::sum; });
    return {
        {"Lstm", {3, {lstm}}},
        {"LstmFromZero", {3, {lstm}}, {}, {}, false},
        {"LstmTwoLayersBothWays", {3, {layer("lstm", 5, both), layer("lstm", 5, both)}}, {}, {4, 0, 7}},
        {"LstmProjected", {3, {projected, projected}}, {}, {7, 3, 1}},
        {"LstmCoupled", {3, {coupled}}, {"--coupled"}},
        {"Slstm", {3, {layer("slstm", 5, both)}}, {"--cell", "slstm"}, {4, 0, 7}},
        {"LayerNorm", {3, {layer("lnlstm", 5, both), layer("lngru", 4)}}, {"--cell", "lnlstm,lngru"}, {4, 0, 7}},
        {"Scans", {3, {layer("mingru", 5, both), layer("minlstm", 4)}}, {"--cell", "mingru,minlstm"}, {4, 0, 7}},
        {"LstmPeepholes", {3, {peepholes, peepholes}}, {}, {2, 7, 7}},
        {"LstmNoBias", {3, {no_bias}}},
        {"LstmCellClip", {3, {clipped}}, {"--cell-clip", "0.2"}},
        {"Gru", {3, {gru, gru}}, {}, {7, 5, 0}},
        {"GruResetBefore", {3, {reset}}, {"--reset-before"}},
        {"GruOneBias", {3, {one_bias}}},
        {"GruSummed", {3, {summed, summed}}, {"--merge", "sum"}},
        {"GruReverse", {3, {layer("gru", 4, Direction::reverse)}}, {}, {7, 2, 4}},
        {"Tanh", {3, {layer("rnn_tanh", 5, both)}}, {"--cell", "rnn_tanh"}},
        {"Relu", {3, {layer("rnn_relu", 5)}}, {"--cell", "rnn_relu"}},
        {"Mixed", {3, {lstm, layer("gru", 4), layer("rnn_tanh", 6, both)}}, {"--cell", "lstm,gru,rnn_tanh"}, {1, 7, 6}},
        {"MixedTold", {3, {layer("lstm", 7), gru}}},
    };
}

constexpr std::int64_t kSteps = 7, kBatch = 3;

/// h0, c0 and the like, named as the program names them.
void add_states(std::vector<HostTensor>& tensors, const StackSpec& spec, const std::string& before,
                const std::string& after) {
    struct Group {
        std::vector<std::pair<std::string, std::int64_t>> members;  ///< suffix and width
    };
    std::map<char, Group> groups;
    for (std::size_t l = 0; l < spec.layers.size(); ++l)
        for (int d = 0; d < 2; ++d) {
            const LayerSpec& at = spec.layers[l];
            if (at.direction == (d == 0 ? Direction::reverse : Direction::forward)) continue;
            const std::string suffix = "_l" + std::to_string(l) + (d ? "_reverse" : "");
            groups['h'].members.emplace_back(suffix, at.width());
            if (at.cell == "lstm") groups['c'].members.emplace_back(suffix, at.hidden);
        }
    unsigned seed = static_cast<unsigned>(1000 + 100 * before.size());
    for (const auto& [kind, group] : groups) {
        const std::int64_t width = group.members.front().second;
        const bool equal =
            std::all_of(group.members.begin(), group.members.end(), [&](const auto& m) { return m.second == width; });
        const std::string stem = before + kind + after;
        if (equal)
            tensors.push_back(random_tensor(stem, DType::f64,
                                            {static_cast<std::int64_t>(group.members.size()), kBatch, width}, ++seed));
        else
            for (const auto& [suffix, own] : group.members)
                tensors.push_back(random_tensor(stem + suffix, DType::f64, {kBatch, own}, ++seed));
    }
}

std::vector<HostTensor> input_of(const Case& c) {
    std::vector<HostTensor> tensors;
    tensors.push_back(random_tensor("x", DType::f64, {kSteps, kBatch, c.spec.input}, 1));
    tensors.push_back(random_tensor("dy", DType::f64, {kSteps, kBatch, c.spec.output()}, 2));
    if (c.states) add_states(tensors, c.spec, "", "0");
    add_states(tensors, c.spec, "d", "y");
    if (!c.lengths.empty()) {
        tensors.push_back(lengths_tensor(c.lengths));
        // Padding may hold anything.
        auto x = tensors[0].as<double>();
        for (std::int64_t t = 0; t < kSteps; ++t)
            for (std::int64_t b = 0; b < kBatch; ++b)
                if (t >= c.lengths[static_cast<std::size_t>(b)])
                    for (std::int64_t i = 0; i < c.spec.input; ++i)
                        x[static_cast<std::size_t>((t * kBatch + b) * c.spec.input + i)] =
                            std::numeric_limits<double>::quiet_NaN();
    }
    return tensors;
}

class Run : public testing::TestWithParam<Case> {
protected:
    Finished run(const std::string& device, const std::string& dtype, const std::string& output) {
        std::vector<std::string> args = {"run",
                                         "--weights",
                                         folder.file("w"),
                                         "--input",
                                         folder.file("x"),
                                         "--output",
                                         folder.file(output),
                                         "--grad",
                                         "--device",
                                         device,
                                         "--dtype",
                                         dtype};
        args.insert(args.end(), GetParam().flags.begin(), GetParam().flags.end());
        return run_rondo(args);
    }
    /// The largest difference of two outputs, which hold the same tensors.
    double difference(const std::string& a, const std::string& b, DType type) {
        const SafetensorsReader first(folder.file(a)), second(folder.file(b));
        EXPECT_EQ(first.tensors().size(), second.tensors().size());
        double worst = 0;
        for (const TensorInfo& tensor : first.tensors()) {
            EXPECT_EQ(tensor.dtype, type) << tensor.name;
            EXPECT_EQ(tensor.shape, second.tensor(tensor.name).shape) << tensor.name;
            const auto p = read_tensor(first, tensor.name), q = read_tensor(second, tensor.name);
            for (std::size_t i = 0; i < p.size(); ++i) {
                EXPECT_TRUE(std::isfinite(p[i])) << tensor.name;
                worst = std::max(worst, std::fabs(p[i] - q[i]));
            }
        }
        return worst;
    }
    TemporaryFolder folder;
};

TEST_P(Run, EngineAndOracleAgree) {
    write_tensors(folder.file("w"), random_weights(GetParam().spec));
    write_tensors(folder.file("x"), input_of(GetParam()));
    for (const char* device : {"cpu", "reference"}) {
        const Finished f64 = run(device, "f64", std::string(device) + "64"),
                       f32 = run(device, "f32", std::string(device) + "32");
        ASSERT_EQ(f64.exit_code, 0) << f64.err;
        ASSERT_EQ(f32.exit_code, 0) << f32.err;
        EXPECT_EQ(f64.out + f64.err, "");
    }
    EXPECT_LT(difference("cpu64", "reference64", DType::f64), 1e-10);
    EXPECT_LT(difference("cpu32", "reference32", DType::f32), 2e-5);

    // All that a training step can be asked for is there.
    const SafetensorsReader output(folder.file("cpu64"));
    EXPECT_EQ(output.tensor("y").shape, (Shape{kSteps, kBatch, GetParam().spec.output()}));
    EXPECT_NE(output.find("x.grad"), nullptr);
    for (const HostTensor& weight : random_weights(GetParam().spec))
        EXPECT_EQ(output.tensor(weight.name + ".grad").shape, weight.shape);
    // Outputs and gradients reach something: not all is zero.
    const auto y = read_tensor(output, "y"),
               dw = read_tensor(output, GetParam().spec.layers[0].direction == Direction::reverse
                                            ? "weight_ih_l0_reverse.grad"
                                            : "weight_ih_l0.grad");
    EXPECT_GT(*std::max_element(y.begin(), y.end()), 0.01);
    EXPECT_GT(*std::max_element(dw.begin(), dw.end()), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Cli, Run, testing::ValuesIn(cases()), [](const auto& c) { return std::string(c.param.name); });

class RunLstm : public testing::Test {
protected:
    RunLstm() {
        write_tensors(folder.file("w"), random_weights(spec));
        write_tensors(folder.file("x"),
                      {random_tensor("x", DType::f64, {4, 2, 3}, 1), random_tensor("dhy", DType::f64, {1, 2, 5}, 2)});
    }
    Finished run(std::vector<std::string> more, const std::string& weights = "w", const std::string& output = "y") {
        std::vector<std::string> args = {
            "run", "--weights", folder.file(weights), "--input", folder.file("x"), "--output", folder.file(output)};
        args.insert(args.end(), more.begin(), more.end());
        return run_rondo(args);
    }
    const StackSpec spec{3, {layer("lstm", 5)}};
    TemporaryFolder folder;
};

TEST_F(RunLstm, WithoutGradGivesOutputsAlone) {
    const Finished finished = run({});
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const SafetensorsReader output(folder.file("y"));
    ASSERT_EQ(output.tensors().size(), 3u);
    EXPECT_EQ(output.tensor("hy").shape, (Shape{1, 2, 5}));
    EXPECT_EQ(output.tensor("cy").shape, (Shape{1, 2, 5}));
    EXPECT_EQ(output.tensor("y").dtype, DType::f32);
    // Without lengths the last step is the final state.
    const auto y = read_tensor(output, "y"), hy = read_tensor(output, "hy");
    EXPECT_TRUE(std::equal(hy.begin(), hy.end(), y.end() - 10));
}

TEST_F(RunLstm, TakesTheGradientOfTheFinalStateAlone) {
    ASSERT_EQ(run({"--grad", "--dtype", "f64", "--device", "cpu"}).exit_code, 0);
    ASSERT_EQ(run({"--grad", "--dtype", "f64", "--device", "reference"}, "w", "r").exit_code, 0);
    const SafetensorsReader cpu(folder.file("y")), reference(folder.file("r"));
    for (const char* name : {"h0.grad", "c0.grad", "x.grad", "weight_ih_l0.grad"}) {
        const auto a = read_tensor(cpu, name), b = read_tensor(reference, name);
        ASSERT_EQ(a.size(), b.size());
        for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-12) << name;
    }
}

TEST_F(RunLstm, TakesAPrefixAndLeavesOtherTensorsOut) {
    auto tensors = random_weights(spec, DType::f64, "encoder.rnn.");
    tensors.push_back(random_tensor("encoder.embedding.weight", DType::f32, {2, 2}, 3));
    write_tensors(folder.file("model"), tensors);
    ASSERT_EQ(run({}).exit_code, 0);
    const Finished finished = run({"--prefix", "encoder.rnn."}, "model", "z");
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(read_text(folder.file("y")), read_text(folder.file("z")));
    expect_refused(run({}, "model"), "tensor = encoder.");
}

TEST_F(RunLstm, ReadsEveryStoredType) {
    ASSERT_EQ(run({"--dtype", "f64"}, "w", "exact").exit_code, 0);
    const auto exact = read_tensor(SafetensorsReader(folder.file("exact")), "y");
    const struct {
        DType type;
        double error;
    } stored[] = {{DType::f32, 1e-7}, {DType::f16, 2e-3}, {DType::bf16, 2e-2}};
    for (const auto& [type, error] : stored) {
        write_tensors(folder.file("stored"), random_weights(spec, type));
        const Finished finished = run({"--dtype", "f64"}, "stored");
        ASSERT_EQ(finished.exit_code, 0) << finished.err;
        const auto y = read_tensor(SafetensorsReader(folder.file("y")), "y");
        double worst = 0;
        for (std::size_t i = 0; i < y.size(); ++i) worst = std::max(worst, std::fabs(y[i] - exact[i]));
        EXPECT_LT(worst, error) << type;
        EXPECT_GT(worst, 0) << type;  // the weights were rounded
    }
}

TEST_F(RunLstm, RefusesTypesThatTheCpuDoesNotHave) {
    for (const char* dtype : {"bf16", "f16", "tf32"})
        expect_refused(run({"--dtype", dtype, "--device", "cpu"}), std::string("dtype = ") + dtype + ":");
    EXPECT_EQ(folder.entries(), 2);
}

TEST_F(RunLstm, ClipsTheGradientInsideTheRecurrence) {
    const auto gradient = [&](const std::string& clip) {
        const Finished finished =
            run({"--grad", "--dtype", "f64", "--device", "cpu", "--recurrent-clip", clip}, "w", "clipped");
        EXPECT_EQ(finished.exit_code, 0) << finished.err;
        return read_tensor(SafetensorsReader(folder.file("clipped")), "h0.grad");
    };
    const auto free = gradient("none"), loose = gradient("value:1000"), tight = gradient("value:0.0001");
    EXPECT_EQ(free, loose);
    double largest_free = 0, largest_tight = 0;
    for (const double g : free) largest_free = std::max(largest_free, std::fabs(g));
    for (const double g : tight) largest_tight = std::max(largest_tight, std::fabs(g));
    EXPECT_GT(largest_free, 0.0002);
    EXPECT_LE(largest_tight, 0.0001);
    expect_refused(run({"--grad", "--device", "reference", "--recurrent-clip", "norm:1"}),
                   "recurrent_clip = 1: must be none");
}

}  // namespace
}  // namespace rondo
