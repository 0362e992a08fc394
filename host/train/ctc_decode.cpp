#include "rondo/ctc_decode.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "rondo/error.hpp"

namespace rondo {
namespace {

constexpr double kImpossible = -std::numeric_limits<double>::infinity();

double log_sum(double a, double b) {
    const double larger = std::max(a, b);
    return larger == kImpossible ? larger : larger + std::log1p(std::exp(std::min(a, b) - larger));
}

std::int64_t check_logits(std::span<const double> logits, std::int64_t classes, std::int32_t blank) {
    require(classes >= 1, "classes", classes, "must be at least 1");
    require(blank >= 0 && blank < classes, "blank", blank, "must be a class");
    const auto size = static_cast<std::int64_t>(logits.size());
    require(size % classes == 0, "logits", size, detail::concat("must be rows of ", classes));
    require(std::none_of(logits.begin(), logits.end(), [](double x) { return std::isnan(x); }), "logits", "nan",
            "must be numbers");
    return size / classes;
}

/// log p of a prefix, by whether its paths end in a blank.
struct Ends {
    double blank = kImpossible, label = kImpossible;
    double both() const { return log_sum(blank, label); }
};

using Labels = std::vector<std::int32_t>;
using Prefixes = std::vector<std::pair<Labels, Ends>>;

/// Every prefix one step later; log_p: of the classes in it.
std::map<Labels, Ends> extend(const Prefixes& beam, std::span<const double> log_p, std::int32_t blank) {
    std::map<Labels, Ends> next;
    for (const auto& [labels, ends] : beam) {
        Ends& same = next[labels];
        same.blank = log_sum(same.blank, ends.both() + log_p[static_cast<std::size_t>(blank)]);
        if (!labels.empty())
            same.label = log_sum(same.label, ends.label + log_p[static_cast<std::size_t>(labels.back())]);
        for (std::int32_t c = 0; c < static_cast<std::int32_t>(log_p.size()); ++c) {
            if (c == blank) continue;
            Labels longer = labels;
            longer.push_back(c);
            // A repeated label is a new one only behind a blank.
            const double from = !labels.empty() && labels.back() == c ? ends.blank : ends.both();
            Ends& extended = next[std::move(longer)];
            extended.label = log_sum(extended.label, from + log_p[static_cast<std::size_t>(c)]);
        }
    }
    return next;
}

}  // namespace

std::vector<std::int32_t> ctc_greedy(std::span<const double> logits, std::int64_t classes, std::int32_t blank) {
    const std::int64_t steps = check_logits(logits, classes, blank);
    std::vector<std::int32_t> labels;
    std::int32_t before = blank;
    for (std::int64_t t = 0; t < steps; ++t) {
        const double* row = logits.data() + t * classes;
        const auto best = static_cast<std::int32_t>(std::max_element(row, row + classes) - row);
        if (best != blank && best != before) labels.push_back(best);
        before = best;
    }
    return labels;
}

std::vector<CtcHypothesis> ctc_beam(std::span<const double> logits, std::int64_t classes, std::int64_t width,
                                    std::int32_t blank) {
    const std::int64_t steps = check_logits(logits, classes, blank);
    require(width >= 1, "width", width, "must be at least 1");
    Prefixes beam{{{}, {0, kImpossible}}};
    std::vector<double> log_p(static_cast<std::size_t>(classes));
    for (std::int64_t t = 0; t < steps; ++t) {
        const double* row = logits.data() + t * classes;
        double sum = kImpossible;
        for (std::int64_t c = 0; c < classes; ++c) sum = log_sum(sum, row[c]);
        for (std::int64_t c = 0; c < classes; ++c) log_p[static_cast<std::size_t>(c)] = row[c] - sum;
        const std::map<Labels, Ends> next = extend(beam, log_p, blank);
        beam.clear();
        for (const auto& prefix : next)
            if (prefix.second.both() > kImpossible) beam.push_back(prefix);
        // Equals stay in order of their labels.
        std::stable_sort(beam.begin(), beam.end(),
                         [](const auto& a, const auto& b) { return a.second.both() > b.second.both(); });
        if (static_cast<std::int64_t>(beam.size()) > width) beam.resize(static_cast<std::size_t>(width));
    }
    std::vector<CtcHypothesis> best;
    for (auto& [labels, ends] : beam) best.push_back({std::move(labels), ends.both()});
    return best;
}

}  // namespace rondo
