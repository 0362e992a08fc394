/// How far back can a network remember? Two old questions, asked of every cell and of a transformer.
///   adding: the sum of the two marked ones among T numbers (Hochreiter and Schmidhuber 1997)
///   copy:   five symbols, T - 10 blanks, a mark: then say the symbols again (after Arjovsky et al. 2016)
#include <cstdio>

#include "common/draw.hpp"
#include "common/lesson.hpp"
#include "rondo/metrics.hpp"
#include "rondo/sequence_model.hpp"
#include "rondo/trainer.hpp"

using namespace rondo;

namespace {

constexpr std::int64_t kBatch = 32, kSymbols = 5, kKinds = 8;

/// Inputs and targets of one batch. A task fills it; a Sequence is made of it where it is fed.
struct Batch {
    std::vector<float> numbers{}, sums{};
    std::vector<std::int32_t> ids{}, again{};
};

/// x [T,B,2]: a number in [0, 1] and a mark; the target [B,1] is the sum of the two marked numbers.
std::vector<Sequence> draw_adding(Batch& batch, std::int64_t steps, lesson::Random& random) {
    batch.numbers.assign(static_cast<std::size_t>(steps * kBatch * 2), 0);
    batch.sums.assign(kBatch, 0);
    for (std::int64_t b = 0; b < kBatch; ++b) {
        const std::int64_t first = random.below(steps / 2), second = steps / 2 + random.below(steps - steps / 2);
        for (std::int64_t t = 0; t < steps; ++t) {
            float* x = &batch.numbers[static_cast<std::size_t>((t * kBatch + b) * 2)];
            x[0] = static_cast<float>(random.uniform());
            x[1] = t == first || t == second ? 1 : 0;
            batch.sums[static_cast<std::size_t>(b)] += x[0] * x[1];
        }
    }
    return {{ConstView(batch.numbers.data(), {steps, kBatch, 2})}, {ConstView(batch.sums.data(), {kBatch, 1})}};
}

/// Symbols are 0 to kKinds - 1, then blank and mark. Only the last kSymbols steps have targets.
std::vector<Sequence> draw_copy(Batch& batch, std::int64_t steps, lesson::Random& random) {
    batch.ids.assign(static_cast<std::size_t>(steps * kBatch), kKinds);
    batch.again.assign(batch.ids.size(), -1);
    for (std::int64_t b = 0; b < kBatch; ++b) {
        const auto at = [&](std::int64_t t) { return static_cast<std::size_t>(t * kBatch + b); };
        for (std::int64_t s = 0; s < kSymbols; ++s)
            batch.again[at(steps - kSymbols + s)] = batch.ids[at(s)] = static_cast<std::int32_t>(random.below(kKinds));
        batch.ids[at(steps - kSymbols - 1)] = kKinds + 1;
    }
    return {{ConstView(batch.ids.data(), {steps, kBatch})}, {ConstView(batch.again.data(), {steps, kBatch})}};
}

struct Task {
    const char* name;
    std::vector<Sequence> (*draw)(Batch&, std::int64_t, lesson::Random&);
    bool numbers;
};

/// One layer, whatever it is of; the transformer sees no future, so that both read the same way.
NetworkSpec model(const Task& task, const std::string& cell, std::int64_t hidden, std::int64_t steps) {
    SequenceModelSpec spec;
    spec.encoder.hidden = hidden;
    if (cell == "transformer") {
        spec.encoder.kind = EncoderSpec::Kind::transformer;
        spec.encoder.causal = true;
        spec.encoder.steps = steps;
    } else {
        spec.encoder.cell = cell;
    }
    (task.numbers ? spec.encoder.features : spec.encoder.classes) = task.numbers ? 2 : kKinds + 2;
    spec.head = task.numbers ? SequenceModelSpec::Head::numbers : SequenceModelSpec::Head::tags;
    spec.outputs = task.numbers ? 1 : kKinds;
    return network_spec(spec);
}

/// Of unseen sequences: the mean squared error of sums, or the share of symbols said right.
double judge(const Task& task, Network& network, std::int64_t steps, Stream stream) {
    lesson::Random random(99);
    double squares = 0;
    LabelCounts symbols(kKinds);
    const int batches = 20;
    for (int i = 0; i < batches; ++i) {
        Batch batch;
        network.forward(task.draw(batch, steps, random), Mode::inference, nullptr, stream);
        const HostTensor output = network.read_value("output", stream);
        if (task.numbers)
            for (std::int64_t b = 0; b < kBatch; ++b) {
                const double error = output.at(b) - static_cast<double>(batch.sums[static_cast<std::size_t>(b)]);
                squares += error * error / static_cast<double>(kBatch * batches);
            }
        else
            symbols.add(batch.again, lesson::likeliest(output));
    }
    return task.numbers ? squares : symbols.accuracy();
}

double train_and_judge(const Task& task, const std::string& cell, std::int64_t steps, std::int64_t updates,
                       const lesson::Setting& setting, lesson::Bar& bar) {
    DeviceStream stream(setting.device);
    Network network(setting.device, model(task, cell, setting.pick(32, 32, 256), steps));
    network.initialise({.seed = setting.seed}, stream);
    Trainer trainer(network,
                    {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                     .schedule = {.kind = ScheduleSpec::Kind::cosine,
                                  .rate = cell == "transformer" ? 0.002 : 0.01,
                                  .warmup = updates / 20,
                                  .total = updates},
                     .clip = {ClipSpec::Kind::norm, 1}},
                    stream);
    lesson::Random random(setting.seed);
    Batch batch;
    for (std::int64_t i = 0; i < updates; ++i) {
        trainer.queue(task.draw(batch, steps, random));
        bar.step(std::string(task.name) + ", " + cell + ", T = " + std::to_string(steps));
    }
    trainer.finish();
    return judge(task, network, steps, stream);
}

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    using Lists = std::vector<std::string>;
    const Lists cells = setting.pick(
        Lists{"gru", "transformer"},
        Lists{"rnn_tanh", "rnn_relu", "lstm", "gru", "slstm", "mingru", "minlstm", "lnlstm", "lngru", "transformer"},
        Lists{"rnn_tanh", "rnn_relu", "lstm", "gru", "slstm", "mingru", "minlstm", "lnlstm", "lngru", "transformer"});
    using Counts = std::vector<std::int64_t>;
    const Counts lengths = setting.pick(Counts{12}, Counts{20, 40, 80}, Counts{50, 100, 200, 500, 1000});
    const std::int64_t updates = setting.pick(300, 500, 10000);
    const Task tasks[] = {{"adding", draw_adding, true}, {"copy", draw_copy, false}};

    std::vector<lesson::Figure> figures;
    std::vector<lesson::Chart> charts = {
        {"Adding: error, always saying 1 has 0.167", "T", "mean squared error", {}, {}, true, 0, 0.2},
        {"Copy: symbols said right, of guessing 0.125", "T", "share", {}, {}, true, 0, 1}};
    lesson::Bar bar("memory", static_cast<std::int64_t>(2 * cells.size() * lengths.size()) * updates);
    std::string table;
    for (std::size_t i = 0; i < 2; ++i) {
        table += std::string(i ? "\n" : "") + "| " + tasks[i].name + " |";
        for (const std::int64_t steps : lengths) table += " T = " + std::to_string(steps) + " |";
        table += "\n|---|";
        for (std::size_t c = 0; c < lengths.size(); ++c) table += "---|";
        for (const std::string& cell : cells) {
            table += "\n| " + cell + " |";
            lesson::Curve curve{cell, {}};
            for (const std::int64_t steps : lengths) {
                const double value = train_and_judge(tasks[i], cell, steps, updates, setting, bar);
                table += " " + lesson::number(value) + " |";
                curve.points.push_back({static_cast<double>(steps), value});
            }
            charts[i].curves.push_back(curve);
            using Must = lesson::Figure::Must;
            const std::string what = std::string(tasks[i].name) + ", " + cell + ", T = " + std::to_string(lengths[0]);
            if (cell == "gru" && tasks[i].numbers)
                figures.push_back(
                    {what + ", squared error", curve.points[0].second, "always 1", 1.0 / 6, Must::be_at_most, 0.04});
            if (cell == "transformer" && !tasks[i].numbers)
                figures.push_back(
                    {what + ", right", curve.points[0].second, "guessing", 1.0 / kKinds, Must::be_at_least, 0.9});
        }
        table += "\n";
    }
    bar.say(table);
    lesson::write_file(setting.path("memory.md"), table);
    if (lengths.size() > 1) lesson::draw(setting.path("memory.svg"), charts);
    return figures;
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv, "memory", "Adding problem and copy memory over T, for every cell and a transformer",
                       teach);
}
