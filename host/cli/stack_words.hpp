#pragma once
/// The words that describe stacks on the command line and in configurations.
#include <string>
#include <string_view>
#include <vector>

#include "rondo/device.hpp"
#include "rondo/rnn.hpp"
#include "rondo/seq2seq.hpp"

namespace rondo::cli {

// Each throws Error naming the field on any other word.
Merge parse_merge(std::string_view word);                   ///< concatenate, sum, average
Biases parse_biases(std::string_view word);                 ///< none, one, two
Direction parse_direction(std::string_view word);           ///< forward, reverse, bidirectional
RecurrentClip parse_recurrent_clip(std::string_view word);  ///< none, value:LIMIT, norm:LIMIT

PoolSpec::Kind parse_pool(std::string_view word);               ///< last, mean, max
EncoderSpec::Kind parse_model(std::string_view word);           ///< rnn, transformer
PositionSpec::Kind parse_positions(std::string_view word);      ///< sinusoidal, learned
Seq2SeqSpec::Attention parse_attention(std::string_view word);  ///< none, dot, general, additive
Seq2SeqSpec::Decoder parse_decoder(std::string_view word);      ///< luong, input_feeding, bahdanau
Seq2SeqSpec::OwnWords parse_own_words(std::string_view word);   ///< drawn, likeliest

std::vector<std::string> split(std::string_view text, char separator);

/// auto, cpu or cuda. threads: 0 for one a core; only of a cpu.
Device open_device(const std::string& name, std::int64_t threads);

}  // namespace rondo::cli
