/// Rows copied, summed and pooled, activations and layer normalisation on the GPU, in every type.
#include "cuda/bench.hpp"

namespace rondo::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class CudaModulesGpu : public OperationsTest {
protected:
    /// What `run` returns of both devices, within `units` of the type's roundoff and the largest value.
    template <class Run>
    void compare(DType type, double units, const std::string& what, const Run& run) {
        Bench gpu(device(), type), cpu(Device::cpu(1), DType::f64);
        const std::vector<Tensor> out = run(gpu), expected = run(cpu);
        for (std::size_t i = 0; i < out.size(); ++i)
            expect_close(out[i], expected[i], type, units, detail::concat(what, ": ", i));
        EXPECT_TRUE(gpu.intact()) << what << " " << type;
    }
};

TEST_F(CudaModulesGpu, MapsRows) {
    struct Map {
        std::int64_t rows, from_rows, divide;
    };
    Random random(21);
    for (const DType type : kTypes)
        for (const auto& map : {Map{1, 1, 1}, Map{17, 17, 1}, Map{130, 3, 1}, Map{65, 13, 5}})
            for (const std::int64_t cols : {1, 8, 65})
                for (const std::int64_t more : {0, 3, 8})  // of a stride
                    for (const bool add : {false, true})
                        for (const bool from_sums : {false, true}) {
                            // A row of its own for each of `divide`, but once to go round.
                            std::vector<std::int64_t> shifts;
                            for (std::int64_t b = 0; b < (add ? map.divide : 0); ++b) shifts.push_back(2 * b);
                            const std::int64_t rows = map.rows, from_rows = map.from_rows, divide = map.divide;
                            const Tensor from = rounded(from_sums ? accumulator_of(type) : type,
                                                        random.uniforms(from_rows * (cols + more))),
                                         to = rounded(type, random.uniforms(rows * (cols + more)));
                            compare(type, add ? 1 : (from_sums ? 1 : 0), "rows", [&](Bench& b) {
                                RowMap m;
                                m.dtype = b.type;
                                m.rows = rows;
                                m.cols = cols;
                                m.to = b.put(to, more == 3 ? Alignment::element : Alignment::cache_line);
                                m.to_stride = cols + more;
                                m.from_dtype = from_sums ? b.sum_type : b.type;
                                m.from = b.put_as(m.from_dtype, from);
                                m.from_stride = cols + more;
                                m.divide = divide;
                                m.modulo = from_rows;
                                m.add = add;
                                m.shifts = b.lengths(shifts);
                                b.backend().map_rows(m, kStream);
                                return std::vector<Tensor>{b.get(m.to)};
                            });
                        }
}

/// What a loop's steps need: integers, so that nothing may differ.
TEST_F(CudaModulesGpu, StepsOfALoop) {
    Bench gpu(device(), DType::f32), cpu(Device::cpu(1), DType::f64);
    const std::int64_t steps = 7, batch = 37, count = steps * batch;
    Random random(23);
    std::vector<std::int64_t> lengths;
    for (std::int64_t b = 0; b < batch; ++b) lengths.push_back(random.below(steps + 1));
    std::vector<std::int32_t> which, a, b;
    for (std::int64_t i = 0; i < count; ++i) {
        which.push_back(static_cast<std::int32_t>(random.below(2)));
        a.push_back(static_cast<std::int32_t>(random.below(100)));
        b.push_back(static_cast<std::int32_t>(random.below(100)) - 10);
    }
    const std::vector<std::int64_t> state{0x123456789abcdef, 99};
    const auto results = [&](Bench& on) {
        auto* to = const_cast<std::int64_t*>(on.lengths(std::vector<std::int64_t>(static_cast<std::size_t>(count))));
        on.backend().step_lengths(on.lengths(lengths), steps, batch, to, kStream);
        auto* states = const_cast<std::int64_t*>(on.lengths(std::vector<std::int64_t>(2 * 300)));
        on.backend().random_states(reinterpret_cast<const RandomState*>(on.lengths(state)), 300,
                                   reinterpret_cast<RandomState*>(states), kStream);
        std::int32_t* chosen = on.ids(std::vector<std::int32_t>(static_cast<std::size_t>(count), -7));
        on.backend().select_ids(on.ids(which), on.ids(a), on.ids(b), count, chosen, kStream);
        return std::vector<std::vector<std::byte>>{on.bytes(to), on.bytes(states), on.bytes(chosen)};
    };
    EXPECT_EQ(results(gpu), results(cpu));
    EXPECT_TRUE(gpu.intact());
}

TEST_F(CudaModulesGpu, CopiesRows) {
    constexpr std::int64_t kSteps = 4, kFrom = 3, kMost = 9;
    Random random(26);
    for (const DType type : kTypes)
        for (const std::int64_t width : {1, 3, 8, 200})
            for (const bool behind : {false, true}) {  // other rows, or others' steps before them
                const Tensor from = rounded(type, random.uniforms(kSteps * kFrom * width)),
                             to = rounded(type, random.uniforms(kMost * 5 * width));
                compare(type, 0, "copied rows", [&](Bench& b) {
                    CopyRows c;
                    c.bytes = width * size_of(b.type);
                    c.steps = kSteps;
                    c.batch = behind ? kFrom : 5;
                    c.from_batch = kFrom;
                    c.rows = behind ? nullptr : b.lengths({2, 0, 2, 1, 1});
                    c.lengths = b.lengths({4, 0, 3});
                    c.begins = behind ? b.lengths({5, 2, 0}) : nullptr;
                    c.from = b.put(from, width == 3 ? Alignment::element : Alignment::cache_line);
                    void* const by_length = c.to = b.put(to);
                    b.backend().copy_rows(c, kStream);
                    c.lengths = nullptr;
                    c.steps = 1;
                    c.to = b.put(to);
                    b.backend().copy_rows(c, kStream);
                    return std::vector<Tensor>{b.get(by_length), b.get(c.to)};
                });
            }
}

TEST_F(CudaModulesGpu, AdvancesRowsThatHaveRoom) {
    constexpr std::int64_t kBatch = 300;
    Bench b(device(), DType::f32);
    std::vector<std::int64_t> before(kBatch), lengths(kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
        before[i] = static_cast<std::int64_t>(i % 7);
        lengths[i] = static_cast<std::int64_t>(i % 4);
    }
    Advance a{.steps = 3, .batch = kBatch, .most = 9};
    a.lengths = b.lengths(lengths);
    a.before = b.lengths(before);
    void *const begins = b.make_as(DType::i64, kBatch), *const ends = b.make_as(DType::i64, kBatch);
    a.begins = static_cast<std::int64_t*>(begins);
    a.ends = static_cast<std::int64_t*>(ends);
    const auto run = [&](std::int64_t most) {
        a.most = most;
        b.backend().advance(a, kStream);
        b.backend().synchronize(kStream);
    };
    run(9);
    for (std::size_t i = 0; i < kBatch; ++i) {
        EXPECT_EQ(b.get(begins)[i], static_cast<double>(before[i]));
        EXPECT_EQ(b.get(ends)[i], static_cast<double>(before[i] + lengths[i]));
    }
    try {
        run(8);  // rows 27, 55, ... would pass it
        ADD_FAILURE();
    } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find("steps of row 27"), std::string::npos) << e.what();
    }
    b.backend().synchronize(kStream);  // told once
    EXPECT_EQ(b.get(begins)[27], 0);
    EXPECT_EQ(b.get(ends)[27], 3);
    a.lengths = a.before = nullptr;
    run(3);
    EXPECT_EQ(b.get(begins)[5], 0);
    EXPECT_EQ(b.get(ends)[5], 3);
    EXPECT_TRUE(b.intact());
}

/// The same classes on both devices, whatever the type; then what is made of their logits.
TEST_F(CudaModulesGpu, SampledSoftmax) {
    struct Extents {
        std::int64_t rows, classes, samples, width;
    };
    Random random(27);
    for (const DType type : kTypes)
        for (const Extents& e : {Extents{1, 2, 1, 1}, Extents{7, 9, 40, 3}, Extents{130, 5000, 33, 40}})
            for (const bool bias : {false, true}) {
                std::vector<double> cumulated;
                for (std::int64_t c = 1; c <= e.classes; ++c)
                    cumulated.push_back(std::log1p(static_cast<double>(c)) /
                                        std::log1p(static_cast<double>(e.classes)));
                cumulated.back() = 1;
                std::vector<std::int32_t> targets;
                for (std::int64_t r = 0; r < e.rows; ++r)
                    targets.push_back(r % 5 == 4 ? -1 : static_cast<std::int32_t>(random.below(e.classes)));
                const std::int64_t columns = e.samples + 3;
                const Tensor x = rounded(type, random.uniforms(e.rows * e.width)),
                             weight = rounded(type, random.uniforms(e.rows * e.width)),
                             b_of = rounded(type, random.uniforms(e.rows)),
                             logits = rounded(type, random.uniforms(e.rows * columns));
                std::vector<std::byte> drawn[2][2];
                int device = 0;
                compare(type, 8, "sampled softmax", [&](Bench& b) {
                    const std::int64_t state[2]{5, 3};
                    DrawCandidates d{.rows = e.rows, .classes = e.classes, .samples = e.samples};
                    d.targets = b.ids(targets);
                    d.cumulated = static_cast<double*>(b.put_as(DType::f64, cumulated));
                    void* const seed = b.make_as(DType::i64, 2);
                    b.backend().upload(seed, state, sizeof state, kStream);
                    d.random = static_cast<const RandomState*>(seed);
                    d.ids = b.ids(std::vector<std::int32_t>(static_cast<std::size_t>(e.rows + e.samples), -7));
                    d.places = b.ids(std::vector<std::int32_t>(static_cast<std::size_t>(e.rows), -7));
                    d.log_counts = static_cast<double*>(b.make_as(DType::f64, e.samples));
                    b.backend().draw_candidates(d, kStream);
                    drawn[device][0] = b.bytes(d.ids);
                    drawn[device++][1] = b.bytes(d.places);
                    CandidateLogits c{.dtype = b.type, .rows = e.rows, .samples = e.samples, .width = e.width};
                    c.columns = columns;
                    c.x = b.put(x);
                    c.weight = b.put(weight);
                    c.bias = bias ? b.put(b_of) : nullptr;
                    c.ids = d.ids;
                    c.log_counts = d.log_counts;
                    c.logits = b.put(logits, Alignment::element);
                    b.backend().candidate_logits(c, kStream);
                    Tensor made = b.get(c.logits);
                    for (double& v : made)
                        if (std::isinf(v)) v = v < 0 ? -100 : kNan;
                    return std::vector<Tensor>{made, b.get(d.log_counts)};
                });
                EXPECT_EQ(drawn[0][0], drawn[1][0]);
                EXPECT_EQ(drawn[0][1], drawn[1][1]);
            }
}

TEST_F(CudaModulesGpu, ScalesRows) {
    Random random(28);
    for (const DType type : kTypes)
        for (const std::int64_t cols : {1, 9})
            for (const bool add : {false, true})
                for (const bool ones : {false, true})
                    for (const bool to_sums : {false, true}) {
                        Tensor factors = rounded(type, random.uniforms(5 * 3)),
                               from = rounded(type, random.uniforms(5 * cols));
                        factors[6] = 0;
                        std::fill_n(from.begin() + 2 * cols, cols, kNan);
                        const Tensor to = rounded(type, random.uniforms(5 * cols));
                        compare(type, 4, "scaled rows", [&](Bench& b) {
                            ScaleRows s{.to_dtype = to_sums ? b.sum_type : b.type, .dtype = b.type, .rows = 5};
                            s.cols = cols;
                            s.factors = b.put(factors);
                            s.factor_stride = 3;
                            s.from = ones ? nullptr : b.put(from);
                            s.to = add ? b.put_as(s.to_dtype, to) : b.make_as(s.to_dtype, 5 * cols);
                            s.add = add;
                            b.backend().scale_rows(s, kStream);
                            return std::vector<Tensor>{b.get(s.to)};
                        });
                    }
}

TEST_F(CudaModulesGpu, SumsRows) {
    struct Sums {
        std::int64_t groups, group_step, items, item_step;
    };
    Random random(22);
    for (const DType type : kTypes)
        for (const Sums& s : {Sums{1, 1, 1, 1}, Sums{3, 1, 17, 3}, Sums{65, 2, 2, 1}, Sums{5, 1, 0, 5}})
            for (const std::int64_t cols : {1, 8, 33})
                for (const std::int64_t more : {0, 3})
                    for (const bool add : {false, true})
                        for (const bool to_sums : {false, true}) {
                            const std::int64_t rows = (s.groups - 1) * s.group_step + s.items * s.item_step + 1;
                            const Tensor from = rounded(type, random.uniforms(rows * (cols + more))),
                                         to = rounded(type, random.uniforms(s.groups * cols));
                            const auto run = [&](Bench& b) {
                                RowSums r;
                                r.to_dtype = to_sums ? b.sum_type : b.type;
                                r.to = b.put_as(r.to_dtype, to);
                                r.dtype = b.type;
                                r.from = b.put(from);
                                r.from_stride = cols + more;
                                r.groups = s.groups;
                                r.group_step = s.group_step;
                                r.items = s.items;
                                r.item_step = s.item_step;
                                r.cols = cols;
                                r.add = add;
                                b.backend().sum_rows(r, kStream);
                                return std::vector<Tensor>{b.get(r.to)};
                            };
                            Bench gpu(device(), type), cpu(Device::cpu(1), DType::f64);
                            expect_close(run(gpu)[0], run(cpu)[0], to_sums ? gpu.sum_type : type, 20, "sums of rows");
                            EXPECT_TRUE(gpu.intact());
                        }
}

TEST_F(CudaModulesGpu, PoolsValidSteps) {
    Random random(23);
    for (const DType type : kTypes)
        for (const auto kind : {PoolSpec::Kind::last, PoolSpec::Kind::mean, PoolSpec::Kind::max})
            for (const std::int64_t steps : {1, 17})
                for (const std::int64_t width : {1, 8, 65})
                    for (const bool ragged : {false, true}) {
                        constexpr std::int64_t kBatch = 3;
                        const std::vector<std::int64_t> lengths =
                            ragged ? std::vector<std::int64_t>{0, 1, steps} : std::vector<std::int64_t>{};
                        Tensor x = rounded(type, random.uniforms(steps * kBatch * width));
                        for (double& v : x) v = std::round(8 * v) / 8;  // equals, of which the first counts
                        for (std::size_t i = 0; i < x.size() && ragged; ++i) {
                            const auto row = static_cast<std::int64_t>(i) / width;
                            if (row / kBatch >= lengths[static_cast<std::size_t>(row % kBatch)]) x[i] = kNan;
                        }
                        const Tensor dy = rounded(type, random.uniforms(kBatch * width));
                        std::vector<std::byte> chosen[2];
                        int device = 0;
                        compare(type, kind == PoolSpec::Kind::mean ? 16 : 0, "pool", [&](Bench& b) {
                            Pool p;
                            p.kind = kind;
                            p.dtype = b.type;
                            p.steps = steps;
                            p.batch = kBatch;
                            p.width = width;
                            p.lengths = b.lengths(lengths);
                            p.x = b.put(x);
                            p.y = b.make(kBatch * width);
                            if (kind == PoolSpec::Kind::max)
                                p.chosen = b.ids(std::vector<std::int32_t>(kBatch * static_cast<std::size_t>(width)));
                            b.backend().pool_forward(p, kStream);
                            Pool back = p;
                            back.x = nullptr;
                            back.y = nullptr;
                            back.dy = b.put(dy);
                            back.dx = b.make(steps * kBatch * width);
                            b.backend().pool_backward(back, kStream);
                            if (p.chosen) chosen[device++] = b.bytes(p.chosen);
                            return std::vector<Tensor>{b.get(p.y), b.get(back.dx)};
                        });
                        EXPECT_EQ(chosen[0], chosen[1]);
                    }
}

TEST_F(CudaModulesGpu, PoolsKeepNan) {
    Bench b(device(), DType::f32);
    Pool p;
    p.kind = PoolSpec::Kind::max;
    p.steps = 3;
    p.batch = 1;
    p.width = 2;
    p.x = b.put({1, 4, kNan, 5, 7, 2});
    p.y = b.make(2);
    b.backend().pool_forward(p, kStream);
    EXPECT_TRUE(std::isnan(b.get(p.y)[0]));
    EXPECT_EQ(b.get(p.y)[1], 5);
}

TEST_F(CudaModulesGpu, Activations) {
    using Kind = ActivationSpec::Kind;
    Random random(24);
    for (const DType type : kTypes)
        for (const Kind kind : {Kind::tanh, Kind::sigmoid, Kind::relu, Kind::gelu})
            for (const std::int64_t count : {1, 3, 130, 4096})
                for (const bool in_place : {false, true}) {
                    Tensor values = random.uniforms(count, 6);
                    values[0] = 0;
                    const Tensor x = rounded(type, values), dy = rounded(type, random.uniforms(count));
                    compare(type, 16, "activation", [&](Bench& b) {
                        Activation a;
                        a.kind = kind;
                        a.dtype = b.type;
                        a.count = count;
                        void *const in = b.put(x), *const d = b.put(dy);
                        a.x = in;
                        a.dy = d;
                        a.dx = in_place ? d : b.make(count);
                        b.backend().activation_backward(a, kStream);
                        a.y = in_place ? in : b.make(count);
                        b.backend().activation_forward(a, kStream);
                        return std::vector<Tensor>{b.get(a.y), b.get(a.dx)};
                    });
                }
    Bench b(device(), DType::f32);
    Activation a;
    a.kind = Kind::relu;
    a.count = 1;
    a.x = b.put({kNan});
    a.y = b.make(1);
    b.backend().activation_forward(a, kStream);
    EXPECT_TRUE(std::isnan(b.get(a.y)[0]));
}

TEST_F(CudaModulesGpu, LayerNorm) {
    struct Extents {
        std::int64_t rows, cols;
    };
    Random random(25);
    for (const DType type : kTypes)
        for (const Extents& extents :
             {Extents{1, 1}, Extents{3, 17}, Extents{65, 3}, Extents{200, 40}, Extents{2, 1025}, Extents{3, 1280}})
            for (const bool accumulate : {false, true})
                for (const bool in_place : {false, true}) {
                    const std::int64_t rows = extents.rows, cols = extents.cols;
                    Tensor values = random.uniforms(rows * cols);
                    for (double& v : values) v += 3;  // a mean that is not small
                    const Tensor x = rounded(type, values), dy = rounded(type, random.uniforms(rows * cols)),
                                 gain = rounded(DType::f32, random.uniforms(cols)),
                                 bias = rounded(DType::f32, random.uniforms(cols));
                    const auto run = [&](Bench& b) {
                        LayerNorm n;
                        n.dtype = b.type;
                        n.rows = rows;
                        n.cols = cols;
                        n.epsilon = 1e-3;
                        n.x = b.put(x);
                        n.gain = b.put_sums(gain);
                        n.bias = b.put_sums(bias);
                        n.y = b.make(rows * cols);
                        n.mean = b.make_sums(rows);
                        n.scale = b.make_sums(rows);
                        b.backend().layer_norm_forward(n, kStream);
                        void* const d = b.put(dy);
                        n.dy = d;
                        n.dx = in_place ? d : b.make(rows * cols);
                        n.dgain = accumulate ? b.put_sums(gain) : b.make_sums(cols);
                        n.dbias = accumulate ? b.put_sums(bias) : b.make_sums(cols);
                        n.accumulate = accumulate;
                        b.backend().layer_norm_backward(n, kStream);
                        std::vector<Tensor> all{b.get(n.y), b.get(n.dx)};
                        for (const void* p : {n.mean, n.scale, n.dgain, n.dbias}) all.push_back(b.get(p));
                        if (!in_place) {  // without dx
                            n.dx = nullptr;
                            n.accumulate = false;
                            b.backend().layer_norm_backward(n, kStream);
                            all.push_back(b.get(n.dgain));
                        }
                        return all;
                    };
                    Bench gpu(device(), type), cpu(Device::cpu(1), DType::f64);
                    const std::vector<Tensor> out = run(gpu), expected = run(cpu);
                    // A row of one column has no variance: its gradient is what rounding leaves of 0.
                    for (std::size_t i = 0; i < out.size(); ++i) {
                        const bool sums = i >= 2;
                        const double unit = unit_roundoff(gpu.sum_type), rounds = sums ? 0 : unit_roundoff(type);
                        double scale = i == 1 ? 32 : 1;
                        for (const double v : expected[i]) scale = std::max(scale, std::abs(v));
                        for (std::size_t e = 0; e < out[i].size(); ++e)
                            ASSERT_NEAR(out[i][e], expected[i][e], (rounds + 100 * unit) * scale)
                                << type << " " << rows << "x" << cols << " array " << i;
                    }
                    EXPECT_TRUE(gpu.intact());
                    Bench again(device(), type);
                    EXPECT_EQ(run(again), out);
                }
}

}  // namespace
}  // namespace rondo::test
