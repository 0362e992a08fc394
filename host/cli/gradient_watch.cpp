#include "cli/gradient_watch.hpp"

#include <utility>

#include "cli/gradient_words.hpp"
#include "cli/text_files.hpp"

namespace rondo::cli {

GradientWatch::GradientWatch(std::string folder, std::int64_t every, std::int64_t step)
    : folder_(std::move(folder)), every_(every) {
    if (every_ > 0) log_ = std::make_unique<GradientLog>(folder_, step, GradientLog::Gates::means);
}

void GradientWatch::look(std::int64_t steps, GradientFlow flow, Display& display) {
    std::set<Trouble> now;
    for (const GradientTrouble& trouble : diagnose(flow)) {
        const Trouble key{trouble.kind, trouble.where + trouble.gate};
        now.insert(key);
        if (last_.count(key) == 0 || !told_.insert(key).second) continue;
        display.say("warning: " + seen(trouble) + "; " + advice(trouble));
    }
    last_ = std::move(now);
    ObservedStep observed{steps, std::move(flow)};
    log_->add(observed);
    // The last one is always kept: it is what the page tells most of.
    const bool replaces = !history_.empty() && (looks_ - 1) % stride_ != 0;
    if (replaces) history_.pop_back();
    history_.push_back(std::move(observed));
    ++looks_;
    if (history_.size() <= kMostKept) return;
    std::vector<ObservedStep> half;
    for (std::size_t i = 0; i < history_.size(); i += 2) half.push_back(std::move(history_[i]));
    history_ = std::move(half);
    stride_ *= 2;
}

std::string GradientWatch::finish() const {
    if (history_.empty()) return "";
    const std::string path = in_folder(folder_, kGradientPageName);
    write_text_file(path, gradient_page("Gradients of " + folder_, history_));
    return path;
}

}  // namespace rondo::cli
