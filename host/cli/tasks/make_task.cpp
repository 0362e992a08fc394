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

}  // namespace rondo::cli
