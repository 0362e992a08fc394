// seq2seq: one text from another.
#include "cli/tasks/pair_task.hpp"

#include "cli/stack_words.hpp"
#include "cli/tasks/example_task.hpp"
#include "rondo/metrics.hpp"

namespace rondo::cli {
namespace {

struct Pair {
    std::string source, target;
    Ids source_ids{}, target_ids{};  ///< the target without begin and end
};

Seq2SeqSpec spec_of(const TrainConfig& config, std::int64_t source, std::int64_t target) {
    Seq2SeqSpec spec;
    spec.encoder = encoder_of(config, source);
    spec.target_classes = target;
    spec.attention = parse_attention(config.attention);
    spec.decoder = parse_decoder(config.decoder);
    require(config.teacher_forcing >= 0 && config.teacher_forcing <= 1, "teacher_forcing", config.teacher_forcing,
            "must be in [0, 1]");
    require(config.teacher_forcing_steps >= 0, "teacher_forcing_steps", config.teacher_forcing_steps,
            "must not be negative");
    const auto own = parse_own_words(config.own_words);
    if (config.teacher_forcing < 1) spec.own_words = own;
    set_output_dropout(config, spec);
    return spec;
}

}  // namespace

PairModel::PairModel(const TrainConfig& config, Tokenizer source, Tokenizer target)
    : reverse_(config.reverse_source),
      source_(std::move(source)),
      target_(std::move(target)),
      spec_(spec_of(config, source_.size(), target_.size())) {}

PairModel::PairModel(const TrainConfig& config, const Metadata& saved)
    : PairModel(config, Tokenizer(saved), Tokenizer(without_prefix(saved, "target."))) {}

Metadata PairModel::metadata() const {
    Metadata metadata = source_.metadata();
    metadata.merge(with_prefix(target_.metadata(), "target."));
    return metadata;
}

std::vector<std::int32_t> PairModel::encode_source(const std::string& line) const {
    Ids ids = source_.encode_line(line);
    if (reverse_) std::reverse(ids.begin(), ids.end());
    return ids;
}

std::string PairModel::decode(std::span<const std::int32_t> ids) const {
    Ids shown;
    for (const std::int32_t id : ids)
        if (id < spec_.target_classes) shown.push_back(id);
    return target_.decode(shown);
}

namespace {

class PairTask final : public ExampleTask<Pair> {
public:
    PairTask(const TrainConfig& config, bool data, const Metadata* saved) : ExampleTask(config) {
        if (saved) model_.emplace(config, *saved);
        if (data) read_data(saved != nullptr);
    }

    NetworkSpec network() const override { return network_spec(model_->spec()); }
    Metadata metadata() const override { return model_->metadata(); }

    std::vector<std::string> predict(const std::vector<std::string>& lines, Network& network, Stream stream) override {
        std::vector<Ids> sources;
        for (const std::string& line : lines) sources.push_back(model_->encode_source(line));
        Translator translator(network.device(), model_->spec(), network.read_parameters(stream));
        std::vector<std::string> out;
        for (const auto& best : translator.translate(sources, {.max_length = config_.max_length}))
            out.push_back(best.empty() ? "" : model_->decode(best[0].tokens));
        return out;
    }

private:
    std::string target_path(const std::string& field) const {
        return field == "train"        ? config_.train_target
               : field == "validation" ? config_.validation_target
               : field == "test"       ? config_.test_target
                                       : "";
    }

    /// Two parallel files, or source<TAB>target.
    std::vector<Pair> parse(const std::string& field, const std::string& text, const std::string&) override {
        std::vector<Pair> pairs;
        const std::vector<std::string> lines = lines_of(text);
        if (const std::string path = target_path(field); !path.empty()) {
            const std::vector<std::string> targets = lines_of(read_text_file(field + "_target", path));
            require(targets.size() == lines.size(), field + "_target", path,
                    detail::concat("must have as many lines as its source, ", lines.size(), ", not ", targets.size()));
            for (std::size_t i = 0; i < lines.size(); ++i) pairs.push_back({lines[i], targets[i]});
        } else {
            for (std::size_t i = 0; i < lines.size(); ++i) {
                auto [source, target] = two_fields(field, i, lines[i]);
                require(!source.empty(), field, detail::concat("line ", i + 1), "must have a source");
                pairs.push_back({std::move(source), std::move(target)});
            }
        }
        return pairs;
    }

    void learn(const std::vector<Pair>& train) override {
        std::string sources, targets;
        for (const Pair& p : train) {
            sources += p.source + "\n";
            targets += p.target + "\n";
        }
        model_.emplace(config_, Tokenizer(sources, config_), Tokenizer(targets, config_));
    }

    void encode(Pair& p) const override {
        p.source_ids = model_->encode_source(p.source);
        p.target_ids = model_->target().encode_line(p.target);
    }
    /// Both sides cost the same a step; the longer one decides.
    std::int64_t length_of(const Pair& p) const override {
        return static_cast<std::int64_t>(std::max(p.source_ids.size(), p.target_ids.size() + 1));
    }

    Batch batch_of(const Pointers& pairs) const override { return make_batch(pairs, 1, 0); }

    Batch training_batch(const Pointers& pairs, std::int64_t step) const override {
        const double end = config_.teacher_forcing, steps = static_cast<double>(config_.teacher_forcing_steps),
                     at = static_cast<double>(step);
        return make_batch(pairs, at < steps ? 1 + (end - 1) * at / steps : end, step);
    }

    /// forced: the share of the words read that are the target's.
    Batch make_batch(const Pointers& pairs, double forced, std::int64_t step) const {
        std::vector<const Ids*> sources, ins, outs;
        std::deque<Ids> made;
        for (const Pair* p : pairs) {
            sources.push_back(&p->source_ids);
            Ids& in = made.emplace_back(Ids{model_->spec().begin()});
            in.insert(in.end(), p->target_ids.begin(), p->target_ids.end());
            Ids& out = made.emplace_back(p->target_ids);
            out.push_back(model_->spec().end());
            ins.push_back(&in);
            outs.push_back(&out);
        }
        Padded source = pad(sources, 0), in = pad(ins, 0), out = pad(outs, -1);
        Batch batch;
        batch.ids(source.shape, std::move(source.ids), std::move(source.lengths))
            .ids(in.shape, std::move(in.ids), std::move(in.lengths))
            .ids(out.shape, std::move(out.ids));
        if (model_->spec().own_words != Seq2SeqSpec::OwnWords::never)
            batch.ids(in.shape, draw_forced(in.shape, forced, step));
        return batch;
    }

    /// 1 with the probability `share`, and at the first step.
    Ids draw_forced(const Shape& shape, double share, std::int64_t step) const {
        Ids forced(static_cast<std::size_t>(shape.size()), 1);
        const PhiloxKey key = philox_key(philox_subseed(static_cast<std::uint64_t>(config_.seed), 30));
        for (std::size_t i = static_cast<std::size_t>(shape[1]); i < forced.size(); ++i) {
            const Philox4 r = philox4x32(philox_counter(i, static_cast<std::uint64_t>(step)), key);
            forced[i] = philox_uniform(r.word[0], r.word[1]) < share ? 1 : 0;
        }
        return forced;
    }

    void begin_count() override {
        translator_.reset();
        translated_ = 0;
        bleu_ = {};
        rate_ = {};
    }

    /// Translating takes far longer than the loss, so that only some of a large set are.
    void count(const Pointers& pairs, Network& network, Stream stream) override {
        std::vector<Ids> sources;
        for (const Pair* p : pairs)
            if (translated_ + static_cast<std::int64_t>(sources.size()) < config_.evaluation_examples)
                sources.push_back(p->source_ids);
        if (sources.empty()) return;
        translated_ += static_cast<std::int64_t>(sources.size());
        if (!translator_) translator_.emplace(network.device(), model_->spec(), network.read_parameters(stream));
        const auto found = translator_->translate(sources, {.max_length = config_.max_length});
        for (std::size_t i = 0; i < found.size(); ++i) {
            const Ids hypothesis = found[i].empty() ? Ids{} : found[i][0].tokens;
            rate_.add(pairs[i]->target_ids, hypothesis);
            bleu_.add(split_words(pairs[i]->target), split_words(model_->decode(hypothesis)));
        }
    }

    /// Symbols are what the model writes: characters or words.
    std::vector<Figure> figures() const override {
        return {{"bleu", 100 * bleu_.value()}, {"exact", rate_.exact_share()}, {"error_rate", rate_.rate()}};
    }
    std::string description() const override {
        return fmt::format(", {} kinds of source and {} of target tokens", model_->source().size(),
                           model_->target().size());
    }

    std::optional<PairModel> model_;
    std::optional<Translator> translator_;
    std::int64_t translated_ = 0;
    Bleu bleu_;
    ErrorRate rate_;
};

}  // namespace

std::unique_ptr<Task> make_pair_task(const TrainConfig& config, bool data, const Metadata* saved) {
    return std::make_unique<PairTask>(config, data, saved);
}

}  // namespace rondo::cli
