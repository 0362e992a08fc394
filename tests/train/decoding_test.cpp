/// Beam search and CTC decoding against every hypothesis there is; metrics by hand; batches by length.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "rondo/batches.hpp"
#include "rondo/beam.hpp"
#include "rondo/ctc_decode.hpp"
#include "rondo/error.hpp"
#include "rondo/metrics.hpp"
#include "support/random.hpp"

namespace rondo {
namespace {

using Ids = std::vector<std::int32_t>;

/// log p of the next token from the source and all tokens so far, drawn once for each.
class TableModel final : public StepModel {
public:
    static constexpr std::int64_t kClasses = 4;

    std::int64_t classes() const override { return kClasses; }
    void next(std::span<const std::int64_t> parents, std::span<const std::int32_t> tokens,
              std::span<double> log_p) override {
        std::vector<Ids> rows;
        for (std::size_t i = 0; i < parents.size(); ++i) {
            Ids row = rows_.empty() ? Ids{static_cast<std::int32_t>(parents[i]) + 100}
                                    : rows_[static_cast<std::size_t>(parents[i])];
            row.push_back(tokens[i]);
            const std::vector<double>& p = of(row);
            std::copy(p.begin(), p.end(), log_p.begin() + static_cast<std::ptrdiff_t>(i * kClasses));
            rows.push_back(std::move(row));
        }
        rows_ = std::move(rows);
    }

    const std::vector<double>& of(const Ids& row) {
        std::vector<double>& p = table_[row];
        if (!p.empty()) return p;
        std::uint64_t seed = 7;
        for (std::int32_t id : row) seed = seed * 31 + static_cast<std::uint64_t>(id);
        test::Random random(seed);
        double sum = 0;
        for (double x : random.uniforms(kClasses)) {
            p.push_back(std::exp(3 * x));
            sum += p.back();
        }
        for (double& x : p) x = std::log(x / sum);
        return p;
    }

private:
    std::map<Ids, std::vector<double>> table_;
    std::vector<Ids> rows_;
};

BeamSpec spec_of(std::int64_t width, double penalty = 0) {
    return {.width = width, .max_length = 4, .length_penalty = penalty, .begin = 0, .end = 3};
}

/// Every hypothesis of a source, best first.
std::vector<Hypothesis> enumerate(TableModel& model, std::int32_t source, double penalty) {
    std::vector<Hypothesis> all;
    std::vector<Hypothesis> open{{}};
    for (int length = 0; length <= 4; ++length) {
        std::vector<Hypothesis> longer;
        for (const Hypothesis& h : open) {
            Ids row{source + 100, 0};
            row.insert(row.end(), h.tokens.begin(), h.tokens.end());
            const auto& p = model.of(row);
            Hypothesis ended = h;
            ended.log_p += p[3];
            ended.score = ended.log_p / std::pow((5 + static_cast<double>(h.tokens.size() + 1)) / 6, penalty);
            all.push_back(ended);
            for (std::int32_t c = 0; c < 3 && length < 4; ++c) {
                Hypothesis next = h;
                next.tokens.push_back(c);
                next.log_p += p[static_cast<std::size_t>(c)];
                longer.push_back(next);
            }
        }
        open = longer;
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
    return all;
}

TEST(Beam, OfFullWidthIsExhaustive) {
    for (const double penalty : {0.0, 0.7, 1.5}) {
        TableModel model;
        const auto found = beam_search(model, 3, spec_of(150, penalty));
        for (std::int32_t s = 0; s < 3; ++s) {
            const auto all = enumerate(model, s, penalty);
            const auto& best = found[static_cast<std::size_t>(s)];
            ASSERT_EQ(best.size(), 121u);  // 1 + 3 + 9 + 27 + 81
            for (std::size_t i = 0; i < best.size(); ++i) {
                ASSERT_NEAR(best[i].score, all[i].score, 1e-12);
                ASSERT_EQ(best[i].tokens, all[i].tokens);
                ASSERT_NEAR(best[i].log_p, all[i].log_p, 1e-12);
            }
        }
    }
}

TEST(Beam, OfWidthOneIsGreedy) {
    TableModel model;
    const auto found = beam_search(model, 40, spec_of(1));
    std::set<std::size_t> lengths;
    for (std::int32_t s = 0; s < 40; ++s) {
        Ids row{s + 100, 0}, tokens;
        while (tokens.size() < 4) {
            const auto& p = model.of(row);
            const auto c = static_cast<std::int32_t>(std::max_element(p.begin(), p.end()) - p.begin());
            if (c == 3) break;
            tokens.push_back(c);
            row.push_back(c);
        }
        ASSERT_EQ(found[static_cast<std::size_t>(s)].size(), 1u);
        EXPECT_EQ(found[static_cast<std::size_t>(s)][0].tokens, tokens);
        lengths.insert(tokens.size());
    }
    EXPECT_GT(lengths.size(), 2u);
}

TEST(Beam, WiderFindsNoLess) {
    for (std::uint64_t trial = 0; trial < 5; ++trial) {
        double before = -std::numeric_limits<double>::infinity();
        for (const std::int64_t width : {1, 3, 150}) {
            TableModel model;
            double sum = 0;
            for (const auto& best : beam_search(model, 30, spec_of(width))) sum += best[0].score;
            EXPECT_GE(sum, before);
            before = sum;
        }
    }
}

TEST(Beam, RefusesWhatItCannotDo) {
    TableModel model;
    EXPECT_THROW(beam_search(model, 1, spec_of(0)), Error);
    BeamSpec spec = spec_of(1);
    spec.end = 4;
    EXPECT_THROW(beam_search(model, 1, spec), Error);
    spec = spec_of(1);
    spec.max_length = 0;
    EXPECT_THROW(beam_search(model, 1, spec), Error);
}

// CTC.

std::map<Ids, double> labellings(const std::vector<double>& logits, std::int64_t classes, std::int32_t blank) {
    const std::int64_t steps = static_cast<std::int64_t>(logits.size()) / classes;
    std::map<Ids, double> sums;
    Ids path(static_cast<std::size_t>(steps), 0);
    while (true) {
        double log_p = 0;
        Ids labels;
        for (std::int64_t t = 0; t < steps; ++t) {
            double sum = 0;
            for (std::int64_t c = 0; c < classes; ++c)
                sum += std::exp(logits[static_cast<std::size_t>(t * classes + c)]);
            const std::int32_t c = path[static_cast<std::size_t>(t)];
            log_p += logits[static_cast<std::size_t>(t * classes + c)] - std::log(sum);
            if (c != blank && (t == 0 || c != path[static_cast<std::size_t>(t) - 1])) labels.push_back(c);
        }
        sums[labels] += std::exp(log_p);
        std::size_t t = 0;
        while (t < path.size() && ++path[t] == classes) path[t++] = 0;
        if (t == path.size()) return sums;
    }
}

TEST(CtcDecode, WideBeamIsTheSumOverAllPaths) {
    for (const std::int32_t blank : {0, 2}) {
        test::Random random(static_cast<std::uint64_t>(3 + blank));
        const std::vector<double> logits = random.uniforms(6 * 3);
        const auto all = labellings(logits, 3, blank);
        const auto found = ctc_beam(logits, 3, 10000, blank);
        ASSERT_EQ(found.size(), all.size());
        double before = 1;
        for (const CtcHypothesis& h : found) {
            EXPECT_NEAR(std::exp(h.log_p), all.at(h.labels), 1e-13);
            EXPECT_LE(std::exp(h.log_p), before + 1e-13);
            before = std::exp(h.log_p);
        }
    }
}

TEST(CtcDecode, GreedyTakesTheBestPath) {
    const auto row = [](std::int32_t c) {
        std::vector<double> r(3, 0.0);
        r[static_cast<std::size_t>(c)] = 2;
        return r;
    };
    std::vector<double> logits;
    for (std::int32_t c : {0, 1, 1, 0, 1, 2, 2, 0}) {
        const auto r = row(c);
        logits.insert(logits.end(), r.begin(), r.end());
    }
    EXPECT_EQ(ctc_greedy(logits, 3), (Ids{1, 1, 2}));
    EXPECT_EQ(ctc_greedy(logits, 3, 2), (Ids{0, 1, 0, 1, 0}));
    EXPECT_TRUE(ctc_greedy({}, 3).empty());
    EXPECT_THROW(ctc_greedy(std::vector<double>(4), 3), Error);
    EXPECT_THROW(ctc_beam(std::vector<double>{0, 0, std::nan("")}, 3, 2), Error);
    EXPECT_THROW(ctc_beam(std::vector<double>(3), 3, 0), Error);
}

// Metrics, by hand.

TEST(Metrics, LabelsByHand) {
    LabelCounts counts(4);
    //                 hits: 0:2, 1:1, 2:1; class 3 never occurs
    counts.add(Ids{0, 0, 0, 1, 1, 2, 2, 1, 0, -1}, Ids{0, 0, 1, 1, 2, 2, 0, 0, 2, 3});
    EXPECT_EQ(counts.total(), 9);
    EXPECT_DOUBLE_EQ(counts.accuracy(), 4.0 / 9);
    EXPECT_DOUBLE_EQ(counts.f1(0), 2.0 * 2 / (4 + 4));
    EXPECT_DOUBLE_EQ(counts.f1(1), 2.0 * 1 / (3 + 2));
    EXPECT_DOUBLE_EQ(counts.f1(2), 2.0 * 1 / (2 + 3));
    EXPECT_EQ(counts.f1(3), 0);
    EXPECT_DOUBLE_EQ(counts.macro_f1(), (0.5 + 0.4 + 0.4) / 3);
    EXPECT_DOUBLE_EQ(counts.micro_f1(0), 2.0 * 2 / (5 + 5));
    EXPECT_DOUBLE_EQ(counts.micro_f1(-1), 4.0 / 9);
    EXPECT_THROW(counts.add(Ids{4}, Ids{0}), Error);
    EXPECT_THROW(counts.add(Ids{0, 1}, Ids{0}), Error);
}

TEST(Metrics, EditsByHand) {
    const auto letters = [](const std::string& text) { return Ids(text.begin(), text.end()); };
    const auto distance = [&](const char* a, const char* b) { return edit_distance(letters(a), letters(b)); };
    EXPECT_EQ(distance("kitten", "sitting"), 3);
    EXPECT_EQ(distance("", "abc"), 3);
    EXPECT_EQ(distance("abc", ""), 3);
    EXPECT_EQ(distance("abc", "abc"), 0);
    EXPECT_EQ(distance("ab", "ba"), 2);
    EXPECT_EQ(distance("saturday", "sunday"), 3);
    ErrorRate rate;
    rate.add(letters("kitten"), letters("sitting"));
    rate.add(letters("abcd"), letters("abcd"));
    EXPECT_DOUBLE_EQ(rate.rate(), 0.3);
    EXPECT_DOUBLE_EQ(rate.exact_share(), 0.5);
}

TEST(Metrics, BleuByHand) {
    Bleu bleu;
    const auto reference = split_words("the cat is on the mat today"), same = split_words(" the cat is  on the mat ");
    bleu.add(reference, same);
    // Precisions 6/6, 5/5, 4/4, 3/3; six words against seven.
    EXPECT_NEAR(bleu.value(), std::exp(1 - 7.0 / 6), 1e-15);
    Bleu clipped;
    clipped.add(split_words("the cat sat on it"), split_words("the the cat sat on"));
    // 1-grams 4/5 (one "the" too many), 2-grams 3/4, 3-grams 2/3, 4-grams 1/2.
    EXPECT_NEAR(clipped.value(), std::pow(4.0 / 5 * 3 / 4 * 2 / 3 * 1 / 2, 0.25), 1e-15);
    Bleu none;
    none.add(split_words("a b c"), split_words("a b c"));  // there are no 4-grams
    EXPECT_EQ(none.value(), 0);
}

TEST(Metrics, ForecastsByHand) {
    ForecastErrors errors;
    const std::vector<double> actual{10, 20, 30, 40, 0, 5, 8, 2, 1, 4}, forecast{12, 18, 30, 50, 0, 4, 8, 4, 2, 0};
    errors.add(actual, forecast);
    EXPECT_DOUBLE_EQ(errors.mae(), (2 + 2 + 0 + 10 + 0 + 1 + 0 + 2 + 1 + 4) / 10.0);
    EXPECT_NEAR(errors.smape(),
                10 * (4.0 / 22 + 4.0 / 38 + 0 + 20.0 / 90 + 0 + 2.0 / 9 + 0 + 4.0 / 6 + 2.0 / 3 + 8.0 / 4), 1e-12);
    EXPECT_DOUBLE_EQ(seasonal_naive_mae(std::vector<double>{1, 5, 2, 9, 4}, 2), (1 + 4 + 2) / 3.0);
    EXPECT_DOUBLE_EQ(errors.mase(1.1), 2);
    EXPECT_THROW(seasonal_naive_mae(std::vector<double>{1, 2}, 2), Error);
}

// Batches.

TEST(LengthBatches, HoldEveryExampleOnceAndLittlePadding) {
    test::Random random(5);
    std::vector<std::int64_t> lengths;
    for (int i = 0; i < 1003; ++i) lengths.push_back(1 + random.below(60));
    const LengthBatches batches(lengths, 16, 9, 10), unsorted(lengths, 16, 9, 1);
    ASSERT_EQ(batches.batches(), 63);
    for (const std::int64_t epoch : {0, 1}) {
        std::set<std::int64_t> seen;
        for (std::int64_t i = 0; i < 63; ++i)
            for (const std::int64_t e : batches.batch(epoch, i)) EXPECT_TRUE(seen.insert(e).second);
        EXPECT_EQ(seen.size(), 1003u);
        EXPECT_LT(batches.padding(epoch), 0.1);
        EXPECT_GT(unsorted.padding(epoch), 0.4);
    }
    const auto copy = [&](const LengthBatches& b, std::int64_t epoch) {
        std::vector<std::int64_t> order;
        for (std::int64_t i = 0; i < b.batches(); ++i)
            for (const std::int64_t e : b.batch(epoch, i)) order.push_back(e);
        return order;
    };
    EXPECT_EQ(copy(batches, 3), copy(LengthBatches(lengths, 16, 9, 10), 3));
    EXPECT_NE(copy(batches, 3), copy(batches, 4));
    EXPECT_NE(copy(batches, 3), copy(LengthBatches(lengths, 16, 10, 10), 3));
    EXPECT_THROW(batches.batch(0, 63), Error);
    EXPECT_THROW(LengthBatches({}, 16, 9), Error);
}

}  // namespace
}  // namespace rondo
