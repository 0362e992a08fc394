// classify: one label for a text.
#include <cmath>

#include "cli/stack_words.hpp"
#include "cli/tasks/example_task.hpp"
#include "cli/tasks/labels.hpp"
#include "cli/tokenizer.hpp"
#include "rondo/metrics.hpp"
#include "rondo/sequence_model.hpp"

namespace rondo::cli {
namespace {

struct LabelExample {
    std::string text, name;
    Ids ids{};
    std::int32_t label = -1;
};

class LabelTask final : public ExampleTask<LabelExample> {
public:
    LabelTask(const TrainConfig& config, bool data, const Metadata* saved) : ExampleTask(config) {
        if (saved) {
            tokenizer_ = Tokenizer(*saved);
            labels_ = Labels(*saved);
        }
        if (data) read_data(saved != nullptr);
    }

    NetworkSpec network() const override {
        SequenceModelSpec spec{encoder_of(config_, tokenizer_.size()), SequenceModelSpec::Head::label};
        spec.outputs = labels_.size();
        spec.pool = parse_pool(config_.pool);
        set_output_dropout(config_, spec);
        return network_spec(spec);
    }
    Metadata metadata() const override {
        Metadata metadata = tokenizer_.metadata();
        labels_.save(metadata);
        return metadata;
    }

    std::vector<std::string> predict(const std::vector<std::string>& lines, Network& network, Stream stream) override {
        std::vector<std::string> out;
        for (const std::string& line : lines) {
            LabelExample example{line, ""};
            encode(example);
            network.forward(batch_of({&example}).inputs(), Mode::inference, nullptr, stream);
            const std::vector<double> logits = numbers_of(network.read_value("output", stream));
            const std::int32_t best = largest_of(logits, labels_.size())[0];
            double sum = 0;
            for (const double x : logits) sum += std::exp(x - logits[static_cast<std::size_t>(best)]);
            out.push_back(fmt::format("{}\t{:.4f}", labels_.name(best), 1 / sum));
        }
        return out;
    }

private:
    std::vector<LabelExample> parse(const std::string& field, const std::string& text, const std::string&) override {
        std::vector<LabelExample> examples;
        const std::vector<std::string> lines = lines_of(text);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            auto [name, words] = two_fields(field, i, lines[i]);
            examples.push_back({std::move(words), std::move(name)});
        }
        return examples;
    }

    void learn(const std::vector<LabelExample>& train) override {
        std::string text;
        std::set<std::string> names;
        for (const LabelExample& e : train) {
            text += e.text + "\n";
            names.insert(e.name);
        }
        tokenizer_ = Tokenizer(text, config_);
        labels_ = Labels(names);
        require(labels_.size() >= 2, "labels", labels_.size(), "must be at least two different ones");
    }

    void encode(LabelExample& e) const override {
        e.ids = tokenizer_.encode_line(e.text);
        if (!e.name.empty()) e.label = labels_.number(e.name);
    }
    std::int64_t length_of(const LabelExample& e) const override { return static_cast<std::int64_t>(e.ids.size()); }

    Batch batch_of(const Pointers& examples) const override {
        std::vector<const Ids*> lists;
        Ids labels;
        for (const LabelExample* e : examples) {
            lists.push_back(&e->ids);
            labels.push_back(e->label);
        }
        Padded x = pad(lists, 0);
        const Shape rows{x.shape[1]};
        Batch batch;
        batch.ids(x.shape, std::move(x.ids), std::move(x.lengths)).ids(rows, std::move(labels));
        return batch;
    }

    void begin_count() override { counts_.emplace(labels_.size()); }
    void count(const Pointers& examples, Network& network, Stream stream) override {
        Ids targets;
        for (const LabelExample* e : examples) targets.push_back(e->label);
        counts_->add(targets, largest_of(numbers_of(network.read_value("output", stream)), labels_.size()));
    }
    std::vector<Figure> figures() const override {
        return {{"accuracy", counts_->accuracy()}, {"f1", counts_->macro_f1()}};
    }
    std::string description() const override {
        return fmt::format(", {} kinds of tokens, {} labels", tokenizer_.size(), labels_.size());
    }

    Tokenizer tokenizer_;
    Labels labels_;
    std::optional<LabelCounts> counts_;
};

}  // namespace

std::unique_ptr<Task> make_label_task(const TrainConfig& config, bool data, const Metadata* saved) {
    return std::make_unique<LabelTask>(config, data, saved);
}

}  // namespace rondo::cli
