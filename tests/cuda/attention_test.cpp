/// Attention on the GPU in every type, against the CPU's in double from the same rounded inputs: its outputs, its
/// gradients and what it leaves alone.
#include <sstream>

#include "cuda/bench.hpp"
#include "support/sanitized.hpp"

namespace rondo::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
using Lengths = std::vector<std::int64_t>;

/// Stands between two rows and in what is to be written; small, so that it makes no error look small.
constexpr double kGap = 0x1p-7;

struct Shape {
    std::int64_t queries, keys, batch, heads, width, value_width;
    bool causal = false;
    Lengths query_lengths = {}, key_lengths = {};
    std::int64_t more = 0;  ///< of every stride
    double range = 1;       ///< of queries and keys
};

std::ostream& operator<<(std::ostream& out, const Shape& s) {
    return out << s.queries << "x" << s.keys << " batch " << s.batch << " heads " << s.heads << " of " << s.width
               << ", " << s.value_width << (s.causal ? " causal" : "") << (s.query_lengths.empty() ? "" : " ragged")
               << " more " << s.more;
}

/// Queries, keys, values, upstream gradient, and what gradients of keys and values are added to.
struct Numbers {
    Tensor q, k, v, dout, dk, dv;
};

/// [steps,B,width and more]: NaN past a length, and a number that stays in the gap between two rows.
Tensor sequence(Random& random, DType type, std::int64_t steps, std::int64_t batch, std::int64_t width,
                std::int64_t more, const Lengths& lengths, double filler, double range = 1) {
    Tensor x = rounded(type, random.uniforms(steps * batch * (width + more), range));
    for (std::int64_t row = 0; row < steps * batch; ++row)
        for (std::int64_t i = 0; i < width + more; ++i) {
            double& v = x[static_cast<std::size_t>(row * (width + more) + i)];
            if (i >= width) v = kGap;
            if (!lengths.empty() && row / batch >= lengths[static_cast<std::size_t>(row % batch)]) v = filler;
        }
    return x;
}

Numbers numbers_of(const Shape& s, DType type, int draw = 0, double filler = kNan) {
    Random random(static_cast<std::uint64_t>(31 + draw));
    Numbers n;
    const std::int64_t width = s.heads * s.width, values = s.heads * s.value_width;
    n.q = sequence(random, type, s.queries, s.batch, width, s.more, s.query_lengths, filler, s.range);
    n.k = sequence(random, type, s.keys, s.batch, width, s.more, s.key_lengths, filler, s.range);
    n.v = sequence(random, type, s.keys, s.batch, values, s.more, s.key_lengths, filler);
    n.dout = sequence(random, type, s.queries, s.batch, values, s.more, s.query_lengths, filler);
    n.dk = sequence(random, type, s.keys, s.batch, width, s.more, {}, 0);
    n.dv = sequence(random, type, s.keys, s.batch, values, s.more, {}, 0);
    return n;
}

struct Wanted {
    bool dq = true, dk = true, dv = true, accumulate = false;
};

class CudaAttentionGpu : public OperationsTest {
protected:
    static WrittenList run(Bench& b, const Shape& s, const Numbers& n, const Wanted& wanted = {}) {
        const Alignment at = s.more % 2 == 1 ? Alignment::element : Alignment::cache_line;
        Attention a;
        a.dtype = b.type;
        a.queries = s.queries;
        a.keys = s.keys;
        a.batch = s.batch;
        a.heads = s.heads;
        a.width = s.width;
        a.value_width = s.value_width;
        a.scale = 1 / std::sqrt(static_cast<double>(s.width));
        a.causal = s.causal;
        a.query_lengths = b.lengths(s.query_lengths);
        a.key_lengths = b.lengths(s.key_lengths);
        a.q = b.put(n.q, at);
        a.k = b.put(n.k, at);
        a.v = b.put(n.v, at);
        a.q_stride = a.k_stride = s.heads * s.width + s.more;
        a.v_stride = a.out_stride = s.heads * s.value_width + s.more;
        void* const out = b.put(Tensor(n.dout.size(), kGap), at);
        a.out = out;
        a.log_sums = b.make_sums(s.queries * s.batch * s.heads);
        b.backend().attention_forward(a, kStream);
        void* const weights = b.make_sums(s.queries * s.batch * s.keys);
        b.backend().attention_weights({&a, weights}, kStream);
        Attention back = a;
        back.dout = b.put(n.dout, at);
        if (wanted.dq) back.dq = b.put(Tensor(n.q.size(), kGap), at);
        if (wanted.dk) back.dk = b.put(wanted.accumulate ? n.dk : Tensor(n.dk.size(), kGap), at);
        if (wanted.dv) back.dv = b.put(wanted.accumulate ? n.dv : Tensor(n.dv.size(), kGap), at);
        back.accumulate = wanted.accumulate;
        back.scratch = b.make_sums(s.queries * s.batch * s.heads);
        b.backend().attention_backward(back, kStream);
        WrittenList all{{"out", b.get(out)}, {"log sums", b.get(a.log_sums), true}, {"weights", b.get(weights), true}};
        if (back.dq) all.push_back({"dq", b.get(back.dq)});
        if (back.dk) all.push_back({"dk", b.get(back.dk)});
        if (back.dv) all.push_back({"dv", b.get(back.dv)});
        return all;
    }

    void check(DType type, const Shape& s, const Wanted& wanted = {}) {
        std::ostringstream what;
        what << s;
        expect_like_cpu(device(), type, 3, what.str(),
                        [&](Bench& b, int draw) { return run(b, s, numbers_of(s, type, draw), wanted); });
    }

    /// In every type; under a sanitizer in one type each, by turns.
    void check_all(std::span<const Shape> shapes) {
        for (std::size_t i = 0; i < shapes.size(); ++i)
            for (std::size_t k = 0; k < std::size(kTypes); ++k)
                if (!kSanitized || i % std::size(kTypes) == k) check(kTypes[k], shapes[i]);
    }
};

/// Every extent one less, as much and one more than what some tile has.
TEST_F(CudaAttentionGpu, IsTheCpus) {
    const Shape shapes[] = {
        {1, 1, 1, 1, 1, 1},
        {3, 17, 2, 2, 3, 5},
        {17, 3, 1, 1, 8, 8},
        {65, 33, 2, 1, 17, 4},
        {16, 32, 1, 2, 16, 16},
        {5, 5, 3, 2, 7, 3, true},
        {65, 65, 1, 1, 16, 8, true},
        {130, 130, 1, 1, 5, 9, true},
        {130, 65, 2, 1, 8, 8, false, {130, 66}, {3, 65}},
        {7, 9, 3, 2, 6, 6, false, {7, 0, 3}, {9, 4, 0}},
        {40, 40, 4, 1, 8, 8, true, {40, 0, 17, 33}, {40, 3, 0, 20}},
        {7, 9, 2, 2, 8, 8, false, {}, {}, 8},
        {7, 9, 2, 2, 8, 8, false, {7, 2}, {3, 9}, 3},
    };
    check_all(shapes);
}

/// Queries that come behind other keys: of so many of the rows of one sequence whose keys are all there.
TEST_F(CudaAttentionGpu, GoesOnFromEarlierKeys) {
    const Shape shapes[] = {{1, 40, 3, 2, 8, 8, true, {}, {40, 1, 33}},
                            {18, 90, 3, 1, 5, 7, true, {18, 0, 4}, {88, 12, 4}}};
    for (const DType type : kTypes)
        for (const Shape& s : shapes)
            expect_like_cpu(device(), type, 3, "earlier keys", [&](Bench& b, int draw) {
                const Numbers n = numbers_of(s, type, draw);
                Lengths begins;
                for (std::size_t row = 0; row < s.key_lengths.size(); ++row)
                    begins.push_back(s.key_lengths[row] - (s.query_lengths.empty() ? s.queries : s.query_lengths[row]));
                Attention a;
                a.dtype = b.type;
                a.queries = s.queries;
                a.keys = s.keys;
                a.batch = s.batch;
                a.heads = s.heads;
                a.width = s.width;
                a.value_width = s.value_width;
                a.causal = true;
                a.query_lengths = b.lengths(s.query_lengths);
                a.key_lengths = b.lengths(s.key_lengths);
                a.begins = b.lengths(begins);
                a.q = b.put(n.q);
                a.k = b.put(n.k);
                a.v = b.put(n.v);
                a.q_stride = a.k_stride = s.heads * s.width;
                a.v_stride = a.out_stride = s.heads * s.value_width;
                a.out = b.put(Tensor(n.dout.size(), kGap));
                b.backend().attention_forward(a, kStream);
                return WrittenList{{"out", b.get(a.out)}};
            });
}

/// Heads whose columns are made in several chunks, and whose tiles leave room for fewer warps.
TEST_F(CudaAttentionGpu, TakesWideHeads) {
    const Shape shapes[] = {{18, 17, 1, 1, 65, 66},
                            {33, 9, 1, 1, 130, 16, true, {}, {}},
                            {9, 33, 1, 1, 16, 130},
                            {20, 19, 1, 1, 256, 256, false, {19}, {18}}};
    check_all(shapes);
}

TEST_F(CudaAttentionGpu, AddsToAndLeavesOutGradients) {
    const Shape shape{7, 9, 3, 2, 6, 10, false, {7, 0, 3}, {9, 4, 0}};
    for (const DType type : kTypes)
        for (const Wanted& wanted : {Wanted{true, true, true, true}, Wanted{false, true, false, false},
                                     Wanted{false, false, true, true}, Wanted{true, false, false, false}})
            check(type, shape, wanted);
}

/// Scores far apart: the maximum runs ahead of what was summed before.
TEST_F(CudaAttentionGpu, KeepsItsSumsWithLargeScores) {
    for (const DType type : {DType::f64, DType::f32}) check(type, {5, 130, 1, 1, 8, 8, false, {}, {}, 0, 6});
}

/// What lies past a length changes no bit, and neither do the other rows of the batch.
TEST_F(CudaAttentionGpu, IgnoresWhatLiesPastALength) {
    const Shape s{21, 37, 2, 2, 8, 8, false, {21, 5}, {6, 37}};
    for (const DType type : kTypes) {
        Bench nan(device(), type), zero(device(), type);
        const auto with = run(nan, s, numbers_of(s, type, 0, kNan)), without = run(zero, s, numbers_of(s, type, 0, 0));
        EXPECT_EQ(with, without) << type;
    }
}

TEST_F(CudaAttentionGpu, RefusesHeadsThatAreTooWide) {
    Attention a;
    a.queries = a.keys = a.batch = 1;
    a.width = 257;
    a.value_width = 4;
    EXPECT_THROW(backend().attention_forward(a, kStream), Error);
    std::swap(a.width, a.value_width);
    EXPECT_THROW(backend().attention_backward(a, kStream), Error);
    EXPECT_THROW(backend().attention_weights({&a, nullptr}, kStream), Error);
}

}  // namespace
}  // namespace rondo::test
