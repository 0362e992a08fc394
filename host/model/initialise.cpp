/// How parameters begin: drawn by Philox, each tensor from a seed of its own name, so that a further module changes
/// none of the others.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/network_impl.hpp"
#include "rondo/philox.hpp"

namespace rondo {
namespace {

std::uint64_t hash_of(std::string_view name) {
    std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
    for (unsigned char c : name) hash = (hash ^ c) * 1099511628211ull;
    return hash;
}

/// Two numbers uniform in [0, 1) a counter.
struct Pair {
    double first, second;
};
Pair draw(std::uint64_t index, std::uint64_t seed) {
    const Philox4 r = philox4x32(philox_counter(index, 0), philox_key(seed));
    return {philox_uniform(r.word[0], r.word[1]), philox_uniform(r.word[2], r.word[3])};
}

template <class T>
void fill_uniform(std::span<T> out, std::uint64_t seed, double bound) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        const Pair u = draw(i / 2, seed);
        out[i] = static_cast<T>(bound * (2 * (i % 2 == 0 ? u.first : u.second) - 1));
    }
}

/// Box and Muller.
template <class T>
void fill_normal(std::span<T> out, std::uint64_t seed, double deviation) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        const Pair u = draw(i / 2, seed);
        const double radius = std::sqrt(-2 * std::log(1 - u.first)), angle = 2 * std::numbers::pi * u.second;
        out[i] = static_cast<T>(deviation * radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle)));
    }
}

template <class T>
void fill(HostTensor& tensor, const model::TensorSpec& spec, const InitSpec& init) {
    const std::uint64_t seed = philox_subseed(init.seed, hash_of(tensor.name));
    const std::span<T> out = tensor.as<T>();
    if (spec.ones) {
        std::fill(out.begin(), out.end(), T(0));
        std::fill_n(out.begin(), *spec.ones, T(1));
    } else if (spec.constant)
        std::fill(out.begin(), out.end(), static_cast<T>(*spec.constant));
    else if (init.kind == InitSpec::Kind::uniform)
        fill_uniform(out, seed, init.range);
    else if (spec.bound > 0)
        fill_uniform(out, seed, spec.bound);
    else
        fill_normal(out, seed, spec.deviation);
    if (init.forget_bias == 0) return;
    for (std::int64_t i = spec.forget_begin; i < spec.forget_end; ++i)
        out[static_cast<std::size_t>(i)] = spec.input_side ? static_cast<T>(init.forget_bias) : T(0);
}

}  // namespace

void Network::initialise(const InitSpec& init, Stream stream) {
    require(std::isfinite(init.range) && init.range >= 0, "range", init.range, "must be finite and not negative");
    require(std::isfinite(init.forget_bias), "forget_bias", init.forget_bias, "must be finite");
    bool has_forget_gate = false;
    std::vector<HostTensor> tensors;
    for (std::size_t p = 0; p < impl_->graph.parameters.size(); ++p) {
        const NetworkParameter& parameter = impl_->graph.parameters[p];
        const model::TensorSpec& spec = impl_->graph.tensors[p];
        has_forget_gate = has_forget_gate || spec.forget_end > spec.forget_begin;
        HostTensor& t = tensors.emplace_back(parameter.name, impl_->parameter_dtype(), parameter.shape);
        if (t.dtype == DType::f64)
            fill<double>(t, spec, init);
        else
            fill<float>(t, spec, init);
    }
    require(init.forget_bias == 0 || has_forget_gate, "forget_bias", init.forget_bias,
            "must be 0: no cell of this network has a forget gate with a bias");
    write_parameters(tensors, stream);
}

}  // namespace rondo
