#pragma once
/// What counting alone can do: how likely an id is after the n - 1 before it. The baseline of language models.
#include <cmath>
#include <map>
#include <span>
#include <vector>

#include "common/lesson.hpp"

namespace lesson {

/// p_n(id | context) = (count(context, id) + k·p_{n-1}(id | shorter context)) / (count(context) + k), down to uniform:
/// each order leans on the one below it where it has seen little (MacKay and Peto 1995). k = 2.
class NGram {
public:
    using Ids = std::vector<std::int32_t>;
    NGram(std::span<const std::int32_t> text, std::int64_t classes, std::size_t order)
        : classes_(static_cast<double>(classes)), order_(order) {
        for (std::size_t i = 0; i < text.size(); ++i)
            for (std::size_t n = 0; n < order && n <= i; ++n) {
                Counts& counts = counts_[Ids(&text[i - n], &text[i])];
                ++counts.all;
                ++counts.of[text[i]];
            }
    }

    double p(std::span<const std::int32_t> before, std::int32_t id) const {
        double p = 1 / classes_;
        for (std::size_t n = 0; n < order_ && n <= before.size(); ++n) {
            const auto found = counts_.find(Ids(before.end() - static_cast<std::ptrdiff_t>(n), before.end()));
            if (found == counts_.end()) break;
            const auto count = found->second.of.find(id);
            p = ((count == found->second.of.end() ? 0 : count->second) + 2 * p) / (found->second.all + 2);
        }
        return p;
    }
    /// Nats an id, of another text.
    double loss(std::span<const std::int32_t> text) const {
        double sum = 0;
        for (std::size_t i = 0; i < text.size(); ++i) sum -= std::log(p(text.first(i), text[i]));
        return sum / static_cast<double>(text.size());
    }
    std::int32_t draw(std::span<const std::int32_t> before, Random& random) const {
        double left = random.uniform();
        std::int32_t id = 0;
        while (id + 1 < static_cast<std::int32_t>(classes_) && (left -= p(before, id)) >= 0) ++id;
        return id;
    }

private:
    struct Counts {
        double all = 0;
        std::map<std::int32_t, double> of{};
    };
    double classes_;
    std::size_t order_;
    std::map<Ids, Counts> counts_;
};

}  // namespace lesson
