/// What stands around the time loop, on the GPU: against plain sums in double, from the same rounded inputs, and in f32
/// and f64 against the CPU. Extents are odd, rows are strided, and guard bands tell what is written outside.
#include "cuda/operations.hpp"

#include <algorithm>
#include <cmath>

namespace rondo::test {
namespace {

class CudaOperationsGpu : public OperationsTest {};

/// More than fit one launch, of any length, none of them too.
TEST_F(CudaOperationsGpu, CopiesManyArrays) {
    Random random(2);
    for (const DType type : kTypes)
        for (const Alignment alignment : {Alignment::cache_line, Alignment::element}) {
            std::vector<Guarded> from, to;
            std::vector<Copy> copies;
            for (std::int64_t i = 0; i < 19; ++i) {
                const std::int64_t size = alignment == Alignment::element ? 37 * i : 16 * i;
                from.push_back(put(type, random.uniforms(size), alignment));
                to.push_back(make(type, size, Alignment::cache_line));
                copies.push_back(
                    {to.back().data(), from.back().data(), static_cast<std::size_t>(size * size_of(type))});
            }
            backend().copy_all(copies, kStream);
            backend().copy_all({}, kStream);
            for (std::size_t i = 0; i < from.size(); ++i) {
                EXPECT_EQ(to[i].bytes(), from[i].bytes()) << type << " array " << i;
                EXPECT_TRUE(to[i].intact());
            }
        }
}

struct ProductCase {
    DType type;
    bool a_transposed, b_transposed, accumulate, wide_c;
    std::int64_t m, n, k;
    std::int64_t slack;  ///< strides are longer by less than this; 0: they are multiples of 8
};

class CudaProductsGpu : public OperationsTest {
protected:
    void check(const ProductCase& of, Random& random) const {
        const auto stride = [&](std::int64_t width) {
            return of.slack == 0 ? (width + 7) / 8 * 8 : width + random.below(of.slack);
        };
        const std::int64_t a_stride = stride(of.a_transposed ? of.m : of.k);
        const std::int64_t b_stride = stride(of.b_transposed ? of.k : of.n), c_stride = stride(of.n);
        const DType c_type = of.wide_c ? accumulator_of(of.type) : of.type;
        const Alignment alignment = of.slack > 1 ? Alignment::element : Alignment::cache_line;
        const Guarded a = put(of.type, random.uniforms((of.a_transposed ? of.k : of.m) * a_stride));
        const Guarded b = put(of.type, random.uniforms((of.b_transposed ? of.n : of.k) * b_stride), alignment);
        const Guarded c = put(c_type, random.uniforms(of.m * c_stride));
        const Guarded bias = put(c_type, random.uniforms(of.n));
        Tensor expected = c.get();
        const Tensor av = a.get(), bv = b.get(), biases = bias.get();
        const auto at = [](const Tensor& t, std::int64_t i) { return t[static_cast<std::size_t>(i)]; };
        for (std::int64_t i = 0; i < of.m; ++i)
            for (std::int64_t j = 0; j < of.n; ++j) {
                double sum = (of.accumulate ? at(expected, i * c_stride + j) : 0) + at(biases, j);
                for (std::int64_t l = 0; l < of.k; ++l)
                    sum += at(av, of.a_transposed ? l * a_stride + i : i * a_stride + l) *
                           at(bv, of.b_transposed ? j * b_stride + l : l * b_stride + j);
                expected[static_cast<std::size_t>(i * c_stride + j)] = sum;
            }
        Product p;
        p.dtype = of.type;
        p.c_dtype = c_type;
        p.m = of.m;
        p.n = of.n;
        p.k = of.k;
        p.a = a.data();
        p.a_stride = a_stride;
        p.a_transposed = of.a_transposed;
        p.b = b.data();
        p.b_stride = b_stride;
        p.b_transposed = of.b_transposed;
        p.c = c.data();
        p.c_stride = c_stride;
        p.accumulate = of.accumulate;
        p.bias = bias.data();
        backend().product(p, kStream);
        expect_close(c.get(), expected, c_type, 8.0 + static_cast<double>(of.k), "product");
        EXPECT_TRUE(c.intact());
    }
};

TEST_F(CudaProductsGpu, OfEveryKind) {
    Random random(1);
    for (const DType type : kTypes)
        for (const bool a_transposed : {false, true})
            for (const bool b_transposed : {false, true})
                for (const bool accumulate : {false, true})
                    for (const bool wide_c : {false, true})
                        check({type, a_transposed, b_transposed, accumulate, wide_c, 1 + random.below(7),
                               1 + random.below(9), 1 + random.below(33), 3},
                              random);
}

/// Of one row or two, which a kernel of our own makes, in vectors and element by element.
TEST_F(CudaProductsGpu, OfFewRows) {
    Random random(2);
    for (const DType type : kTypes)
        for (const bool wide_c : {false, true})
            for (const std::int64_t m : {1, 2})
                for (const std::int64_t k : {1, 61, 64, 600})
                    for (const std::int64_t slack : {0, 3})
                        check({type, false, true, m == 2, wide_c, m, k == 600 ? 3 : 70, k, slack}, random);
}

TEST_F(CudaOperationsGpu, PacksWithoutCopiesWhereItCan) {
    for (const auto kind : {Packing::Kind::gates, Packing::Kind::transposed, Packing::Kind::plain}) {
        EXPECT_EQ(backend().packed_bytes({kind, DType::f32, 4, 5, 3}), 0);
        EXPECT_EQ(backend().packed_bytes({kind, DType::f64, 4, 5, 3}), 0);
    }
    EXPECT_EQ(backend().packed_bytes({Packing::Kind::transposed, DType::bf16, 4, 5, 3}), 0);
    Random random(2);
    for (const DType type : {DType::f16, DType::bf16})
        for (const std::int64_t cols : {3, 4}) {
            const Packing packing{Packing::Kind::gates, type, 4, 5, cols};
            ASSERT_EQ(backend().packed_bytes(packing), 128 + (cols == 4 ? 64 : 0));
            const Guarded w = put(DType::f32, random.uniforms(20 * cols)), packed = make(type, 20 * cols);
            backend().pack(packing, w.data(), packed.data(), kStream);
            const Guarded rounded = put(type, w.get());
            EXPECT_EQ(packed.get(), rounded.get());
            EXPECT_TRUE(packed.intact());
        }
}

TEST_F(CudaOperationsGpu, MasksRowsWhateverPaddingHolds) {
    constexpr std::int64_t T = 3, B = 5;
    const Guarded lengths = put(DType::i64, {0, 3, 1, 2, 3});
    for (const DType type : kTypes)
        for (const std::int64_t cols : {1, 7, 8}) {
            Random random(3);
            Tensor x = random.uniforms(T * B * cols);
            for (std::size_t i = 0; i < x.size(); ++i) {
                const std::size_t row = i / static_cast<std::size_t>(cols), t = row / B, b = row % B;
                if (static_cast<double>(t) >= lengths.get()[b]) x[i] = std::numeric_limits<double>::quiet_NaN();
            }
            const Guarded in = put(type, x), out = make(type, T * B * cols);
            backend().mask_rows(type, out.data(), in.data(), T, B, cols, static_cast<std::int64_t*>(lengths.data()),
                                kStream);
            Tensor expected = in.get();
            for (double& v : expected) v = std::isnan(v) ? 0 : v;
            EXPECT_EQ(out.get(), expected);
            EXPECT_TRUE(out.intact());
            backend().mask_rows(type, in.data(), in.data(), T, B, cols, static_cast<std::int64_t*>(lengths.data()),
                                kStream);
            EXPECT_EQ(in.get(), expected);
        }
}

TEST_F(CudaOperationsGpu, DropsWhatTheCpuDropsInPiecesToo) {
    constexpr std::int64_t T = 3, B = 5;
    const Device cpu = Device::cpu(1);
    const RandomState state{77, 5};
    const std::vector<std::int64_t> host_lengths{0, 3, 1, 2, 3};
    const Guarded random = make(DType::i64, 2), lengths = put(DType::i64, {0, 3, 1, 2, 3});
    backend().upload(random.data(), &state, sizeof state, kStream);
    for (const bool per_sequence : {false, true})
        for (const bool ragged : {false, true})
            for (const double rate : {0.0, 0.3, 1.0})
                for (const std::int64_t I : {7, 8}) {  // draws that two steps share, and none
                    Random numbers(4);
                    std::vector<float> x(static_cast<std::size_t>(T * B * I)), expected(x.size());
                    for (float& v : x) v = static_cast<float>(numbers.uniform());
                    Dropout drop{.out = expected.data(),
                                 .x = x.data(),
                                 .end = T,
                                 .batch = B,
                                 .cols = I,
                                 .rate = rate,
                                 .per_sequence = per_sequence,
                                 .site = 9,
                                 .random = &state,
                                 .lengths = ragged ? host_lengths.data() : nullptr};
                    cpu.backend().dropout(drop, kStream);
                    const Guarded in = put(DType::f32, {x.begin(), x.end()});
                    Guarded out = make(DType::f32, T * B * I);
                    drop.random = static_cast<RandomState*>(random.data());
                    if (ragged) drop.lengths = static_cast<std::int64_t*>(lengths.data());
                    for (const std::int64_t first : {T, std::int64_t{1}}) {  // whole, and the first step by itself
                        out.poison();
                        for (drop.begin = 0, drop.end = first; drop.begin < T; drop.begin = drop.end, drop.end = T) {
                            drop.x = static_cast<float*>(in.data()) + drop.begin * B * I;
                            drop.out = static_cast<float*>(out.data()) + drop.begin * B * I;
                            backend().dropout(drop, kStream);
                        }
                        EXPECT_EQ(out.get(), Tensor(expected.begin(), expected.end())) << first;
                        EXPECT_TRUE(out.intact());
                    }
                }
}

TEST_F(CudaOperationsGpu, SumsColumns) {
    Random random(5);
    for (const DType type : kTypes)
        for (const std::int64_t rows : {1, 9, 130, 1000})
            for (const std::int64_t cols : {1, 33}) {
                const std::int64_t stride = cols + 2;
                const Guarded x = put(type, random.uniforms(rows * stride), Alignment::element);
                const DType sum_type = accumulator_of(type);
                const Guarded sums = put(sum_type, random.uniforms(cols));
                for (const bool accumulate : {true, false}) {
                    Tensor expected = sums.get();
                    const Tensor values = x.get();
                    double largest = 1;
                    for (std::int64_t c = 0; c < cols; ++c) {
                        double sum = accumulate ? expected[static_cast<std::size_t>(c)] : 0;
                        for (std::int64_t r = 0; r < rows; ++r) sum += values[static_cast<std::size_t>(r * stride + c)];
                        expected[static_cast<std::size_t>(c)] = sum;
                        largest = std::max(largest, std::abs(sum));
                    }
                    backend().column_sums(type, sums.data(), x.data(), rows, cols, stride, accumulate, kStream);
                    const Tensor out = sums.get();
                    for (std::size_t c = 0; c < expected.size(); ++c)
                        EXPECT_NEAR(out[c], expected[c],
                                    8 * std::sqrt(static_cast<double>(rows)) * unit_roundoff(sum_type) * largest);
                    EXPECT_TRUE(sums.intact());
                }
            }
}

TEST_F(CudaOperationsGpu, LooksUpRowsAndAddsTheirGradients) {
    constexpr std::int64_t kRows = 301, kClasses = 11;
    Random random(6);
    std::vector<std::int32_t> ids;
    for (std::int64_t r = 0; r < kRows; ++r) ids.push_back(static_cast<std::int32_t>(random.below(kClasses - 1)));
    const Guarded device_ids = put_ids(ids);
    const auto* id_data = static_cast<const std::int32_t*>(device_ids.data());
    for (const DType type : kTypes)
        for (const std::int64_t cols : {1, 5, 8, 130}) {
            const Guarded table = put(type, random.uniforms(kClasses * cols)), out = make(type, kRows * cols);
            backend().embedding_forward(type, out.data(), type, table.data(), id_data, kRows, cols, kStream);
            const Tensor rows = out.get(), all = table.get();
            for (std::size_t i = 0; i < rows.size(); ++i) {
                const auto r = i / static_cast<std::size_t>(cols), c = i % static_cast<std::size_t>(cols);
                ASSERT_EQ(rows[i], all[static_cast<std::size_t>(ids[r]) * static_cast<std::size_t>(cols) + c]);
            }
            EXPECT_TRUE(out.intact());

            // In the arithmetic of the device, so that the order of the rows shows.
            Tensor expected = all;
            for (std::size_t id = 0; id < kClasses; ++id)
                for (std::size_t c = 0; c < static_cast<std::size_t>(cols); ++c) {
                    double& to = expected[id * static_cast<std::size_t>(cols) + c];
                    float single = static_cast<float>(to);
                    for (std::size_t r = 0; r < kRows; ++r) {
                        if (static_cast<std::size_t>(ids[r]) != id) continue;
                        to += rows[r * static_cast<std::size_t>(cols) + c];
                        single += static_cast<float>(rows[r * static_cast<std::size_t>(cols) + c]);
                    }
                    if (type != DType::f64) to = static_cast<double>(single);
                }
            backend().embedding_backward(type, table.data(), type, out.data(), id_data, kRows, cols, kClasses, kStream);
            const Guarded rounded = put(type, expected);
            EXPECT_EQ(table.get(), rounded.get()) << type << " " << cols;
            EXPECT_TRUE(table.intact());
        }
}

TEST_F(CudaOperationsGpu, AddsMoreRowsThanASortTakes) {
    constexpr std::int64_t kRows = 70000, kClasses = 3;
    std::vector<std::int32_t> ids;
    Tensor counts(kClasses, 0.0);
    Random random(7);
    for (std::int64_t r = 0; r < kRows; ++r) {
        ids.push_back(static_cast<std::int32_t>(random.below(kClasses)));
        counts[static_cast<std::size_t>(ids.back())] += 1;
    }
    const Guarded device_ids = put_ids(ids), table = put(DType::f64, Tensor(kClasses, 0.0)),
                  ones = put(DType::f64, Tensor(kRows, 1.0));
    backend().embedding_backward(DType::f64, table.data(), DType::f64, ones.data(),
                                 static_cast<std::int32_t*>(device_ids.data()), kRows, 1, kClasses, kStream);
    EXPECT_EQ(table.get(), counts);
}

TEST_F(CudaOperationsGpu, CrossEntropyAndItsGradient) {
    Random random(8);
    for (const DType type : kTypes)
        for (const std::int64_t classes : {1, 3, 257, 700})
            for (const double spread : {1.0, 60.0}) {
                constexpr std::int64_t kRows = 5;
                const Guarded logits = put(type, random.uniforms(kRows * classes, spread));
                std::vector<std::int32_t> targets;
                for (std::int64_t r = 0; r < kRows; ++r)
                    targets.push_back(r == 2 ? -1 : static_cast<std::int32_t>(random.below(classes)));
                const Guarded device_targets = put_ids(targets), loss = put_doubles({0.5}),
                              counted = put(DType::i64, {3}), scales = put_doubles({0.125, 2}),
                              gradient = make(type, kRows * classes);
                const Tensor x = logits.get();
                double expected = 0.5;
                Tensor dx(x.size(), 0.0);
                for (std::size_t r = 0; r < kRows; ++r) {
                    if (targets[r] < 0) continue;
                    const double* row = x.data() + r * static_cast<std::size_t>(classes);
                    const double most = *std::max_element(row, row + classes);
                    double sum = 0;
                    for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(row[c] - most);
                    expected += std::log(sum) + most - row[targets[r]];
                    for (std::int64_t c = 0; c < classes; ++c)
                        dx[r * static_cast<std::size_t>(classes) + static_cast<std::size_t>(c)] =
                            0.25 * (std::exp(row[c] - most) / sum - (c == targets[r]));
                }
                CrossEntropy a;
                a.dtype = type;
                a.rows = kRows;
                a.classes = classes;
                a.logits = logits.data();
                a.targets = static_cast<const std::int32_t*>(device_targets.data());
                a.loss = static_cast<double*>(loss.data());
                a.counted = static_cast<std::int64_t*>(counted.data());
                a.dlogits = gradient.data();
                a.scale = static_cast<const double*>(scales.data());
                a.loss_scale = a.scale + 1;
                backend().cross_entropy(a, kStream);
                const double unit = unit_roundoff(accumulator_of(type));
                EXPECT_NEAR(loss.get()[0], expected, 64 * unit * (std::abs(expected) + spread)) << type << classes;
                EXPECT_EQ(counted.get()[0], 3 + kRows - 1);
                const Tensor out = gradient.get();
                for (std::size_t i = 0; i < dx.size(); ++i)
                    ASSERT_NEAR(out[i], dx[i], 0.25 * (64 * unit + 2 * unit_roundoff(type))) << type << classes;
                EXPECT_TRUE(gradient.intact());
                // In place: the same bits, and a loss of what stood there before.
                const double once = loss.get()[0] - 0.5;
                a.dlogits = logits.data();
                backend().cross_entropy(a, kStream);
                EXPECT_EQ(logits.get(), out);
                EXPECT_DOUBLE_EQ(loss.get()[0], 0.5 + once + once);
            }
}

TEST_F(CudaOperationsGpu, SquaredErrorAndSums) {
    Random random(9);
    for (const DType type : kTypes)
        for (const std::int64_t count : {1, 31, 5000, 1200001}) {
            if (count > 5000 && type != DType::f32) continue;
            const Guarded p = put(type, random.uniforms(count)), y = put(type, random.uniforms(count)),
                          d = make(type, count, Alignment::element), sums = put_doubles({0.25, 7, 9, -1}),
                          scales = put_doubles({0.125, 4});
            const Tensor pv = p.get(), yv = y.get();
            double error = 0.25, squares = 0;
            Tensor expected;
            for (std::size_t i = 0; i < pv.size(); ++i) {
                error += (pv[i] - yv[i]) * (pv[i] - yv[i]);
                squares += pv[i] * pv[i];
                expected.push_back(2 * 0.5 * (pv[i] - yv[i]));
            }
            auto* const sum = static_cast<double*>(sums.data());
            const auto* const scale = static_cast<const double*>(scales.data());
            backend().squared_error({type, count, p.data(), y.data(), sum, d.data(), scale, scale + 1}, kStream);
            backend().sum_of_squares(type, p.data(), count, sum + 1, false, kStream);
            backend().sum_of_squares(type, p.data(), count, sum + 2, true, kStream);
            backend().largest(type, p.data(), count, sum + 3, kStream);
            const Tensor out = sums.get();
            EXPECT_NEAR(out[0], error, 1e-12 * error);
            EXPECT_NEAR(out[1], squares, 1e-12 * squares);
            EXPECT_NEAR(out[2], 9 + squares, 1e-12 * (9 + squares));
            EXPECT_EQ(out[3], std::abs(*std::max_element(
                                  pv.begin(), pv.end(), [](double a, double b) { return std::abs(a) < std::abs(b); })));
            expect_close(d.get(), expected, type, 2, "gradient of the squared error");
            EXPECT_TRUE(d.intact());
        }
    const Guarded bad = put(DType::f32, {1, std::numeric_limits<double>::infinity(), 2}), sum = put_doubles({0});
    backend().sum_of_squares(DType::f32, bad.data(), 3, static_cast<double*>(sum.data()), false, kStream);
    EXPECT_FALSE(std::isfinite(sum.get()[0]));
}

TEST_F(CudaOperationsGpu, LargestKeepsNan) {
    for (const std::size_t at : {0, 1, 4000}) {
        Tensor values(5001, 2.0);
        values[at] = std::numeric_limits<double>::quiet_NaN();
        const Guarded x = put(DType::bf16, values), most = put_doubles({0});
        backend().largest(DType::bf16, x.data(), 5001, static_cast<double*>(most.data()), kStream);
        EXPECT_TRUE(std::isnan(most.get()[0])) << at;
    }
}

TEST_F(CudaOperationsGpu, Adds) {
    Random random(10);
    for (const DType type : kTypes)
        for (const std::int64_t count : {1, 8, 1003, 4096}) {
            const Guarded to = put(type, random.uniforms(count)), from = put(type, random.uniforms(count));
            Tensor expected = to.get();
            const Tensor x = from.get();
            for (std::size_t i = 0; i < x.size(); ++i) expected[i] += x[i];
            backend().add(type, to.data(), from.data(), count, kStream);
            expect_close(to.get(), expected, type, 1, "sum");
            EXPECT_TRUE(to.intact());
        }
}

TEST_F(CudaOperationsGpu, ZeroesUnlessFinite) {
    for (double value : {1.0, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
        const Guarded p = put(DType::f32, Tensor(1001, 3.0)), values = put_doubles({0, 1, value});
        backend().zero_unless_finite(p.data(), 1001 * 4, static_cast<const double*>(values.data()), 3, kStream);
        EXPECT_EQ(p.get(), Tensor(1001, std::isfinite(value) ? 3.0 : 0.0));
        EXPECT_TRUE(p.intact());
    }
}

/// 16-bit rows of an f32 table: looked up by rounding, added without.
TEST_F(CudaOperationsGpu, LooksUpRowsOfAMasterTable) {
    constexpr std::int64_t kRows = 90, kClasses = 7;
    Random random(16);
    std::vector<std::int32_t> ids;
    for (std::int64_t r = 0; r < kRows; ++r) ids.push_back(static_cast<std::int32_t>(random.below(kClasses)));
    const Guarded device_ids = put_ids(ids);
    const auto* id_data = static_cast<const std::int32_t*>(device_ids.data());
    for (const DType type : {DType::f16, DType::bf16})
        for (const std::int64_t cols : {1, 8, 33}) {
            const Guarded table = put(DType::f32, random.uniforms(kClasses * cols)), out = make(type, kRows * cols);
            backend().embedding_forward(type, out.data(), DType::f32, table.data(), id_data, kRows, cols, kStream);
            Tensor expected = table.get();
            const Tensor rows = out.get(), rounded = put(type, expected).get();
            const auto width = static_cast<std::size_t>(cols);
            for (std::size_t i = 0; i < rows.size(); ++i)
                ASSERT_EQ(rows[i], rounded[static_cast<std::size_t>(ids[i / width]) * width + i % width]);
            for (std::size_t id = 0; id < kClasses; ++id)
                for (std::size_t c = 0; c < width; ++c) {
                    float sum = static_cast<float>(expected[id * width + c]);
                    for (std::size_t r = 0; r < kRows; ++r)
                        if (static_cast<std::size_t>(ids[r]) == id) sum += static_cast<float>(rows[r * width + c]);
                    expected[id * width + c] = static_cast<double>(sum);
                }
            backend().embedding_backward(DType::f32, table.data(), type, out.data(), id_data, kRows, cols, kClasses,
                                         kStream);
            EXPECT_EQ(table.get(), expected) << type << " " << cols;
            EXPECT_TRUE(table.intact() && out.intact());
        }
}

TEST_F(CudaOperationsGpu, PlansUpdatesAsTheCpuDoes) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const ClipKind clip : {ClipKind::none, ClipKind::norm, ClipKind::tensor_norm, ClipKind::value})
        for (const double bad : {0.0, nan})
            for (const bool scaled : {false, true}) {
                struct Numbers {
                    double sums[3], largest, rate, loss_scale, factors[3];
                    UpdateCounts counts;
                    UpdateScalars scalars;
                    UpdateFindings findings;
                };
                const Numbers start{{900, 16, 25 + bad}, 28, 0.3, 4, {}, {7, 4, 1}, {}, {}};
                const auto plan_of = [&](Numbers* n) {
                    UpdatePlan plan{.clip = clip, .limit = 2, .groups = 3, .sums = n->sums, .largest = &n->largest};
                    plan.beta1 = 0.9;
                    plan.beta2 = 0.99;
                    plan.learning_rate = &n->rate;
                    plan.scaled = scaled;
                    plan.interval = 2;
                    plan.counts = &n->counts;
                    plan.loss_scale = &n->loss_scale;
                    plan.scalars = &n->scalars;
                    plan.factors = n->factors;
                    plan.findings = &n->findings;
                    return plan;
                };
                Numbers expected = start, out{};
                plan_update(plan_of(&expected));
                const Guarded memory = make(DType::f64, sizeof start / 8);
                backend().upload(memory.data(), &start, sizeof start, kStream);
                backend().plan_update(plan_of(static_cast<Numbers*>(memory.data())), kStream);
                backend().download(&out, memory.data(), sizeof out, kStream);
                backend().synchronize(kStream);
                for (int g = 0; g < 3 && bad == 0; ++g) EXPECT_DOUBLE_EQ(out.factors[g], expected.factors[g]);
                EXPECT_EQ(out.counts, expected.counts);
                EXPECT_EQ(out.loss_scale, out.counts.loss_scale);
                EXPECT_EQ(out.findings.finite, bad == 0 ? 1 : 0);
                EXPECT_EQ(out.findings.clipped, expected.findings.clipped);
                EXPECT_EQ(out.scalars.skip, bad == 0 ? 0 : 1);
                EXPECT_DOUBLE_EQ(out.scalars.adam_rate, expected.scalars.adam_rate);
                EXPECT_DOUBLE_EQ(out.scalars.root_correction2, expected.scalars.root_correction2);
                if (bad == 0) {
                    EXPECT_DOUBLE_EQ(out.findings.norm, expected.findings.norm);
                }
            }
}

TEST_F(CudaOperationsGpu, UpdatesAsTheCpuDoes) {
    const Device cpu = Device::cpu(1);
    struct Rule {
        Update::Rule rule;
        double momentum;
        bool nesterov;
    };
    struct Numbers {
        UpdateScalars scalars;
        UpdateRange ranges[3];
        double factors[2];
    };
    for (const DType type : {DType::f32, DType::f64})
        for (const Rule rule : {Rule{Update::Rule::sgd, 0, false},
                                {Update::Rule::sgd, 0.9, false},
                                {Update::Rule::sgd, 0.9, true},
                                {Update::Rule::adam, 0, false},
                                {Update::Rule::adamw, 0, false}})
            for (const std::int64_t count : {1, 400, 1001})
                for (const std::int64_t skip : {0, 1}) {
                    Random random(11);
                    // Ranges end where they like, and one is empty.
                    const std::int64_t cut = count / 3 + 1 > count ? count : count / 3 + 1;
                    const Numbers numbers{{0.1, 0.19, 0.002, skip},
                                          {{0, cut, 0.01, 1}, {cut, cut, 5, 0}, {cut, count, 0, 0}},
                                          {0.5, 0.25}};
                    const Guarded on_device = make(DType::i64, sizeof numbers / 8);
                    backend().upload(on_device.data(), &numbers, sizeof numbers, kStream);
                    Tensor second = random.uniforms(count);
                    for (double& v : second) v = std::abs(v);
                    const Tensor values[] = {random.uniforms(count), random.uniforms(count), random.uniforms(count),
                                             second};
                    const auto run = [&](const Device& d, const Numbers* n) {
                        std::vector<Tensor> out;
                        std::vector<Guarded> memory;
                        for (const Tensor& v : values) {
                            memory.emplace_back(d, type, count, Alignment::cache_line);
                            memory.back().put(v);
                        }
                        Update u;
                        u.rule = rule.rule;
                        u.dtype = type;
                        u.count = count;
                        u.parameters = memory[0].data();
                        u.gradients = memory[1].data();
                        const bool keeps = rule.rule != Update::Rule::sgd || rule.momentum > 0;
                        u.first = keeps ? memory[2].data() : nullptr;
                        u.second = rule.rule == Update::Rule::sgd ? nullptr : memory[3].data();
                        u.ranges = n->ranges;
                        u.range_count = 3;
                        u.factors = n->factors;
                        u.scalars = &n->scalars;
                        u.clamp = skip == 0 && count == 400 ? 0.125 : 0;
                        u.momentum = rule.momentum;
                        u.nesterov = rule.nesterov;
                        d.backend().update(u, kStream);
                        for (const Guarded& m : memory) {
                            out.push_back(m.get());
                            EXPECT_TRUE(m.intact());
                        }
                        return out;
                    };
                    const auto out = run(device(), static_cast<const Numbers*>(on_device.data()));
                    const auto expected = run(cpu, &numbers);
                    for (std::size_t i = 0; i < out.size(); ++i) expect_close(out[i], expected[i], type, 16, "update");
                    if (skip != 0) {
                        EXPECT_EQ(out[0], expected[0]);
                    }
                }
}

}  // namespace
}  // namespace rondo::test
