// forecast: the next numbers of a series.
#include <charconv>
#include <cmath>
#include <limits>

#include "cli/stack_words.hpp"
#include "cli/tasks/example_task.hpp"
#include "rondo/metrics.hpp"
#include "rondo/sequence_model.hpp"

namespace rondo::cli {
namespace {

/// Where a window of the series begins.
struct WindowStart {
    std::int64_t begin;
};

double parse_number(const std::string& field, const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    require(error == std::errc() && end == text.data() + text.size() && std::isfinite(value), field, text,
            "must be a number");
    return value;
}

/// The last column of a CSV file. Lines that begin with # are left out; a first line that is no number is the head.
std::vector<double> read_series(const std::string& field, const std::string& text) {
    std::vector<double> series;
    const std::vector<std::string> lines = lines_of(text);
    bool first = true;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (lines[i].starts_with('#')) continue;
        const std::size_t comma = lines[i].find_last_of(",;\t ");
        const std::string last = comma == std::string::npos ? lines[i] : lines[i].substr(comma + 1);
        const bool head = first && last.find_first_of("0123456789") == std::string::npos;
        if (!head) series.push_back(parse_number(detail::concat(field, " line ", i + 1), last));
        first = false;
    }
    return series;
}

/// What makes large and small years of a series alike.
struct Transform {
    const char* name;
    double least;  ///< of the numbers that have one
    double (*forward)(double);
    double (*back)(double);
};
constexpr Transform kTransforms[] = {
    {"none", std::numeric_limits<double>::lowest(), [](double y) { return y; }, [](double z) { return z; }},
    {"log", std::numeric_limits<double>::min(), [](double y) { return std::log(y); },
     [](double z) { return std::exp(z); }},
    {"sqrt", 0, [](double y) { return std::sqrt(y); }, [](double z) { return z > 0 ? z * z : 0; }}};

const Transform& parse_transform(const std::string& word) {
    for (const Transform& t : kTransforms)
        if (word == t.name) return t;
    refuse("transform", word, "must be one of none, log, sqrt");
}

/// A series, and what the model reads of it: the transformed numbers, as they are or as differences. Of these the first
/// `difference` are 0, and no window reaches them.
struct Series {
    std::vector<double> numbers, levels, read;

    Series() = default;
    Series(std::vector<double> all, const Transform& transform, std::int64_t difference) : numbers(std::move(all)) {
        for (const double y : numbers) {
            require(y >= transform.least, "transform", transform.name, detail::concat("is of no number like ", y));
            levels.push_back(transform.forward(y));
        }
        read = levels;
        const auto lag = std::min(static_cast<std::size_t>(difference), levels.size());
        for (std::size_t t = 0; lag > 0 && t < levels.size(); ++t) read[t] = t < lag ? 0 : levels[t] - levels[t - lag];
    }
    std::int64_t size() const { return static_cast<std::int64_t>(numbers.size()); }
};

/// Windows of `context` numbers, and the `horizon` that follow. The last parts of the series are for validation and test,
/// so that no forecast has seen what came later.
class ForecastTask final : public Task {
public:
    ForecastTask(const TrainConfig& config, bool data, const Metadata* saved)
        : config_(config), transform_(&parse_transform(config.transform)) {
        require(config.context >= 1, "context", config.context, "must be at least 1");
        require(config.horizon >= 1, "horizon", config.horizon, "must be at least 1");
        require(config.season >= 1, "season", config.season, "must be at least 1");
        require(config.difference >= 0, "difference", config.difference, "must be a number of steps, or 0 for none");
        if (saved) {
            mean_ = parse_number("mean", metadata_entry(*saved, "mean"));
            deviation_ = parse_number("deviation", metadata_entry(*saved, "deviation"));
            naive_ = parse_number("naive", metadata_entry(*saved, "naive"));
        }
        if (data) read_data(saved != nullptr);
    }

    NetworkSpec network() const override {
        SequenceModelSpec spec{encoder_of(config_, 0, 1), SequenceModelSpec::Head::numbers};
        spec.outputs = config_.horizon;
        spec.pool = parse_pool(config_.pool);
        set_output_dropout(config_, spec);
        return network_spec(spec);
    }
    Metadata metadata() const override {
        return {{"mean", text_of(mean_)}, {"deviation", text_of(deviation_)}, {"naive", text_of(naive_)}};
    }

    std::string summary() const override {
        return fmt::format("{} numbers, {} windows to train on, {} batches an epoch", end(), windows(0, train_),
                           steps_an_epoch());
    }
    std::uint64_t hash() const override { return hash_; }
    std::int64_t steps_an_epoch() const override { return batches_->batches(); }

    std::optional<StepMetrics> queue(Trainer& trainer) override {
        const std::int64_t step = trainer.progress().step, epoch = step / steps_an_epoch();
        std::vector<std::int64_t> begins;
        for (const std::int64_t w : batches_->batch(epoch, step % steps_an_epoch()))
            begins.push_back(w + config_.difference);
        const Batch batch = batch_of(series_, begins);
        std::optional<StepMetrics> metrics = trainer.queue(batch.inputs());
        if (step % steps_an_epoch() == steps_an_epoch() - 1) trainer.next_epoch();
        return metrics;
    }

    bool has(Split split) const override {
        return split == Split::validation ? validation_ > train_ : end() > validation_;
    }
    Score evaluate(Split split, Network& network, Stream stream, const GoOn& go_on) override {
        const std::int64_t begin = split == Split::validation ? train_ : validation_;
        return judge(series_, begin, split == Split::validation ? validation_ : end(), network, stream, go_on);
    }
    /// Every number of the file that has a context before it is forecast.
    Score evaluate_file(const std::string& path, Network& network, Stream stream, const GoOn& go_on) override {
        const Series series = series_of(read_series("text", read_text_file("text", path)));
        return judge(series, reach(), series.size(), network, stream, go_on);
    }

    /// The lines are one series; out comes what follows it.
    std::vector<std::string> predict(const std::vector<std::string>& lines, Network& network, Stream stream) override {
        std::string text;
        for (const std::string& line : lines) text += line + "\n";
        std::vector<double> numbers = read_series("input", text);
        const auto count = static_cast<std::int64_t>(numbers.size());
        require(count >= reach(), "input", count, detail::concat("must be at least ", reach(), " numbers"));
        numbers.resize(numbers.size() + static_cast<std::size_t>(config_.horizon), numbers.back());  // not looked at
        const std::int64_t begin = count - config_.context;
        std::vector<std::string> out;
        for (const double y : forecast(series_of(std::move(numbers)), std::span(&begin, 1), network, stream))
            out.push_back(fmt::format("{:.6g}", y));
        return out;
    }

private:
    static std::string text_of(double value) { return fmt::format("{}", value); }
    std::int64_t end() const { return series_.size(); }
    Series series_of(std::vector<double> numbers) const {
        return Series(std::move(numbers), *transform_, config_.difference);
    }
    /// Numbers that a forecast needs before it.
    std::int64_t reach() const { return config_.context + config_.difference; }

    /// Windows whose forecasts all lie in [from, to).
    std::int64_t windows(std::int64_t from, std::int64_t to) const {
        return std::max<std::int64_t>(0, to - std::max(from, reach()) - config_.horizon + 1);
    }

    void read_data(bool known) {
        require(config_.validation.empty() && config_.test.empty(), "validation", config_.validation,
                "must not be given: the ends of the series are for validation and test");
        const std::string text = read_text_file("train", config_.train);
        hash_ = hash_text(text);
        series_ = series_of(read_series("train", text));
        const double count = static_cast<double>(end());
        require(config_.validation_fraction + config_.test_fraction < 1, "validation_fraction",
                config_.validation_fraction, "and test_fraction must leave something to train on");
        validation_ = end() - static_cast<std::int64_t>(config_.test_fraction * count);
        train_ = validation_ - static_cast<std::int64_t>(config_.validation_fraction * count);
        require(windows(0, train_) > 0, "train", config_.train, "is too short for one context and horizon");
        if (!known) learn();
        batches_.emplace(std::vector<std::int64_t>(static_cast<std::size_t>(windows(0, train_)), config_.context),
                         config_.batch, static_cast<std::uint64_t>(config_.seed));
    }

    void learn() {
        const auto lag = static_cast<std::size_t>(config_.difference), count = static_cast<std::size_t>(train_);
        const std::span<const double> train(series_.read.data() + lag, count - lag);
        double squares = 0;
        mean_ = std::accumulate(train.begin(), train.end(), 0.0) / static_cast<double>(train.size());
        for (const double y : train) squares += (y - mean_) * (y - mean_);
        deviation_ = squares > 0 ? std::sqrt(squares / static_cast<double>(train.size())) : 1;
        naive_ = seasonal_naive_mae(std::span(series_.numbers).first(count), config_.season);
        require(naive_ > 0, "train", config_.train, "repeats every season exactly: there is nothing to learn");
    }

    /// begins: where the windows' contexts begin.
    Batch batch_of(const Series& series, std::span<const std::int64_t> begins) const {
        const auto rows = static_cast<std::int64_t>(begins.size());
        std::vector<double> x, y;
        const auto scaled = [&](std::int64_t t) {
            return (series.read[static_cast<std::size_t>(t)] - mean_) / deviation_;
        };
        for (std::int64_t t = 0; t < config_.context; ++t)
            for (const std::int64_t begin : begins) x.push_back(scaled(begin + t));
        for (const std::int64_t begin : begins)
            for (std::int64_t h = 0; h < config_.horizon; ++h) y.push_back(scaled(begin + config_.context + h));
        const DType dtype = encoder_of(config_, 0, 1).precision.storage;
        Batch batch;
        batch.numbers(dtype, {config_.context, rows, 1}, x).numbers(dtype, {rows, config_.horizon}, y);
        return batch;
    }

    /// The forecasts that follow the windows, in the series' own units, [windows, horizon].
    std::vector<double> forecast(const Series& series, std::span<const std::int64_t> begins, Network& network,
                                 Stream stream) const {
        network.forward(batch_of(series, begins).inputs(), Mode::inference, nullptr, stream);
        std::vector<double> values = numbers_of(network.read_value("output", stream));
        const std::int64_t lag = config_.difference;
        for (std::size_t row = 0; row < begins.size(); ++row) {
            double* y = &values[row * static_cast<std::size_t>(config_.horizon)];
            const double* known = series.levels.data() + begins[row] + config_.context;  // its [-1] is the last known
            for (std::int64_t h = 0; h < config_.horizon; ++h) {
                y[h] = y[h] * deviation_ + mean_;
                if (lag > 0) y[h] += h < lag ? known[h - lag] : y[h - lag];
            }
            std::transform(y, y + config_.horizon, y, transform_->back);
        }
        return values;
    }

    /// Every window whose forecasts lie in [from, to); the contexts may reach back before it.
    Score judge(const Series& series, std::int64_t from, std::int64_t to, Network& network, Stream stream,
                const GoOn& go_on) {
        const std::int64_t count = windows(from, to), first = std::max(from, reach()) - config_.context;
        require(count > 0, "series", to - from, "is too short for one context and horizon");
        Score score;
        ForecastErrors errors, naive;
        for (std::int64_t w = 0; w < count; w += config_.batch) {
            std::vector<std::int64_t> begins;
            for (std::int64_t i = w; i < std::min(count, w + config_.batch); ++i) begins.push_back(first + i);
            const std::vector<double> values = forecast(series, begins, network, stream);
            network.loss(Reduction::sum, 0, stream);
            const LossValue loss = network.read_loss(stream);
            score.loss_sum += loss.sum;
            score.count += loss.counted;
            std::vector<double> actual, seasonal;
            for (const std::int64_t begin : begins)
                for (std::int64_t h = 0; h < config_.horizon; ++h) {
                    const std::int64_t t = begin + config_.context + h;
                    // The last season before the forecast was made, as often as it takes.
                    const std::int64_t back = (h / config_.season + 1) * config_.season;
                    actual.push_back(series.numbers[static_cast<std::size_t>(t)]);
                    seasonal.push_back(series.numbers[static_cast<std::size_t>(std::max<std::int64_t>(0, t - back))]);
                }
            errors.add(actual, values);
            naive.add(actual, seasonal);
            if (go_on && !go_on(static_cast<double>(w) / static_cast<double>(count))) break;
        }
        score.figures = {{"mae", errors.mae()},
                         {"smape", errors.smape()},
                         {"mase", errors.mase(naive_)},
                         {"naive_mae", naive.mae()}};
        return score;
    }

    TrainConfig config_;
    const Transform* transform_;
    Series series_;
    std::int64_t train_ = 0, validation_ = 0;  ///< ends of the parts
    double mean_ = 0, deviation_ = 1, naive_ = 1;
    std::uint64_t hash_ = 0;
    std::optional<LengthBatches> batches_;
};

}  // namespace

std::unique_ptr<Task> make_forecast_task(const TrainConfig& config, bool data, const Metadata* saved) {
    return std::make_unique<ForecastTask>(config, data, saved);
}

}  // namespace rondo::cli
