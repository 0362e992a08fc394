#pragma once
/// From a configuration to what the library trains.
#include "cli/train_config.hpp"
#include "rondo/language_model.hpp"
#include "rondo/sequence_model.hpp"
#include "rondo/trainer.hpp"

namespace rondo::cli {

/// Dropout before the output layer.
template <class Spec>
void set_output_dropout(const TrainConfig& c, Spec& spec) {
    spec.dropout = c.output_dropout.value_or(c.dropout);
    spec.dropout_per_sequence = c.dropout_per_sequence && spec.dropout > 0 && c.model == "rnn";
}

// Each throws Error naming the first field that is not allowed.
/// The language model.
NetworkSpec network_of(const TrainConfig& config, std::int64_t classes);
/// The encoder of every other model; classes: of its ids, 0 for numbers.
EncoderSpec encoder_of(const TrainConfig& config, std::int64_t classes, std::int64_t features = 0);
TrainerSpec trainer_of(const TrainConfig& config);
InitSpec init_of(const TrainConfig& config);

}  // namespace rondo::cli
