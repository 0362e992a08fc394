#pragma once
/// What a model is trained for: its data, its network, how batches are fed and how results are judged.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/model_config.hpp"
#include "cli/model_file.hpp"
#include "cli/train_config.hpp"
#include "cli/training_log.hpp"
#include "rondo/trainer.hpp"

namespace rondo::cli {

/// How well a model does on a set.
struct Score {
    double loss_sum = 0;
    std::int64_t count = 0;
    std::vector<Figure> figures;  ///< beside the loss
    double loss() const { return loss_sum / static_cast<double>(count); }
};

/// The sets that a run may be judged on.
enum class Split { validation, test };
inline const char* name_of(Split split) { return split == Split::validation ? "validation" : "test"; }

/// Asked with the fraction that was read; where it says no, the rest is left out.
using GoOn = std::function<bool(double fraction)>;

class Task {
public:
    virtual ~Task() = default;

    virtual NetworkSpec network() const = 0;
    /// What a model file needs beside the configuration: vocabularies, labels, scales.
    virtual Metadata metadata() const = 0;

    // Training: only of a task that was made with data.
    /// In a line: how much data there is, and the share of padding.
    virtual std::string summary() const = 0;
    /// Of the training data; a run goes on with the same.
    virtual std::uint64_t hash() const = 0;
    virtual std::int64_t steps_an_epoch() const = 0;
    /// Queues the next step, as Trainer::queue does.
    virtual std::optional<StepMetrics> queue(Trainer& trainer) = 0;
    virtual bool has(Split split) const = 0;
    virtual Score evaluate(Split split, Network& network, Stream stream, const GoOn& go_on) = 0;
    /// Characters that one target stands for; 0: targets are no text, and perplexities mean nothing.
    virtual double characters_per_target() const { return 0; }

    // A trained model's work.
    /// Judges a model on a file.
    virtual Score evaluate_file(const std::string& path, Network& network, Stream stream, const GoOn& go_on) = 0;
    /// One line of output for each line of input.
    virtual std::vector<std::string> predict(const std::vector<std::string>& lines, Network& network, Stream stream);
};

/// The task of a run: with its data, and where `resumed` is given with that run's vocabularies.
std::unique_ptr<Task> make_task(const TrainConfig& config, const SavedRun* resumed);
/// The task of a trained model, without data.
std::unique_ptr<Task> restore_task(const SavedRun& run);
/// The same with a file of its own to train on, and with nothing to validate on.
std::unique_ptr<Task> restore_task(const SavedRun& run, const std::string& data);

// One a kind. data: read the files of the configuration. saved: the metadata of a model file, or null.
std::unique_ptr<Task> make_language_task(const TrainConfig& config, bool data, const Metadata* saved);
std::unique_ptr<Task> make_label_task(const TrainConfig& config, bool data, const Metadata* saved);
std::unique_ptr<Task> make_tag_task(const TrainConfig& config, bool data, const Metadata* saved);
std::unique_ptr<Task> make_pair_task(const TrainConfig& config, bool data, const Metadata* saved);
std::unique_ptr<Task> make_ctc_task(const TrainConfig& config, bool data, const Metadata* saved);
std::unique_ptr<Task> make_forecast_task(const TrainConfig& config, bool data, const Metadata* saved);

/// Throws Error (io) when it is not there.
const std::string& metadata_entry(const Metadata& metadata, const std::string& name);
/// Metadata whose keys begin with the prefix, without it; and the reverse.
Metadata without_prefix(const Metadata& metadata, const std::string& prefix);
Metadata with_prefix(const Metadata& metadata, const std::string& prefix);

}  // namespace rondo::cli
