#include "rondo/beam.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rondo/error.hpp"

namespace rondo {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double score_of(double log_p, std::int64_t tokens, double penalty) {
    return penalty == 0 ? log_p : log_p / std::pow((5 + static_cast<double>(tokens)) / 6, penalty);
}

bool better(const Hypothesis& a, const Hypothesis& b) {
    return a.score != b.score ? a.score > b.score : a.tokens < b.tokens;
}

/// One more token behind one of a source's hypotheses.
struct Step {
    double log_p;
    std::int64_t row;
    std::int32_t token;
};

/// The search of one source: `width` places for hypotheses that may go on, of which the first `alive` are taken.
class Beam {
public:
    Beam(const BeamSpec& spec, std::int64_t width) : spec_(spec), alive_(1) {
        rows_.resize(static_cast<std::size_t>(width));
    }

    bool done() const { return alive_ == 0; }

    /// log_p: [width, classes] of this source. last: only the end may follow.
    void advance(const double* log_p, std::int64_t classes, bool last) {
        collect(log_p, classes, last);
        const std::vector<Hypothesis> before = rows_;
        parents_.clear();
        for (std::size_t rank = 0; rank < steps_.size() && parents_.size() < rows_.size(); ++rank) {
            const Step& step = steps_[rank];
            Hypothesis h = before[static_cast<std::size_t>(step.row)];
            h.log_p = step.log_p;
            if (step.token == spec_.end) {
                if (rank < rows_.size()) finish(std::move(h));  // an end that is no candidate itself ends nothing
            } else {
                h.tokens.push_back(step.token);
                rows_[parents_.size()] = std::move(h);
                parents_.push_back(step.row);
            }
        }
        alive_ = static_cast<std::int64_t>(parents_.size());
        if (hopeless()) alive_ = 0;
    }

    std::int64_t parent(std::int64_t place) const {
        return place < alive_ ? parents_[static_cast<std::size_t>(place)] : 0;
    }
    std::int32_t token(std::int64_t place) const {
        return place < alive_ ? rows_[static_cast<std::size_t>(place)].tokens.back() : spec_.end;
    }

    std::vector<Hypothesis> best() {
        std::sort(finished_.begin(), finished_.end(), better);
        if (finished_.size() > rows_.size()) finished_.resize(rows_.size());
        return std::move(finished_);
    }

private:
    /// The most likely steps, best first: enough that `width` remain when those that end are taken out.
    void collect(const double* log_p, std::int64_t classes, bool last) {
        steps_.clear();
        for (std::int64_t r = 0; r < alive_; ++r)
            for (std::int64_t c = 0; c < classes; ++c) {
                const double p = log_p[r * classes + c];
                if (std::isnan(p)) refuse("log_p", p, "must be a number for beam search");
                if (p == kNever || (last && c != spec_.end)) continue;
                steps_.push_back({rows_[static_cast<std::size_t>(r)].log_p + p, r, static_cast<std::int32_t>(c)});
            }
        const auto more_likely = [](const Step& a, const Step& b) {
            return a.log_p != b.log_p ? a.log_p > b.log_p : a.row != b.row ? a.row < b.row : a.token < b.token;
        };
        const std::size_t keep = std::min(steps_.size(), 2 * rows_.size());
        std::partial_sort(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(keep), steps_.end(),
                          more_likely);
        steps_.resize(keep);
    }

    void finish(Hypothesis h) {
        h.score = score_of(h.log_p, static_cast<std::int64_t>(h.tokens.size()) + 1, spec_.length_penalty);
        finished_.push_back(std::move(h));
    }

    /// Whether nothing that goes on can still be among the best: log p only falls, and is divided by at most this.
    bool hopeless() {
        if (finished_.size() < rows_.size()) return false;
        std::sort(finished_.begin(), finished_.end(), better);
        finished_.resize(rows_.size());
        for (std::int64_t r = 0; r < alive_; ++r) {
            const double log_p = rows_[static_cast<std::size_t>(r)].log_p;
            const double most = std::max(score_of(log_p, spec_.max_length + 1, spec_.length_penalty), log_p);
            if (most >= finished_.back().score) return false;
        }
        return true;
    }

    const BeamSpec& spec_;
    std::vector<Hypothesis> rows_, finished_;
    std::vector<Step> steps_;
    std::vector<std::int64_t> parents_;
    std::int64_t alive_;
};

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(StepModel& model, std::int64_t sources, const BeamSpec& spec) {
    require(spec.width >= 1, "width", spec.width, "must be at least 1");
    require(spec.max_length >= 1, "max_length", spec.max_length, "must be at least 1");
    require(spec.length_penalty >= 0, "length_penalty", spec.length_penalty, "must not be negative");
    const std::int64_t classes = model.classes(), width = spec.width;
    require(spec.begin >= 0 && spec.begin < classes, "begin", spec.begin, "must be a token");
    require(spec.end >= 0 && spec.end < classes, "end", spec.end, "must be a token");

    std::vector<Beam> beams(static_cast<std::size_t>(sources), Beam(spec, width));
    // Every source has `width` rows from the first call on, so that a model sees one extent; in it they are all alike.
    std::vector<std::int64_t> parents(static_cast<std::size_t>(sources * width));
    std::vector<std::int32_t> tokens(parents.size(), spec.begin);
    std::vector<double> log_p(parents.size() * static_cast<std::size_t>(classes));
    for (std::size_t i = 0; i < parents.size(); ++i) parents[i] = static_cast<std::int64_t>(i) / width;
    for (std::int64_t length = 1; length <= spec.max_length + 1; ++length) {
        model.next(parents, tokens, log_p);
        bool all_done = true;
        for (std::int64_t s = 0; s < sources; ++s) {
            Beam& beam = beams[static_cast<std::size_t>(s)];
            if (!beam.done()) beam.advance(log_p.data() + s * width * classes, classes, length > spec.max_length);
            all_done = all_done && beam.done();
            for (std::int64_t i = 0; i < width; ++i) {
                const auto at = static_cast<std::size_t>(s * width + i);
                parents[at] = s * width + beam.parent(i);
                tokens[at] = beam.token(i);
            }
        }
        if (all_done) break;
    }
    std::vector<std::vector<Hypothesis>> best;
    for (Beam& beam : beams) best.push_back(beam.best());
    return best;
}

}  // namespace rondo
