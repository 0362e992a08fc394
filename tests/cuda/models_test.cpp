/// Whole networks on the GPU: pooling classifiers, encoder-decoders with attention, transformers and CTC. The loss and the
/// gradient of every parameter against the CPU's, and training.
#include <functional>

#include "cuda/operations.hpp"
#include "rondo/convert.hpp"
#include "rondo/seq2seq.hpp"
#include "rondo/sequence_model.hpp"
#include "rondo/trainer.hpp"
#include "support/compare.hpp"

namespace rondo::test {
namespace {

using Lengths = std::vector<std::int64_t>;

/// An input of a batch: ids below `classes`, or numbers.
struct Given {
    Shape shape;
    std::int64_t classes = 0;
    Lengths lengths = {};
    std::int32_t first = 0;  ///< the least id
};

struct Model {
    std::string name;
    std::function<NetworkSpec(Precision)> spec;
    std::vector<Given> inputs;
};

struct Gradients {
    double loss = 0;
    std::vector<std::string> names;
    std::vector<Tensor> tensors;
};

Tensor numbers_of(const HostTensor& t) {
    Tensor values;
    for (std::int64_t i = 0; i < t.shape.size(); ++i) values.push_back(t.at(i));
    return values;
}

/// Numbers for a model's inputs, and the memory they lie in.
struct Batch {
    std::vector<std::vector<std::int32_t>> ids;
    std::vector<std::vector<std::byte>> numbers;
    std::vector<Sequence> inputs;
};

Batch draw(const Model& model, DType type, std::uint64_t seed) {
    Random random(seed);
    Batch batch;
    for (const Given& given : model.inputs) {
        Sequence s;
        if (given.classes > 0) {
            auto& ids = batch.ids.emplace_back();
            for (std::int64_t n = 0; n < given.shape.size(); ++n)
                ids.push_back(given.first + static_cast<std::int32_t>(random.below(given.classes - given.first)));
            s.data = ConstView(ids.data(), given.shape);
        } else {
            const Tensor values = random.uniforms(given.shape.size());
            auto& numbers = batch.numbers.emplace_back(values.size() * static_cast<std::size_t>(size_of(type)));
            convert_elements(type, numbers.data(), DType::f64, values.data(), given.shape.size());
            s.data = ConstView(numbers.data(), type, given.shape);
        }
        s.lengths = given.lengths;
        batch.inputs.push_back(s);
    }
    return batch;
}

/// One training step's loss and gradients, with the parameters given (f32 holds them exactly).
Gradients run(const Device& device, const Model& model, Precision precision, const std::vector<HostTensor>& parameters,
              std::uint64_t seed) {
    Network network(device, model.spec(precision));
    std::vector<HostTensor> own = network.read_parameters(kStream);
    for (HostTensor& t : own) {
        const HostTensor& from = find(parameters, t.name);
        convert_elements(t.dtype, t.data.data(), from.dtype, from.data.data(), t.shape.size());
    }
    network.write_parameters(own, kStream);
    network.set_random({5, seed}, kStream);

    const Batch batch = draw(model, precision.storage, seed);
    Gradients result;
    network.forward(batch.inputs, Mode::training, nullptr, kStream);
    network.loss(Reduction::mean, 0, kStream);
    result.loss = network.read_loss(kStream).value;
    network.backward(false, kStream);
    for (const HostTensor& t : network.read_gradients(kStream)) {
        result.names.push_back(t.name);
        result.tensors.push_back(numbers_of(t));
    }
    return result;
}

std::vector<HostTensor> parameters_of(const Model& model, std::uint64_t seed) {
    Network network(Device::cpu(1), model.spec(Precision::f32()));
    network.initialise({.seed = seed}, kStream);
    return network.read_parameters(kStream);
}

EncoderSpec recurrent(Precision precision, std::int64_t classes, std::int64_t features = 0) {
    EncoderSpec e;
    e.classes = classes;
    e.features = features;
    e.hidden = 10;
    e.cell = "gru";
    e.bidirectional = true;
    e.precision = precision;
    return e;
}

EncoderSpec transformer(Precision precision, std::int64_t classes, bool causal = false) {
    EncoderSpec e;
    e.kind = EncoderSpec::Kind::transformer;
    e.classes = classes;
    e.hidden = 12;
    e.heads = 2;
    e.layers = 2;
    e.feed_forward = 20;
    e.steps = 20;
    e.dropout = 0.1;
    e.causal = causal;
    e.positions = causal ? PositionSpec::Kind::learned : PositionSpec::Kind::sinusoidal;
    e.precision = precision;
    return e;
}

Model classifier(const std::string& name, PoolSpec::Kind pool) {
    return {"classifier by the " + name,
            [=](Precision p) {
                return network_spec(
                    SequenceModelSpec{.encoder = recurrent(p, 9), .outputs = 3, .pool = pool, .dropout = 0.2});
            },
            {{{7, 4}, 9, {7, 1, 4, 6}}, {{4}, 3}}};
}

Model translation(const std::string& name, Seq2SeqSpec::Attention attention,
                  Seq2SeqSpec::Decoder decoder = Seq2SeqSpec::Decoder::luong) {
    return {"encoder-decoder, " + name,
            [=](Precision p) {
                Seq2SeqSpec spec;
                spec.encoder = recurrent(p, 9);
                spec.target_classes = 6;
                spec.attention = attention;
                spec.decoder = decoder;
                if (attention == Seq2SeqSpec::Attention::dot) spec.decoder_hidden = spec.encoder.output();
                return network_spec(spec);
            },
            {{{6, 3}, 9, {6, 2, 5}}, {{5, 3}, 6, {5, 4, 2}}, {{5, 3}, 6, {5, 4, 2}}}};
}

std::vector<Model> models() {
    using Head = SequenceModelSpec::Head;
    using Attention = Seq2SeqSpec::Attention;
    return {
        classifier("last step", PoolSpec::Kind::last),
        classifier("mean", PoolSpec::Kind::mean),
        classifier("largest", PoolSpec::Kind::max),
        translation("dot", Attention::dot),
        translation("general", Attention::general),
        translation("additive", Attention::additive),
        translation("input feeding", Attention::general, Seq2SeqSpec::Decoder::input_feeding),
        translation("Bahdanau's", Attention::additive, Seq2SeqSpec::Decoder::bahdanau),
        {"transformer encoder",
         [](Precision p) {
             return network_spec(SequenceModelSpec{.encoder = transformer(p, 9), .head = Head::tags, .outputs = 4});
         },
         {{{11, 3}, 9, {11, 3, 8}}, {{11, 3}, 4, {11, 3, 8}}}},
        {"transformer decoder",
         [](Precision p) {
             return network_spec(
                 SequenceModelSpec{.encoder = transformer(p, 9, true), .head = Head::next_token, .outputs = 9});
         },
         {{{18, 2}, 9}, {{18, 2}, 9}}},
        {"transformer encoder-decoder",
         [](Precision p) {
             Seq2SeqSpec spec;
             spec.encoder = transformer(p, 9);
             spec.target_classes = 6;
             return network_spec(spec);
         },
         {{{6, 3}, 9, {6, 2, 5}}, {{5, 3}, 6, {5, 4, 2}}, {{5, 3}, 6, {5, 4, 2}}}},
        {"CTC",
         [](Precision p) {
             return network_spec(SequenceModelSpec{.encoder = recurrent(p, 0, 5), .head = Head::ctc, .outputs = 6});
         },
         {{{14, 3, 5}, 0, {14, 9, 12}}, {{4, 3}, 6, {4, 2, 3}, 1}}},
    };
}

double largest_of(const Tensor& t) {
    double most = 0;
    for (const double v : t) most = std::max(most, std::abs(v));
    return most;
}

class CudaModelsGpu : public GpuTest {};

/// Proof rule 2. Gradients that are 0 in exact arithmetic (a bias of all keys moves no softmax) are rounding on either side.
TEST_F(CudaModelsGpu, HaveTheCpusGradientsInDouble) {
    for (const Model& model : models()) {
        const auto parameters = parameters_of(model, 1);
        const Gradients out = run(device(), model, Precision::f64(), parameters, 1),
                        ref = run(Device::cpu(1), model, Precision::f64(), parameters, 1);
        EXPECT_NEAR(out.loss, ref.loss, 1e-10 * ref.loss) << model.name;
        ASSERT_EQ(out.names, ref.names);
        double all = 0;
        for (const Tensor& t : ref.tensors) all = std::max(all, largest_of(t));
        EXPECT_GT(all, 1e-3) << model.name;
        for (std::size_t i = 0; i < ref.tensors.size(); ++i) {
            if (largest_of(ref.tensors[i]) < 1e-14 * all)
                EXPECT_LT(largest_of(out.tensors[i]), 1e-14 * all) << model.name << ": " << ref.names[i];
            else
                EXPECT_LE(error_ratio(out.tensors[i], ref.tensors[i], kDouble), 1)
                    << model.name << ": " << ref.names[i];
        }
    }
}

/// Proof rule 5, where the plain algorithm is the CPU's in f32.
TEST_F(CudaModelsGpu, HaveTheCpusGradientsInF32) {
    for (const Model& model : models()) {
        std::vector<StorageError> errors;
        StorageError loss;
        Gradients out;
        std::vector<bool> vanishes;
        for (std::uint64_t draw = 1; draw <= 3; ++draw) {
            const auto parameters = parameters_of(model, draw);
            const Device cpu = Device::cpu(1);
            out = run(device(), model, Precision::f32(), parameters, draw);
            const Gradients naive = run(cpu, model, Precision::f32(), parameters, draw),
                            ref = run(cpu, model, Precision::f64(), parameters, draw);
            loss.take({out.loss}, {naive.loss}, {ref.loss});
            errors.resize(ref.tensors.size());
            vanishes.assign(ref.tensors.size(), false);
            double all = 0;
            for (const Tensor& t : ref.tensors) all = std::max(all, largest_of(t));
            for (std::size_t i = 0; i < errors.size(); ++i) {
                vanishes[i] = largest_of(ref.tensors[i]) < 1e-14 * all;
                errors[i].take(out.tensors[i], naive.tensors[i], ref.tensors[i]);
            }
        }
        EXPECT_LE(loss.ratio(unit_roundoff(DType::f32)), 1) << model.name;
        for (std::size_t i = 0; i < errors.size(); ++i)
            if (!vanishes[i])
                EXPECT_LE(errors[i].ratio(unit_roundoff(DType::f32)), 1) << model.name << ": " << out.names[i];
    }
}

/// That every operation is handed 16-bit arrays where it takes them for such: within a tenth of a gradient's length, far
/// from what another type's bits would give. How exact each operation is, its own tests tell.
TEST_F(CudaModelsGpu, FollowInSixteenBits) {
    for (const Precision precision : {Precision::f16(), Precision::bf16()})
        for (const Model& model : models()) {
            const auto parameters = parameters_of(model, 1);
            const Gradients out = run(device(), model, precision, parameters, 1),
                            ref = run(Device::cpu(1), model, Precision::f64(), parameters, 1);
            EXPECT_NEAR(out.loss, ref.loss, 0.03 * ref.loss) << model.name << " " << precision.name();
            double error = 0, length = 0;
            for (std::size_t i = 0; i < ref.tensors.size(); ++i)
                for (std::size_t e = 0; e < ref.tensors[i].size(); ++e) {
                    error += std::pow(out.tensors[i][e] - ref.tensors[i][e], 2);
                    length += std::pow(ref.tensors[i][e], 2);
                }
            EXPECT_LE(std::sqrt(error / length), 0.1) << model.name << " " << precision.name();
        }
}

/// Losses of six steps on the same two batches. On a stream of its own a step is recorded when its extents come again, and
/// replayed from then on.
std::vector<double> losses_of_training(const Device& device, Stream stream, const Model& model) {
    Network network(device, model.spec(Precision::f64()));
    network.initialise({.seed = 4}, stream);
    Trainer trainer(network,
                    {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                     .schedule = {.rate = 0.02},
                     .clip = {ClipSpec::Kind::norm, 1}},
                    stream);
    const Batch batches[] = {draw(model, DType::f64, 1), draw(model, DType::f64, 2)};
    std::vector<double> losses;
    for (int i = 0; i < 6; ++i) losses.push_back(trainer.step(batches[i % 2].inputs).loss);
    return losses;
}

TEST_F(CudaModelsGpu, TrainAsOnTheCpu) {
    const DeviceStream stream(device());
    for (const Model& model : models()) {
        const std::vector<double> out = losses_of_training(device(), stream, model),
                                  ref = losses_of_training(Device::cpu(1), {}, model);
        EXPECT_LT(ref[4], 0.95 * ref[0]) << model.name;
        for (std::size_t i = 0; i < ref.size(); ++i)
            EXPECT_NEAR(out[i], ref[i], 1e-9 * ref[i]) << model.name << " " << i;
    }
}

}  // namespace
}  // namespace rondo::test
