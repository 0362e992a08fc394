// ctc: labels from a longer sequence, without knowing which step is which label.
#include <map>

#include "cli/tasks/example_task.hpp"
#include "cli/tokenizer.hpp"
#include "rondo/ctc_decode.hpp"
#include "rondo/metrics.hpp"
#include "rondo/safetensors.hpp"
#include "rondo/sequence_model.hpp"

namespace rondo::cli {
namespace {

/// Either a text's tokens, or rows of numbers.
struct Recording {
    std::string text, transcript;
    std::vector<double> features{};  ///< [steps, width]
    std::int64_t steps = 0;
    Ids ids{}, labels{};
};

class CtcTask final : public ExampleTask<Recording> {
public:
    CtcTask(const TrainConfig& config, bool data, const Metadata* saved) : ExampleTask(config) {
        if (saved) {
            width_ = std::stoll(metadata_entry(*saved, "features"));
            if (width_ == 0) tokenizer_ = Tokenizer(*saved);
            target_ = Tokenizer(without_prefix(*saved, "target."));
        }
        if (data) read_data(saved != nullptr);
    }

    NetworkSpec network() const override {
        require(width_ == 0 || config_.embedding == 0, "embedding", config_.embedding,
                "must be 0 where the features are numbers");
        SequenceModelSpec spec{encoder_of(config_, width_ > 0 ? 0 : tokenizer_.size(), width_),
                               SequenceModelSpec::Head::ctc};
        spec.outputs = target_.size() + 1;
        set_output_dropout(config_, spec);
        return network_spec(spec);
    }
    Metadata metadata() const override {
        Metadata metadata = with_prefix(target_.metadata(), "target.");
        metadata["features"] = std::to_string(width_);
        if (width_ == 0) metadata.merge(tokenizer_.metadata());
        return metadata;
    }

    std::vector<std::string> predict(const std::vector<std::string>& lines, Network& network, Stream stream) override {
        require(width_ == 0, "input", "text", "must be features in a .safetensors file for this model: use rondo eval");
        std::vector<std::string> out;
        for (const std::string& line : lines) {
            Recording recording;
            recording.text = line;
            encode(recording);
            network.forward(batch_of({&recording}).inputs(), Mode::inference, nullptr, stream);
            out.push_back(target_.decode(transcribe(network, stream, {&recording})[0]));
        }
        return out;
    }

private:
    /// text<TAB>transcript, or a .safetensors file with tensors "x.NAME" [steps, width] and metadata "y.NAME".
    std::vector<Recording> parse(const std::string& field, const std::string& text, const std::string& path) override {
        if (path.ends_with(".safetensors")) return read_features(field, path);
        std::vector<Recording> recordings;
        const std::vector<std::string> lines = lines_of(text);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            auto [source, transcript] = two_fields(field, i, lines[i]);
            recordings.push_back({std::move(source), std::move(transcript)});
        }
        return recordings;
    }

    std::vector<Recording> read_features(const std::string& field, const std::string& path) {
        const SafetensorsReader file(path);
        std::vector<Recording> recordings;
        for (const TensorInfo& entry : file.tensors()) {
            if (!entry.name.starts_with("x.")) continue;
            require(entry.shape.rank() == 2 && (width_ == 0 || entry.shape[1] == width_), field, entry.name,
                    "must be [steps, width], of one width");
            width_ = entry.shape[1];
            Recording& r = recordings.emplace_back();
            r.transcript = metadata_entry(file.metadata(), "y." + entry.name.substr(2));
            r.features.resize(static_cast<std::size_t>(entry.shape.size()));
            file.read_as(entry, DType::f64, r.features.data());
            r.steps = entry.shape[0];
        }
        return recordings;
    }

    void learn(const std::vector<Recording>& train) override {
        std::string sources, targets;
        for (const Recording& r : train) {
            sources += r.text + "\n";
            targets += r.transcript + "\n";
        }
        if (width_ == 0) tokenizer_ = Tokenizer(sources, config_);
        target_ = Tokenizer(targets, config_);
    }

    /// Labels are one above the target's ids: class 0 is the blank.
    void encode(Recording& r) const override {
        if (width_ == 0) {
            r.ids = tokenizer_.encode_line(r.text);
            r.steps = static_cast<std::int64_t>(r.ids.size());
        }
        r.labels = target_.encode_line(r.transcript);
        for (std::int32_t& label : r.labels) ++label;
    }
    std::int64_t length_of(const Recording& r) const override { return r.steps; }

    Batch batch_of(const Pointers& recordings) const override {
        std::vector<const Ids*> ids, labels;
        std::int64_t steps = 1;
        std::vector<std::int64_t> lengths;
        for (const Recording* r : recordings) {
            ids.push_back(&r->ids);
            labels.push_back(&r->labels);
            lengths.push_back(r->steps);
            steps = std::max(steps, r->steps);
        }
        Batch batch;
        const auto count = static_cast<std::int64_t>(recordings.size());
        if (width_ > 0) {
            std::vector<double> x(static_cast<std::size_t>(steps * count * width_));
            for (std::int64_t b = 0; b < count; ++b) {
                const Recording& r = *recordings[static_cast<std::size_t>(b)];
                for (std::int64_t t = 0; t < r.steps; ++t)
                    std::copy_n(r.features.begin() + t * width_, width_, x.begin() + (t * count + b) * width_);
            }
            batch.numbers(encoder_of(config_, 0, width_).precision.storage, {steps, count, width_}, x, lengths);
        } else {
            Padded x = pad(ids, 0);
            batch.ids(x.shape, std::move(x.ids), std::move(x.lengths));
        }
        Padded y = pad(labels, -1);
        batch.ids(y.shape, std::move(y.ids));
        return batch;
    }

    /// The target's ids of each row.
    std::vector<Ids> transcribe(Network& network, Stream stream, const Pointers& recordings) const {
        const HostTensor value = network.read_value("output", stream);
        const std::vector<double> logits = numbers_of(value);
        const std::int64_t batch = value.shape[1], classes = value.shape[2];
        std::vector<Ids> all;
        for (std::int64_t b = 0; b < batch; ++b) {
            std::vector<double> row;
            for (std::int64_t t = 0; t < recordings[static_cast<std::size_t>(b)]->steps; ++t)
                row.insert(row.end(), logits.begin() + (t * batch + b) * classes,
                           logits.begin() + (t * batch + b + 1) * classes);
            Ids labels = config_.beam > 1 ? ctc_beam(row, classes, config_.beam)[0].labels : ctc_greedy(row, classes);
            for (std::int32_t& label : labels) --label;
            all.push_back(std::move(labels));
        }
        return all;
    }

    void begin_count() override { characters_ = words_ = {}; }
    void count(const Pointers& recordings, Network& network, Stream stream) override {
        const std::vector<Ids> found = transcribe(network, stream, recordings);
        for (std::size_t i = 0; i < found.size(); ++i) {
            Ids reference = recordings[i]->labels;
            for (std::int32_t& label : reference) --label;
            characters_.add(reference, found[i]);
            words_.add(words_of(recordings[i]->transcript), words_of(target_.decode(found[i])));
        }
    }
    Ids words_of(const std::string& text) {
        Ids ids;
        for (const std::string& word : split_words(text))
            ids.push_back(word_ids_.emplace(word, static_cast<std::int32_t>(word_ids_.size())).first->second);
        return ids;
    }
    std::vector<Figure> figures() const override {
        return {{"symbol_error_rate", characters_.rate()}, {"word_error_rate", words_.rate()}};
    }
    std::string description() const override { return fmt::format(", {} kinds of labels", target_.size()); }

    std::int64_t width_ = 0;  ///< of features; 0: the input is text
    Tokenizer tokenizer_, target_;
    ErrorRate characters_, words_;
    std::map<std::string, std::int32_t> word_ids_;
};

}  // namespace

std::unique_ptr<Task> make_ctc_task(const TrainConfig& config, bool data, const Metadata* saved) {
    return std::make_unique<CtcTask>(config, data, saved);
}

}  // namespace rondo::cli
