/// The modules around the recurrent stacks, and whole models, equal PyTorch's: values, loss and every gradient. The
/// file is written by tests/fixtures/make_pytorch_module_fixtures.py, which says what its tensors are.
#include <rondo/safetensors.hpp>
#include <rondo/seq2seq.hpp>

#include "model/gradient_check.hpp"

namespace rondo {
namespace {

using namespace test;

constexpr double kTolerance = 1e-12;  ///< of a tensor's largest element, or of 1
constexpr std::int64_t kHidden = 4, kHeads = 2, kInner = 7, kIds = 7, kTags = 5, kPositions = 8;

using Score = AttentionSpec::Score;

struct Peer {
    std::string name;
    NetworkSpec spec;
};

void PrintTo(const Peer& peer, std::ostream* out) { *out << peer.name; }

// One module at a time.

NetworkSpec network(std::vector<InputSpec> inputs, std::vector<Node> nodes) {
    NetworkSpec spec;
    spec.precision = Precision::f64();
    spec.inputs = std::move(inputs);
    spec.nodes = std::move(nodes);
    return spec;
}

/// From the input "x" to the value "y", and squared error.
NetworkSpec to_target(std::int64_t input, std::vector<Node> nodes, std::int64_t output) {
    nodes.push_back({"loss", SquaredErrorSpec{}, {"y", "target"}});
    return network({{"x", DType::f64, input, true}, {"target", DType::f64, output}}, std::move(nodes));
}

NetworkSpec ctc(std::int64_t classes, std::int32_t blank) {
    return network({{"x", DType::f64, 3, true}, {"labels"}}, {{"linear", LinearSpec{3, classes}, {"x"}, {"logits"}},
                                                              {"loss", CtcSpec{blank}, {"logits", "labels"}}});
}

/// From "x" to `memory`, as torch.nn.MultiheadAttention.
NetworkSpec attention(bool causal, const std::string& memory, std::int64_t memory_width) {
    const LinearSpec read{memory_width, kHidden}, square{kHidden, kHidden};
    const AttentionSpec attend{Score::scaled_dot, kHeads, kHidden, causal};
    NetworkSpec spec = to_target(kHidden,
                                 {{"a_q", square, {"x"}, {"q"}},
                                  {"a_k", read, {memory}, {"k"}},
                                  {"a_v", read, {memory}, {"v"}},
                                  {"attention", attend, {"q", "k", "v"}, {"mixed", "w"}},
                                  {"a_o", square, {"mixed"}, {"y"}}},
                                 kHidden);
    if (memory != "x") spec.inputs.push_back({memory, DType::f64, memory_width, true});
    return spec;
}

NetworkSpec additive_attention() {
    NetworkSpec spec =
        to_target(kHidden,
                  {{"q", LinearSpec{kHidden, 5}, {"x"}, {"queries"}},
                   {"k", LinearSpec{3, 5, false}, {"memory"}, {"keys"}},
                   {"attention", AttentionSpec{Score::additive, 1, 5}, {"queries", "keys", "memory"}, {"y", "w"}}},
                  3);
    spec.inputs.push_back({"memory", DType::f64, 3, true});
    return spec;
}

NetworkSpec layer_norm() { return to_target(kHidden, {{"norm", LayerNormSpec{kHidden}, {"x"}, {"y"}}}, kHidden); }

NetworkSpec gelu() { return to_target(8, {{"f", ActivationSpec{ActivationSpec::Kind::gelu}, {"x"}, {"y"}}}, 8); }

NetworkSpec pool(PoolSpec::Kind kind) {
    LayerSpec layer;
    layer.cell = "gru";
    layer.hidden = 3;
    return to_target(
        2, {{"rnn", StackSpec{2, {layer}, Precision::f64()}, {"x"}, {"h"}}, {"pool", PoolSpec{kind}, {"h"}, {"y"}}}, 3);
}

// Whole models.

EncoderSpec encoder(EncoderSpec::Kind kind, std::int64_t hidden) {
    EncoderSpec spec;
    spec.kind = kind;
    spec.classes = kIds;
    spec.hidden = hidden;
    spec.heads = kHeads;
    spec.feed_forward = kind == EncoderSpec::Kind::transformer ? kInner : 0;
    spec.precision = Precision::f64();
    return spec;
}

NetworkSpec transformer_tags(bool causal, std::int64_t layers) {
    SequenceModelSpec spec{encoder(EncoderSpec::Kind::transformer, kHidden), SequenceModelSpec::Head::tags, kTags};
    spec.encoder.causal = causal;
    spec.encoder.layers = layers;
    spec.encoder.positions = PositionSpec::Kind::learned;
    spec.encoder.steps = kPositions;
    return network_spec(spec);
}

NetworkSpec transformer_seq2seq() {
    return network_spec(Seq2SeqSpec{encoder(EncoderSpec::Kind::transformer, kHidden), kTags});
}

NetworkSpec recurrent_seq2seq() {
    Seq2SeqSpec spec{encoder(EncoderSpec::Kind::rnn, 3), kTags};
    spec.encoder.cell = "gru";
    spec.encoder.embedding = 3;
    spec.encoder.bidirectional = true;
    spec.decoder_hidden = 4;
    spec.attention = Seq2SeqSpec::Attention::additive;
    return network_spec(spec);
}

std::vector<Peer> peers() {
    return {{"ctc_full", ctc(5, 0)},
            {"ctc_ragged", ctc(5, 0)},
            {"ctc_tight", ctc(5, 0)},
            {"ctc_empty", ctc(5, 0)},
            {"ctc_last_blank", ctc(5, 4)},
            {"ctc_middle_blank", ctc(6, 2)},
            {"layer_norm", layer_norm()},
            {"layer_norm_small", layer_norm()},
            {"gelu", gelu()},
            {"self_attention", attention(false, "x", kHidden)},
            {"self_attention_ragged", attention(false, "x", kHidden)},
            {"self_attention_causal", attention(true, "x", kHidden)},
            {"self_attention_causal_ragged", attention(true, "x", kHidden)},
            {"cross_attention", attention(false, "memory", 3)},
            {"additive_attention", additive_attention()},
            {"pool_last", pool(PoolSpec::Kind::last)},
            {"pool_mean", pool(PoolSpec::Kind::mean)},
            {"pool_max", pool(PoolSpec::Kind::max)},
            {"transformer_tags", transformer_tags(false, 1)},
            {"transformer_tags_causal", transformer_tags(true, 2)},
            {"transformer_seq2seq", transformer_seq2seq()},
            {"recurrent_seq2seq", recurrent_seq2seq()}};
}

// Comparing.

/// What the file holds of one case.
class PeerFile {
public:
    explicit PeerFile(std::string name)
        : file_(std::string(RONDO_SOURCE_DIR) + "/tests/fixtures/pytorch_modules.safetensors"),
          name_(std::move(name)) {}

    const SafetensorsReader& file() const { return file_; }
    Shape shape(const std::string& tensor) const { return file_.tensor(name_ + "/" + tensor).shape; }
    std::vector<double> operator()(const std::string& tensor) const {
        const TensorInfo& info = file_.tensor(name_ + "/" + tensor);
        std::vector<double> values(static_cast<std::size_t>(info.shape.size()));
        file_.read_as(info, DType::f64, values.data());
        return values;
    }
    template <class Integer>
    std::vector<Integer> integers(const std::string& tensor) const {
        const std::vector<double> values = (*this)(tensor);
        return {values.begin(), values.end()};
    }
    bool has(const std::string& tensor) const { return file_.find(name_ + "/" + tensor) != nullptr; }
    /// Of tensors PREFIX/NAME.
    std::vector<std::string> names(const std::string& prefix) const {
        const std::string begin = name_ + "/" + prefix + "/";
        std::vector<std::string> list;
        for (const TensorInfo& info : file_.tensors())
            if (info.name.starts_with(begin)) list.push_back(info.name.substr(begin.size()));
        return list;
    }

private:
    SafetensorsReader file_;
    std::string name_;
};

Feed feed_of(const PeerFile& file, const NetworkSpec& spec) {
    Feed feed;
    for (const InputSpec& input : spec.inputs) {
        const std::string name = "x/" + input.name, lengths = "lengths/" + input.name;
        auto valid = file.has(lengths) ? file.integers<std::int64_t>(lengths) : std::vector<std::int64_t>{};
        if (input.dtype == DType::i32)
            feed.ids(file.shape(name), file.integers<std::int32_t>(name), std::move(valid));
        else
            feed.numbers(file.shape(name), file(name), std::move(valid));
    }
    return feed;
}

/// NaN on PyTorch's side: padding, where anything may stand.
void expect_equal(const HostTensor& ours, const std::vector<double>& theirs, Shape shape, const std::string& what) {
    ASSERT_EQ(ours.shape, shape) << what;
    double largest = 1;
    for (const double x : theirs)
        if (!std::isnan(x)) largest = std::max(largest, std::fabs(x));
    for (std::size_t i = 0; i < theirs.size(); ++i)
        if (!std::isnan(theirs[i]))
            ASSERT_NEAR(ours.as<double>()[i], theirs[i], kTolerance * largest) << what << "[" << i << "]";
}

void write_parameters(Network& network, const PeerFile& file) {
    std::vector<HostTensor> tensors;
    for (const std::string& name : file.names("p")) {
        const std::vector<double> values = file("p/" + name);
        tensors.emplace_back(name, file.shape("p/" + name), std::span<const double>(values));
    }
    network.write_parameters(tensors, kStream);
}

class PyTorchModules : public testing::TestWithParam<Peer> {};

TEST_P(PyTorchModules, GiveTheSameValuesLossAndGradients) {
    const auto& [name, spec] = GetParam();
    const PeerFile file(name);
    Network network(Device::cpu(2), spec);
    write_parameters(network, file);

    network.forward(feed_of(file, spec).inputs(), Mode::training, nullptr, kStream);
    for (const std::string& value : file.names("y"))
        expect_equal(network.read_value(value, kStream), file("y/" + value), file.shape("y/" + value), value);

    network.loss(Reduction::sum, 0, kStream);
    const double loss = file("loss")[0];
    EXPECT_NEAR(network.read_loss(kStream).value, loss, kTolerance * std::max(1.0, loss));

    network.backward(false, kStream);
    for (const HostTensor& gradient : network.read_gradients(kStream))
        expect_equal(gradient, file("dp/" + gradient.name), file.shape("dp/" + gradient.name), "d " + gradient.name);
    for (const InputSpec& input : spec.inputs)
        if (input.gradient)
            expect_equal(network.read_gradient(input.name, kStream), file("dx/" + input.name),
                         file.shape("dx/" + input.name), "d " + input.name);
}

INSTANTIATE_TEST_SUITE_P(All, PyTorchModules, testing::ValuesIn(peers()),
                         [](const auto& peer) { return peer.param.name; });

/// No case of the file, and none of its parameters, goes uncompared.
TEST(PyTorchModulesFile, IsReadWhole) {
    const std::vector<Peer> all = peers();
    EXPECT_EQ(PeerFile("").file().metadata().size(), all.size());
    for (const Peer& peer : all) {
        const Network network(Device::cpu(1), peer.spec);
        EXPECT_EQ(PeerFile(peer.name).names("dp").size(), network.parameters().size()) << peer.name;
        EXPECT_EQ(PeerFile(peer.name).names("x").size(), peer.spec.inputs.size()) << peer.name;
    }
}

}  // namespace
}  // namespace rondo
