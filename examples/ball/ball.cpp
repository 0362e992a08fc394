/// The next picture of a film: a ball that flies under gravity and bounces off four walls. The network sees pixels
/// only; where the ball is, how fast it goes and where the walls are it must find out and carry along by itself.
#include <algorithm>
#include <cmath>

#include "common/draw.hpp"
#include "common/lesson.hpp"
#include "rondo/trainer.hpp"

using namespace rondo;

namespace {

constexpr std::int64_t kSide = 12, kPixels = kSide * kSide;
constexpr double kRadius = 1.8, kGravity = 0.05;

/// A film [steps][kPixels] of brightness in [0, 1].
std::vector<float> film(lesson::Random& random, std::int64_t steps) {
    const double low = kRadius - 0.5, high = kSide - 0.5 - kRadius;  // where the centre may be
    double at[2] = {random.uniform(low, high), random.uniform(low, high)};
    double speed[2] = {random.uniform(-0.8, 0.8), random.uniform(-0.8, 0.8)};
    std::vector<float> pixels;
    for (std::int64_t t = 0; t < steps; ++t) {
        for (std::int64_t y = 0; y < kSide; ++y)
            for (std::int64_t x = 0; x < kSide; ++x) {
                const double distance = std::hypot(static_cast<double>(x) - at[0], static_cast<double>(y) - at[1]);
                pixels.push_back(static_cast<float>(std::clamp(kRadius + 0.5 - distance, 0.0, 1.0)));
            }
        speed[1] += kGravity;
        for (int i = 0; i < 2; ++i) {
            at[i] += speed[i];
            if (at[i] < low || at[i] > high) {  // mirrored at the wall
                at[i] = 2 * (at[i] < low ? low : high) - at[i];
                speed[i] = -speed[i];
            }
        }
    }
    return pixels;
}

/// pixels [T,B,144] -> dropout -> two LSTM layers -> linear = the next pixels. Pixels lost in training teach it to
/// trust what it remembers, and not every speck that it sees: when it dreams, the specks are its own.
NetworkSpec model(std::int64_t hidden) {
    NetworkSpec spec;
    spec.inputs = {{"picture", DType::f32, kPixels}, {"next", DType::f32, kPixels}};
    spec.nodes = {{"dropout", DropoutSpec{0.2}, {"picture"}, {"seen"}},
                  {"rnn", StackSpec{kPixels, {{.hidden = hidden}, {.hidden = hidden}}, {}, {}}, {"seen"}, {"h"}},
                  {"linear", LinearSpec{hidden, kPixels}, {"h"}, {"guess"}},
                  {"loss", SquaredErrorSpec{}, {"guess", "next"}}};
    return spec;
}

/// Films side by side: pictures 0 to T - 1 and 1 to T, [T,B,256].
struct Batch {
    Batch(lesson::Random& random, std::int64_t steps, std::int64_t count) : steps_(steps), count_(count) {
        pictures.resize(static_cast<std::size_t>((steps + 1) * count * kPixels));
        for (std::int64_t b = 0; b < count; ++b) {
            const std::vector<float> one = film(random, steps + 1);
            for (std::int64_t t = 0; t <= steps; ++t)
                std::copy_n(&one[static_cast<std::size_t>(t * kPixels)], kPixels, at(t, b));
        }
    }
    float* at(std::int64_t t, std::int64_t b) {
        return &pictures[static_cast<std::size_t>((t * count_ + b) * kPixels)];
    }
    std::vector<Sequence> inputs() {
        const Shape shape{steps_, count_, kPixels};
        return {{ConstView(at(0, 0), shape)}, {ConstView(at(1, 0), shape)}};
    }

    std::vector<float> pictures;

private:
    std::int64_t steps_, count_;
};

double squared_error(const float* a, const float* b, std::size_t count) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>((a[i] - b[i]) * (a[i] - b[i]));
    return sum / static_cast<double>(count);
}

/// Where the ball is: the centre of what is bright.
lesson::Point centre(const float* picture) {
    double sum = 1e-9, x = 0, y = 0;
    for (std::int64_t i = 0; i < kPixels; ++i) {
        const double bright = static_cast<double>(picture[i] > 0.1f ? picture[i] : 0.0f);
        sum += bright;
        x += bright * static_cast<double>(i % kSide);
        y += bright * static_cast<double>(i / kSide);
    }
    return {x / sum, y / sum};
}

double distance(lesson::Point a, lesson::Point b) { return std::hypot(a.first - b.first, a.second - b.second); }

void draw_picture(lesson::Picture& picture, lesson::Point corner, const float* pixels, double pixel) {
    picture.rect(corner, kSide * pixel, kSide * pixel, "#124");
    for (std::int64_t i = 0; i < kPixels; ++i)
        if (pixels[i] > 0.05f)
            picture.rect({corner.first + static_cast<double>(i % kSide) * pixel,
                          corner.second + static_cast<double>(i / kSide) * pixel},
                         pixel, pixel, "#fd6", static_cast<double>(std::min(pixels[i], 0.999f)));
}

std::vector<lesson::Figure> teach(const lesson::Setting& setting) {
    const std::int64_t steps = setting.pick(12, 30, 40), batch = setting.pick(16, 32, 128);
    const std::int64_t updates = setting.pick(500, 3000, 20000);
    DeviceStream stream(setting.device);
    Network network(setting.device, model(setting.pick(64, 128, 512)));
    network.initialise({.forget_bias = 1, .seed = setting.seed}, stream);
    Trainer trainer(
        network,
        {.optimizer = {.rule = OptimizerSpec::Rule::adam},
         .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = setting.pick(0.005, 0.003, 0.001), .total = updates},
         .clip = {ClipSpec::Kind::norm, 1}},
        stream);
    lesson::Random random(setting.seed);
    {
        lesson::Bar bar("training", updates);
        for (std::int64_t i = 0; i < updates; ++i) {
            Batch films(random, steps, batch);
            const auto metrics = trainer.queue(films.inputs());
            bar.step(metrics ? "loss " + lesson::number(metrics->loss, 5) : "");
        }
        trainer.finish();
    }

    // One picture ahead.
    const std::int64_t seen = 10, ahead = setting.pick(5, 20, 40), films = 100;
    lesson::Random other(setting.seed + 1000);
    Batch test(other, seen + ahead, films);
    network.forward(test.inputs(), Mode::inference, nullptr, stream);
    const HostTensor guess = network.read_value("guess", stream);
    const std::span<const float> guesses = guess.as<float>();
    const std::size_t skip = static_cast<std::size_t>(3 * films * kPixels);  // it takes three to know the speed
    const double error = squared_error(&guesses[skip], test.at(4, 0), guesses.size() - skip);
    const double standing = squared_error(test.at(3, 0), test.at(4, 0), guesses.size() - skip);

    // Dreaming: after `seen` pictures it sees its own, one step at a time, its state carried.
    NetworkState state = network.make_state(films);
    std::vector<std::vector<float>> dream;
    std::vector<float> now(test.at(0, 0), test.at(1, 0));
    for (std::int64_t t = 0; t < seen + ahead; ++t) {
        if (t < seen) now.assign(test.at(t, 0), test.at(t + 1, 0));
        const Sequence inputs[] = {{ConstView(now.data(), {1, films, kPixels})}, {}};
        network.forward(inputs, Mode::inference, &state, stream);
        network.keep_state(1, state, stream);
        const HostTensor next = network.read_value("guess", stream);
        now.assign(next.as<float>().begin(), next.as<float>().end());
        if (t >= seen - 1 && t < seen + ahead - 1) dream.push_back(now);
    }
    lesson::Curve far{"the network's dream", {}}, straight{"straight on", {}};
    for (std::int64_t k = 0; k < ahead; ++k) {
        double off = 0, off_straight = 0;
        for (std::int64_t b = 0; b < films; ++b) {
            const lesson::Point truth = centre(test.at(seen + k, b));
            off += distance(truth, centre(&dream[static_cast<std::size_t>(k)][static_cast<std::size_t>(b * kPixels)]));
            const lesson::Point last = centre(test.at(seen - 1, b)), before = centre(test.at(seen - 2, b));
            const double n = static_cast<double>(k + 1);
            const auto on = [&](double from, double to) { return std::clamp(to + n * (to - from), 1.3, 9.7); };
            off_straight += distance(truth, {on(before.first, last.first), on(before.second, last.second)});
        }
        far.points.push_back({static_cast<double>(k + 1), off / films});
        straight.points.push_back({static_cast<double>(k + 1), off_straight / films});
    }
    lesson::draw(setting.path("ball.svg"),
                 {{"How far off the ball is", "pictures since the last one seen", "pixels", {far, straight}, {}}});

    const double pixel = 5, gap = 8, cell = kSide * pixel + gap;
    lesson::Picture strip(90 + 10 * cell, 4 * cell + gap);
    for (std::int64_t row = 0; row < 4; ++row) {
        const std::int64_t b = row / 2;
        strip.text({8, static_cast<double>(row) * cell + 40}, row % 2 ? "dreamt" : "true");
        for (std::int64_t k = 0; k < std::min<std::int64_t>(10, ahead); ++k) {
            const std::int64_t step = ahead >= 20 ? 2 * k : k;
            draw_picture(strip, {80 + static_cast<double>(k) * cell, static_cast<double>(row) * cell + gap},
                         row % 2 ? &dream[static_cast<std::size_t>(step)][static_cast<std::size_t>(b * kPixels)]
                                 : test.at(seen + step, b),
                         pixel);
        }
    }
    strip.save(setting.path("film.svg"));
    using Must = lesson::Figure::Must;
    return {{"squared error of the next picture, as a share of what a ball that stands would have", error / standing,
             "a ball that stands", 1, Must::be_at_most, setting.pick(0.9, 0.1, 0.05)},
            {"pixels off after " + std::to_string(ahead) + " pictures dreamt", far.points.back().second, "straight on",
             straight.points.back().second, Must::be_at_most, setting.pick(3.0, 2.0, 1.5)}};
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv, "ball", "The next picture of a bouncing ball", teach);
}
