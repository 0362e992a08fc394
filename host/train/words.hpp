#pragma once
/// The words of training's enumerations, as the program and checkpoints spell them.
#include "model/fields.hpp"
#include "rondo/optimizer.hpp"

namespace rondo::train {

inline const model::Words<OptimizerSpec::Rule>& rules() {
    using Rule = OptimizerSpec::Rule;
    static const model::Words<Rule> words{{Rule::sgd, "sgd"}, {Rule::adam, "adam"}, {Rule::adamw, "adamw"}};
    return words;
}
inline const model::Words<ScheduleSpec::Kind>& schedules() {
    using Kind = ScheduleSpec::Kind;
    static const model::Words<Kind> words{{Kind::constant, "constant"},
                                          {Kind::steps, "steps"},
                                          {Kind::exponential, "exponential"},
                                          {Kind::cosine, "cosine"}};
    return words;
}
inline const model::Words<ClipSpec::Kind>& clips() {
    using Kind = ClipSpec::Kind;
    static const model::Words<Kind> words{
        {Kind::none, "none"}, {Kind::norm, "norm"}, {Kind::tensor_norm, "tensor_norm"}, {Kind::value, "value"}};
    return words;
}
inline const model::Words<Reduction>& reductions() {
    static const model::Words<Reduction> words{
        {Reduction::sum, "sum"}, {Reduction::mean, "mean"}, {Reduction::mean_of_batch, "mean_of_batch"}};
    return words;
}

}  // namespace rondo::train
