/// Additive attention and CTC on the GPU in every type, against the CPU's in double from the same rounded inputs.
#include "cuda/bench.hpp"

namespace rondo::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
using Lengths = std::vector<std::int64_t>;

/// [steps,B,width] with `filler` past the lengths.
Tensor sequence(Random& random, DType type, std::int64_t steps, std::int64_t batch, std::int64_t width,
                const Lengths& lengths, double filler, double range = 1) {
    Tensor x = rounded(type, random.uniforms(steps * batch * width, range));
    for (std::int64_t i = 0; i < steps * batch * width && !lengths.empty(); ++i)
        if (i / width / batch >= lengths[static_cast<std::size_t>(i / width % batch)])
            x[static_cast<std::size_t>(i)] = filler;
    return x;
}

struct Shape {
    std::int64_t queries, keys, batch, width, value_width;
    Lengths query_lengths = {}, key_lengths = {};
    bool accumulate = false, dq = true, dk = true, dv = true;
};

WrittenList run(Bench& b, const Shape& s, DType type, int draw, double filler = kNan) {
    Random random(static_cast<std::uint64_t>(41 + draw));
    AdditiveAttention a;
    a.dtype = b.type;
    a.queries = s.queries;
    a.keys = s.keys;
    a.batch = s.batch;
    a.width = s.width;
    a.value_width = s.value_width;
    a.query_lengths = b.lengths(s.query_lengths);
    a.key_lengths = b.lengths(s.key_lengths);
    a.q = b.put(sequence(random, type, s.queries, s.batch, s.width, s.query_lengths, filler));
    a.k = b.put(sequence(random, type, s.keys, s.batch, s.width, s.key_lengths, filler));
    a.v = b.put(sequence(random, type, s.keys, s.batch, s.value_width, s.key_lengths, filler));
    a.vector = b.put_sums(rounded(DType::f32, random.uniforms(s.width, 2)));
    a.weights = b.make_sums(s.queries * s.batch * s.keys);
    a.out = b.make(s.queries * s.batch * s.value_width);
    b.backend().additive_attention_forward(a, kStream);
    const Tensor dout = sequence(random, type, s.queries, s.batch, s.value_width, s.query_lengths, filler),
                 dk = rounded(type, random.uniforms(s.keys * s.batch * s.width)),
                 dv = rounded(type, random.uniforms(s.keys * s.batch * s.value_width)),
                 dvector = rounded(DType::f32, random.uniforms(s.width));
    a.dout = b.put(dout);
    if (s.dq) a.dq = b.make(s.queries * s.batch * s.width);
    if (s.dk) a.dk = s.accumulate ? b.put(dk) : b.make(s.keys * s.batch * s.width);
    if (s.dv) a.dv = s.accumulate ? b.put(dv) : b.make(s.keys * s.batch * s.value_width);
    a.dvector = s.accumulate ? b.put_sums(dvector) : b.make_sums(s.width);
    a.accumulate = a.add_to_dvector = s.accumulate;
    a.scratch = b.make_sums(s.queries * s.batch * s.keys + s.batch * s.width);
    b.backend().additive_attention_backward(a, kStream);
    WrittenList all{{"weights", b.get(a.weights), true}, {"out", b.get(a.out)}, {"dvector", b.get(a.dvector), true}};
    if (s.dq) all.push_back({"dq", b.get(a.dq)});
    if (s.dk) all.push_back({"dk", b.get(a.dk)});
    if (s.dv) all.push_back({"dv", b.get(a.dv)});
    return all;
}

class CudaAdditiveAttentionGpu : public OperationsTest {};

TEST_F(CudaAdditiveAttentionGpu, IsTheCpus) {
    const Shape shapes[] = {
        {1, 1, 1, 1, 1},
        {3, 17, 2, 5, 3},
        {17, 3, 1, 33, 130},
        {2, 130, 1, 7, 8},
        {9, 6, 3, 4, 5, {9, 0, 3}, {6, 4, 0}},
        {9, 6, 3, 4, 5, {9, 2, 3}, {6, 4, 0}, true},
        {5, 6, 1, 4, 5, {}, {}, true, false, true, false},
        {5, 6, 1, 4, 5, {}, {}, false, true, false, true},
        {5, 6, 1, 4, 5, {}, {}, false, true, false, false},
    };
    for (const DType type : kTypes)
        for (const Shape& s : shapes)
            // Of few numbers many draws: the worst rounding of either side is compared.
            expect_like_cpu(device(), type, s.width < 8 ? 8 : 2,
                            detail::concat(s.queries, "x", s.keys, " of ", s.width),
                            [&](Bench& b, int draw) { return run(b, s, type, draw); });
}

TEST_F(CudaAdditiveAttentionGpu, IgnoresWhatLiesPastALength) {
    const Shape s{9, 6, 3, 4, 5, {9, 0, 3}, {6, 4, 1}};
    for (const DType type : kTypes) {
        Bench nan(device(), type), zero(device(), type);
        EXPECT_EQ(run(nan, s, type, 0, kNan), run(zero, s, type, 0, 0)) << type;
    }
}

struct CtcCase {
    std::string name;
    std::int64_t steps, classes;
    std::int32_t blank;
    std::vector<std::vector<std::int32_t>> labels;  ///< of each row
    Lengths lengths = {};
    double range = 2;
};

struct Places {
    bool gradient = true, in_place = false;
};

class CudaCtcGpu : public OperationsTest {
protected:
    static WrittenList run(Bench& b, const CtcCase& c, DType type, int draw, const Places& places = {},
                           double filler = kNan) {
        Random random(static_cast<std::uint64_t>(51 + draw));
        const auto batch = static_cast<std::int64_t>(c.labels.size());
        Ctc a;
        for (const auto& row : c.labels)
            a.target_steps = std::max(a.target_steps, static_cast<std::int64_t>(row.size()));
        std::vector<std::int32_t> targets(static_cast<std::size_t>(a.target_steps * batch), -1);
        for (std::size_t r = 0; r < c.labels.size(); ++r)
            for (std::size_t u = 0; u < c.labels[r].size(); ++u) targets[u * c.labels.size() + r] = c.labels[r][u];
        a.dtype = b.type;
        a.steps = c.steps;
        a.batch = batch;
        a.classes = c.classes;
        a.blank = c.blank;
        void* const logits = b.put(sequence(random, type, c.steps, batch, c.classes, c.lengths, filler, c.range));
        a.logits = logits;
        a.lengths = b.lengths(c.lengths);
        a.targets = b.ids(targets);
        a.loss = static_cast<double*>(b.put_as(DType::f64, {0.5}));
        a.counted = static_cast<std::int64_t*>(b.put_as(DType::i64, {3}));
        if (places.gradient) a.dlogits = places.in_place ? logits : b.make(c.steps * batch * c.classes);
        a.scale = static_cast<const double*>(b.put_as(DType::f64, {0.25, 2}));
        a.loss_scale = a.scale + 1;
        const std::int64_t bytes = b.backend().ctc_scratch(b.type, c.steps, batch, c.classes, a.target_steps);
        a.scratch = b.make_as(DType::f64, bytes / 8);
        b.backend().ctc(a, kStream);
        // The loss is a double that f32 sums went into.
        WrittenList all{{"loss", b.get(a.loss), true}, {"counted", b.get(a.counted), true}};
        if (places.gradient) all.push_back({"dlogits", b.get(a.dlogits)});
        return all;
    }

    static std::vector<CtcCase> cases() {
        return {
            {"one step", 1, 3, 0, {{2}}},
            {"no labels", 4, 3, 1, {{}, {}}},
            {"repeated labels", 9, 5, 4, {{1, 1, 2, 1}, {3, 3, 3}, {2}, {}}},
            {"ragged", 17, 8, 0, {{1, 2, 7}, {2, 2}, {5}, {}, {1, 2, 1, 2, 1}}, {17, 3, 1, 0, 9}},
            {"many classes", 6, 700, 0, {{699, 1, 300}, {4, 4}}, {6, 4}},
            {"sure of itself", 12, 16, 0, {{1, 2, 3}}, {}, 40},
        };
    }
};

TEST_F(CudaCtcGpu, IsTheCpus) {
    for (const DType type : kTypes)
        for (const CtcCase& c : cases())
            expect_like_cpu(device(), type, 2, c.name, [&](Bench& b, int draw) {
                return run(b, c, type, draw, {true, draw == 0});  // in place, and beside the logits
            });
}

/// More states than a block has threads, and a probability far below the smallest double.
TEST_F(CudaCtcGpu, TakesLongRows) {
    std::vector<std::int32_t> many;
    for (std::int32_t u = 0; u < 140; ++u) many.push_back(1 + u * 7 % 4);
    const CtcCase c{"long", 150, 5, 0, {many, {1, 2}}, {150, 149}};
    expect_like_cpu(device(), DType::f32, 1, c.name, [&](Bench& b, int draw) { return run(b, c, DType::f32, draw); });
}

TEST_F(CudaCtcGpu, WithoutAGradientHasTheSameLoss) {
    for (const DType type : kTypes) {
        const CtcCase c = cases()[3];
        Bench with(device(), type), without(device(), type);
        const WrittenList all = run(with, c, type, 0), some = run(without, c, type, 0, {false, false});
        EXPECT_EQ(some[0], all[0]) << c.name;
        EXPECT_EQ(some[1], all[1]) << c.name;
    }
}

TEST_F(CudaCtcGpu, IgnoresWhatLiesPastALength) {
    for (const DType type : kTypes) {
        Bench nan(device(), type), zero(device(), type);
        const CtcCase c = cases()[3];
        EXPECT_EQ(run(nan, c, type, 0, {}, kNan), run(zero, c, type, 0, {}, 0)) << type;
    }
}

}  // namespace
}  // namespace rondo::test
