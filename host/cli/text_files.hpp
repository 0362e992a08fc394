#pragma once
/// Texts as the training loop and the evaluation read them.
#include <cstdint>
#include <string>
#include <vector>

#include "cli/tokenizer.hpp"

namespace rondo::cli {

/// The whole file. Throws Error naming `field` when it cannot be read or is empty.
std::string read_text_file(const std::string& field, const std::string& path);

/// Throws Error (io) when it cannot be written.
void write_text_file(const std::string& path, const std::string& text);

std::string in_folder(const std::string& folder, const char* name);

/// UTF-8 characters of a text: bytes that do not continue one.
std::int64_t count_characters(std::string_view text);

/// A text in tokens.
struct Tokens {
    std::vector<std::int32_t> ids;
    std::int64_t characters = 0, unknown = 0;

    /// How many characters one token stands for; bits per character are bits per token divided by this.
    double characters_per_token() const { return static_cast<double>(characters) / static_cast<double>(ids.size()); }
};
Tokens tokenize(const Tokenizer& tokenizer, const std::string& text);

/// The texts of a training run. Those of validation and test are empty where there are none.
struct Texts {
    std::string train, validation, test;
};

/// Reads the files; validation and test come from the end of the training text where they have none of their own.
/// Cuts are made after a line where there is one near, or else between two characters.
Texts read_texts(const TrainConfig& config);

/// The text as streams. Throws Error naming `field` when it is too short for one window of `batch` streams.
TokenStreams streams_of(const std::string& field, const Tokens& tokens, std::int64_t batch, std::int64_t window);

/// The text as streams to evaluate on. batch 0: one for every 1000 tokens, at most 32.
TokenStreams evaluation_streams_of(const std::string& field, const Tokens& tokens, std::int64_t batch);

}  // namespace rondo::cli
