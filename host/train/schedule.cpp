/// Learning rates, and the words of training's options.
#include <cmath>
#include <numbers>

#include "rondo/optimizer.hpp"
#include "train/words.hpp"

namespace rondo {

void validate(const ScheduleSpec& spec) {
    require(std::isfinite(spec.rate) && spec.rate >= 0, "rate", spec.rate, "must be finite and not negative");
    require(std::isfinite(spec.factor) && spec.factor > 0, "factor", spec.factor, "must be finite and above 0");
    require(spec.every >= 1, "every", spec.every, "must be at least 1 epoch");
    require(spec.after >= 0, "after", spec.after, "must not be negative");
    require(spec.warmup >= 0, "warmup", spec.warmup, "must not be negative");
    require(std::isfinite(spec.minimum) && spec.minimum >= 0, "minimum", spec.minimum,
            "must be finite and not negative");
    if (spec.kind == ScheduleSpec::Kind::cosine)
        require(spec.total > spec.warmup, "total", spec.total, "must be more steps than warmup");
}

double learning_rate(const ScheduleSpec& spec, std::int64_t step, std::int64_t epoch) {
    validate(spec);
    require(step >= 0, "step", step, "must not be negative");
    require(epoch >= 0, "epoch", epoch, "must not be negative");
    double rate = spec.rate;
    switch (spec.kind) {
        case ScheduleSpec::Kind::constant:
            break;
        case ScheduleSpec::Kind::steps:
            rate *= std::pow(spec.factor, static_cast<double>(epoch / spec.every));
            break;
        case ScheduleSpec::Kind::exponential:
            if (epoch + 1 > spec.after) rate *= std::pow(spec.factor, static_cast<double>(epoch + 1 - spec.after));
            break;
        case ScheduleSpec::Kind::cosine: {
            const double done = static_cast<double>(step - spec.warmup) / static_cast<double>(spec.total - spec.warmup);
            const double s = std::fmin(1, std::fmax(0, done));
            rate = spec.minimum + (spec.rate - spec.minimum) * (1 + std::cos(std::numbers::pi * s)) / 2;
            break;
        }
    }
    if (step < spec.warmup) rate *= static_cast<double>(step + 1) / static_cast<double>(spec.warmup);
    return rate;
}

namespace {

template <class Enum>
std::string_view word_of(const model::Words<Enum>& words, Enum value) noexcept {
    for (const auto& [known, word] : words)
        if (known == value) return word;
    return "?";
}

template <class Enum>
Enum parse(const model::Words<Enum>& words, std::string_view field, std::string_view word) {
    std::string allowed = "must be one of";
    for (const auto& [value, known] : words) {
        if (known == word) return value;
        allowed += detail::concat(' ', known);
    }
    refuse(field, word, allowed);
}

}  // namespace

std::string_view name_of(OptimizerSpec::Rule rule) noexcept { return word_of(train::rules(), rule); }
std::string_view name_of(ScheduleSpec::Kind kind) noexcept { return word_of(train::schedules(), kind); }
std::string_view name_of(ClipSpec::Kind kind) noexcept { return word_of(train::clips(), kind); }
std::string_view name_of(Reduction reduction) noexcept { return word_of(train::reductions(), reduction); }
OptimizerSpec::Rule parse_rule(std::string_view word) { return parse(train::rules(), "optimizer", word); }
ScheduleSpec::Kind parse_schedule(std::string_view word) { return parse(train::schedules(), "schedule", word); }
ClipSpec::Kind parse_clip(std::string_view word) { return parse(train::clips(), "clip", word); }
Reduction parse_reduction(std::string_view word) { return parse(train::reductions(), "reduction", word); }

}  // namespace rondo
