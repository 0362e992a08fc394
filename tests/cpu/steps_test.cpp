// Every step of the time loop against the plain one: all cells and options, edge extents, idle rows, absent operands.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <list>
#include <new>

#include "cpu/cpu_backend.hpp"
#include "cpu/naive_steps.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"

namespace rondo {
namespace {

using cpu::Isa;
using test::Random;

/// Numbers between bands of canaries, at an address aligned to its element only.
template <class T>
class Array {
public:
    Array() = default;
    Array(std::int64_t size, Random& random, T limit) : Array(size, std::numeric_limits<T>::quiet_NaN()) {
        for (std::int64_t i = 0; i < size; ++i) data()[i] = static_cast<T>(random.uniform(static_cast<double>(limit)));
    }
    Array(std::int64_t size, T value) : values_(static_cast<std::size_t>(size + 2 * kBand), kCanary), size_(size) {
        std::fill_n(data(), size, value);
    }
    T* data() { return values_.data() + kBand; }
    const T* data() const { return values_.data() + kBand; }
    std::int64_t size() const { return size_; }
    const std::vector<T>& all() const { return values_; }
    bool intact() const {
        for (std::int64_t i = 0; i < kBand; ++i)
            if (values_[static_cast<std::size_t>(i)] != kCanary || data()[size_ + i] != kCanary) return false;
        return true;
    }

private:
    static constexpr std::int64_t kBand = 65;
    static constexpr T kCanary = T(54321);
    std::vector<T> values_;
    std::int64_t size_ = 0;
};

struct CellCase {
    std::string_view name;
    CellOptions options;
};
const CellCase kCellCases[] = {
    {"rnn_tanh", {}},
    {"rnn_relu", {}},
    {"gru", {}},
    {"gru", {.reset_before = true}},
    {"lstm", {}},
    {"lstm", {.peepholes = true}},
    {"lstm", {.coupled = true}},
    {"lstm", {.peepholes = true, .coupled = true}},
    {"slstm", {}},
};

/// One layer at one step, with everything a step may read or write. What is absent or special is drawn from the seed.
template <class T>
struct Problem {
    CellInfo info;
    LoopLayer layer;
    std::int64_t t = 2, B, H, P, G, R, V, y_stride;
    bool ragged, write_y, keep_saved, has_bias, has_dgates, has_carry, has_dy, has_dstep, has_dnext, in_place;
    StepForward forward_options;
    double dy_scale;
    std::vector<std::int64_t> lengths;
    Array<T> w, w_hr, vectors, bias, gates_x, saved, unprojected, y, dgates_later, carry, dy, dstep_h, dh_whole;
    Array<T> state[kMaxStates], next[kMaxStates], dnext[kMaxStates], dstep[kMaxStates];

    Problem(const CellCase& cell, std::int64_t b, std::int64_t h, std::uint64_t seed) : B(b), H(h) {
        Random random(seed * 1000003 + static_cast<std::uint64_t>(b * 1000 + h));
        auto coin = [&] { return random.below(2) == 0; };
        info = cell_info(cell.name, cell.options);
        G = info.gates, R = info.saved, V = info.vectors;
        layer.cell = &info;
        layer.projected = info.projectable && random.below(3) == 0;
        P = layer.projected ? h / 2 + 1 : h;
        layer.batch = B, layer.hidden = H, layer.width = P;
        layer.precision = sizeof(T) == 4 ? Precision::f32() : Precision::f64();
        layer.cell_clip = info.clippable && coin() ? 0.25 : 0;
        const auto kind = static_cast<RecurrentClip::Kind>(random.below(3));
        layer.recurrent_clip = {kind, kind == RecurrentClip::Kind::norm ? 0.3 + 0.05 * static_cast<double>(h) : 0.5};
        ragged = coin(), write_y = coin(), keep_saved = info.stages.size() > 1 || coin(), has_bias = coin();
        has_dgates = random.below(4) > 0, has_carry = coin(), has_dy = coin(), has_dstep = coin(), has_dnext = coin();
        in_place = coin();
        forward_options.y_add = coin();
        forward_options.y_scale = coin() ? 1 : 0.5;
        dy_scale = coin() ? 1 : 0.5;
        for (std::int64_t i = 0; i < B; ++i) lengths.push_back(random.below(5));

        const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(H)));
        const T nan = std::numeric_limits<T>::quiet_NaN();
        w = Array<T>(G * H * P, random, scale);
        w_hr = Array<T>(P * H, random, scale);
        vectors = Array<T>(V * H, random, T(1));
        bias = Array<T>(G * H, random, T(1));
        gates_x = Array<T>(B * G * H, random, T(2));
        saved = Array<T>(B * R * H, random, T(1));
        unprojected = Array<T>(B * H, random, T(1));
        y_stride = P + 3;
        y = Array<T>(B * y_stride, random, T(1));
        dgates_later = Array<T>(B * G * H, random, T(1));
        carry = Array<T>(B * P, random, T(1));
        dy = Array<T>(B * y_stride, random, T(1));
        dstep_h = Array<T>(B * P, random, T(1));
        dh_whole = Array<T>(B * P, random, T(1));
        for (int i = 0; i < info.states; ++i) {
            const std::int64_t width = i == 0 ? P : H;
            state[i] = Array<T>(B * width, random, T(1));
            next[i] = Array<T>(B * H, random, T(1));
            dnext[i] = Array<T>(B * width, random, T(1));
            dstep[i] = Array<T>(B * width, random, T(1));
            if (info.state_names[static_cast<std::size_t>(i)] == "n")  // is divided by, and never negative
                for (Array<T>* n : {&state[i], &next[i]})
                    for (std::int64_t k = 0; k < n->size(); ++k) n->data()[k] = 1 + n->data()[k] / 2;
        }
        if (ragged) {
            layer.lengths = lengths.data();
            for (std::int64_t i = 0; i < B; ++i)  // what idle rows must not look at
                if (t >= lengths[static_cast<std::size_t>(i)]) {
                    std::fill_n(gates_x.data() + i * G * H, G * H, nan);
                    std::fill_n(dy.data() + i * y_stride, P, nan);
                    std::fill_n(dstep_h.data() + i * P, P, nan);
                    for (int s = 1; s < info.states; ++s) std::fill_n(dstep[s].data() + i * H, H, nan);
                }
        }
        layer.vectors = V > 0 ? vectors.data() : nullptr;
    }

    /// Rows of W_hh of a stage.
    const T* weights(int stage) const {
        return w.data() + info.stages[static_cast<std::size_t>(stage)].first_gate * H * P;
    }
};

/// Packed weights of one problem on one backend.
template <class T>
struct PackedWeights {
    std::vector<T> gates[kMaxStages], transposed[kMaxStages], projection, projection_transposed;

    PackedWeights(CpuBackend& backend, const Problem<T>& p) {
        for (std::size_t i = 0; i < p.info.stages.size(); ++i) {
            const int stage = static_cast<int>(i), count = p.info.stages[i].gates;
            gates[i] = pack(backend, {Packing::Kind::gates, kDType<T>, count, p.H, p.P}, p.weights(stage));
            transposed[i] = pack(backend, {Packing::Kind::transposed, kDType<T>, count, p.H, p.P}, p.weights(stage));
        }
        projection = pack(backend, {Packing::Kind::gates, kDType<T>, 1, p.P, p.H}, p.w_hr.data());
        projection_transposed = pack(backend, {Packing::Kind::transposed, kDType<T>, 1, p.P, p.H}, p.w_hr.data());
    }
    static std::vector<T> pack(CpuBackend& backend, const Packing& packing, const T* from) {
        const std::int64_t bytes = backend.packed_bytes(packing);
        EXPECT_EQ(bytes % 64, 0);
        const std::size_t count = static_cast<std::size_t>(bytes) / sizeof(T);
        std::vector<T> to(count + 8, T(99));
        backend.pack(packing, from, to.data(), {});
        for (std::size_t i = count; i < to.size(); ++i) EXPECT_EQ(to[i], T(99)) << "packed past its end";
        return to;
    }
};

template <class T>
using Outputs = std::list<Array<T>>;

/// Runs the forward stages (and the projection) of a problem; `run` does one stage, `project` the projection.
template <class T, class Run, class Project>
Outputs<T> forward(const Problem<T>& p, const Run& run, const Project& project) {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    Outputs<T> outputs;
    auto output = [&](std::int64_t size) { return outputs.emplace_back(size, nan).data(); };
    StepForward s = p.forward_options;
    s.layer = &p.layer;
    s.t = p.t;
    s.gates_x = p.gates_x.data();
    for (int i = 0; i < p.info.states; ++i) {
        s.state[i] = p.state[i].data();
        s.next[i] = output(p.B * p.H);
    }
    if (p.keep_saved) s.saved = output(p.B * p.R * p.H);
    s.y_stride = p.y_stride;
    T* const y = p.write_y ? outputs.emplace_back(p.y).data() : nullptr;
    if (!p.layer.projected) s.y = y;
    for (std::size_t i = 0; i < p.info.stages.size(); ++i) {
        const Stage& stage = p.info.stages[i];
        s.stage = static_cast<int>(i);
        const bool h = stage.operand_plane == kOperandState;
        s.operand = h ? p.state[0].data() : static_cast<T*>(s.saved) + stage.operand_plane * p.H;
        s.operand_stride = h ? p.P : p.R * p.H;
        s.bias_h = p.has_bias ? p.bias.data() + stage.first_gate * p.H : nullptr;
        run(s);
    }
    ProjectForward q;
    q.layer = &p.layer;
    q.t = p.t;
    q.unprojected = p.unprojected.data();
    q.h = p.state[0].data();
    q.next = output(p.B * p.P);
    q.y = p.layer.projected ? y : nullptr;
    q.y_stride = p.y_stride;
    q.y_scale = s.y_scale;
    q.y_add = s.y_add;
    project(q);
    return outputs;
}

template <class T>
IncomingGradient incoming(const Problem<T>& p, const T* carry) {
    IncomingGradient g;
    g.carry_dtype = kDType<T>;
    g.carry = carry;
    if (p.has_dgates) g.dgates_h = p.dgates_later.data();
    g.dgates_stride = p.G * p.H;
    g.later = p.t + 1;
    if (p.has_dy) g.dy = p.dy.data();
    g.dy_stride = p.y_stride;
    g.dy_scale = p.dy_scale;
    if (p.has_dstep) g.dstep = p.dstep_h.data();
    return g;
}

/// Runs the backward stages of a problem and GradientOfH.
template <class T, class Run, class Gradient>
Outputs<T> backward(const Problem<T>& p, const Run& run, const Gradient& gradient) {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    Outputs<T> outputs;
    auto output = [&](std::int64_t size) { return outputs.emplace_back(size, nan).data(); };
    StepBackward s;
    s.layer = &p.layer;
    s.t = p.t;
    s.saved = p.saved.data();
    // In place: the gradient before the step overwrites the one after it.
    for (int i = 0; i < p.info.states; ++i) {
        const Array<T>& after = i > 0 ? p.dnext[i] : p.layer.projected ? p.dh_whole : p.carry;
        s.state[i] = p.state[i].data();
        s.next[i] = i == 0 && p.layer.projected ? nullptr : p.next[i].data();
        s.dstate[i] = p.in_place ? outputs.emplace_back(after).data() : output(after.size());
        if (i == 0) continue;
        if (p.has_dnext) s.dnext[i] = p.in_place ? s.dstate[i] : p.dnext[i].data();
        if (p.has_dstep) s.dstep[i] = p.dstep[i].data();
    }
    const T* const carry = !p.has_carry ? nullptr : p.in_place ? static_cast<T*>(s.dstate[0]) : p.carry.data();
    if (p.layer.projected)
        s.dh_whole = p.in_place ? s.dstate[0] : p.dh_whole.data();
    else
        s.dh = incoming(p, carry);
    s.dgates_x = output(p.B * p.G * p.H);
    s.dgates_h = p.info.shared_gate_gradients ? s.dgates_x : output(p.B * p.G * p.H);
    if (p.V > 0) {
        s.dvectors = output(p.B * p.V * p.H);
        std::fill_n(static_cast<T*>(s.dvectors), p.B * p.V * p.H, T(0.25));
    }
    for (int i = static_cast<int>(p.info.stages.size()) - 1; i >= 0; --i) {
        s.stage = i;
        if (i + 1 < static_cast<int>(p.info.stages.size())) {
            const Stage& after = p.info.stages[static_cast<std::size_t>(i + 1)];
            s.next_stage_dgates = static_cast<T*>(s.dgates_h) + after.first_gate * p.H;
            s.next_stage_stride = p.G * p.H;
        }
        run(s);
    }
    GradientOfH q;
    q.layer = &p.layer;
    q.t = p.t;
    Array<T>& whole = outputs.emplace_back(p.carry);
    q.out = whole.data();
    q.dh = incoming(p, p.has_carry ? (p.in_place ? whole.data() : p.carry.data()) : nullptr);
    gradient(q);
    return outputs;
}

template <class T>
Outputs<T> on_backend(CpuBackend& backend, Problem<T>& p, bool forwards) {
    const PackedWeights<T> packed(backend, p);
    p.layer.kernels = backend.cell_kernels(p.info.name, p.info.options, p.layer.precision);
    if (forwards)
        return forward(
            p,
            [&](StepForward s) {
                s.packed = packed.gates[s.stage].data();
                backend.step_forward(s, {});
            },
            [&](ProjectForward s) {
                s.packed = packed.projection.data();
                backend.project_forward(s, {});
            });
    return backward(
        p,
        [&](StepBackward s) {
            s.dh.packed = packed.transposed[0].data();
            s.projection = packed.projection_transposed.data();
            if (s.stage + 1 < static_cast<int>(p.info.stages.size()))
                s.next_stage_packed = packed.transposed[s.stage + 1].data();
            backend.step_backward(s, {});
        },
        [&](GradientOfH s) {
            s.dh.packed = packed.transposed[0].data();
            backend.gradient_of_h(s, {});
        });
}

template <class Cell, class T>
Outputs<T> plainly(const Problem<T>& p, bool forwards) {
    constexpr int kSecond = Cell::kStages.size() > 1 ? 1 : 0;
    const T* const second = p.weights(kSecond);
    if (forwards)
        return forward(
            p,
            [&](const StepForward& s) {
                s.stage == 0 ? test::naive_forward<Cell, 0>(s, p.weights(0))
                             : test::naive_forward<Cell, kSecond>(s, second);
            },
            [&](const ProjectForward& s) { test::naive_project(s, p.w_hr.data()); });
    return backward(
        p,
        [&](const StepBackward& s) {
            s.stage == 0 ? test::naive_backward<Cell, 0>(s, p.weights(0), second, p.w_hr.data())
                         : test::naive_backward<Cell, kSecond>(s, p.weights(0), second, p.w_hr.data());
        },
        [&](const GradientOfH& s) { test::naive_gradient_of_h(s, p.weights(0)); });
}

template <class T>
Outputs<T> plainly(const Problem<T>& p, bool forwards) {
    Outputs<T> outputs;
    visit_cell(p.info.name, p.info.options, [&]<class Cell>() {
        if constexpr (!kScanned<Cell> && !kRowWise<Cell>) outputs = plainly<Cell>(p, forwards);
    });
    return outputs;
}

/// NaN where NaN is expected, else within rounding of it.
template <class T>
void expect_close(const Outputs<T>& out, const Outputs<T>& expected) {
    const double relative = sizeof(T) == 4 ? 2e-5 : 4e-14;
    ASSERT_EQ(out.size(), expected.size());
    std::size_t which = 0;
    for (auto a = out.begin(), b = expected.begin(); a != out.end(); ++a, ++b, ++which) {
        EXPECT_TRUE(a->intact()) << "output " << which << ": written outside";
        for (std::int64_t i = 0; i < a->size(); ++i) {
            const double x = static_cast<double>(a->data()[i]), y = static_cast<double>(b->data()[i]);
            if (std::isnan(y) ? std::isnan(x) : std::abs(x - y) <= relative * (1 + std::abs(y))) continue;
            ADD_FAILURE() << "output " << which << ", element " << i << ": " << x << ", expected " << y;
            return;
        }
    }
}

template <class T>
bool same_bits(const Outputs<T>& a, const Outputs<T>& b) {
    for (auto x = a.begin(), y = b.begin(); x != a.end(); ++x, ++y)
        if (std::memcmp(x->all().data(), y->all().data(), x->all().size() * sizeof(T)) != 0) return false;
    return a.size() == b.size();
}

template <class T>
void expect_steps(bool forwards) {
    std::uint64_t seed = 0;
    std::list<CpuBackend> ones, threes;
    for (Isa isa : test::isas()) {
        ones.emplace_back(1, isa);
        threes.emplace_back(3, isa);
    }
    for (const CellCase& cell : kCellCases)
        for (std::int64_t H : {1, 3, 31, 32, 33, 127})
            for (std::int64_t B : {1, 2, 5, 17}) {
                Problem<T> p(cell, B, H, ++seed);
                const Outputs<T> expected = plainly(p, forwards);
                auto three = threes.begin();
                for (CpuBackend& one : ones) {
                    SCOPED_TRACE(
                        detail::concat(one.description(), ", ", cell.name, ", H ", H, ", B ", B, ", seed ", seed));
                    const Outputs<T> out = on_backend(one, p, forwards);
                    expect_close(out, expected);
                    EXPECT_TRUE(same_bits(out, on_backend(one, p, forwards))) << "run twice";
                    EXPECT_TRUE(same_bits(out, on_backend(*three++, p, forwards))) << "on three threads";
                    if (testing::Test::HasFailure()) return;
                }
            }
}

TEST(StepsThreads, ForwardF32) { expect_steps<float>(true); }
TEST(StepsThreads, ForwardF64) { expect_steps<double>(true); }
TEST(StepsThreads, BackwardF32) { expect_steps<float>(false); }
TEST(StepsThreads, BackwardF64) { expect_steps<double>(false); }

}  // namespace
}  // namespace rondo
