/// Measures gradients and bounds them.
#include <cmath>

#include "model/device_buffer.hpp"
#include "rondo/optimizer.hpp"
#include "scheduler/backend.hpp"

namespace rondo {
namespace {

/// PyTorch's clip_grad_norm_.
double coefficient(double norm, double limit) { return std::fmin(1, limit / (norm + 1e-6)); }

}  // namespace

void validate(const ClipSpec& spec) {
    const bool none = spec.kind == ClipSpec::Kind::none;
    require(none ? spec.limit == 0 : std::isfinite(spec.limit) && spec.limit > 0, "clip.limit", spec.limit,
            none ? "must be 0 without a kind of clipping" : "must be finite and above 0");
}

struct GradientClipper::Impl {
    Network& network;
    ClipSpec spec;
    model::DeviceBuffer sums;  ///< double: of each tensor where they are clipped one by one, otherwise of all
    std::vector<double> read;

    Backend& backend() const { return network.device().backend(); }
    DType dtype() const { return network.spec().precision.storage; }
    std::byte* gradient(const NetworkParameter& p) const {
        return static_cast<std::byte*>(network.gradient_array().data) + p.offset * size_of(dtype());
    }

    /// Sums of squares, of all or of each tensor. Waits for the stream.
    void measure(Stream stream) {
        double* to = sums.as<double>();
        if (spec.kind == ClipSpec::Kind::tensor_norm)
            for (const NetworkParameter& p : network.parameters())
                backend().sum_of_squares(dtype(), gradient(p), p.shape.size(), to++, false, stream);
        else
            backend().sum_of_squares(dtype(), network.gradient_array().data, network.parameter_count(), to, false,
                                     stream);
        backend().download(read.data(), sums.data(), read.size() * sizeof(double), stream);
        backend().synchronize(stream);
    }

    bool clip_tensors(Stream stream) {
        bool clipped = false;
        for (std::size_t i = 0; i < network.parameters().size(); ++i) {
            const double factor = coefficient(std::sqrt(read[i]), spec.limit);
            if (factor >= 1) continue;
            const NetworkParameter& p = network.parameters()[i];
            backend().scale(dtype(), gradient(p), p.shape.size(), factor, stream);
            clipped = true;
        }
        return clipped;
    }
};

GradientClipper::GradientClipper(Network& network, ClipSpec spec) {
    validate(spec);
    const std::size_t count = spec.kind == ClipSpec::Kind::tensor_norm ? network.parameters().size() : 1;
    impl_ = std::make_unique<Impl>(
        Impl{network, spec, model::DeviceBuffer(network.device(), static_cast<std::int64_t>(count * sizeof(double))),
             std::vector<double>(count)});
}
GradientClipper::~GradientClipper() = default;
GradientClipper::GradientClipper(GradientClipper&&) noexcept = default;
GradientClipper& GradientClipper::operator=(GradientClipper&&) noexcept = default;

GradientReport GradientClipper::clip(Stream stream) {
    Impl& m = *impl_;
    m.measure(stream);
    double sum = 0;
    for (double s : m.read) sum += s;
    GradientReport report;
    report.norm = std::sqrt(sum);
    report.finite = std::isfinite(sum);
    if (!report.finite) return report;
    switch (m.spec.kind) {
        case ClipSpec::Kind::none:
            break;
        case ClipSpec::Kind::norm:
            report.scale = coefficient(report.norm, m.spec.limit);
            report.clipped = report.scale < 1;
            break;
        case ClipSpec::Kind::tensor_norm:
            report.clipped = m.clip_tensors(stream);
            break;
        case ClipSpec::Kind::value:
            m.backend().clamp(m.dtype(), m.network.gradient_array().data, m.network.parameter_count(), m.spec.limit,
                              stream);
            if (report.norm <= m.spec.limit) break;  // no element can have been beyond it
            m.measure(stream);
            report.clipped = m.read[0] != sum;
            break;
    }
    return report;
}

}  // namespace rondo
