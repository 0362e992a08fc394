#include "cli/text_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace rondo::cli {
namespace {

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// Takes the last `fraction` of the text off its end.
std::string cut_tail(std::string& text, double fraction) {
    if (fraction <= 0) return {};
    auto at = static_cast<std::size_t>(std::llround(static_cast<double>(text.size()) * (1 - fraction)));
    const std::size_t line = text.find('\n', at);
    if (line != std::string::npos && line - at < 1000) at = line + 1;
    while (at < text.size() && continues_character(text[at])) ++at;
    std::string tail = text.substr(at);
    text.resize(at);
    return tail;
}

}  // namespace

std::string read_text_file(const std::string& field, const std::string& path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) refuse(field, path, "must be a text file, not a folder");
    std::ifstream file(path, std::ios::binary);
    if (!file) refuse(field, path, std::string("cannot be opened (") + std::strerror(errno) + ")");
    std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (file.bad()) refuse(field, path, "cannot be read");
    require(!text.empty(), field, path, "must not be empty");
    return text;
}

void write_text_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text << std::flush;
    if (!file) throw Error(ErrorCode::io, "file = " + path + ": cannot be written");
}

std::string in_folder(const std::string& folder, const char* name) {
    return (std::filesystem::path(folder) / name).string();
}

std::int64_t count_characters(std::string_view text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); });
}

Tokens tokenize(const Tokenizer& tokenizer, const std::string& text) {
    Tokens tokens{tokenizer.encode(text), count_characters(text), 0};
    if (const std::int32_t unknown = tokenizer.vocabulary().unknown(); unknown >= 0)
        tokens.unknown = std::count(tokens.ids.begin(), tokens.ids.end(), unknown);
    return tokens;
}

Texts read_texts(const TrainConfig& config) {
    Texts texts;
    texts.train = read_text_file("train", config.train);
    if (!config.validation.empty()) texts.validation = read_text_file("validation", config.validation);
    if (!config.test.empty()) texts.test = read_text_file("test", config.test);
    const double validation = config.validation.empty() ? config.validation_fraction : 0;
    const double test = config.test.empty() ? config.test_fraction : 0;
    require(validation + test < 1, "validation_fraction", validation, "and test_fraction must leave text to train on");
    if (config.test.empty()) texts.test = cut_tail(texts.train, test);
    if (config.validation.empty()) texts.validation = cut_tail(texts.train, validation / (1 - test));
    require(test == 0 || !texts.test.empty(), "test_fraction", test, "of this text is nothing");
    require(validation == 0 || !texts.validation.empty(), "validation_fraction", validation,
            "of this text is nothing; 0 to do without");
    require(!texts.train.empty(), "train", config.train, "is too short to be split");
    return texts;
}

TokenStreams streams_of(const std::string& field, const Tokens& tokens, std::int64_t batch, std::int64_t window) {
    const auto count = static_cast<std::int64_t>(tokens.ids.size());
    require(count / batch > window, field, detail::concat(count, " tokens"),
            detail::concat("must be more than batch * window = ", batch, " * ", window));
    return TokenStreams(tokens.ids, batch);
}

TokenStreams evaluation_streams_of(const std::string& field, const Tokens& tokens, std::int64_t batch) {
    const auto count = static_cast<std::int64_t>(tokens.ids.size());
    return streams_of(field, tokens, batch > 0 ? batch : std::clamp<std::int64_t>(count / 1000, 1, 32), 1);
}

}  // namespace rondo::cli
