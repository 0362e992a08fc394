#pragma once
/// What the program's seq2seq commands share.
#include "cli/tasks/task.hpp"
#include "cli/tokenizer.hpp"
#include "rondo/seq2seq.hpp"

namespace rondo::cli {

struct TranslateOptions {
    BeamSpec beam{};
    std::int64_t batch = 32;
};

/// A trained encoder-decoder with what cuts its texts.
class PairModel {
public:
    PairModel(const TrainConfig& config, Tokenizer source, Tokenizer target);
    PairModel(const TrainConfig& config, const Metadata& saved);

    const Tokenizer& source() const { return source_; }
    const Tokenizer& target() const { return target_; }
    const Seq2SeqSpec& spec() const { return spec_; }
    Metadata metadata() const;

    std::vector<std::int32_t> encode_source(const std::string& line) const;
    /// What may be written as text; the two ids behind the vocabulary never are.
    std::string decode(std::span<const std::int32_t> ids) const;

private:
    bool reverse_;
    Tokenizer source_, target_;
    Seq2SeqSpec spec_;
};

}  // namespace rondo::cli
