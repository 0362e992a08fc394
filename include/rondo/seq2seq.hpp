#pragma once
/// Encoder-decoder models: one sequence from another of another length.
#include <memory>

#include "rondo/beam.hpp"
#include "rondo/sequence_model.hpp"

namespace rondo {

/// encoder (source) -> states and memory -> decoder (target so far) -> next target token.
/// A recurrent decoder begins with the encoder's final states: as they are where the encoder's layers are those of the
/// decoder, otherwise h of every layer through a learned bridge, tanh(W·[all final h] + b), and c zero. With attention
/// its output h and the memory's context c become tanh(W·[h; c] + b). Ids of the target have two more than its classes:
/// begin() and end().
struct Seq2SeqSpec {
    enum class Attention { none, dot, general, additive };
    /// How attention takes part in a recurrent decoder. All steps of a `luong` one run at once; the others go step by
    /// step (LoopSpec), which costs them speed.
    enum class Decoder {
        luong,          ///< behind the stack: h asks (Luong et al. 2015)
        input_feeding,  ///< and the stack reads the tanh(...) of the step before beside its word (Luong et al. 2015)
        bahdanau,       ///< h of the step before asks, and the stack reads c beside its word (Bahdanau et al. 2015)
    };
    /// What a recurrent decoder in training reads where the input "forced" is 0: its own word of the step before, drawn
    /// from its distribution or the likeliest (scheduled sampling, Bengio et al. 2015). How often that is, the schedule
    /// of teacher forcing, is up to who fills "forced".
    enum class OwnWords { never, drawn, likeliest };
    EncoderSpec encoder;
    std::int64_t target_classes = 0;
    std::int64_t decoder_hidden = 0;           ///< recurrent: 0 for that of the encoder, as where it has a stack
    std::int64_t decoder_layers = 0;           ///< 0 for as many as the encoder's, likewise
    Attention attention = Attention::general;  ///< recurrent; a transformer's is its own
    Decoder decoder = Decoder::luong;
    OwnWords own_words = OwnWords::never;
    double dropout = 0;                 ///< before the output layer
    bool dropout_per_sequence = false;  ///< one mask for all steps

    /// Whether the decoder goes step by step.
    bool stepwise() const {
        return own_words != OwnWords::never || (attention != Attention::none && decoder != Decoder::luong);
    }
    std::int32_t begin() const { return static_cast<std::int32_t>(target_classes); }
    std::int32_t end() const { return begin() + 1; }
    friend bool operator==(const Seq2SeqSpec&, const Seq2SeqSpec&) = default;
};

/// Inputs (source i32 [S,B], target i32 [T,B] beginning with begin(), targets i32 [T,B] ending with end(); with own words
/// also forced i32 [T,B], 1 where the target is read and 0 where the own word is; of step 0 always 1); value "logits".
/// Throws Error naming the first field that is not allowed.
RONDO_API NetworkSpec network_spec(const Seq2SeqSpec& spec);

/// A trained encoder-decoder at work. One thread at a time.
class RONDO_API Translator {
public:
    /// parameters: by name, as Network::read_parameters of network_spec(spec) gives them.
    Translator(Device device, const Seq2SeqSpec& spec, std::span<const HostTensor> parameters);
    ~Translator();
    Translator(Translator&&) noexcept;
    Translator& operator=(Translator&&) noexcept;

    /// The best hypotheses of each source, best first, without end(). beam.begin and end are set here. No source may be
    /// empty.
    std::vector<std::vector<Hypothesis>> translate(std::span<const std::vector<std::int32_t>> sources, BeamSpec beam);
    /// Where the decoder looked: [target + 1, source] row-major for one pair; the last row is that of the end. Of a
    /// transformer the mean over the heads of its last layer. Throws Error where the model has no attention.
    std::vector<double> attention(const std::vector<std::int32_t>& source, const std::vector<std::int32_t>& target);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
