// tag: a tag for each token of a sentence.
#include <sstream>

#include "cli/tasks/example_task.hpp"
#include "cli/tasks/labels.hpp"
#include "rondo/metrics.hpp"
#include "rondo/sequence_model.hpp"

namespace rondo::cli {
namespace {

struct Sentence {
    std::vector<std::string> words, names;
    Ids ids{}, tags{};
};

/// Tokens are given as they are: a word is what the file's line holds, whatever the kind of tokens.
class TagTask final : public ExampleTask<Sentence> {
public:
    TagTask(const TrainConfig& config, bool data, const Metadata* saved) : ExampleTask(config) {
        if (saved) {
            vocabulary_ = Vocabulary::from_metadata(*saved);
            labels_ = Labels(*saved);
        }
        if (data) read_data(saved != nullptr);
    }

    NetworkSpec network() const override {
        SequenceModelSpec spec{encoder_of(config_, vocabulary_.size()), SequenceModelSpec::Head::tags};
        spec.outputs = labels_.size();
        set_output_dropout(config_, spec);
        return network_spec(spec);
    }
    Metadata metadata() const override {
        Metadata metadata = vocabulary_.to_metadata();
        labels_.save(metadata);
        return metadata;
    }

    /// A line of words, parted by white space, becomes a line of tags.
    std::vector<std::string> predict(const std::vector<std::string>& lines, Network& network, Stream stream) override {
        std::vector<std::string> out;
        for (const std::string& line : lines) {
            Sentence sentence;
            sentence.words = split_words(line);
            encode(sentence);
            sentence.tags.assign(sentence.ids.size(), -1);
            network.forward(batch_of({&sentence}).inputs(), Mode::inference, nullptr, stream);
            const Ids tags = largest_of(numbers_of(network.read_value("output", stream)), labels_.size());
            std::string text;
            for (std::size_t i = 0; i < sentence.words.size(); ++i) text += (i ? " " : "") + labels_.name(tags[i]);
            out.push_back(text);
        }
        return out;
    }

private:
    /// word<TAB>tag a line, an empty one between two sentences.
    std::vector<Sentence> parse(const std::string& field, const std::string& text, const std::string&) override {
        std::vector<Sentence> sentences;
        std::istringstream stream(text);
        bool open = false;
        std::size_t number = 0;
        for (std::string line; std::getline(stream, line); ++number) {
            if (line.ends_with('\r')) line.pop_back();
            if (line.empty()) {
                open = false;
                continue;
            }
            if (!open) sentences.emplace_back();
            open = true;
            auto [word, name] = two_fields(field, number, line);
            require(!word.empty() && word.find_first_of(" \t") == std::string::npos, field,
                    detail::concat("line ", number + 1), "must begin with one word");
            sentences.back().words.push_back(std::move(word));
            sentences.back().names.push_back(std::move(name));
        }
        return sentences;
    }

    void learn(const std::vector<Sentence>& train) override {
        std::string text;
        std::set<std::string> names;
        for (const Sentence& s : train) {
            for (const std::string& word : s.words) text += word + " ";
            text += "\n";
            names.insert(s.names.begin(), s.names.end());
        }
        vocabulary_ = Vocabulary::build(text, Vocabulary::Kind::words, config_.vocabulary);
        labels_ = Labels(names);
        require(labels_.size() >= 2, "labels", labels_.size(), "must be at least two different ones");
    }

    void encode(Sentence& s) const override {
        s.ids.clear();
        s.tags.clear();
        for (const std::string& word : s.words) s.ids.push_back(vocabulary_.id(word));
        for (const std::string& name : s.names) s.tags.push_back(labels_.number(name));
    }
    std::int64_t length_of(const Sentence& s) const override { return static_cast<std::int64_t>(s.ids.size()); }

    Batch batch_of(const Pointers& sentences) const override {
        std::vector<const Ids*> words, tags;
        for (const Sentence* s : sentences) {
            words.push_back(&s->ids);
            tags.push_back(&s->tags);
        }
        Padded x = pad(words, 0), y = pad(tags, -1);
        Batch batch;
        batch.ids(x.shape, std::move(x.ids), std::move(x.lengths)).ids(y.shape, std::move(y.ids));
        return batch;
    }

    void begin_count() override { counts_.emplace(labels_.size()); }
    void count(const Pointers& sentences, Network& network, Stream stream) override {
        std::vector<const Ids*> tags;
        for (const Sentence* s : sentences) tags.push_back(&s->tags);
        counts_->add(pad(tags, -1).ids, largest_of(numbers_of(network.read_value("output", stream)), labels_.size()));
    }
    /// Of F1 the tag "O", of words that belong to nothing, is left out.
    std::vector<Figure> figures() const override {
        return {{"accuracy", counts_->accuracy()}, {"f1", counts_->micro_f1(labels_.find("O"))}};
    }
    std::string description() const override {
        return fmt::format(", {} kinds of words, {} tags", vocabulary_.size(), labels_.size());
    }

    Vocabulary vocabulary_ = Vocabulary::bytes();
    Labels labels_;
    std::optional<LabelCounts> counts_;
};

}  // namespace

std::unique_ptr<Task> make_tag_task(const TrainConfig& config, bool data, const Metadata* saved) {
    return std::make_unique<TagTask>(config, data, saved);
}

}  // namespace rondo::cli
