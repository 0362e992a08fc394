// lm: the next token of a text.
#include <fmt/format.h>

#include <cmath>

#include "cli/model_config.hpp"
#include "cli/tasks/task.hpp"
#include "cli/text_files.hpp"
#include "cli/training_log.hpp"

namespace rondo::cli {
namespace {

class LanguageTask final : public Task {
public:
    LanguageTask(const TrainConfig& config, bool data, const Metadata* saved) : config_(config) {
        if (saved) tokenizer_ = Tokenizer(*saved);
        if (data) read_data(saved != nullptr);
    }

    NetworkSpec network() const override { return network_of(config_, tokenizer_.size()); }
    Metadata metadata() const override { return tokenizer_.metadata(); }

    std::string summary() const override {
        return fmt::format("{} tokens of {} kinds, {} windows an epoch", streams_->batch() * streams_->steps(),
                           tokenizer_.size(), steps_an_epoch());
    }
    std::uint64_t hash() const override { return hash_; }
    std::int64_t steps_an_epoch() const override { return (streams_->steps() + config_.window - 1) / config_.window; }
    std::optional<StepMetrics> queue(Trainer& trainer) override { return trainer.queue(*streams_); }
    double characters_per_target() const override { return characters_per_token_; }

    bool has(Split split) const override { return set_of(split).has_value(); }
    Score evaluate(Split split, Network& network, Stream stream, const GoOn& go_on) override {
        return judge(*set_of(split), network, stream, go_on);
    }
    Score evaluate_file(const std::string& path, Network& network, Stream stream, const GoOn& go_on) override {
        return judge(make_set("text", read_text_file("text", path)), network, stream, go_on);
    }

private:
    struct Set {
        TokenStreams streams;
        double characters_per_token;
        std::int64_t unknown;
    };

    const std::optional<Set>& set_of(Split split) const { return split == Split::validation ? validation_ : test_; }

    Set make_set(const std::string& name, const std::string& text) const {
        const Tokens tokens = tokenize(tokenizer_, text);
        return {evaluation_streams_of(name, tokens, config_.evaluation_batch), tokens.characters_per_token(),
                tokens.unknown};
    }

    void read_data(bool known) {
        const Texts texts = read_texts(config_);
        hash_ = hash_text(texts.train);
        if (!known) tokenizer_ = Tokenizer(texts.train, config_);
        const Tokens tokens = tokenize(tokenizer_, texts.train);
        streams_ = streams_of("train", tokens, config_.batch, config_.window);
        characters_per_token_ = tokens.characters_per_token();
        if (!texts.validation.empty()) validation_ = make_set("validation", texts.validation);
        if (!texts.test.empty()) test_ = make_set("test", texts.test);
    }

    Score judge(const Set& set, Network& network, Stream stream, const GoOn& go_on) const {
        const Evaluation e = rondo::evaluate(network, set.streams, config_.window, stream, go_on);
        return {e.loss_sum,
                e.tokens,
                {{"perplexity", e.perplexity()},
                 {"bits_per_token", e.bits()},
                 {"bits_per_character", e.bits() / set.characters_per_token},
                 {"unknown", static_cast<double>(set.unknown)}}};
    }

    TrainConfig config_;
    Tokenizer tokenizer_;
    std::optional<TokenStreams> streams_;
    std::optional<Set> validation_, test_;
    double characters_per_token_ = 1;
    std::uint64_t hash_ = 0;
};

}  // namespace

std::unique_ptr<Task> make_language_task(const TrainConfig& config, bool data, const Metadata* saved) {
    return std::make_unique<LanguageTask>(config, data, saved);
}

}  // namespace rondo::cli
