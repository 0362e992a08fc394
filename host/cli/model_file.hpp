#pragma once
/// A run of `rondo train` as a checkpoint file, and the model in it.
#include <string>

#include "cli/tokenizer.hpp"
#include "rondo/checkpoint.hpp"
#include "rondo/network.hpp"
#include "rondo/trainer.hpp"

namespace rondo::cli {

inline constexpr const char* kLastName = "last.safetensors";
inline constexpr const char* kBestName = "best.safetensors";

/// What the loop itself remembers between two starts.
struct RunMemory {
    double seconds = 0;    ///< of training, all starts together
    double best_loss = 0;  ///< of validation; only if best_step >= 0
    std::int64_t best_step = -1;
    std::int64_t worse_in_a_row = 0;
    std::int64_t due = 0;         ///< 1: stopped before an evaluation that was due
    std::uint64_t text_hash = 0;  ///< of the training text
};

struct SavedRun {
    TrainConfig config;
    Metadata task;  ///< Task::metadata; not set when read: the state's metadata holds it
    RunMemory memory;
    TrainingState state;
    std::string folder;  ///< it was read from; not saved
};

void save_run(const std::string& path, const SavedRun& run);

/// `path` may be a file, or the folder of a run: its best checkpoint then, or its last where there is no best.
/// Throws Error (io) when it is none of `rondo train`.
SavedRun load_run(const std::string& path);

/// The checkpoint that `path` stands for. `preferred`: kBestName or kLastName.
std::string find_checkpoint(const std::string& path, const std::string& preferred);

/// The language model's. Throws Error where the run is of another task.
Tokenizer language_tokenizer(const SavedRun& run);

/// The trained network on a device. memory: not 0, with_memory of so many steps.
Network load_network(const SavedRun& run, const Device& device, std::int64_t memory = 0);

std::uint64_t hash_text(std::string_view text);  ///< FNV-1a

}  // namespace rondo::cli
