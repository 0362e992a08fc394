#pragma once
/// The recurrent language model as one description: embedding, stack, output layer, cross-entropy.
#include <vector>

#include "rondo/network.hpp"
#include "rondo/text.hpp"

namespace rondo {

/// tokens -> embedding -> dropout -> rnn (dropout before each layer) -> dropout -> linear -> logits -> cross-entropy.
/// With dropout as Zaremba et al. 2014 place it: on everything that goes up, on nothing that goes to the next step.
struct LanguageModelSpec {
    std::int64_t classes = 0;    ///< size of the vocabulary
    std::int64_t embedding = 0;  ///< width; 0: that of `hidden`
    std::string cell = "lstm";
    CellOptions options{};
    std::int64_t hidden = 0;
    std::int64_t layers = 1;
    std::int64_t projection = 0;
    double dropout = 0;
    bool dropout_per_sequence = false;
    /// Not empty: these forward layers, whatever they are, instead of `layers` alike of `cell` to `projection`;
    /// `dropout` is then that of the last one's output alone.
    std::vector<LayerSpec> stack{};
    bool tied = false;  ///< linear.weight is embedding.weight; needs equal widths
    RecurrentClip recurrent_clip{};
    Precision precision = Precision::f32();
    std::int64_t samples = 0;  ///< not 0: linear and its loss are a SampledSoftmaxSpec, and there are no logits
    SampledSoftmaxSpec::Proposal proposal = SampledSoftmaxSpec::Proposal::log_uniform;
    friend bool operator==(const LanguageModelSpec&, const LanguageModelSpec&) = default;
};

/// Nodes "embedding", "rnn", "dropout", "linear", "loss"; inputs (tokens, targets); value "logits" [T,B,classes].
/// Throws Error naming the first field that is not allowed.
RONDO_API NetworkSpec network_spec(const LanguageModelSpec& spec);

/// "model.hidden" = "200" and so on; the inverse throws Error on a missing or malformed entry.
RONDO_API Metadata to_metadata(const LanguageModelSpec& spec);
RONDO_API LanguageModelSpec language_model_from(const Metadata& metadata);

}  // namespace rondo
