#include "cli/model_file.hpp"

#include <charconv>
#include <filesystem>

#include "cli/json_fields.hpp"
#include "cli/tasks/task.hpp"

namespace rondo::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigKey = "config";

/// Every field of the memory by its name in the metadata.
template <class Visit, class Memory>
void visit_memory(Visit&& visit, Memory& m) {
    visit("run.seconds", m.seconds);
    visit("run.best_loss", m.best_loss);
    visit("run.best_step", m.best_step);
    visit("run.worse_in_a_row", m.worse_in_a_row);
    visit("run.due", m.due);
    visit("run.text_hash", m.text_hash);
}

}  // namespace

void save_run(const std::string& path, const SavedRun& run) {
    Checkpoint checkpoint{run.state.tensors, run.state.metadata};
    checkpoint.metadata[kConfigKey] = to_json(run.config).dump();
    for (const auto& [key, value] : run.task) checkpoint.metadata[key] = value;
    visit_memory(
        [&](const char* name, auto value) {
            char text[32];  // the shortest text that reads back as the same number
            checkpoint.metadata[name] = std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
        },
        run.memory);
    save_checkpoint(path, checkpoint);
}

std::string find_checkpoint(const std::string& path, const std::string& preferred) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) return path;
    for (const std::string& name : {preferred, std::string(kBestName), std::string(kLastName)})
        if (fs::exists(fs::path(path) / name, ignored)) return (fs::path(path) / name).string();
    refuse("checkpoint", path, std::string("is a folder without ") + kBestName + " and " + kLastName);
}

SavedRun load_run(const std::string& path) {
    const std::string file = find_checkpoint(path, kBestName);
    Checkpoint checkpoint = load_checkpoint(file);
    const auto entry = [&](const char* name) -> const std::string& {
        const auto found = checkpoint.metadata.find(name);
        if (found == checkpoint.metadata.end())
            throw Error(ErrorCode::io, "checkpoint = " + file + ": is none of rondo train, it has no " + name);
        return found->second;
    };
    SavedRun run;
    apply_json(run.config, parse_json(entry(kConfigKey), file));
    visit_memory(
        [&](const char* name, auto& value) {
            const std::string& text = entry(name);
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
            require(error == std::errc() && end == text.data() + text.size(), name, text, "must be a number");
        },
        run.memory);
    run.state = {std::move(checkpoint.tensors), std::move(checkpoint.metadata)};
    const fs::path folder = fs::path(file).parent_path();
    run.folder = folder.empty() ? "." : folder.string();
    return run;
}

Tokenizer language_tokenizer(const SavedRun& run) {
    require(run.config.task == "lm", "checkpoint", run.config.task, "must be of a language model");
    return Tokenizer(run.state.metadata);
}

Network load_network(const SavedRun& run, const Device& device, std::int64_t memory) {
    const NetworkSpec spec = restore_task(run)->network();
    Network network(device, memory > 0 ? with_memory(spec, memory) : spec);
    network.write_parameters(run.state.tensors, {});
    return network;
}

std::uint64_t hash_text(std::string_view text) {
    std::uint64_t hash = 14695981039346656037u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return hash;
}

}  // namespace rondo::cli
