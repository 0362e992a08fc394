#include "rondo/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "rondo/error.hpp"

namespace rondo {
namespace {

void require_pairs(std::size_t a, std::size_t b) {
    require(a == b, "predictions", b, detail::concat("must be as many as the targets, ", a));
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

double f1_of(std::int64_t hits, std::int64_t targets, std::int64_t predictions) {
    return ratio(2 * static_cast<double>(hits), static_cast<double>(targets + predictions));
}

}  // namespace

LabelCounts::LabelCounts(std::int64_t classes) {
    require(classes >= 1, "classes", classes, "must be at least 1");
    for (auto* list : {&hits_, &targets_, &predictions_}) list->resize(static_cast<std::size_t>(classes));
}

void LabelCounts::add(std::span<const std::int32_t> targets, std::span<const std::int32_t> predictions) {
    require_pairs(targets.size(), predictions.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
        if (targets[i] < 0) continue;
        for (const std::int32_t label : {targets[i], predictions[i]})
            require(label >= 0 && static_cast<std::size_t>(label) < hits_.size(), "label", label, "is no class");
        ++targets_[static_cast<std::size_t>(targets[i])];
        ++predictions_[static_cast<std::size_t>(predictions[i])];
        if (targets[i] == predictions[i]) ++hits_[static_cast<std::size_t>(targets[i])];
        ++total_;
    }
}

double LabelCounts::accuracy() const {
    double hits = 0;
    for (const std::int64_t h : hits_) hits += static_cast<double>(h);
    return ratio(hits, static_cast<double>(total_));
}

double LabelCounts::f1(std::int32_t label) const {
    const auto c = static_cast<std::size_t>(label);
    require(label >= 0 && c < hits_.size(), "label", label, "is no class");
    return f1_of(hits_[c], targets_[c], predictions_[c]);
}

double LabelCounts::macro_f1() const {
    double sum = 0;
    std::int64_t classes = 0;
    for (std::size_t c = 0; c < hits_.size(); ++c) {
        if (targets_[c] + predictions_[c] == 0) continue;
        sum += f1_of(hits_[c], targets_[c], predictions_[c]);
        ++classes;
    }
    return ratio(sum, static_cast<double>(classes));
}

double LabelCounts::micro_f1(std::int32_t outside) const {
    std::int64_t hits = 0, targets = 0, predictions = 0;
    for (std::size_t c = 0; c < hits_.size(); ++c) {
        if (outside >= 0 && c == static_cast<std::size_t>(outside)) continue;
        hits += hits_[c];
        targets += targets_[c];
        predictions += predictions_[c];
    }
    return f1_of(hits, targets, predictions);
}

std::int64_t edit_distance(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
    std::vector<std::int64_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<std::int64_t>(j);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::int64_t diagonal = row[0];
        row[0] = static_cast<std::int64_t>(i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::int64_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

void ErrorRate::add(std::span<const std::int32_t> reference, std::span<const std::int32_t> hypothesis) {
    const std::int64_t distance = edit_distance(reference, hypothesis);
    edits += distance;
    symbols += static_cast<std::int64_t>(reference.size());
    exact += distance == 0 ? 1 : 0;
    ++rows;
}

void Bleu::add(std::span<const std::string> reference, std::span<const std::string> hypothesis) {
    for (std::size_t n = 1; n <= 4; ++n) {
        std::map<std::vector<std::string>, std::int64_t> counts;
        for (std::size_t i = 0; i + n <= reference.size(); ++i)
            ++counts[{reference.begin() + static_cast<std::ptrdiff_t>(i),
                      reference.begin() + static_cast<std::ptrdiff_t>(i + n)}];
        for (std::size_t i = 0; i + n <= hypothesis.size(); ++i) {
            const auto found = counts.find({hypothesis.begin() + static_cast<std::ptrdiff_t>(i),
                                            hypothesis.begin() + static_cast<std::ptrdiff_t>(i + n)});
            ++grams_[n - 1];
            if (found == counts.end() || found->second == 0) continue;
            --found->second;
            ++hits_[n - 1];
        }
    }
    reference_ += static_cast<std::int64_t>(reference.size());
    hypothesis_ += static_cast<std::int64_t>(hypothesis.size());
}

double Bleu::value() const {
    double sum = 0;
    for (int n = 0; n < 4; ++n) {
        if (hits_[n] == 0) return 0;
        sum += std::log(static_cast<double>(hits_[n]) / static_cast<double>(grams_[n]));
    }
    const double brevity = std::min(0.0, 1 - static_cast<double>(reference_) / static_cast<double>(hypothesis_));
    return std::exp(brevity + sum / 4);
}

std::vector<std::string> split_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    for (const char c : text) {
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            word += c;
        } else if (!word.empty()) {
            words.push_back(std::move(word));
            word.clear();
        }
    }
    if (!word.empty()) words.push_back(std::move(word));
    return words;
}

void ForecastErrors::add(std::span<const double> actual, std::span<const double> forecast) {
    require_pairs(actual.size(), forecast.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
        const double error = std::fabs(actual[i] - forecast[i]);
        absolute += error;
        symmetric += ratio(2 * error, std::fabs(actual[i]) + std::fabs(forecast[i]));
        ++count;
    }
}

double seasonal_naive_mae(std::span<const double> series, std::int64_t season) {
    const auto count = static_cast<std::int64_t>(series.size());
    require(season >= 1 && season < count, "season", season, detail::concat("must be in [1, ", count, ")"));
    double sum = 0;
    for (std::int64_t t = season; t < count; ++t)
        sum += std::fabs(series[static_cast<std::size_t>(t)] - series[static_cast<std::size_t>(t - season)]);
    return sum / static_cast<double>(count - season);
}

}  // namespace rondo
