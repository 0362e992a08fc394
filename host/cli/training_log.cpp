#include "cli/training_log.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>

namespace rondo::cli {
namespace {

constexpr const char* kLanguageHead =
    "step,epoch,seconds,tokens,loss,perplexity,bits_per_character,gradient_norm,clip_rate,skipped,learning_rate\n";
constexpr const char* kHead = "step,epoch,seconds,targets,loss,gradient_norm,clip_rate,skipped,learning_rate\n";

/// The head and those rows of the file whose step is at most `step`. Of a new file nothing where `head` is empty.
std::string kept_rows(const std::string& path, const std::string& head, std::int64_t step) {
    std::string kept = head, line;
    std::ifstream file(path);
    if (std::getline(file, line) && head.empty() && step > 0) kept = line + '\n';
    while (step > 0 && std::getline(file, line)) {
        std::int64_t row = 0;
        const auto error = std::from_chars(line.data(), line.data() + line.size(), row).ec;
        if (error == std::errc() && row <= step) kept += line + '\n';
    }
    return kept;
}

}  // namespace

std::ofstream open_log(const std::string& path, const std::string& head, std::int64_t step) {
    const std::string rows = kept_rows(path, head, step);
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << rows << std::flush;
    if (!file) throw Error(ErrorCode::io, "file = " + path + ": cannot be written");
    return file;
}

void write_rows(std::ofstream& file, const std::string& path, const std::string& rows) {
    file << rows << std::flush;
    if (!file) throw Error(ErrorCode::io, "file = " + path + ": cannot be written");
}

void Interval::add(const StepMetrics& step) {
    ++steps;
    skipped += step.skipped;
    if (step.skipped) return;
    tokens += step.tokens;
    loss_sum += step.loss_sum;
    norm_sum += step.gradient_norm;
    clipped += step.clipped;
}

TrainingLog::TrainingLog(const std::string& folder, std::int64_t step, double characters_per_target)
    : path_((std::filesystem::path(folder) / kLogName).string()),
      evaluations_path_((std::filesystem::path(folder) / kEvaluationsName).string()),
      characters_per_target_(characters_per_target),
      log_(open_log(path_, is_language() ? kLanguageHead : kHead, step)),
      evaluations_(open_log(evaluations_path_, "", step)) {}

void TrainingLog::add(const StepMetrics& last, const Interval& interval, double seconds) {
    const double loss = interval.loss();
    const std::string language =
        is_language() ? fmt::format("{:.4f},{:.5f},", std::exp(loss), loss * kBitsPerNat / characters_per_target_) : "";
    write_rows(log_, path_,
               fmt::format("{},{},{:.3f},{},{:.6f},{}{:.6g},{:.4f},{},{:.6g}\n", last.step + 1, last.epoch, seconds,
                           interval.tokens, loss, language, interval.norm(), interval.clip_rate(), interval.skipped,
                           last.learning_rate));
}

void TrainingLog::add(const EvaluationRow& row) {
    std::string head = "step,epoch,seconds,split,loss",
                line = fmt::format("{},{},{:.3f},{},{:.6f}", row.step, row.epoch, row.seconds, row.split, row.loss);
    for (const Figure& figure : row.figures) {
        head += "," + figure.name;
        line += fmt::format(",{:.6g}", figure.value);
    }
    const bool fresh = evaluations_.tellp() == 0;  // only now are the columns known
    write_rows(evaluations_, evaluations_path_, (fresh ? head + "\n" : "") + line + "\n");
}

}  // namespace rondo::cli
