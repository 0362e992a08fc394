/// Tokens drawn on the device: against the rule in its plainest form and against rondo::Sampler, from the same rounded
/// logits.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cuda/on_gpu.hpp"
#include "rondo/philox.hpp"
#include "support/draws.hpp"
#include "support/guarded.hpp"
#include "support/random.hpp"

namespace rondo::test {
namespace {

constexpr Stream kStream{};
constexpr DType kTypes[] = {DType::f64, DType::f32, DType::f16, DType::bf16};
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Ids = std::vector<std::int32_t>;

const std::vector<SamplingSpec> kSpecs{
    {},
    {.temperature = 0},
    {.temperature = 1e-3, .seed = 2},
    {.temperature = 5, .top_k = 1, .seed = 3},
    {.temperature = 0.8, .top_k = 40, .seed = 4},
    {.temperature = 3, .top_k = 2000, .seed = 5},
    {.temperature = 1.3, .top_p = 0.9, .seed = 6},
    {.temperature = 2, .top_p = 1e-9, .seed = 7},
    {.temperature = 10, .top_p = 0.999999, .seed = 8},
    {.temperature = 4, .top_k = 7, .top_p = 0.6, .seed = 0xfedcba9876543210},
};

class CudaSampleGpu : public GpuTest {
protected:
    /// A draw for each row.
    Ids sample(const Guarded& logits, DType dtype, std::int64_t rows, const SamplingSpec& spec, std::uint64_t number) {
        const RandomState state{spec.seed, number};
        const Guarded random(device(), DType::i64, 2, Alignment::cache_line);
        // As large as ids, which have no NaN.
        const Guarded ids(device(), DType::f32, rows, Alignment::element),
            fed(device(), DType::f32, rows, Alignment::element);
        backend().upload(random.data(), &state, sizeof state, kStream);
        Sample s;
        s.dtype = dtype;
        s.rows = rows;
        s.classes = logits.size() / rows;
        s.logits = logits.data();
        s.ids = static_cast<std::int32_t*>(ids.data());
        s.temperature = spec.temperature;
        s.top_k = spec.top_k;
        s.top_p = spec.top_p;
        s.random = static_cast<const RandomState*>(random.data());
        if (number % 2 == 1) s.fed = static_cast<std::int32_t*>(fed.data());
        backend().sample(s, kStream);
        Ids drawn(static_cast<std::size_t>(rows), -2), read = drawn;
        backend().download(drawn.data(), ids.data(), drawn.size() * sizeof(std::int32_t), kStream);
        backend().download(read.data(), fed.data(), read.size() * sizeof(std::int32_t), kStream);
        backend().synchronize(kStream);
        EXPECT_TRUE(ids.intact() && fed.intact());
        for (std::size_t r = 0; s.fed && r < read.size(); ++r) EXPECT_EQ(read[r], std::max(drawn[r], 0)) << r;
        return drawn;
    }

    Guarded put(DType dtype, const std::vector<double>& logits) const {
        Guarded memory(device(), dtype, static_cast<std::int64_t>(logits.size()), Alignment::element);
        memory.put(logits);
        return memory;
    }

    /// Draws for rows of `logits` and holds every one against the rule.
    Ids check(DType dtype, const std::vector<double>& logits, std::int64_t rows, const SamplingSpec& spec,
              std::uint64_t number) {
        const Guarded memory = put(dtype, logits);
        const std::vector<double> rounded = memory.get();
        Ids ids = sample(memory, dtype, rows, spec, number);
        const std::int64_t classes = memory.size() / rows;
        for (std::int64_t r = 0; r < rows; ++r) {
            const auto begin = rounded.begin() + r * classes;
            const auto allowed = allowed_draws({begin, begin + classes}, spec, number, static_cast<std::uint64_t>(r));
            const std::int32_t id = ids[static_cast<std::size_t>(r)];
            EXPECT_TRUE(allowed.contains(id)) << dtype << " row " << r << " of " << classes << " classes: " << id
                                              << ", not " << *allowed.begin() << "; seed " << spec.seed;
            ++draws_;
            ambiguous_ += allowed.size() > 1;
        }
        return ids;
    }

    int draws_ = 0, ambiguous_ = 0;
};

TEST_F(CudaSampleGpu, DrawsByTheRule) {
    Random random(1);
    for (const DType type : kTypes)
        for (const SamplingSpec& spec : kSpecs)
            for (const std::int64_t classes : {1, 2, 3, 31, 257, 1000}) {
                const std::int64_t rows = classes > 300 ? 1 : 3;
                check(type, random.uniforms(rows * classes, 8), rows, spec, static_cast<std::uint64_t>(classes));
            }
    EXPECT_EQ(ambiguous_, 0) << "of " << draws_;
    RecordProperty("draws", draws_);
}

TEST_F(CudaSampleGpu, DrawsWhatASamplerDraws) {
    Random random(2);
    for (const DType type : kTypes)
        for (const SamplingSpec& spec : kSpecs) {
            const Guarded logits = put(type, random.uniforms(101, 4));
            Sampler sampler(spec);
            for (std::uint64_t number = 0; number < 5; ++number)
                EXPECT_EQ(sample(logits, type, 1, spec, number)[0], sampler.sample(logits.get())) << type << number;
        }
}

/// Few values, so that every threshold has its equals; zeros of both signs are equals too.
TEST_F(CudaSampleGpu, TakesEqualsInOrderOfId) {
    Random random(3);
    for (const DType type : {DType::f64, DType::bf16})
        for (const std::int64_t classes : {5, 601})
            for (const std::int64_t top_k : {0, 2, 90, 599})
                for (const double top_p : {1.0, 0.77, 0.31, 0.013}) {
                    std::vector<double> logits(static_cast<std::size_t>(2 * classes));
                    for (double& x : logits) x = static_cast<double>(random.below(3)) * 0.5;
                    for (double& x : logits)
                        if (x == 0 && random.below(2) == 0) x = -0.0;
                    check(type, logits, 2, {.temperature = 0.9, .top_k = top_k, .top_p = top_p, .seed = 9},
                          static_cast<std::uint64_t>(top_k));
                }
    EXPECT_EQ(ambiguous_, 0) << "of " << draws_;
    const std::vector<double> zeros{-1, -0.0, 0.0, -0.0, 0.0, -2};
    for (std::uint64_t number = 0; number < 8; ++number) {
        EXPECT_EQ(check(DType::f32, zeros, 1, {.temperature = 0}, number), Ids{1});
        EXPECT_LE(check(DType::f32, zeros, 1, {.top_k = 2}, number)[0], 2);
        EXPECT_EQ(check(DType::f32, zeros, 1, {.top_p = 0.01}, number), Ids{1});
    }
}

/// Where top_p is all but 1 a sum may be rounded beyond what top_k has left: one more of the equals must not slip in. It
/// would be the last class, so that only draws of large numbers are of interest.
TEST_F(CudaSampleGpu, TopPNeverTakesWhatTopKHasCut) {
    Random random(4);
    const SamplingSpec spec{.top_k = 303, .top_p = std::nextafter(1.0, 0.0)};
    for (std::uint64_t number = 0, drawn = 0; drawn < 30; ++number) {
        const Philox4 r = philox4x32(philox_counter(number, 0), philox_key(spec.seed));
        if (philox_uniform(r.word[0], r.word[1]) < 0.998) continue;
        std::vector<double> logits = random.uniforms(300, 0.1);
        logits.insert(logits.end(), 11, -0.25 + random.uniform(0.1));
        EXPECT_LT(check(DType::f32, logits, 1, spec, number)[0], spec.top_k);
        ++drawn;
    }
}

TEST_F(CudaSampleGpu, InfiniteLogitsAndNan) {
    for (const DType type : kTypes) {
        const std::vector<double> logits{
            1,          kInfinity,  2,          kInfinity,   // the first of the infinite ones
            -kInfinity, -kInfinity, -kInfinity, -kInfinity,  // the first
            -kInfinity, 3,          -kInfinity, 3,           // either of the others
            kNan,       kInfinity,  0,          0,           // none
            0,          1,          2,          -kNan,       // none
        };
        for (const SamplingSpec& spec : kSpecs) {
            const Ids ids = sample(put(type, logits), type, 5, spec, 1);
            EXPECT_EQ(ids[0], 1);
            EXPECT_EQ(ids[1], 0);
            EXPECT_TRUE(ids[2] == 1 || ids[2] == 3) << ids[2];
            EXPECT_EQ(ids[3], -1);
            EXPECT_EQ(ids[4], -1);
        }
    }
}

/// Logits as far apart as the type allows, down to its smallest numbers.
TEST_F(CudaSampleGpu, ExtremeLogits) {
    const std::vector<double> wide{-3e38, 3e38, 0, 1e-45, -1e-45, 1e-300, -1e-300, 2e38, -1};
    for (const DType type : {DType::f64, DType::f32, DType::bf16})
        for (const SamplingSpec& spec : kSpecs) check(type, wide, 1, spec, 3);
    const std::vector<double> tiny{0, 1e-45, -1e-45, 3e-45, -3e-45};
    for (const DType type : {DType::f64, DType::f32})
        for (std::int64_t top_k = 1; top_k <= 5; ++top_k)
            for (std::uint64_t number = 0; number < 4; ++number) check(type, tiny, 1, {.top_k = top_k}, number);
}

/// A row's token is that of the row alone at its place, whatever the others hold.
TEST_F(CudaSampleGpu, RowsAreIndependent) {
    constexpr std::int64_t kClasses = 77, kRows = 4;
    const SamplingSpec spec{.temperature = 3, .top_k = 50, .top_p = 0.95, .seed = 11};
    Random random(5);
    const std::vector<double> row = random.uniforms(kClasses, 2);
    std::vector<double> alike, others;
    for (std::int64_t r = 0; r < kRows; ++r) {
        alike.insert(alike.end(), row.begin(), row.end());
        const std::vector<double> other =
            r == 1 ? std::vector<double>(kClasses, kNan) : random.uniforms(kClasses, 1000);
        others.insert(others.end(), r == 2 ? row.begin() : other.begin(), r == 2 ? row.end() : other.end());
    }
    const Ids first = check(DType::f32, alike, kRows, spec, 6);
    EXPECT_NE(std::set<std::int32_t>(first.begin(), first.end()).size(), 1u);  // each has a number of its own
    EXPECT_EQ(sample(put(DType::f32, others), DType::f32, kRows, spec, 6)[2], first[2]);
    EXPECT_EQ(sample(put(DType::f32, alike), DType::f32, kRows, spec, 6), first);
}

TEST_F(CudaSampleGpu, DrawsFollowTheirProbabilitiesAndTheirNumber) {
    const std::vector<double> logits{0.5, 2.0, -1.0, 2.5, 0.0, 1.0, -3.0, 1.5};
    const SamplingSpec spec{.temperature = 2, .seed = 3};
    const std::vector<double> p = Sampler(spec).probabilities(logits);
    constexpr std::int64_t kRows = 700;
    std::vector<double> rows;
    for (std::int64_t r = 0; r < kRows; ++r) rows.insert(rows.end(), logits.begin(), logits.end());
    const Guarded memory = put(DType::f32, rows);
    std::vector<int> counts(8, 0);
    Ids before;
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
        const Ids ids = sample(memory, DType::f32, kRows, spec, number);
        for (const std::int32_t id : ids) ++counts.at(static_cast<std::size_t>(id));
        EXPECT_NE(ids, before);
        before = ids;
    }
    for (std::size_t i = 0; i < 8; ++i)
        EXPECT_NEAR(counts[i], 3 * kRows * p[i], 5 * std::sqrt(3 * kRows * p[i] * (1 - p[i]))) << i;
}

TEST_F(CudaSampleGpu, OfNoRowsIsNothing) {
    Sample s;
    s.classes = 3;
    const RandomState state;
    s.random = &state;
    backend().sample(s, kStream);
    backend().synchronize(kStream);
}

}  // namespace
}  // namespace rondo::test
