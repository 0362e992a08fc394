#pragma once
/// log.csv and evaluations.csv of a run.
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "rondo/trainer.hpp"

namespace rondo::cli {

/// Bits per natural unit of information.
inline constexpr double kBitsPerNat = 1.4426950408889634;

/// Steps summed up: what a row of the log and the display show.
struct Interval {
    std::int64_t steps = 0, tokens = 0, clipped = 0, skipped = 0;
    double loss_sum = 0, norm_sum = 0;

    void add(const StepMetrics& step);
    double loss() const { return loss_sum / static_cast<double>(tokens); }  ///< a target
    double norm() const { return norm_sum / static_cast<double>(steps - skipped); }
    double clip_rate() const { return static_cast<double>(clipped) / static_cast<double>(steps - skipped); }
};

/// A number that says how good a model is.
struct Figure {
    std::string name;
    double value;
};

inline constexpr const char* kLogName = "log.csv";
inline constexpr const char* kEvaluationsName = "evaluations.csv";

struct EvaluationRow {
    std::int64_t step, epoch;
    double seconds;
    std::string split;
    double loss;
    std::vector<Figure> figures;  ///< columns of their own, always the same ones
};

/// Opens a CSV file whose rows begin with a step, to append to: with those up to `step` if it is above 0, else anew. Throws
/// Error (io) when it cannot be written, and so does write_rows.
std::ofstream open_log(const std::string& path, const std::string& head, std::int64_t step);
void write_rows(std::ofstream& file, const std::string& path, const std::string& rows);

/// Appends rows; each is whole in the file when the call returns. Rows past `step`, of a run that was cut off after its
/// last checkpoint, are taken out when a log is opened again. Throws Error (io) when it cannot be written.
class TrainingLog {
public:
    /// step: the run's steps so far; 0 begins new files. characters_per_target: Task's; 0: no perplexities.
    TrainingLog(const std::string& folder, std::int64_t step, double characters_per_target);

    void add(const StepMetrics& last, const Interval& interval, double seconds);
    void add(const EvaluationRow& row);

    bool is_language() const { return characters_per_target_ > 0; }

    std::string path() const { return path_; }
    std::string evaluations_path() const { return evaluations_path_; }

private:
    std::string path_, evaluations_path_;
    double characters_per_target_;
    std::ofstream log_, evaluations_;
};

/// Draws both logs as a picture, loss.svg. Returns its path.
std::string plot_log(const TrainingLog& log, const std::string& folder);

}  // namespace rondo::cli
