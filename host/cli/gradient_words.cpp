#include "cli/gradient_words.hpp"

#include <fmt/format.h>

#include <cmath>

namespace rondo::cli {

using Kind = GradientTrouble::Kind;

std::string seen(const GradientTrouble& t) {
    switch (t.kind) {
        case Kind::vanishing:
            return fmt::format(
                "the gradient vanishes in {}: on its way back over {} steps it shrinks to {:.1e} of its size", t.where,
                t.steps, t.amount);
        case Kind::isolated:
            return fmt::format(
                "hardly any gradient passes from step to step in {}: {:.2g}% of dL/dh comes from later steps", t.where,
                100 * t.amount);
        case Kind::exploding:
            if (!std::isfinite(t.amount)) return fmt::format("the gradient is not finite in {}", t.where);
            return fmt::format("the gradient explodes in {}: on its way back over {} steps it grows {:.1e} times",
                               t.where, t.steps, t.amount);
        case Kind::saturated:
            return fmt::format(
                "gate {} of {} is saturated: {:.0f}% of its values lie at the lower end and {:.0f}% at the upper",
                t.gate, t.where, 100 * t.low, 100 * t.high);
        case Kind::dead:
            return fmt::format("{:.0f}% of the ReLUs of {} give 0, and pass no gradient", 100 * t.amount, t.where);
    }
    return "";
}

std::string advice(const GradientTrouble& t) {
    switch (t.kind) {
        case Kind::vanishing:
        case Kind::isolated:
            return "what is far back is not learned. Usually helps: --cell lstm or gru in place of a vanilla cell; "
                   "--forget-bias 1 or more; attention, or a pooling over all steps; a higher learning rate does not";
        case Kind::exploding:
            return "single steps may undo the training. Usually helps: --clip norm with a smaller --clip-limit; "
                   "--recurrent-clip norm:1; a lower --lr; smaller initial weights; --cell lstm or gru";
        case Kind::saturated:
            return "saturated gates hardly learn; a forget gate that is open is how a cell remembers, and no fault. "
                   "Usually helps: a lower --lr; smaller inputs or initial weights (--init-range); weight decay; "
                   "layer normalisation";
        case Kind::dead:
            return "Usually helps: a lower --lr; --clip norm; --cell rnn_tanh, or a gated one";
    }
    return "";
}

}  // namespace rondo::cli
