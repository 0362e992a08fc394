#pragma once
/// From a configuration to what the library trains.
#include "cli/train_config.hpp"
#include "rondo/language_model.hpp"
#include "rondo/trainer.hpp"

namespace rondo::cli {

// Each throws Error naming the first field that is not allowed.
NetworkSpec network_of(const TrainConfig& config, std::int64_t classes);
TrainerSpec trainer_of(const TrainConfig& config);
InitSpec init_of(const TrainConfig& config);

}  // namespace rondo::cli
