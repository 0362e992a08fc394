/// What stands around the time loop on the CPU: dropout, embedding, losses, norms, updates. Plain loops in long double
/// or the backend's own promises say what is right, on every instruction set and with two threads.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "rondo/philox.hpp"
#include "support/devices.hpp"
#include "support/random.hpp"

namespace rondo {
namespace {

using test::cpu_devices;
using test::Random;

constexpr Stream kStream{};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <class T>
std::vector<T> uniforms(std::uint64_t seed, std::size_t count, double limit = 1) {
    Random random(seed);
    std::vector<T> values(count);
    for (T& v : values) v = static_cast<T>(random.uniform(limit));
    return values;
}

template <class T>
class Ops : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Ops, Types);

// ---- cross-entropy

struct CrossEntropyCase {
    std::int64_t rows, classes;
    double spread;
};

TYPED_TEST(Ops, CrossEntropyAndItsGradient) {
    using T = TypeParam;
    const double unit = std::numeric_limits<T>::epsilon();
    for (Device device : cpu_devices())
        for (const auto& c :
             {CrossEntropyCase{7, 1, 1}, {5, 2, 3}, {3, 17, 10}, {4, 33, 1e4}, {9, 1000, 5}, {3, 10007, 8}}) {
            const auto size = static_cast<std::size_t>(c.rows * c.classes);
            const std::vector<T> logits = uniforms<T>(11, size, c.spread);
            std::vector<std::int32_t> targets(static_cast<std::size_t>(c.rows));
            Random random(5);
            for (auto& t : targets) t = static_cast<std::int32_t>(random.below(c.classes));
            targets[1] = -1;
            std::vector<T> gradient(size, static_cast<T>(kNan));
            double loss = 0.25;
            std::int64_t counted = 3;
            const double scale = 0.25, loss_scale = 2;
            CrossEntropy args{kDType<T>, c.rows,   c.classes,       logits.data(), targets.data(),
                              &loss,     &counted, gradient.data(), &scale,        &loss_scale};
            device.backend().cross_entropy(args, kStream);

            long double expected = 0.25L;
            double worst = 0;
            for (std::int64_t r = 0; r < c.rows; ++r) {
                const T* x = logits.data() + r * c.classes;
                const long double m = *std::max_element(x, x + c.classes);
                long double sum = 0;
                for (std::int64_t i = 0; i < c.classes; ++i) sum += std::exp(static_cast<long double>(x[i]) - m);
                const std::int32_t target = targets[static_cast<std::size_t>(r)];
                if (target >= 0) expected += std::log(sum) + m - x[target];
                for (std::int64_t i = 0; i < c.classes; ++i) {
                    const long double p = std::exp(static_cast<long double>(x[i]) - m) / sum;
                    const long double d = target < 0 ? 0 : 0.5L * (p - (i == target));
                    const double got = static_cast<double>(gradient[static_cast<std::size_t>(r * c.classes + i)]);
                    worst = std::max(worst, std::fabs(got - static_cast<double>(d)) / (0.5 * unit));
                }
            }
            EXPECT_LE(worst, 8) << device.description() << " " << c.classes;
            EXPECT_NEAR(loss, static_cast<double>(expected),
                        16 * unit * std::fabs(static_cast<double>(expected)) + unit)
                << device.description() << " " << c.classes;
            EXPECT_EQ(counted, 3 + c.rows - 1);

            // Over the logits themselves, and without a gradient: the same bits.
            std::vector<T> in_place = logits;
            double again = 0.25, alone = 0.25;
            args.logits = args.dlogits = in_place.data();
            args.loss = &again;
            device.backend().cross_entropy(args, kStream);
            EXPECT_EQ(in_place, gradient);
            args.logits = logits.data();
            args.dlogits = nullptr;
            args.loss = &alone;
            device.backend().cross_entropy(args, kStream);
            EXPECT_EQ(again, loss);
            EXPECT_EQ(alone, loss);
        }
}

TYPED_TEST(Ops, CrossEntropyShowsNanAndRefusesTargets) {
    using T = TypeParam;
    Device device = Device::cpu(1);
    std::vector<T> logits(40, T(0));
    logits[33] = static_cast<T>(kNan);
    std::vector<std::int32_t> targets{3};
    double loss = 0;
    std::int64_t counted = 0;
    CrossEntropy args{kDType<T>, 1, 40, logits.data(), targets.data(), &loss, &counted, nullptr};
    device.backend().cross_entropy(args, kStream);
    EXPECT_TRUE(std::isnan(loss));
    targets[0] = 40;
    EXPECT_THROW(device.backend().cross_entropy(args, kStream), Error);
}

TYPED_TEST(Ops, LossesHaveTheSameBitsOnAnyNumberOfThreads) {
    using T = TypeParam;
    const std::int64_t rows = 301, classes = 257;
    const std::vector<T> logits = uniforms<T>(1, static_cast<std::size_t>(rows * classes), 4);
    const std::vector<T> target = uniforms<T>(2, static_cast<std::size_t>(rows * classes), 4);
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(rows), 3);
    std::vector<double> cross, squared, norms;
    for (int threads : {1, 2, 3}) {
        Device device = Device::cpu(threads);
        double loss = 0, error = 0, norm = 0;
        std::int64_t counted = 0;
        device.backend().cross_entropy({kDType<T>, rows, classes, logits.data(), ids.data(), &loss, &counted, nullptr},
                                       kStream);
        device.backend().squared_error({kDType<T>, rows * classes, logits.data(), target.data(), &error, nullptr},
                                       kStream);
        device.backend().sum_of_squares(kDType<T>, logits.data(), rows * classes, &norm, false, kStream);
        cross.push_back(loss);
        squared.push_back(error);
        norms.push_back(norm);
    }
    for (const auto& list : {cross, squared, norms}) {
        EXPECT_EQ(list[0], list[1]);
        EXPECT_EQ(list[0], list[2]);
    }
}

TYPED_TEST(Ops, SquaredError) {
    using T = TypeParam;
    for (Device device : cpu_devices()) {
        const std::vector<T> p = uniforms<T>(3, 1001), y = uniforms<T>(4, 1001);
        std::vector<T> gradient(1001);
        double loss = 1;
        const double scale = 0.125, loss_scale = 2;
        device.backend().squared_error(
            {kDType<T>, 1001, p.data(), y.data(), &loss, gradient.data(), &scale, &loss_scale}, kStream);
        long double expected = 1;
        for (std::size_t i = 0; i < p.size(); ++i) {
            const double d = static_cast<double>(p[i]) - static_cast<double>(y[i]);
            expected += static_cast<long double>(d) * d;
            EXPECT_EQ(gradient[i], static_cast<T>(0.5 * d));
        }
        EXPECT_NEAR(loss, static_cast<double>(expected), 1e-12 * loss);
        std::vector<T> in_place = p;
        device.backend().squared_error(
            {kDType<T>, 1001, in_place.data(), y.data(), &loss, in_place.data(), &scale, &loss_scale}, kStream);
        EXPECT_EQ(in_place, gradient);
    }
}

// ---- embedding

TYPED_TEST(Ops, EmbeddingTakesRowsAndAddsTheirGradientsInOrder) {
    using T = TypeParam;
    const std::int64_t classes = 50, cols = 131, rows = 400;
    Random random(9);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(rows));
    for (auto& id : ids) id = static_cast<std::int32_t>(random.below(classes) / 2);  // half of the classes, often
    const std::vector<T> table = uniforms<T>(1, static_cast<std::size_t>(classes * cols));
    const std::vector<T> dout = uniforms<T>(2, static_cast<std::size_t>(rows * cols));
    const std::vector<T> before = uniforms<T>(3, table.size());
    std::vector<T> expected = before;
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t i = 0; i < cols; ++i)
            expected[static_cast<std::size_t>(ids[static_cast<std::size_t>(r)] * cols + i)] +=
                dout[static_cast<std::size_t>(r * cols + i)];
    for (Device device : cpu_devices()) {
        std::vector<T> out(dout.size()), gradient = before;
        device.backend().embedding_forward(kDType<T>, out.data(), kDType<T>, table.data(), ids.data(), rows, cols,
                                           kStream);
        for (std::int64_t r = 0; r < rows; ++r)
            EXPECT_TRUE(std::equal(&out[static_cast<std::size_t>(r * cols)],
                                   &out[static_cast<std::size_t>(r * cols)] + cols,
                                   &table[static_cast<std::size_t>(ids[static_cast<std::size_t>(r)] * cols)]));
        device.backend().embedding_backward(kDType<T>, gradient.data(), kDType<T>, dout.data(), ids.data(), rows, cols,
                                            classes, kStream);
        EXPECT_EQ(gradient, expected) << device.description();  // the same order, so the same bits
    }
    ids[7] = static_cast<std::int32_t>(classes);
    std::vector<T> gradient = before;
    EXPECT_THROW(Device::cpu(1).backend().embedding_backward(kDType<T>, gradient.data(), kDType<T>, dout.data(),
                                                             ids.data(), rows, cols, classes, kStream),
                 Error);
    EXPECT_EQ(gradient, before);
}

// ---- dropout

TYPED_TEST(Ops, DropoutFollowsTheMask) {
    using T = TypeParam;
    const std::int64_t steps = 7, batch = 5, cols = 61;
    const auto size = static_cast<std::size_t>(steps * batch * cols);
    std::vector<T> x = uniforms<T>(1, size);
    for (T& v : x)
        if (v == T(0)) v = T(1);
    const RandomState state{12, 34};
    const std::int64_t lengths[] = {7, 0, 3, 6, 1};
    for (Device device : cpu_devices())
        for (bool per_sequence : {false, true})
            for (bool ragged : {false, true}) {
                std::vector<T> out(size, static_cast<T>(kNan));
                std::vector<T> in = x;
                if (ragged) in[static_cast<std::size_t>((4 * batch + 2) * cols)] = static_cast<T>(kNan);
                Dropout drop{.dtype = kDType<T>,
                             .out = out.data(),
                             .x = in.data(),
                             .end = steps,
                             .batch = batch,
                             .cols = cols,
                             .rate = 0.3,
                             .per_sequence = per_sequence,
                             .site = 5,
                             .random = &state,
                             .lengths = ragged ? lengths : nullptr};
                device.backend().dropout(drop, kStream);
                const DropoutMask mask = dropout_mask(12, 34, 5, 0.3);
                for (std::int64_t t = 0; t < steps; ++t)
                    for (std::int64_t r = 0; r < batch * cols; ++r) {
                        const auto at = static_cast<std::size_t>(t * batch * cols + r);
                        const bool valid = !ragged || t < lengths[r / cols];
                        const bool keep = mask.keeps_element(per_sequence ? static_cast<std::uint64_t>(r) : at);
                        ASSERT_EQ(out[at], valid && keep ? x[at] * static_cast<T>(1 / 0.7) : T(0)) << at;
                    }
                // In place, and in pieces.
                for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 2}, {2, 3}, {3, steps}}) {
                    drop.begin = begin;
                    drop.end = end;
                    drop.out = in.data() + begin * batch * cols;
                    drop.x = drop.out;
                    device.backend().dropout(drop, kStream);
                }
                EXPECT_EQ(in, out);
            }
}

// ---- sums of whole arrays

TYPED_TEST(Ops, SumOfSquares) {
    using T = TypeParam;
    for (Device device : cpu_devices())
        for (std::size_t count : {0, 1, 7, 64, 1000, 70001}) {
            std::vector<T> x = uniforms<T>(count, count, 3);
            long double expected = 0;
            for (T v : x) expected += static_cast<long double>(v) * v;
            double sum = 5;
            device.backend().sum_of_squares(kDType<T>, x.data(), static_cast<std::int64_t>(count), &sum, false,
                                            kStream);
            EXPECT_NEAR(sum, static_cast<double>(expected), 1e-12 * static_cast<double>(expected)) << count;
            const double once = sum;
            device.backend().sum_of_squares(kDType<T>, x.data(), static_cast<std::int64_t>(count), &sum, true, kStream);
            EXPECT_EQ(sum, once + once);
            for (double bad : {kNan, -std::numeric_limits<double>::infinity()}) {
                if (count == 0) continue;
                x[count / 2] = static_cast<T>(bad);
                device.backend().sum_of_squares(kDType<T>, x.data(), static_cast<std::int64_t>(count), &sum, false,
                                                kStream);
                EXPECT_FALSE(std::isfinite(sum));
            }
        }
}

TYPED_TEST(Ops, LargestAndAdd) {
    using T = TypeParam;
    for (Device device : cpu_devices()) {
        const std::vector<T> x = uniforms<T>(8, 40001, 3), y = uniforms<T>(9, 40001, 3);
        std::vector<T> sum = x;
        device.backend().add(kDType<T>, sum.data(), y.data(), 40001, kStream);
        T most = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            ASSERT_EQ(sum[i], x[i] + y[i]);
            most = std::max(most, std::abs(sum[i]));
        }
        double largest = -1;
        device.backend().largest(kDType<T>, sum.data(), 40001, &largest, kStream);
        EXPECT_EQ(largest, static_cast<double>(most));
        sum[7] = static_cast<T>(kNan);
        device.backend().largest(kDType<T>, sum.data(), 40001, &largest, kStream);
        EXPECT_TRUE(std::isnan(largest));
        device.backend().largest(kDType<T>, sum.data(), 0, &largest, kStream);
        EXPECT_EQ(largest, 0);
    }
}

TEST(OpsOfBytes, ZeroesUnlessFinite) {
    const Device device = Device::cpu(1);
    Backend& backend = device.backend();
    for (double value : {1.0, kNan, -std::numeric_limits<double>::infinity()}) {
        std::vector<float> p(5, 3.0f);
        const double values[] = {0, value, 2};
        backend.zero_unless_finite(p.data(), 5 * sizeof(float), values, 3, kStream);
        EXPECT_EQ(p, std::vector<float>(5, std::isfinite(value) ? 3.0f : 0.0f));
    }
}

// ---- updates

TYPED_TEST(Ops, SkippedUpdatesTouchNothing) {
    using T = TypeParam;
    const std::vector<T> start = uniforms<T>(1, 100), g(100, static_cast<T>(kNan));
    std::vector<T> p = start, first = start, second = start;
    UpdateScalars scalars;
    scalars.skip = 1;
    const UpdateRange all{0, 100, 0.1, 0};
    const double factor = 1;
    for (Update::Rule rule : {Update::Rule::sgd, Update::Rule::adam, Update::Rule::adamw}) {
        Update update;
        update.rule = rule;
        update.dtype = kDType<T>;
        update.count = 100;
        update.parameters = p.data();
        update.gradients = g.data();
        update.first = first.data();
        update.second = second.data();
        update.scalars = &scalars;
        update.ranges = &all;
        update.range_count = 1;
        update.factors = &factor;
        Device::cpu(1).backend().update(update, kStream);
    }
    EXPECT_EQ(p, start);
    EXPECT_EQ(first, start);
    EXPECT_EQ(second, start);
}

TYPED_TEST(Ops, RefusesOtherTypes) {
    double sum = 0;
    std::int32_t x = 1;
    EXPECT_THROW(Device::cpu(1).backend().sum_of_squares(DType::i32, &x, 1, &sum, false, kStream), Error);
}

}  // namespace
}  // namespace rondo
