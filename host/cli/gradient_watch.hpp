#pragma once
/// Looks at a training run's gradients now and then, and warns where they keep it from learning.
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/display.hpp"
#include "cli/gradient_report.hpp"

namespace rondo::cli {

class GradientWatch {
public:
    /// every: steps between two looks, 0 for none. step: the run's steps so far; its files go on from there.
    GradientWatch(std::string folder, std::int64_t every, std::int64_t step);

    /// Whether step `step` (from 0) is to be observed.
    bool due(std::int64_t step) const { return every_ > 0 && step % every_ == 0; }
    /// Logs what was seen after so many steps. What two looks in a row have shown is told, once.
    void look(std::int64_t steps, GradientFlow flow, Display& display);

    /// Draws the page; its path, or empty where nothing was seen since this start.
    std::string finish() const;

private:
    static constexpr std::size_t kMostKept = 240;  ///< looks, for the page; beyond that every other one is forgotten

    using Trouble = std::pair<GradientTrouble::Kind, std::string>;  ///< and where

    std::string folder_;
    std::int64_t every_;
    std::unique_ptr<GradientLog> log_;
    std::vector<ObservedStep> history_;
    std::size_t stride_ = 1, looks_ = 0;
    std::set<Trouble> last_, told_;
};

}  // namespace rondo::cli
