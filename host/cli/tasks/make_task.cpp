#include "cli/stack_words.hpp"
#include "cli/tasks/task.hpp"

namespace rondo::cli {
namespace {

struct Kind {
    const char* name;
    std::unique_ptr<Task> (*make)(const TrainConfig&, bool, const Metadata*);
};

constexpr Kind kKinds[] = {{"lm", make_language_task}, {"classify", make_label_task},
                           {"tag", make_tag_task},     {"seq2seq", make_pair_task},
                           {"ctc", make_ctc_task},     {"forecast", make_forecast_task}};

std::unique_ptr<Task> make(const TrainConfig& config, bool data, const Metadata* saved) {
    for (const Kind& kind : kKinds)
        if (config.task == kind.name) return kind.make(config, data, saved);
    refuse("task", config.task, "must be one of lm, classify, tag, seq2seq, ctc, forecast");
}

}  // namespace

std::unique_ptr<Task> make_task(const TrainConfig& config, const SavedRun* resumed) {
    std::unique_ptr<Task> task = make(config, true, resumed ? &resumed->state.metadata : nullptr);
    require(!resumed || task->hash() == resumed->memory.text_hash, "train", config.train,
            "must hold the text that the checkpoint was trained on");
    return task;
}

std::unique_ptr<Task> restore_task(const SavedRun& run) { return make(run.config, false, &run.state.metadata); }

std::unique_ptr<Task> restore_task(const SavedRun& run, const std::string& data) {
    TrainConfig config = run.config;
    config.train = data;
    config.validation = config.test = config.train_target = config.validation_target = config.test_target = "";
    config.validation_fraction = config.test_fraction = 0;
    return make(config, true, &run.state.metadata);
}

std::vector<std::string> Task::predict(const std::vector<std::string>&, Network&, Stream) {
    throw Error(ErrorCode::unsupported, "predict: a language model goes on with a text: use rondo generate");
}

const std::string& metadata_entry(const Metadata& metadata, const std::string& name) {
    const auto found = metadata.find(name);
    if (found == metadata.end()) throw Error(ErrorCode::io, "metadata: there is no " + name);
    return found->second;
}

Metadata without_prefix(const Metadata& metadata, const std::string& prefix) {
    Metadata rest;
    for (const auto& [key, value] : metadata)
        if (key.starts_with(prefix)) rest[key.substr(prefix.size())] = value;
    return rest;
}

Metadata with_prefix(const Metadata& metadata, const std::string& prefix) {
    Metadata longer;
    for (const auto& [key, value] : metadata) longer[prefix + key] = value;
    return longer;
}

EncoderSpec encoder_of(const TrainConfig& c, std::int64_t classes, std::int64_t features) {
    require(c.layers.is_number(), "layers", c.layers.dump(),
            "must be a number; a list is for recurrent language models");
    require(c.biases == "two" && c.cell_clip == 0 && !c.input_dropout && !c.dropout_per_sequence, "biases", c.biases,
            "and cell_clip, input_dropout and dropout_per_sequence are for recurrent language models");
    require(c.recurrent_dropout == 0 && c.weight_dropout == 0 && c.zoneout == 0 && c.zoneout_cell == 0,
            "recurrent_dropout", c.recurrent_dropout,
            "and weight_dropout, zoneout and zoneout_cell are for recurrent language models");
    EncoderSpec spec;
    spec.kind = parse_model(c.model);
    spec.classes = classes;
    spec.features = features;
    spec.embedding = classes > 0 ? c.embedding : 0;
    spec.hidden = c.hidden;
    spec.layers = c.layers.get<std::int64_t>();
    spec.dropout = c.dropout;
    spec.precision = Precision::parse(c.dtype);
    spec.cell = c.cell;
    spec.options = {.peepholes = c.peepholes, .coupled = c.coupled, .reset_before = c.reset_before};
    spec.bidirectional = c.bidirectional;
    spec.projection = c.projection;
    spec.recurrent_clip = parse_recurrent_clip(c.recurrent_clip);
    spec.heads = c.heads;
    spec.feed_forward = c.feed_forward;
    spec.steps = c.max_steps;
    spec.positions = parse_positions(c.positions);
    return spec;
}

}  // namespace rondo::cli
