#pragma once
/// Text as the ids of a model, and back: what --tokens says.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/subwords.hpp"
#include "cli/train_config.hpp"
#include "rondo/text.hpp"

namespace rondo::cli {

/// A vocabulary, and for subwords the model that cuts a text into pieces first, which are the vocabulary's words then.
class Tokenizer {
public:
    explicit Tokenizer(Vocabulary vocabulary = Vocabulary::bytes()) : vocabulary_(std::move(vocabulary)) {}
    /// Of the training text, as config.tokens, vocabulary and subword_model say.
    Tokenizer(const std::string& text, const TrainConfig& config);
    /// The inverse of metadata(): the vocabulary's, and "subwords.model" in hexadecimal digits.
    explicit Tokenizer(const Metadata& saved);
    Metadata metadata() const;

    const Vocabulary& vocabulary() const { return vocabulary_; }
    std::int64_t size() const { return vocabulary_.size(); }
    /// Whether each line ends in a token of its own.
    bool ends_lines() const { return vocabulary_.kind() == Vocabulary::Kind::words; }

    std::vector<std::int32_t> encode(const std::string& text) const;
    /// A line's tokens, without an end of line.
    std::vector<std::int32_t> encode_line(const std::string& line) const;
    std::string decode(std::span<const std::int32_t> ids) const;
    /// What a token adds to a text; it may be part of a character. line_begins: no space goes before a word; said anew.
    std::string text(std::int32_t id, bool& line_begins) const;

private:
    Vocabulary vocabulary_;
    std::optional<Subwords> subwords_;
};

}  // namespace rondo::cli
