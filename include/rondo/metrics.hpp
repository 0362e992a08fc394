#pragma once
/// How well predictions fit. Pure functions on the host; all throw Error on lists whose lengths do not fit.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rondo/export.hpp"

namespace rondo {

/// Right and wrong labels.
class RONDO_API LabelCounts {
public:
    explicit LabelCounts(std::int64_t classes);
    /// Pairs whose target is negative are left out.
    void add(std::span<const std::int32_t> targets, std::span<const std::int32_t> predictions);

    std::int64_t total() const noexcept { return total_; }
    double accuracy() const;  ///< 0 of nothing
    /// 2·tp/(2·tp + fp + fn) of one class; 0 where that is 0/0.
    double f1(std::int32_t label) const;
    /// The mean of f1 over the classes that occur among targets or predictions.
    double macro_f1() const;
    /// From tp, fp and fn summed over all classes but `outside` (the tag of what belongs to none; -1: all count).
    double micro_f1(std::int32_t outside) const;

private:
    std::vector<std::int64_t> hits_, targets_, predictions_;
    std::int64_t total_ = 0;
};

/// Insertions, deletions and substitutions from one list to the other, at least (Levenshtein).
RONDO_API std::int64_t edit_distance(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

/// Edits against symbols of the reference, summed: the error rate of characters or words.
struct RONDO_API ErrorRate {
    std::int64_t edits = 0, symbols = 0, exact = 0, rows = 0;
    void add(std::span<const std::int32_t> reference, std::span<const std::int32_t> hypothesis);
    double rate() const { return static_cast<double>(edits) / static_cast<double>(symbols); }
    double exact_share() const { return static_cast<double>(exact) / static_cast<double>(rows); }
};

/// BLEU of a corpus with one reference each (Papineni et al. 2002): the geometric mean of the clipped precisions of 1- to
/// 4-grams times the brevity penalty; 0 where any precision is 0. Not smoothed.
class RONDO_API Bleu {
public:
    void add(std::span<const std::string> reference, std::span<const std::string> hypothesis);
    double value() const;  ///< in [0, 1]

private:
    std::int64_t hits_[4] = {}, grams_[4] = {}, reference_ = 0, hypothesis_ = 0;
};

/// White space parts words.
RONDO_API std::vector<std::string> split_words(std::string_view text);

/// Forecasts against what came.
struct RONDO_API ForecastErrors {
    double absolute = 0;   ///< Σ |y - f|
    double symmetric = 0;  ///< Σ 2·|y - f| / (|y| + |f|), 0 for 0/0
    std::int64_t count = 0;
    void add(std::span<const double> actual, std::span<const double> forecast);
    double mae() const { return absolute / static_cast<double>(count); }
    double smape() const { return 100 * symmetric / static_cast<double>(count); }  ///< per cent
    /// mae() in units of the seasonal naive forecast's on the training series (Hyndman and Koehler 2006).
    double mase(double naive_mae) const { return mae() / naive_mae; }
};

/// The mean of |y[t] - y[t - season]|. Throws Error on a series that is not longer than the season.
RONDO_API double seasonal_naive_mae(std::span<const double> series, std::int64_t season);

}  // namespace rondo
