/// Tokens drawn on the CPU: against the rule in its plainest form and against rondo::Sampler, bit for bit.
#include <gtest/gtest.h>

#include <limits>

#include "support/allocations.hpp"
#include "support/devices.hpp"
#include "support/draws.hpp"
#include "support/random.hpp"

namespace rondo {
namespace {

using test::allowed_draws;
using test::Random;

constexpr Stream kStream{};
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const std::vector<SamplingSpec> kSpecs{{},
                                       {.temperature = 0},
                                       {.temperature = 1e-3, .seed = 2},
                                       {.temperature = 0.8, .top_k = 40, .seed = 3},
                                       {.temperature = 1.3, .top_p = 0.9, .seed = 4},
                                       {.temperature = 2, .top_p = 1e-9, .seed = 5},
                                       {.temperature = 4, .top_k = 7, .top_p = 0.6, .seed = 0xfedcba9876543210}};

template <class T>
class SampleOp : public testing::Test {
protected:
    std::vector<std::int32_t> sample(const std::vector<T>& logits, std::int64_t rows, const SamplingSpec& spec,
                                     std::uint64_t number) {
        const RandomState random{spec.seed, number};
        std::vector<std::int32_t> ids(static_cast<std::size_t>(rows), -2);
        Sample s;
        s.dtype = kDType<T>;
        s.rows = rows;
        s.classes = static_cast<std::int64_t>(logits.size()) / rows;
        s.logits = logits.data();
        s.ids = ids.data();
        s.temperature = spec.temperature;
        s.top_k = spec.top_k;
        s.top_p = spec.top_p;
        s.random = &random;
        std::vector<std::int32_t> fed(ids.size(), -2);
        s.fed = fed.data();
        device.backend().sample(s, kStream);
        for (std::size_t r = 0; r < ids.size(); ++r) EXPECT_EQ(fed[r], std::max(ids[r], 0)) << r;
        return ids;
    }
    void check(const std::vector<T>& logits, std::int64_t rows, const SamplingSpec& spec, std::uint64_t number) {
        const std::vector<std::int32_t> ids = sample(logits, rows, spec, number);
        const std::ptrdiff_t classes = std::ssize(logits) / rows;
        for (std::int64_t r = 0; r < rows; ++r) {
            const auto begin = logits.begin() + r * classes;
            const auto allowed = allowed_draws({begin, begin + classes}, spec, number, static_cast<std::uint64_t>(r));
            EXPECT_TRUE(allowed.contains(ids[static_cast<std::size_t>(r)])) << "row " << r << " of " << classes;
            ambiguous += allowed.size() > 1;
        }
    }

    Device device = Device::cpu(2);
    int ambiguous = 0;
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(SampleOp, Types);

TYPED_TEST(SampleOp, DrawsByTheRule) {
    Random random(1);
    for (const SamplingSpec& spec : kSpecs)
        for (const std::int64_t classes : {1, 2, 3, 31, 257, 1000})
            for (const bool equals : {false, true}) {
                std::vector<TypeParam> logits(static_cast<std::size_t>(7 * classes));
                for (auto& x : logits)
                    x = static_cast<TypeParam>(equals ? static_cast<double>(random.below(3)) : random.uniform(8));
                this->check(logits, 7, spec, static_cast<std::uint64_t>(classes));
            }
    EXPECT_LE(this->ambiguous, 2);
}

TYPED_TEST(SampleOp, DrawsWhatASamplerDraws) {
    Random random(2);
    for (const SamplingSpec& spec : kSpecs) {
        const std::vector<double> numbers = random.uniforms(101, 4);
        const std::vector<TypeParam> logits(numbers.begin(), numbers.end());
        const std::vector<double> rounded(logits.begin(), logits.end());
        Sampler sampler(spec);
        for (std::uint64_t number = 0; number < 20; ++number)
            EXPECT_EQ(this->sample(logits, 1, spec, number)[0], sampler.sample(rounded));
    }
}

TYPED_TEST(SampleOp, InfiniteLogitsAndNan) {
    constexpr auto inf = static_cast<TypeParam>(kInfinity), nan = static_cast<TypeParam>(kNan);
    const std::vector<TypeParam> logits{1, inf, 2, inf, -inf, -inf, -inf, -inf, nan, inf, 0, 0, 0, 1, 2, nan};
    for (const SamplingSpec& spec : kSpecs)
        EXPECT_EQ(this->sample(logits, 4, spec, 1), (std::vector<std::int32_t>{1, 0, -1, -1}));
}

/// The logits decide who is likely, not probabilities that rounding has made equal.
TEST(SampleOfDoubles, RanksByTheLogits) {
    const std::vector<double> logits{0, 1e-9, 2e-9, -1e-9};
    const std::vector<double> p = Sampler({.temperature = 1e12, .top_k = 1}).probabilities(logits);
    EXPECT_EQ(p, (std::vector<double>{0, 0, 1, 0}));
}

TEST(SampleOfDoubles, TakesMemoryOnlyForALongerRow) {
    const Device cpu = Device::cpu(1);
    const std::vector<double> logits = Random(3).uniforms(500);
    const RandomState random;
    std::int32_t id = -2;
    Sample s{DType::f64, 1, 500, logits.data(), &id, nullptr, 1, 20, 0.9, &random};
    cpu.backend().sample(s, kStream);
    EXPECT_EQ(test::allocations_of([&] {
                  s.classes = 499;
                  cpu.backend().sample(s, kStream);
              }),
              0);
}

TEST(SampleOfDoubles, RefusesOtherTypes) {
    const Device cpu = Device::cpu(1);
    Sample s;
    s.dtype = DType::bf16;
    s.rows = 1;
    EXPECT_THROW(cpu.backend().sample(s, kStream), Error);
}

}  // namespace
}  // namespace rondo
