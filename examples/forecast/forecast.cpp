/// A forecast is not a number but a distribution. The network says how likely each of some bins is for the next value;
/// drawing from that, value by value, gives many futures, and their quantiles an interval (as Salinas et al. 2020 do
/// with other distributions). Do eight of ten values fall into the 80 % interval?
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

#include "common/draw.hpp"
#include "common/lesson.hpp"
#include "rondo/sequence_model.hpp"
#include "rondo/trainer.hpp"

using namespace rondo;

namespace {

/// A series, and in what scale it is forecast.
struct Task {
    const char *name, *file, *unit;
    std::int64_t lag;      ///< the network reads and says differences from so many steps before
    double power;          ///< 0: of logarithms; otherwise of the series to this power
    std::int64_t horizon;  ///< steps ahead
    double tested;         ///< the last part of the series, that training does not see
    double first;          ///< the year of the first value
    double step;           ///< years from one value to the next
    double goal;           ///< the interval score must be at most so much of the naive one's
};
constexpr Task kTasks[] = {
    {"airline", "airline.csv", "thousand passengers a month", 12, 0, 12, 1.0 / 6, 1949, 1.0 / 12, 1.25},
    {"sunspots", "sunspots.csv", "sunspots, a year's mean", 1, 0.5, 6, 1.0 / 5, 1700, 1, 0.6}};

double forward(const Task& task, double y) { return task.power == 0 ? std::log(y) : std::pow(y, task.power); }
double back(const Task& task, double z) {
    return task.power == 0 ? std::exp(z) : std::pow(std::max(z, 0.0), 1 / task.power);
}

/// The last column of a CSV file; lines that do not end in a number are no part of the series.
std::vector<double> read_series(const std::string& path) {
    std::ifstream file(path);
    if (!file) refuse("data", path, "cannot be read");
    std::vector<double> series;
    for (std::string line; std::getline(file, line);) {
        const char* last = line.c_str() + line.find_last_of(',') + 1;
        char* end = nullptr;
        const double value = std::strtod(last, &end);
        if (line[0] != '#' && end != last) series.push_back(value);
    }
    return series;
}

double quantile(std::vector<double> values, double share) {
    const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
    return values[at];
}

/// Forecasts beside what came. The interval score of an 80 % interval is its width, and ten times what it missed by
/// (Gneiting and Raftery 2007); the smaller, the better, and no trick beats the true quantiles.
struct Judgement {
    double inside = 0, width = 0, score = 0, count = 0;
    void add(double low, double high, double actual) {
        inside += low <= actual && actual <= high ? 1 : 0;
        width += high - low;
        score += high - low + 10 * (std::max(low - actual, 0.0) + std::max(actual - high, 0.0));
        ++count;
    }
};

class Forecaster {
public:
    static constexpr std::int64_t kBins = 48, kFutures = 400;

    Forecaster(const Task& task, std::vector<double> series, std::int64_t train, const lesson::Setting& setting)
        : task_(task),
          series_(std::move(series)),
          train_(train),
          stream_(setting.device),
          network_(setting.device, network_spec(SequenceModelSpec{
                                       .encoder = {.features = 1, .hidden = setting.pick(16, 24, 128), .dropout = 0.1},
                                       .head = SequenceModelSpec::Head::tags,
                                       .outputs = kBins})),
          seed_(setting.seed),
          random_(setting.seed) {
        for (std::size_t t = 0; t < series_.size(); ++t) {
            levels_.push_back(forward(task, series_[t]));
            if (t >= lag()) differences_.push_back(levels_[t] - levels_[t - lag()]);
        }
        double squares = 0, sum = 0;
        const auto known = static_cast<std::size_t>(train) - lag();
        for (std::size_t t = 0; t < known; ++t) sum += differences_[t];
        mean_ = sum / static_cast<double>(known);
        for (std::size_t t = 0; t < known; ++t) squares += std::pow(differences_[t] - mean_, 2);
        deviation_ = std::sqrt(squares / static_cast<double>(known));
    }

    /// So little data is soon known by heart. How long to train is found out on five sixths of the training part, by
    /// how likely the last sixth is then; after that the network begins anew and trains that long on all of it.
    void fit(std::int64_t updates, lesson::Bar& bar) {
        const std::int64_t fitted = train_ - train_ / 6;
        std::int64_t best = 0;
        double least = std::numeric_limits<double>::infinity();
        train(fitted, updates, bar, [&](std::int64_t done) {
            if (const double loss = validate(fitted); loss < least) {
                least = loss;
                best = done;
            }
        });
        train(train_, best, bar, [](std::int64_t) {});
    }

    /// kFutures futures of the value at `from` and those after it, all drawn side by side: [horizon][kFutures].
    std::vector<std::vector<double>> futures(std::int64_t from) {
        NetworkState state = network_.make_state(kFutures);
        const std::int64_t context = std::min<std::int64_t>(48, from - task_.lag);
        std::vector<std::vector<double>> levels(kFutures, {levels_.begin(), levels_.begin() + from});
        std::vector<std::vector<double>> out;
        std::vector<float> x;
        for (std::int64_t t = from - context; t < from; ++t)
            x.insert(x.end(), kFutures,
                     static_cast<float>(scaled(differences_[static_cast<std::size_t>(t - task_.lag)])));
        for (std::int64_t k = 0; k < task_.horizon; ++k) {
            const std::int64_t steps = k == 0 ? context : 1;
            const Sequence inputs[] = {{ConstView(x.data(), {steps, kFutures, 1})}, {}};
            network_.forward(inputs, Mode::inference, &state, stream_);
            network_.keep_state(steps, state, stream_);
            const HostTensor logits = network_.read_value("output", stream_);
            x.clear();
            out.emplace_back();
            for (std::int64_t n = 0; n < kFutures; ++n) {
                const double next = draw(logits, (steps - 1) * kFutures + n);
                x.push_back(static_cast<float>(next));
                std::vector<double>& path = levels[static_cast<std::size_t>(n)];
                path.push_back(path[path.size() - lag()] + mean_ + deviation_ * next);
                out.back().push_back(back(task_, path.back()));
            }
        }
        return out;
    }

    const std::vector<double>& series() const { return series_; }

    /// The seasonal naive forecast with an interval: the value `lag` steps before, times or plus what it was wrong by
    /// in the training part at the same distance.
    std::pair<double, double> naive(std::int64_t from, std::int64_t k) const {
        const std::int64_t behind = (k / task_.lag + 1) * task_.lag;
        std::vector<double> errors;
        for (std::int64_t t = behind; t < train_; ++t)
            errors.push_back(levels_[static_cast<std::size_t>(t)] - levels_[static_cast<std::size_t>(t - behind)]);
        const double base = levels_[static_cast<std::size_t>(from + k - behind)];
        return {back(task_, base + quantile(errors, 0.1)), back(task_, base + quantile(errors, 0.9))};
    }

private:
    /// From new weights, on windows of the values before `end`; each value's bin is the target of the step before it.
    /// Calls `look` every twenty updates.
    template <class Look>
    void train(std::int64_t end, std::int64_t updates, lesson::Bar& bar, const Look& look) {
        network_.initialise({.forget_bias = 1, .seed = seed_}, stream_);
        Trainer trainer(network_,
                        {.optimizer = {.rule = OptimizerSpec::Rule::adamw, .weight_decay = 0.01},
                         .schedule = {.rate = 0.003},
                         .clip = {ClipSpec::Kind::norm, 1}},
                        stream_);
        const std::int64_t steps = 36, batch = 16, starts = end - task_.lag - steps;
        std::vector<float> x(static_cast<std::size_t>(steps * batch));
        std::vector<std::int32_t> y(x.size());
        for (std::int64_t i = 1; i <= updates; ++i) {
            for (std::int64_t b = 0; b < batch; ++b) {
                const std::int64_t start = random_.below(starts);
                for (std::int64_t t = 0; t < steps; ++t) {
                    const auto at = static_cast<std::size_t>(t * batch + b), from = static_cast<std::size_t>(start + t);
                    x[at] = static_cast<float>(scaled(differences_[from]));
                    // Shaken a little, so that bins beside a target are likely too: a hundred values teach no
                    // histogram.
                    y[at] = bin_of(scaled(differences_[from + 1]) + 0.25 * random_.normal());
                }
            }
            const Sequence inputs[] = {{ConstView(x.data(), {steps, batch, 1})}, {ConstView(y.data(), {steps, batch})}};
            const auto metrics = trainer.queue(inputs);
            bar.step(metrics ? std::string(task_.name) + ", loss " + lesson::number(metrics->loss) : "");
            if (i % 20 == 0) {
                trainer.finish();
                look(i);
            }
        }
        trainer.finish();
    }

    /// The cross-entropy of the training part's values from `begin` on, each after all that came before it.
    double validate(std::int64_t begin) {
        std::vector<float> x;
        std::vector<std::int32_t> y;
        for (std::int64_t t = task_.lag; t + 1 < train_; ++t) {
            const auto at = static_cast<std::size_t>(t - task_.lag);
            x.push_back(static_cast<float>(scaled(differences_[at])));
            y.push_back(t + 1 < begin ? -1 : bin_of(scaled(differences_[at + 1])));
        }
        const auto steps = static_cast<std::int64_t>(x.size());
        const Sequence inputs[] = {{ConstView(x.data(), {steps, 1, 1})}, {ConstView(y.data(), {steps, 1})}};
        network_.forward(inputs, Mode::inference, nullptr, stream_);
        network_.loss(Reduction::mean, 0, stream_);
        return network_.read_loss(stream_).value;
    }

    std::size_t lag() const { return static_cast<std::size_t>(task_.lag); }
    double scaled(double difference) const { return (difference - mean_) / deviation_; }
    /// Bins cover four deviations either side.
    static constexpr double kWidth = 8.0 / kBins;
    static std::int32_t bin_of(double z) {
        return static_cast<std::int32_t>(std::clamp((z + 4) / kWidth, 0.0, kBins - 1.0));
    }
    /// Somewhere in a bin, each as often as the network says.
    double draw(const HostTensor& logits, std::int64_t row) {
        double weights[kBins], sum = 0;
        for (std::int64_t c = 0; c < kBins; ++c) sum += weights[c] = std::exp(logits.at(row * kBins + c));
        double left = random_.uniform() * sum;
        std::int64_t bin = 0;
        while (bin < kBins - 1 && left >= weights[bin]) left -= weights[bin++];
        return -4 + (static_cast<double>(bin) + random_.uniform()) * kWidth;
    }

    const Task& task_;
    std::vector<double> series_, levels_{}, differences_{};
    std::int64_t train_;
    double mean_ = 0, deviation_ = 1;
    DeviceStream stream_;
    Network network_;
    std::uint64_t seed_;
    lesson::Random random_;
};

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    const std::int64_t updates = setting.pick(160, 1000, 3000);
    const std::span<const Task> tasks = std::span(kTasks).first(setting.pick<std::size_t>(1, 2, 2));
    lesson::Bar bar("forecast", 2 * static_cast<std::int64_t>(tasks.size()) * updates);
    std::vector<lesson::Figure> figures;
    std::vector<lesson::Chart> charts;
    for (const Task& task : tasks) {
        const std::vector<double> series =
            read_series((setting.data.empty() ? RONDO_EXAMPLE_DATA : setting.data) + std::string("/") + task.file);
        const auto count = static_cast<std::int64_t>(series.size());
        const std::int64_t train = count - static_cast<std::int64_t>(task.tested * static_cast<double>(count));
        Forecaster forecaster(task, series, train, setting);
        forecaster.fit(updates, bar);

        Judgement network, naive;
        for (std::int64_t from = train; from + task.horizon <= count; ++from) {
            const auto futures = forecaster.futures(from);
            for (std::int64_t k = 0; k < task.horizon; ++k) {
                const std::vector<double>& values = futures[static_cast<std::size_t>(k)];
                const double actual = series[static_cast<std::size_t>(from + k)];
                network.add(quantile(values, 0.1), quantile(values, 0.9), actual);
                const auto [low, high] = forecaster.naive(from, k);
                naive.add(low, high, actual);
            }
        }
        using Must = lesson::Figure::Must;
        const std::string name = task.name;
        figures.push_back({name + ", share of values inside their 80 % interval", network.inside / network.count,
                           "naive interval", naive.inside / naive.count, Must::be_at_least, 0.65});
        figures.push_back({name + ", interval score", network.score / network.count, "naive interval",
                           naive.score / naive.count, Must::be_at_most, task.goal * naive.score / naive.count});

        // The fan: forecasts one after the other over the test part, each made when it begins.
        const auto when = [&](std::int64_t t) { return task.first + task.step * static_cast<double>(t); };
        lesson::Chart chart{name + ": forecasts, each made at its left end", "year", task.unit, {}, {}};
        lesson::Curve actual{"what came", {}};
        for (std::int64_t t = train - 3 * task.horizon; t < count; ++t)
            actual.points.push_back({when(t), series[static_cast<std::size_t>(t)]});
        for (std::int64_t from = train; from + task.horizon <= count; from += task.horizon) {
            lesson::Band band{"80 % of futures", {}, {}};
            lesson::Curve middle{"median", {}, true};
            const lesson::Point last{when(from - 1), series[static_cast<std::size_t>(from - 1)]};
            band.low = band.high = middle.points = {last};
            const auto futures = forecaster.futures(from);
            for (std::int64_t k = 0; k < task.horizon; ++k) {
                const std::vector<double>& values = futures[static_cast<std::size_t>(k)];
                band.low.push_back({when(from + k), quantile(values, 0.1)});
                band.high.push_back({when(from + k), quantile(values, 0.9)});
                middle.points.push_back({when(from + k), quantile(values, 0.5)});
            }
            chart.bands.push_back(band);
            chart.curves.push_back(middle);
        }
        chart.curves.push_back(actual);
        charts.push_back(chart);
    }
    lesson::draw(setting.path("forecast.svg"), charts);
    return figures;
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv, "forecast", "Forecasts with intervals: airline passengers and sunspots", teach);
}
