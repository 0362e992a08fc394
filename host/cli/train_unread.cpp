// Which fields of a configuration nothing would read: what a user says is heard, or refused.
#include <algorithm>
#include <string_view>

#include "cli/train_config.hpp"

namespace rondo::cli {
namespace {

using Config = TrainConfig;

bool recurrent(const Config& c) { return c.model == "rnn"; }
bool pairs(const Config& c) { return c.task == "seq2seq"; }
bool attends(const Config& c) { return pairs(c) && recurrent(c) && c.attention != "none"; }
bool reads_its_own(const Config& c) { return pairs(c) && recurrent(c) && c.teacher_forcing < 1; }
bool validates(const Config& c) { return !c.validation.empty() || c.validation_fraction > 0; }
bool drops(const Config& c) {
    return c.layers.is_array() || c.dropout > 0 || c.input_dropout.value_or(0) > 0 || c.output_dropout.value_or(0) > 0;
}

/// Fields that are read where `read` says so, and that place in words.
struct Rule {
    std::string_view fields;  ///< parted by spaces
    bool (*read)(const Config&);
    const char* where;
};

constexpr Rule kRules[] = {
    {"train_target reverse_source evaluation_examples max_length", pairs, "task seq2seq"},
    {"validation_target", [](const Config& c) { return pairs(c) && !c.validation.empty(); },
     "task seq2seq with a file to validate on"},
    {"test_target", [](const Config& c) { return pairs(c) && !c.test.empty(); }, "task seq2seq with a file to test on"},
    {"validation_fraction", [](const Config& c) { return c.validation.empty(); }, "runs without a file to validate on"},
    {"test_fraction", [](const Config& c) { return c.test.empty(); }, "runs without a file to test on"},
    {"patience evaluate_every", validates, "runs that validate"},
    {"tokens", [](const Config& c) { return c.task != "tag" && c.task != "forecast"; },
     "tasks lm, classify, seq2seq and ctc"},
    {"vocabulary",
     [](const Config& c) {
         return c.task == "tag" || (c.task != "forecast" && c.tokens != "bytes" && c.subword_model.empty());
     },
     "texts of other tokens than bytes or given subwords"},
    {"window history", [](const Config& c) { return c.task == "lm"; }, "task lm"},
    {"tied", [](const Config& c) { return c.task == "lm"; }, "task lm"},
    {"pool", [](const Config& c) { return c.task == "classify" || c.task == "forecast"; },
     "tasks classify and forecast"},
    {"context horizon season difference transform", [](const Config& c) { return c.task == "forecast"; },
     "task forecast"},
    {"embedding evaluation_batch", [](const Config& c) { return c.task != "forecast"; }, "other tasks than forecast"},
    {"beam", [](const Config& c) { return c.task == "ctc"; }, "task ctc"},
    {"attention teacher_forcing", [](const Config& c) { return pairs(c) && recurrent(c); },
     "task seq2seq with model rnn"},
    {"decoder", attends, "task seq2seq with model rnn and attention"},
    {"teacher_forcing_steps own_words", reads_its_own, "task seq2seq with model rnn and teacher_forcing below 1"},
    {"cell projection biases peepholes coupled reset_before bidirectional cell_clip input_dropout recurrent_dropout "
     "weight_dropout zoneout zoneout_cell recurrent_clip forget_bias",
     recurrent, "model rnn"},
    {"dropout_per_sequence", [](const Config& c) { return recurrent(c) && drops(c); }, "model rnn with dropout"},
    {"heads feed_forward positions max_steps", [](const Config& c) { return c.model == "transformer"; },
     "model transformer"},
    {"init_range", [](const Config& c) { return c.init == "uniform"; }, "init uniform"},
    {"beta1 beta2 epsilon", [](const Config& c) { return c.optimizer != "sgd"; }, "optimizers adam and adamw"},
    {"decay_biases", [](const Config& c) { return c.weight_decay > 0; }, "runs with weight_decay"},
    {"factor", [](const Config& c) { return c.schedule == "steps" || c.schedule == "exponential"; },
     "schedules steps and exponential"},
    {"every", [](const Config& c) { return c.schedule == "steps"; }, "schedule steps"},
    {"after", [](const Config& c) { return c.schedule == "exponential"; }, "schedule exponential"},
    {"total minimum", [](const Config& c) { return c.schedule == "cosine"; }, "schedule cosine"},
    {"clip_limit", [](const Config& c) { return c.clip != "none"; }, "gradients that are clipped"},
};

bool names(std::string_view fields, std::string_view name) {
    for (std::size_t at = 0; at <= fields.size();) {
        const std::size_t end = std::min(fields.find(' ', at), fields.size());
        if (fields.substr(at, end - at) == name) return true;
        at = end + 1;
    }
    return false;
}

}  // namespace

const char* where_read(const TrainConfig& config, std::string_view name) {
    for (const Rule& rule : kRules)
        if (names(rule.fields, name) && !rule.read(config)) return rule.where;
    return nullptr;
}

}  // namespace rondo::cli
