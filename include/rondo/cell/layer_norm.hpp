#pragma once
/// Layer-normalised LSTM and GRU: the pre-activations of the input and of the recurrence are normalised over a row's units
/// each for itself, with gains of their own. LN(v) = (v - mean)/sqrt(variance + 1e-5).
///
///     lnlstm, gates i, f, g, o, normalised all four together:
///         a = γ_x∘LN(W_i x) + γ_h∘LN(W_h h) + β
///         c' = σ(a_f)∘c + σ(a_i)∘tanh(a_g)      h' = σ(a_o)∘tanh(γ_c∘LN(c') + β_c)
///     lngru, gates r, z, n, r and z normalised together and n for itself:
///         a_rz = γ_x∘LN(W_i x) + γ_h∘LN(W_h h) + β      n = tanh(γ_x∘LN(W_in x) + β + σ(a_r)∘(γ_h∘LN(W_hn h) + β_h))
///         h' = (1 - σ(a_z))∘n + σ(a_z)∘h
///
/// weight_norm holds γ_x and γ_h [G·H] (and γ_c [H]), then β [G·H] (and β_c or β_h [H]): the one bias of a gate does what
/// the paper's three do. There are no others, whatever LayerSpec::biases says.
///
/// Source: J. Ba, J. Kiros, G. Hinton, Layer normalization, 2016, supplementary equations 20 to 22 and 26 to 28 (where z
/// and 1 - z change places).
#include <array>
#include <string_view>

#include "rondo/cell/element.hpp"

namespace rondo::cell {

/// What LN takes away and multiplies with; LN of a value is (value - mean)·scale.
template <class Real>
struct Moments {
    Real mean, scale;
};

/// Of `planes` values for every unit: value(plane, u).
template <class Row, class Value>
RONDO_ROW auto moments(Row& row, int planes, const Value& value) {
    using T = typename Row::Value;
    using Real = typename Row::Real;
    const Real count = static_cast<Real>(row.units * planes);
    const Real mean = row.sum([&](auto u) {
        T sum = T(0);
        for (int p = 0; p < planes; ++p) sum = sum + value(p, u);
        return sum;
    }) / count;
    const Real squares = row.sum([&](auto u) {
        T sum = T(0);
        for (int p = 0; p < planes; ++p) sum = sum + (value(p, u) - T(mean)) * (value(p, u) - T(mean));
        return sum;
    });
    return Moments<Real>{mean, Real(1) / math::sqrt(squares / count + Real(1e-5f))};
}

/// How a gradient goes back through LN over `planes` planes of a row: of value(plane, u) with LN's result in normal(plane, u)
/// and its gradient in dnormal(plane, u).
template <class Real>
struct NormGradient {
    Real scale, mean, with_normal;
    template <class T>
    RONDO_ROW T operator()(T dnormal, T normal) const {
        return T(scale) * (dnormal - T(mean) - normal * T(with_normal));
    }
};
template <class Row, class Gradient, class Normal>
RONDO_ROW auto norm_gradient(Row& row, int planes, typename Row::Real scale, const Gradient& dnormal,
                             const Normal& normal) {
    using T = typename Row::Value;
    using Real = typename Row::Real;
    const Real count = static_cast<Real>(row.units * planes);
    const Real mean = row.sum([&](auto u) {
        T sum = T(0);
        for (int p = 0; p < planes; ++p) sum = sum + dnormal(p, u);
        return sum;
    });
    const Real with_normal = row.sum([&](auto u) {
        T sum = T(0);
        for (int p = 0; p < planes; ++p) sum = sum + dnormal(p, u) * normal(p, u);
        return sum;
    });
    return NormGradient<Real>{scale, mean / count, with_normal / count};
}

struct LayerNormLstm {
    static constexpr std::string_view kName = "lnlstm";
    static constexpr CellOptions kOptions{};
    static constexpr bool kRowWise = true;
    enum Gate { I, F, G, O, kGates };
    enum State { H, C, kStates };
    static constexpr std::array<std::string_view, kGates> kGateNames{"i", "f", "g", "o"};
    static constexpr std::array<std::string_view, kStates> kStateNames{"h", "c"};
    static constexpr int kSaved = 2 * kGates;  // W_i x, then W_h h
    static constexpr int kGainX = 0, kGainH = kGates, kGainC = 2 * kGates, kBias = kGainC + 1, kBiasC = kBias + kGates;
    static constexpr int kVectors = kBiasC + 1;
    static constexpr int kGains = kBias;  // vectors that begin with 1; the others with 0
    static constexpr int kForgetBias = kBias + F;
    static constexpr std::string_view kVectorName = "weight_norm";
    static constexpr int kScratch = kGates + 1;
    static constexpr bool kSharedGateGradients = false;
    static constexpr bool kProjectable = false;
    static constexpr bool kClippable = false;
    static constexpr std::array<Stage, 1> kStages{{{0, kGates, kOperandState}}};

    template <class Row>
    static RONDO_ROW void forward(Row& row) {
        using namespace rondo::math;
        using T = typename Row::Value;
        const auto of_x = moments(row, kGates, [&](int g, auto u) { return row.gates_x(g, u); });
        const auto of_h = moments(row, kGates, [&](int g, auto u) { return row.gates_h(g, u); });
        row.each([&](auto u) {
            T a[kGates];
            for (int g = 0; g < kGates; ++g) {
                const T x = row.gates_x(g, u), h = row.gates_h(g, u);
                row.put_saved(g, u, x);
                row.put_saved(kGates + g, u, h);
                a[g] = activation(row, g, u, (x - T(of_x.mean)) * T(of_x.scale), (h - T(of_h.mean)) * T(of_h.scale));
            }
            const T c = fma(sigmoid(a[F]), row.state(C, u), sigmoid(a[I]) * tanh(a[G]));
            row.put_next(C, u, c);
            row.put_scratch(0, u, c);
            row.put_scratch(1, u, sigmoid(a[O]));
        });
        const auto of_c = moments(row, 1, [&](int, auto u) { return row.scratch(0, u); });
        row.each([&](auto u) {
            const T normal = (row.scratch(0, u) - T(of_c.mean)) * T(of_c.scale);
            row.put_next(H, u, row.scratch(1, u) * tanh(fma(row.vector(kGainC, u), normal, row.vector(kBiasC, u))));
        });
    }

    template <class Row>
    static RONDO_ROW void backward(Row& row) {
        using namespace rondo::math;
        using T = typename Row::Value;
        const auto of_x = moments(row, kGates, [&](int g, auto u) { return row.saved(g, u); });
        const auto of_h = moments(row, kGates, [&](int g, auto u) { return row.saved(kGates + g, u); });
        const auto of_c = moments(row, 1, [&](int, auto u) { return row.next(C, u); });
        const auto normal_x = [&](int g, auto u) { return (row.saved(g, u) - T(of_x.mean)) * T(of_x.scale); };
        const auto normal_h = [&](int g, auto u) { return (row.saved(kGates + g, u) - T(of_h.mean)) * T(of_h.scale); };
        const auto normal_c = [&](int, auto u) { return (row.next(C, u) - T(of_c.mean)) * T(of_c.scale); };
        const auto activated = [&](int g, auto u) { return activation(row, g, u, normal_x(g, u), normal_h(g, u)); };
        constexpr int kOfC = kGates;  // scratch: first the gradient of LN(c'); then, before it, those of a
        row.each([&](auto u) {
            const T o = sigmoid(activated(O, u)), dh = row.dnext(H, u);
            const T t = tanh(fma(row.vector(kGainC, u), normal_c(0, u), row.vector(kBiasC, u)));
            const T d = dh * o * d_tanh(t);
            row.add_dvector(kGainC, u, d * normal_c(0, u));
            row.add_dvector(kBiasC, u, d);
            row.put_scratch(kOfC, u, d * row.vector(kGainC, u));
            row.put_scratch(O, u, dh * t * d_sigmoid(o));
        });
        const auto back_c = norm_gradient(
            row, 1, of_c.scale, [&](int, auto u) { return row.scratch(kOfC, u); }, normal_c);
        row.each([&](auto u) {
            const T i = sigmoid(activated(I, u)), f = sigmoid(activated(F, u)), g = tanh(activated(G, u));
            const T dc = row.dnext(C, u) + back_c(row.scratch(kOfC, u), normal_c(0, u));
            row.put_scratch(I, u, dc * g * d_sigmoid(i));
            row.put_scratch(F, u, dc * row.state(C, u) * d_sigmoid(f));
            row.put_scratch(G, u, dc * i * d_tanh(g));
            row.put_dstate(H, u, T(0));
            row.put_dstate(C, u, dc * f);
            for (int p = 0; p < kGates; ++p) {
                const T da = row.scratch(p, u);
                row.add_dvector(kGainX + p, u, da * normal_x(p, u));
                row.add_dvector(kGainH + p, u, da * normal_h(p, u));
                row.add_dvector(kBias + p, u, da);
            }
        });
        const auto dx = [&](int g, auto u) { return row.scratch(g, u) * row.vector(kGainX + g, u); };
        const auto dh = [&](int g, auto u) { return row.scratch(g, u) * row.vector(kGainH + g, u); };
        const auto back_x = norm_gradient(row, kGates, of_x.scale, dx, normal_x);
        const auto back_h = norm_gradient(row, kGates, of_h.scale, dh, normal_h);
        row.each([&](auto u) {
            for (int g = 0; g < kGates; ++g) {
                row.put_dgates_x(g, u, back_x(dx(g, u), normal_x(g, u)));
                row.put_dgates_h(g, u, back_h(dh(g, u), normal_h(g, u)));
            }
        });
    }

private:
    template <class Row, class U, class T>
    static RONDO_ROW T activation(Row& row, int g, U u, T x, T h) {
        using namespace rondo::math;
        return fma(row.vector(kGainX + g, u), x, fma(row.vector(kGainH + g, u), h, row.vector(kBias + g, u)));
    }
};

struct LayerNormGru {
    static constexpr std::string_view kName = "lngru";
    static constexpr CellOptions kOptions{};
    static constexpr bool kRowWise = true;
    enum Gate { R, Z, N, kGates };
    enum State { H, kStates };
    static constexpr std::array<std::string_view, kGates> kGateNames{"r", "z", "n"};
    static constexpr std::array<std::string_view, kStates> kStateNames{"h"};
    static constexpr int kSaved = 2 * kGates;  // W_i x, then W_h h
    static constexpr int kGainX = 0, kGainH = kGates, kBias = 2 * kGates, kBiasHN = kBias + kGates;
    static constexpr int kVectors = kBiasHN + 1;
    static constexpr int kGains = kBias;
    static constexpr int kForgetBias = -1;
    static constexpr std::string_view kVectorName = "weight_norm";
    static constexpr int kScratch = kGates + 1;
    static constexpr bool kSharedGateGradients = false;
    static constexpr bool kProjectable = false;
    static constexpr bool kClippable = false;
    static constexpr std::array<Stage, 1> kStages{{{0, kGates, kOperandState}}};

    template <class Row>
    static RONDO_ROW void forward(Row& row) {
        using T = typename Row::Value;
        const Norms<Row> norms(
            row, [&](int p, auto u) { return p < kGates ? row.gates_x(p, u) : row.gates_h(p - kGates, u); });
        row.each([&](auto u) {
            T normal[kSaved];
            for (int p = 0; p < kSaved; ++p) {
                const T raw = p < kGates ? row.gates_x(p, u) : row.gates_h(p - kGates, u);
                row.put_saved(p, u, raw);
                normal[p] = norms(p, raw);
            }
            const Activated<T> a(row, u, normal);
            row.put_next(H, u, (T(1) - a.z) * a.n + a.z * row.state(H, u));
        });
    }

    template <class Row>
    static RONDO_ROW void backward(Row& row) {
        using namespace rondo::math;
        using T = typename Row::Value;
        const Norms<Row> norms(row, [&](int p, auto u) { return row.saved(p, u); });
        const auto normal = [&](int p, auto u) { return norms(p, row.saved(p, u)); };
        constexpr int kOfHN = kGates;  // scratch: gradients of a, and of γ_h∘LN(W_hn h) + β_h
        row.each([&](auto u) {
            T normals[kSaved];
            for (int p = 0; p < kSaved; ++p) normals[p] = normal(p, u);
            const Activated<T> a(row, u, normals);
            const T d = row.dnext(H, u), dan = d * (T(1) - a.z) * d_tanh(a.n);
            row.put_scratch(R, u, dan * a.hn * d_sigmoid(a.r));
            row.put_scratch(Z, u, d * (row.state(H, u) - a.n) * d_sigmoid(a.z));
            row.put_scratch(N, u, dan);
            row.put_scratch(kOfHN, u, dan * a.r);
            row.put_dstate(H, u, d * a.z);
            for (int g = 0; g < kGates; ++g) {
                row.add_dvector(kGainX + g, u, row.scratch(g, u) * normals[g]);
                row.add_dvector(kGainH + g, u, row.scratch(g == N ? kOfHN : g, u) * normals[kGates + g]);
                row.add_dvector(kBias + g, u, row.scratch(g, u));
            }
            row.add_dvector(kBiasHN, u, row.scratch(kOfHN, u));
        });
        const auto dx = [&](int g, auto u) { return row.scratch(g, u) * row.vector(kGainX + g, u); };
        const auto dh = [&](int g, auto u) { return row.scratch(g == N ? kOfHN : g, u) * row.vector(kGainH + g, u); };
        const auto normal_h = [&](int g, auto u) { return normal(kGates + g, u); };
        const auto of_n = [](const auto& plane) { return [&plane](int, auto u) { return plane(N, u); }; };
        const auto back_x = norm_gradient(row, 2, norms.x.scale, dx, normal);
        const auto back_h = norm_gradient(row, 2, norms.h.scale, dh, normal_h);
        const auto back_xn = norm_gradient(row, 1, norms.xn.scale, of_n(dx), of_n(normal));
        const auto back_hn = norm_gradient(row, 1, norms.hn.scale, of_n(dh), of_n(normal_h));
        row.each([&](auto u) {
            for (int g = 0; g < kGates; ++g) {
                row.put_dgates_x(g, u, (g == N ? back_xn : back_x)(dx(g, u), normal(g, u)));
                row.put_dgates_h(g, u, (g == N ? back_hn : back_h)(dh(g, u), normal_h(g, u)));
            }
        });
    }

private:
    /// LN of r and z together, and of n, on both sides. raw(p, u): plane p of kSaved.
    template <class Row>
    struct Norms {
        using Real = typename Row::Real;
        using T = typename Row::Value;
        Moments<Real> x, h, xn, hn;

        template <class Raw>
        RONDO_ROW Norms(Row& row, const Raw& raw)
            : x(moments(row, 2, [&](int p, auto u) { return raw(p, u); })),
              h(moments(row, 2, [&](int p, auto u) { return raw(kGates + p, u); })),
              xn(moments(row, 1, [&](int, auto u) { return raw(N, u); })),
              hn(moments(row, 1, [&](int, auto u) { return raw(kGates + N, u); })) {}

        RONDO_ROW T operator()(int plane, T value) const {
            const Moments<Real>& of = plane == N ? xn : plane == kGates + N ? hn : plane < kGates ? x : h;
            return (value - T(of.mean)) * T(of.scale);
        }
    };

    /// The gates of one unit, and γ_h∘LN(W_hn h) + β_h.
    template <class T>
    struct Activated {
        T r, z, n, hn;

        template <class Row, class U>
        RONDO_ROW Activated(Row& row, U u, const T (&normal)[kSaved]) {
            using namespace rondo::math;
            const auto side = [&](int vector, int p, T rest) { return fma(row.vector(vector, u), normal[p], rest); };
            const auto whole = [&](int g) {
                return side(kGainX + g, g, side(kGainH + g, kGates + g, row.vector(kBias + g, u)));
            };
            r = sigmoid(whole(R));
            z = sigmoid(whole(Z));
            hn = side(kGainH + N, kGates + N, row.vector(kBiasHN, u));
            n = tanh(side(kGainX + N, N, row.vector(kBias + N, u)) + r * hn);
        }
    };
};

}  // namespace rondo::cell
