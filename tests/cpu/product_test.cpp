// Products of every instruction set against long double sums: all layouts, odd extents, padding between rows.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu/cpu_backend.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"

namespace rondo {
namespace {

using cpu::Isa;

struct Case {
    std::int64_t m, n, k;
    bool a_transposed, b_transposed, accumulate, bias;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << c.m << "x" << c.n << "x" << c.k << (c.a_transposed ? " At" : "") << (c.b_transposed ? " Bt" : "")
               << (c.accumulate ? " +=" : "") << (c.bias ? " bias" : "");
}

/// Operands with gaps of NaN between their rows, and C inside a band of canaries.
template <class T>
struct Problem {
    static constexpr std::int64_t kGap = 3, kBand = 64;
    static constexpr T kCanary = T(-12345);
    Case c;
    std::int64_t a_stride, b_stride, c_stride;
    std::vector<T> a, b, c0, bias;

    explicit Problem(const Case& given, std::uint64_t seed = 1) : c(given) {
        test::Random random(seed);
        a_stride = (c.a_transposed ? c.m : c.k) + kGap;
        b_stride = (c.b_transposed ? c.k : c.n) + kGap;
        c_stride = c.n + kGap;
        a = matrix(random, c.a_transposed ? c.k : c.m, c.a_transposed ? c.m : c.k);
        b = matrix(random, c.b_transposed ? c.n : c.k, c.b_transposed ? c.k : c.n);
        bias = matrix(random, 1, c.n);
        c0.assign(static_cast<std::size_t>(c.m * c_stride + 2 * kBand), kCanary);
        for (std::int64_t i = 0; i < c.m; ++i)
            for (std::int64_t j = 0; j < c.n; ++j)
                c0[at(i, j)] = c.accumulate ? static_cast<T>(random.uniform()) : std::numeric_limits<T>::quiet_NaN();
    }

    static std::vector<T> matrix(test::Random& random, std::int64_t rows, std::int64_t cols) {
        std::vector<T> x(static_cast<std::size_t>(rows * (cols + kGap)), std::numeric_limits<T>::quiet_NaN());
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < cols; ++j)
                x[static_cast<std::size_t>(i * (cols + kGap) + j)] = static_cast<T>(random.uniform());
        return x;
    }
    std::size_t at(std::int64_t i, std::int64_t j) const { return static_cast<std::size_t>(kBand + i * c_stride + j); }
    std::size_t at_a(std::int64_t i, std::int64_t l) const {
        return static_cast<std::size_t>(c.a_transposed ? l * a_stride + i : i * a_stride + l);
    }
    std::size_t at_b(std::int64_t l, std::int64_t j) const {
        return static_cast<std::size_t>(c.b_transposed ? j * b_stride + l : l * b_stride + j);
    }

    std::vector<T> run(CpuBackend& backend) const {
        std::vector<T> out = c0;
        Product p;
        p.dtype = p.c_dtype = kDType<T>;
        p.m = c.m;
        p.n = c.n;
        p.k = c.k;
        p.a = a.data();
        p.a_stride = a_stride;
        p.a_transposed = c.a_transposed;
        p.b = b.data();
        p.b_stride = b_stride;
        p.b_transposed = c.b_transposed;
        p.c = out.data() + kBand;
        p.c_stride = c_stride;
        p.accumulate = c.accumulate;
        p.bias = c.bias ? bias.data() : nullptr;
        backend.product(p, {});
        return out;
    }

    void expect_right(const std::vector<T>& out) const {
        for (std::int64_t i = 0; i < c.m; ++i)
            for (std::int64_t j = 0; j < c.n; ++j) {
                long double sum = 0, size = 0;
                for (std::int64_t l = 0; l < c.k; ++l) {
                    const long double product = static_cast<long double>(a[at_a(i, l)]) * b[at_b(l, j)];
                    sum += product;
                    size += std::abs(product);
                }
                if (c.bias) sum += bias[static_cast<std::size_t>(j)];
                if (c.accumulate) sum += c0[at(i, j)];
                const double allowed = std::numeric_limits<T>::epsilon() * (4 + std::sqrt(static_cast<double>(c.k))) *
                                       (static_cast<double>(size) + 2);
                const double error = static_cast<double>(std::abs(out[at(i, j)] - sum));
                if (!(error <= allowed)) {
                    ADD_FAILURE() << c << " at " << i << ", " << j << ": " << out[at(i, j)] << " is off by " << error;
                    return;
                }
            }
        std::vector<T> rest = out;  // what must not have been touched
        for (std::int64_t i = 0; i < c.m; ++i)
            for (std::int64_t j = 0; j < c.n; ++j) rest[at(i, j)] = kCanary;
        for (T x : rest) ASSERT_EQ(x, kCanary) << c << ": written outside of C";
    }
};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

std::vector<Case> cases() {
    std::vector<Case> all;
    const std::int64_t ms[] = {1, 2, 3, 4, 5, 6, 11, 12, 13, 25, 50},
                       ns[] = {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 65, 131};
    const std::int64_t ks[] = {0, 1, 2, 7, 8, 15, 16, 17, 33, 64, 100, 193, 385};
    test::Random random(3);
    auto any = [&](const auto& list) {
        return list[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(std::size(list))))];
    };
    for (int layout = 0; layout < 16; ++layout) {
        auto add = [&](std::int64_t m, std::int64_t n, std::int64_t k) {
            all.push_back({m, n, k, (layout & 1) != 0, (layout & 2) != 0, (layout & 4) != 0, (layout & 8) != 0});
        };
        for (std::int64_t m : ms) add(m, any(ns), any(ks));
        for (std::int64_t n : ns) add(any(ms), n, any(ks));
        for (std::int64_t k : ks) add(any(ms), any(ns), k);
        add(17, 400, 200);  // more than one block of columns
        add(1, 130, 70);
    }
    all.push_back({1600, 40, 17, false, true, false, true});  // more than one block of rows
    all.push_back({1600, 40, 17, true, false, true, false});
    return all;
}

template <class T>
void expect_products() {
    for (Isa isa : test::isas()) {
        SCOPED_TRACE(cpu::name_of(isa));
        CpuBackend one(1, isa), three(3, isa);
        for (const Case& c : cases()) {
            const Problem<T> problem(c);
            const std::vector<T> out = problem.run(one);
            problem.expect_right(out);
            EXPECT_TRUE(same_bits(out, problem.run(one))) << c << " run twice";
            EXPECT_TRUE(same_bits(out, problem.run(three))) << c << " on three threads";
            if (testing::Test::HasFailure()) return;
        }
    }
}

TEST(ProductThreads, F32) { expect_products<float>(); }
TEST(ProductThreads, F64) { expect_products<double>(); }

// Large enough for a part of C to every thread.
TEST(ProductThreads, LargeIsTheSameOnAnyNumberOfThreads) {
    for (Isa isa : test::isas())
        for (bool tall : {false, true}) {
            const Problem<float> problem({tall ? 300 : 130, tall ? 130 : 300, 500, false, true, false, true});
            CpuBackend one(1, isa);
            const std::vector<float> out = problem.run(one);
            problem.expect_right(out);
            for (int threads : {2, 3, 4, 7}) {
                CpuBackend many(threads, isa);
                EXPECT_TRUE(same_bits(out, problem.run(many))) << threads;
            }
        }
}

// The other rows of A may hold anything.
TEST(Product, ARowsBitsAreItsOwn) {
    for (Isa isa : test::isas())
        for (std::int64_t m : {2, 4, 5, 13, 30}) {
            CpuBackend backend(1, isa);
            Problem<float> problem({m, 50, 40, false, true, false, true});
            const std::vector<float> before = problem.run(backend);
            for (std::int64_t i = 0; i < m; ++i)
                if (i != m / 2)
                    for (std::int64_t l = 0; l < 40; ++l)
                        problem.a[problem.at_a(i, l)] = std::numeric_limits<float>::quiet_NaN();
            const std::vector<float> after = problem.run(backend);
            for (std::int64_t j = 0; j < 50; ++j)
                EXPECT_EQ(before[problem.at(m / 2, j)], after[problem.at(m / 2, j)]) << m;
        }
}

TEST(Product, RefusesWhatTheCpuCannot) {
    CpuBackend backend(1);
    Product p;
    p.dtype = p.c_dtype = DType::bf16;
    EXPECT_THROW(backend.product(p, {}), Error);
    p.dtype = DType::f64;
    p.c_dtype = DType::f32;
    EXPECT_THROW(backend.product(p, {}), Error);
    EXPECT_THROW(backend.check(Precision::bf16()), Error);
    EXPECT_THROW(backend.check(Precision::tf32()), Error);
    EXPECT_NO_THROW(backend.check(Precision::f32()));
    EXPECT_NO_THROW(backend.check(Precision::f64()));
}

TEST(ColumnSums, AddsRowsInAFixedOrder) {
    for (Isa isa : test::isas()) {
        CpuBackend one(1, isa), three(3, isa);
        for (std::int64_t cols : {1, 3, 16, 33, 200})
            for (std::int64_t rows : {0, 1, 2, 255, 256, 257, 1000}) {
                test::Random random(5);
                const std::int64_t stride = cols + 2;
                std::vector<double> x(static_cast<std::size_t>(rows * stride), std::nan(""));
                for (std::int64_t r = 0; r < rows; ++r)
                    for (std::int64_t i = 0; i < cols; ++i)
                        x[static_cast<std::size_t>(r * stride + i)] = random.uniform();
                for (bool accumulate : {false, true}) {
                    std::vector<double> sums(static_cast<std::size_t>(cols + 1), accumulate ? 0.5 : std::nan(""));
                    sums.back() = -7;
                    std::vector<double> again = sums;
                    one.column_sums(DType::f64, sums.data(), x.data(), rows, cols, stride, accumulate, {});
                    three.column_sums(DType::f64, again.data(), x.data(), rows, cols, stride, accumulate, {});
                    EXPECT_EQ(sums, again);
                    EXPECT_EQ(sums.back(), -7);
                    for (std::int64_t i = 0; i < cols; ++i) {
                        long double sum = accumulate ? 0.5L : 0;
                        for (std::int64_t r = 0; r < rows; ++r) sum += x[static_cast<std::size_t>(r * stride + i)];
                        EXPECT_NEAR(sums[static_cast<std::size_t>(i)], static_cast<double>(sum), 1e-13);
                    }
                }
            }
    }
}

TEST(MaskRows, ZeroesPastEachLengthWhateverLiesThere) {
    CpuBackend backend(2);
    const std::int64_t lengths[] = {2, 0, 3};
    std::vector<float> x(3 * 3 * 5), out(x.size(), std::numeric_limits<float>::quiet_NaN());
    for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = static_cast<std::int64_t>(i) / 15 < lengths[i / 5 % 3] ? static_cast<float>(i) : std::nanf("");
    backend.mask_rows(DType::f32, out.data(), x.data(), 3, 3, 5, lengths, {});
    for (std::size_t i = 0; i < x.size(); ++i)
        EXPECT_EQ(out[i], static_cast<std::int64_t>(i) / 15 < lengths[i / 5 % 3] ? static_cast<float>(i) : 0.0f);
    backend.mask_rows(DType::f32, x.data(), x.data(), 3, 3, 5, lengths, {});  // in place
    EXPECT_EQ(x, out);
    backend.mask_rows(DType::f32, x.data(), out.data(), 3, 3, 5, nullptr, {});
    EXPECT_EQ(x, out);
}

}  // namespace
}  // namespace rondo
