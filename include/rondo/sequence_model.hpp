#pragma once
/// Whole models as one description: an encoder, recurrent or a transformer, and what is made of its output.
#include <vector>

#include "rondo/network.hpp"

namespace rondo {

/// Reads a sequence, of ids or of numbers, into one vector a step.
struct EncoderSpec {
    enum class Kind { rnn, transformer };
    Kind kind = Kind::rnn;

    std::int64_t classes = 0;    ///< of the ids; 0: the input is numbers
    std::int64_t features = 0;   ///< of the numbers
    std::int64_t embedding = 0;  ///< width of the ids' vectors; 0: hidden
    std::int64_t hidden = 0;     ///< of a layer; of the transformer, everywhere
    std::int64_t layers = 1;
    double dropout = 0;  ///< rnn: before each layer; transformer: on the embedding and what each block adds
    Precision precision = Precision::f32();

    // Recurrent.
    std::string cell = "lstm";
    CellOptions options{};
    bool bidirectional = false;
    std::int64_t projection = 0;
    RecurrentClip recurrent_clip{};
    /// Not empty: these layers, whatever they are, instead of `layers` alike of `cell` to `projection` with `dropout`.
    std::vector<LayerSpec> stack{};

    // Transformer (Vaswani et al. 2017, layers normalised before each block: Xiong et al. 2020). The last layer's output
    // is normalised once more.
    std::int64_t heads = 4;
    std::int64_t feed_forward = 0;  ///< width between the two layers of a block; 0: 4·hidden
    bool causal = false;            ///< a step sees itself and what came before
    std::int64_t steps = 1024;      ///< most steps there may be
    PositionSpec::Kind positions = PositionSpec::Kind::sinusoidal;

    /// Width of what comes out.
    std::int64_t output() const;
    friend bool operator==(const EncoderSpec&, const EncoderSpec&) = default;
};

/// Adds the encoder's nodes, their names beginning with `prefix`, from the network's input `input`. Returns the name of
/// its output, [T,B,output()]. `states`: also the last layer's final states by name, as a stack's outputs.
RONDO_API std::string add_encoder(NetworkSpec& network, const EncoderSpec& spec, const std::string& prefix,
                                  const std::string& input, std::vector<std::string>* states = nullptr);

/// An encoder with an output layer.
struct SequenceModelSpec {
    enum class Head {
        next_token,  ///< logits [T,B,outputs] of what follows each step: an encoder that sees no future
        tags,        ///< logits [T,B,outputs] of each step
        label,       ///< logits [B,outputs] of the whole
        numbers,     ///< [B,outputs] by least squares
        ctc,         ///< logits [T,B,outputs], class 0 is the blank
    };
    EncoderSpec encoder;
    Head head = Head::label;
    std::int64_t outputs = 0;
    PoolSpec::Kind pool = PoolSpec::Kind::last;  ///< label, numbers: of the encoder's output
    double dropout = 0;                          ///< before the output layer
    bool dropout_per_sequence = false;           ///< one mask for all steps
    bool tied = false;                           ///< next_token: linear.weight is embedding.weight
    /// next_token, not 0: linear and its loss are a SampledSoftmaxSpec, and there is no output.
    std::int64_t samples = 0;
    SampledSoftmaxSpec::Proposal proposal = SampledSoftmaxSpec::Proposal::log_uniform;
    friend bool operator==(const SequenceModelSpec&, const SequenceModelSpec&) = default;
};

/// Inputs (x, targets), value "output", loss "loss". Throws Error naming the first field that is not allowed.
RONDO_API NetworkSpec network_spec(const SequenceModelSpec& spec);

}  // namespace rondo
