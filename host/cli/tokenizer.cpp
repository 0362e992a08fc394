#include "cli/tokenizer.hpp"

#include <fmt/format.h>

#include <charconv>

#include "cli/text_files.hpp"

namespace rondo::cli {
namespace {

constexpr const char *kSubwords = "subwords", *kModelKey = "subwords.model";
constexpr std::int64_t kPieces = 8000;  // of a model where --vocabulary says nothing

/// SentencePiece counts a few pieces of its own among them.
Subwords subwords_of(const std::string& text, const TrainConfig& config) {
    if (!config.subword_model.empty()) return Subwords(read_text_file("subword_model", config.subword_model));
    return Subwords::train(text, config.vocabulary > 0 ? config.vocabulary : kPieces);
}

std::string to_hexadecimal(const std::string& bytes) {
    std::string text;
    for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return text;
}

std::string from_hexadecimal(const std::string& text) {
    std::string bytes;
    for (std::size_t at = 0; at < text.size(); at += 2) {
        unsigned byte = 0;
        const char* end = text.data() + std::min(at + 2, text.size());
        require(std::from_chars(text.data() + at, end, byte, 16).ptr == text.data() + at + 2, kModelKey, text.size(),
                "must be pairs of hexadecimal digits");
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

}  // namespace

Tokenizer::Tokenizer(const std::string& text, const TrainConfig& config) : Tokenizer() {
    require(config.subword_model.empty() || config.tokens == kSubwords, "subword_model", config.subword_model,
            "is for --tokens subwords");
    if (config.tokens == kSubwords) {
        subwords_ = subwords_of(text, config);
        vocabulary_ = Vocabulary::build(subwords_->cut(text), Vocabulary::Kind::words);
    } else {
        vocabulary_ = Vocabulary::build(text, Vocabulary::parse_kind(config.tokens), config.vocabulary);
    }
}

Tokenizer::Tokenizer(const Metadata& saved) : vocabulary_(Vocabulary::from_metadata(saved)) {
    if (const auto model = saved.find(kModelKey); model != saved.end()) {
        require(ends_lines(), kModelKey, Vocabulary::name_of(vocabulary_.kind()), "must come with words");
        subwords_.emplace(from_hexadecimal(model->second));
    }
}

Metadata Tokenizer::metadata() const {
    Metadata metadata = vocabulary_.to_metadata();
    if (subwords_) metadata[kModelKey] = to_hexadecimal(subwords_->serialized());
    return metadata;
}

std::vector<std::int32_t> Tokenizer::encode(const std::string& text) const {
    return vocabulary_.encode(subwords_ ? subwords_->cut(text) : text);
}

std::vector<std::int32_t> Tokenizer::encode_line(const std::string& line) const {
    std::vector<std::int32_t> ids = encode(line);
    if (ends_lines() && !ids.empty() && ids.back() == vocabulary_.end_of_line()) ids.pop_back();
    return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
    std::string all;
    bool line_begins = true;
    for (const std::int32_t id : ids) all += text(id, line_begins);
    return all;
}

std::string Tokenizer::text(std::int32_t id, bool& line_begins) const {
    const std::string token = vocabulary_.token(id);
    if (!ends_lines()) return token;
    const bool began = std::exchange(line_begins, id == vocabulary_.end_of_line());
    if (line_begins) return "\n";
    const std::string text = subwords_ ? text_of_piece(token) : " " + token;
    return began && text.starts_with(' ') ? text.substr(1) : text;
}

}  // namespace rondo::cli
