#include "cli/train_config.hpp"

#include <cmath>

#include "cli/json_fields.hpp"
#include "rondo/error.hpp"

namespace rondo::cli {

void apply_json(TrainConfig& config, const nlohmann::json& object) {
    if (!object.is_object()) refuse("config", object.type_name(), "must be a JSON object");
    for (const auto& [key, value] : object.items()) {
        bool known = false;
        visit_fields(
            [&, &name = key, &given = value](const char* field, auto& place, Fixed, const char*) {
                if (name != field) return;
                known = true;
                set_field(name, given, place);
            },
            config);
        if (!known) refuse("config", key, "is no field; rondo train --help lists them");
    }
}

void apply_flag(TrainConfig& config, const std::string& name, const std::string& text) {
    visit_fields(
        [&](const char* field, auto& place, Fixed, const char*) {
            if (name == field) set_field(name, flag_value(text, place), place);
        },
        config);
}

nlohmann::ordered_json to_json(const TrainConfig& config) {
    nlohmann::ordered_json object;
    visit_fields(
        [&](const char* field, const auto& place, Fixed, const char*) {
            if constexpr (requires { place.has_value(); })
                object[field] = place ? nlohmann::ordered_json(*place) : nlohmann::ordered_json();
            else
                object[field] = place;
        },
        config);
    return object;
}

void check_resumable(const TrainConfig& before, const TrainConfig& now) {
    const nlohmann::ordered_json old = to_json(before), wanted = to_json(now);
    visit_fields(
        [&](const char* field, const auto&, Fixed fixed, const char*) {
            if (fixed == Fixed::yes && old.at(field) != wanted.at(field))
                refuse(field, wanted.at(field).dump(), "must be that of the checkpoint, " + old.at(field).dump());
        },
        now);
}

void validate(const TrainConfig& c) {
    require(!c.train.empty(), "train", "\"\"", "must name a file");
    require(c.validation_fraction >= 0 && c.validation_fraction < 1, "validation_fraction", c.validation_fraction,
            "must be in [0, 1)");
    require(c.test_fraction >= 0 && c.test_fraction < 1, "test_fraction", c.test_fraction, "must be in [0, 1)");
    require(c.tokens == "bytes" || c.tokens == "characters" || c.tokens == "words" || c.tokens == "subwords", "tokens",
            c.tokens, "must be one of bytes, characters, words, subwords");
    require(c.vocabulary >= 0, "vocabulary", c.vocabulary, "must be a number of tokens, or 0 for all");
    require(c.init == "standard" || c.init == "uniform", "init", c.init, "must be one of standard, uniform");
    require(c.init_range > 0, "init_range", c.init_range, "must be above 0");
    require(c.seed >= 0, "seed", c.seed, "must not be negative");
    require(c.hidden <= 1 << 20, "hidden", c.hidden, "must be at most 1048576");
    require(c.vocabulary != 1, "vocabulary", c.vocabulary, "must be at least 2, or 0 for all");
    require(c.softmax == "full" || c.softmax == "sampled", "softmax", c.softmax, "must be one of full, sampled");
    require(c.softmax == "full" || c.task == "lm", "softmax", c.softmax, "is for task lm");
    require((c.samples >= 1) == (c.softmax == "sampled") && c.samples >= 0, "samples", c.samples,
            "must be at least 1 where softmax is sampled, else 0");
    require(c.lr >= 0 && std::isfinite(c.lr), "lr", c.lr, "must be 0 or above");
    require(c.clip == "none" || (c.clip_limit > 0 && std::isfinite(c.clip_limit)), "clip_limit", c.clip_limit,
            "must be above 0");
    require(c.batch >= 1, "batch", c.batch, "must be at least 1");
    require(c.epochs >= 0, "epochs", c.epochs, "must be a number, or 0 for no limit");
    require(c.steps >= 0, "steps", c.steps, "must be a number, or 0 for no limit");
    require(c.minutes >= 0, "minutes", c.minutes, "must be a number, or 0 for no limit");
    require(c.epochs > 0 || c.steps > 0 || c.minutes > 0, "epochs", 0,
            "must be above 0, unless steps or minutes or both say when to stop");
    require(c.patience >= 0, "patience", c.patience, "must be a number of evaluations, or 0 for never");
    require(c.evaluate_every >= 0, "evaluate_every", c.evaluate_every, "must be a number of steps, or 0 for an epoch");
    require(c.evaluation_batch >= 0, "evaluation_batch", c.evaluation_batch, "must be a number, or 0 to choose one");
    require(c.evaluation_examples >= 1, "evaluation_examples", c.evaluation_examples, "must be at least 1");
    require(c.beam >= 1, "beam", c.beam, "must be at least 1");
    require(c.max_length >= 1, "max_length", c.max_length, "must be at least 1");
    require(c.save_minutes >= 0, "save_minutes", c.save_minutes, "must be a number, or 0 for never");
    require(c.log_every >= 1, "log_every", c.log_every, "must be at least 1");
    require(c.gradient_flow >= 0, "gradient_flow", c.gradient_flow, "must be a number of steps, or 0 for never");
    require(!c.out.empty(), "out", "\"\"", "must name a folder");
}

}  // namespace rondo::cli
