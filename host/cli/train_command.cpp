// rondo train: a language model on text.
#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "cli/json_fields.hpp"
#include "cli/program.hpp"
#include "cli/text_files.hpp"
#include "cli/training_run.hpp"

namespace rondo::cli {
namespace {

struct TrainOptions {
    std::string config, resume;
    std::map<std::string, std::string> flags;  ///< as they were given, by the names of fields
};

/// Refuses what was said and would not be heard. A file may be made for other flags, or its fields be overruled by them.
void check_heard(const TrainConfig& config, const TrainConfig& file, const nlohmann::json& fields,
                 const std::map<std::string, std::string>& flags) {
    const auto refuse_it = [&](const TrainConfig& said, const std::string& name) {
        const nlohmann::ordered_json value = to_json(said).at(name);
        refuse(name,
               value.is_string()         ? value.get<std::string>()
               : value.is_number_float() ? detail::concat(value.get<double>())
                                         : value.dump(),
               detail::concat("is for ", where_read(config, name)));
    };
    for (const auto& [name, text] : flags)
        if (where_read(config, name)) refuse_it(config, name);
    for (const auto& [name, value] : fields.items())
        if (where_read(file, name) && where_read(config, name)) refuse_it(file, name);
}

void run(const TrainOptions& options) {
    TrainConfig config;
    std::optional<SavedRun> resumed;
    if (!options.resume.empty()) {
        resumed = load_run(find_checkpoint(options.resume, kLastName));
        config = resumed->config;
        config.out = resumed->folder;  // wherever the run lies now
    }
    nlohmann::json fields = nlohmann::json::object();
    if (!options.config.empty()) fields = parse_json(read_text_file("config", options.config), options.config);
    apply_json(config, fields);
    const TrainConfig file = config;
    for (const auto& [name, text] : options.flags) apply_flag(config, name, text);
    validate(config);
    check_heard(config, file, fields, options.flags);
    if (resumed) check_resumable(resumed->config, config);
    TrainingRun(config, std::move(resumed)).run();
}

std::string shown_default(const nlohmann::ordered_json& value) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    return text.empty() || value.is_null() ? "" : " [" + text + "]";
}

}  // namespace

void add_train(CLI::App& program) {
    CLI::App* command = program.add_subcommand("train", "Train a language model on text");
    const auto options = std::make_shared<TrainOptions>();
    command->add_option("--config", options->config, "JSON file with the fields below, _ for -; flags win");
    command->add_option("--resume", options->resume,
                        "go on from a checkpoint, or from the last one of a run's folder, exactly as if it had never "
                        "stopped; limits, learning rate and what is saved where may be changed");
    TrainConfig defaults;
    const nlohmann::ordered_json values = to_json(defaults);
    visit_fields(
        [&](const std::string& name, const auto& field, Fixed, const char* help) {
            std::string flag = "--" + name;
            std::replace(flag.begin(), flag.end(), '_', '-');
            if (name == "train") flag += ",--text";
            // The text is kept and checked like a JSON value, so that both say the same of a wrong one.
            CLI::Option* option = command->add_option_function<std::vector<std::string>>(
                flag,
                [options, name](const std::vector<std::string>& given) {
                    options->flags[name] = given.empty() ? "" : given.front();
                },
                help + shown_default(values.at(name)));
            constexpr bool kSwitch = std::is_same_v<std::remove_cvref_t<decltype(field)>, bool>;
            option->expected(kSwitch ? 0 : 1, 1)->type_name(kSwitch ? "" : "VALUE");
            option->allow_extra_args(false);  // or a list in brackets would be taken apart
            const bool file = name == "train" || name == "validation" || name == "test";
            option->multi_option_policy(file ? CLI::MultiOptionPolicy::Throw : CLI::MultiOptionPolicy::TakeLast);
        },
        defaults);
    command->callback([options] { run(*options); });
}

}  // namespace rondo::cli
