#pragma once
/// Tasks whose data are examples of different lengths, read in batches by length.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <numeric>

#include "cli/tasks/task.hpp"
#include "cli/text_files.hpp"
#include "rondo/batches.hpp"
#include "rondo/convert.hpp"
#include "rondo/philox.hpp"

namespace rondo::cli {

/// Inputs of a network that own their memory.
class Batch {
public:
    Batch& ids(Shape shape, std::vector<std::int32_t> values, std::vector<std::int64_t> lengths = {});
    Batch& numbers(DType dtype, Shape shape, const std::vector<double>& values, std::vector<std::int64_t> lengths = {});
    std::span<const Sequence> inputs() const { return inputs_; }

private:
    std::deque<HostTensor> tensors_;
    std::deque<std::vector<std::int64_t>> lengths_;
    std::vector<Sequence> inputs_;
};

using Ids = std::vector<std::int32_t>;

/// Lists side by side as [T,B], filled up with `padding`.
struct Padded {
    Shape shape;
    Ids ids;
    std::vector<std::int64_t> lengths;
};
Padded pad(const std::vector<const Ids*>& lists, std::int32_t padding);

/// Lines of a file, without their ends; empty ones are left out.
std::vector<std::string> lines_of(const std::string& text);
/// A line's fields. Throws Error naming file and line where it has no tab.
std::pair<std::string, std::string> two_fields(const std::string& field, std::size_t line, const std::string& text);

/// Example: what one line, or one sentence, of the data became.
template <class Example>
class ExampleTask : public Task {
public:
    std::string summary() const override {
        return fmt::format("{} examples, {} batches an epoch, {:.1f}% padding{}", train_.size(), batches_->batches(),
                           100 * batches_->padding(0), description());
    }
    std::uint64_t hash() const override { return hash_; }
    std::int64_t steps_an_epoch() const override { return batches_->batches(); }

    std::optional<StepMetrics> queue(Trainer& trainer) override {
        const std::int64_t step = trainer.progress().step, epoch = step / steps_an_epoch();
        const Batch batch = training_batch(pointers(train_, batches_->batch(epoch, step % steps_an_epoch())), step);
        const bool last = step % steps_an_epoch() == steps_an_epoch() - 1;
        std::optional<StepMetrics> metrics = trainer.queue(batch.inputs());
        if (last) trainer.next_epoch();
        return metrics;
    }

    bool has(Split split) const override { return !set_of(split).empty(); }
    Score evaluate(Split split, Network& network, Stream stream, const GoOn& go_on) override {
        return judge(set_of(split), network, stream, go_on);
    }
    Score evaluate_file(const std::string& path, Network& network, Stream stream, const GoOn& go_on) override {
        std::vector<Example> examples = parse("text", read_text_file("text", path), path);
        for (Example& e : examples) encode(e);
        return judge(examples, network, stream, go_on);
    }

protected:
    explicit ExampleTask(const TrainConfig& config) : config_(config) {}

    using Pointers = std::vector<const Example*>;

    /// field, path: for messages, and for tasks whose data are in two files.
    virtual std::vector<Example> parse(const std::string& field, const std::string& text, const std::string& path) = 0;
    /// Makes vocabularies and labels from the training set.
    virtual void learn(const std::vector<Example>& train) = 0;
    virtual void encode(Example& example) const = 0;
    virtual std::int64_t length_of(const Example& example) const = 0;
    virtual Batch batch_of(const Pointers& examples) const = 0;
    /// That of an update, where it is another than what the network is judged by.
    virtual Batch training_batch(const Pointers& examples, std::int64_t /*step*/) const { return batch_of(examples); }
    /// Looks at the network's values after a forward without dropout.
    virtual void count(const Pointers& examples, Network& network, Stream stream) = 0;
    virtual void begin_count() = 0;
    virtual std::vector<Figure> figures() const = 0;
    virtual std::string description() const { return ""; }

    /// Reads the files. known: vocabularies are there already.
    void read_data(bool known) {
        const std::string text = read_text_file("train", config_.train);
        hash_ = hash_text(text);
        train_ = parse("train", text, config_.train);
        const double test = config_.test.empty() ? config_.test_fraction : 0;
        const double validation = config_.validation.empty() ? config_.validation_fraction : 0;
        require(validation + test < 1, "validation_fraction", validation, "and test_fraction must leave something");
        shuffle_train();
        test_ = read_set("test", config_.test, test);
        validation_ = read_set("validation", config_.validation, validation);
        require(!train_.empty(), "train", config_.train, "holds no example to train on");
        if (!known) learn(train_);
        std::vector<std::int64_t> lengths;
        for (std::vector<Example>* set : {&train_, &validation_, &test_})
            for (Example& e : *set) encode(e);
        for (const Example& e : train_) lengths.push_back(length_of(e));
        batches_.emplace(std::move(lengths), config_.batch, static_cast<std::uint64_t>(config_.seed));
    }

    TrainConfig config_;

private:
    const std::vector<Example>& set_of(Split split) const { return split == Split::validation ? validation_ : test_; }

    static Pointers pointers(const std::vector<Example>& set, std::span<const std::int64_t> which) {
        Pointers list;
        for (const std::int64_t i : which) list.push_back(&set[static_cast<std::size_t>(i)]);
        return list;
    }

    /// Files are often in order of their labels; the order is the same for the same number of examples.
    void shuffle_train() {
        for (std::size_t i = train_.size(); i > 1; --i) {
            const Philox4 r = philox4x32(philox_counter(i, 0), philox_key(20));
            std::swap(train_[i - 1],
                      train_[static_cast<std::size_t>(philox_uniform(r.word[0], r.word[1]) * static_cast<double>(i))]);
        }
    }

    /// From its file, or the last `fraction` of the training examples, which are taken away there.
    std::vector<Example> read_set(const std::string& field, const std::string& path, double fraction) {
        if (!path.empty()) return parse(field, read_text_file(field, path), path);
        const auto count = static_cast<std::ptrdiff_t>(fraction * static_cast<double>(train_.size()));
        std::vector<Example> set(std::make_move_iterator(train_.end() - count), std::make_move_iterator(train_.end()));
        train_.resize(train_.size() - static_cast<std::size_t>(count));
        return set;
    }

    Score judge(const std::vector<Example>& set, Network& network, Stream stream, const GoOn& go_on) {
        require(!set.empty(), "examples", 0, "must be at least 1");
        std::vector<std::int64_t> lengths;
        for (const Example& e : set) lengths.push_back(length_of(e));
        const LengthBatches batches(lengths, config_.evaluation_batch > 0 ? config_.evaluation_batch : config_.batch,
                                    1);
        Score score;
        begin_count();
        for (std::int64_t i = 0; i < batches.batches(); ++i) {
            const Pointers examples = pointers(set, batches.batch(0, i));
            network.forward(batch_of(examples).inputs(), Mode::inference, nullptr, stream);
            network.loss(Reduction::sum, 0, stream);
            const LossValue loss = network.read_loss(stream);
            score.loss_sum += loss.sum;
            score.count += loss.counted;
            count(examples, network, stream);
            if (go_on && !go_on(static_cast<double>(i + 1) / static_cast<double>(batches.batches()))) break;
        }
        score.figures = figures();
        return score;
    }

    std::vector<Example> train_, validation_, test_;
    std::optional<LengthBatches> batches_;
    std::uint64_t hash_ = 0;
};

/// A value [...,classes] as doubles.
std::vector<double> numbers_of(const HostTensor& tensor);
/// The largest of each row of `classes`, the first of equals.
Ids largest_of(const std::vector<double>& values, std::int64_t classes);

}  // namespace rondo::cli
