/// An output layer and its loss over a few classes that are drawn. The targets and the samples are the candidates: their
/// weights are gathered, [rows + samples, input], and their gradients go back the same way.
#include <cmath>

#include "model/device_buffer.hpp"
#include "model/loss_rows.hpp"

namespace rondo::model {
namespace {

using Proposal = SampledSoftmaxSpec::Proposal;

/// Q of a class and of all before it.
std::vector<double> cumulated(const SampledSoftmaxSpec& spec) {
    std::vector<double> sums(static_cast<std::size_t>(spec.classes));
    const auto classes = static_cast<double>(spec.classes);
    for (std::size_t c = 0; c < sums.size(); ++c) {
        const auto before = static_cast<double>(c + 1);
        sums[c] = spec.proposal == Proposal::uniform ? before / classes : std::log1p(before) / std::log1p(classes);
    }
    sums.back() = 1;
    return sums;
}

/// A row of logits: the samples', the target's, and what makes it a multiple of 16 bytes.
std::int64_t columns_of(const SampledSoftmaxSpec& spec) { return (spec.samples + 8) / 8 * 8; }

class PlannedSampledSoftmax final : public PlannedModule {
public:
    PlannedSampledSoftmax(const SampledSoftmaxSpec& spec, const Precision& precision, const DeviceBuffer& proposal,
                          const std::string& node, std::int64_t rows, Ledger& ledger)
        : spec_(spec), precision_(precision), proposal_(proposal.as<double>()), columns_(columns_of(spec)) {
        const auto book = [&](const char* name, std::int64_t bytes) {
            return ledger.book(Ledger::Kind::reserve, detail::concat(node, ".", name), bytes);
        };
        const std::int64_t candidates = rows + spec.samples;
        ids_ = book("candidates", candidates * size_of(DType::i32));
        places_ = book("places", rows * size_of(DType::i32));
        log_counts_ = book("log_counts", spec.samples * size_of(DType::f64));
        logits_ = book("logits", rows * columns_ * size_of(precision.storage));
        ledger.need_workspace(bias_at(candidates) + candidates * size_of(precision.accumulate));
    }

    void forward(Call&) override {}

    void loss(Call& call, const LossCall& loss) override {
        const Place& x = call.inputs[0];
        const std::int64_t first = first_row(call, loss), element = size_of(precision_.storage);
        rows_ = x.info->rows() - first;
        x_ = at_row(x.data, *x.info, first);
        const std::int64_t candidates = rows_ + spec_.samples;
        auto* const ids = at<std::int32_t>(call, ids_);
        auto* const log_counts = at<double>(call, log_counts_);
        call.backend.draw_candidates({.rows = rows_,
                                      .classes = spec_.classes,
                                      .samples = spec_.samples,
                                      .targets = static_cast<const std::int32_t*>(call.inputs[1].data) + first,
                                      .cumulated = proposal_,
                                      .random = call.random,
                                      .ids = ids,
                                      .places = at<std::int32_t>(call, places_),
                                      .log_counts = log_counts},
                                     call.stream);
        std::byte *const weight = call.workspace, *const bias = call.workspace + bias_at(candidates);
        gather(call, weight, 0, ids, candidates, spec_.input);
        if (spec_.bias) gather(call, bias, 1, ids, candidates, 1);

        Product p = product();
        p.m = rows_;
        p.n = spec_.samples;
        p.k = spec_.input;
        p.a = x_;
        p.a_stride = spec_.input;
        p.b = weight + rows_ * spec_.input * element;
        p.b_stride = spec_.input;
        p.b_transposed = true;
        p.c = call.arena + logits_;
        p.c_stride = columns_;
        if (spec_.bias) p.bias = bias + rows_ * element;
        call.backend.product(p, call.stream);
        call.backend.candidate_logits({.dtype = precision_.storage,
                                       .rows = rows_,
                                       .samples = spec_.samples,
                                       .width = spec_.input,
                                       .columns = columns_,
                                       .x = x_,
                                       .weight = weight,
                                       .bias = spec_.bias ? bias : nullptr,
                                       .ids = ids,
                                       .log_counts = log_counts,
                                       .logits = call.arena + logits_},
                                      call.stream);
        call.backend.cross_entropy(
            {precision_.storage, rows_, columns_, call.arena + logits_, at<std::int32_t>(call, places_), loss.sum,
             loss.counted, call.arena + logits_, loss.scale, loss.loss_scale},
            call.stream);
        if (loss.differentiate) input_gradient(call, at_row(x.gradient, *x.info, first), weight);
    }

    void backward(Call& call) override {
        const DType sums = precision_.accumulate;
        const std::int64_t candidates = rows_ + spec_.samples;
        std::byte *const weight = call.workspace, *const bias = call.workspace + bias_at(candidates);
        scale_rows(call, sums, weight, x_, spec_.input, false);
        Product p = product();
        p.c_dtype = sums;
        p.m = spec_.samples;
        p.n = spec_.input;
        p.k = rows_;
        p.a = call.arena + logits_;
        p.a_stride = columns_;
        p.a_transposed = true;
        p.b = x_;
        p.b_stride = spec_.input;
        p.c = weight + rows_ * spec_.input * size_of(sums);
        p.c_stride = spec_.input;
        call.backend.product(p, call.stream);
        scatter(call, 0, weight, candidates, spec_.input);
        if (!spec_.bias) return;
        scale_rows(call, sums, bias, nullptr, 1, false);
        call.backend.column_sums(precision_.storage, bias + rows_ * size_of(sums), call.arena + logits_, rows_,
                                 spec_.samples, columns_, false, call.stream);
        scatter(call, 1, bias, candidates, 1);
    }

private:
    template <class T>
    static T* at(const Call& call, std::int64_t offset) {
        return reinterpret_cast<T*>(call.arena + offset);
    }
    /// Where the candidates' biases lie in the workspace: behind their weights, in whichever type.
    std::int64_t bias_at(std::int64_t candidates) const {
        return (candidates * spec_.input * size_of(precision_.accumulate) + 63) / 64 * 64;
    }
    Product product() const {
        Product p;
        p.dtype = p.c_dtype = precision_.storage;
        p.math = precision_.math;
        return p;
    }

    void gather(Call& call, void* to, std::size_t block, const std::int32_t* ids, std::int64_t rows,
                std::int64_t cols) const {
        call.backend.embedding_forward(precision_.storage, to, precision_.accumulate, call.blocks[block].data, ids,
                                       rows, cols, call.stream);
    }
    void scatter(Call& call, std::size_t block, const void* from, std::int64_t rows, std::int64_t cols) const {
        const BlockPlace& place = call.blocks[block];
        if (!place.accumulate)
            call.backend.zero(place.gradient,
                              static_cast<std::size_t>(spec_.classes * cols * size_of(precision_.accumulate)),
                              call.stream);
        call.backend.embedding_backward(precision_.accumulate, place.gradient, precision_.accumulate, from,
                                        at<std::int32_t>(call, ids_), rows, cols, spec_.classes, call.stream);
    }
    /// By the gradients of the targets' logits.
    void scale_rows(Call& call, DType to_dtype, void* to, const void* from, std::int64_t cols, bool add) const {
        call.backend.scale_rows({.to_dtype = to_dtype,
                                 .dtype = precision_.storage,
                                 .rows = rows_,
                                 .cols = cols,
                                 .factors = call.arena + logits_ + spec_.samples * size_of(precision_.storage),
                                 .factor_stride = columns_,
                                 .from = from,
                                 .to = to,
                                 .add = add},
                                call.stream);
    }

    void input_gradient(Call& call, void* dx, const std::byte* weight) const {
        Product p = product();
        p.m = rows_;
        p.n = spec_.input;
        p.k = spec_.samples;
        p.a = call.arena + logits_;
        p.a_stride = columns_;
        p.b = weight + rows_ * spec_.input * size_of(precision_.storage);
        p.b_stride = spec_.input;
        p.c = dx;
        p.c_stride = spec_.input;
        call.backend.product(p, call.stream);
        scale_rows(call, precision_.storage, dx, weight, spec_.input, true);
    }

    SampledSoftmaxSpec spec_;
    Precision precision_;
    const double* proposal_;
    std::int64_t columns_;
    std::int64_t ids_, places_, log_counts_, logits_;
    // Of the last loss.
    std::int64_t rows_ = 0;
    const void* x_ = nullptr;
};

/// Inference: over all classes.
class PlannedFullSoftmax final : public PlannedModule {
public:
    PlannedFullSoftmax(const SampledSoftmaxSpec& spec, const Precision& precision, std::int64_t rows, Backend& backend,
                       Ledger& ledger)
        : spec_(spec),
          precision_(precision),
          weight_at_((rows * spec.classes * size_of(precision.storage) + 63) / 64 * 64),
          bias_at_(weight_at_ + backend.packed_bytes(weight_packing())) {
        ledger.need_workspace(bias_at_ + backend.packed_bytes(bias_packing()));
    }

    void forward(Call&) override {}
    void backward(Call&) override {}

    void loss(Call& call, const LossCall& loss) override {
        const Place& x = call.inputs[0];
        const std::int64_t first = first_row(call, loss);
        Product p;
        p.dtype = p.c_dtype = precision_.storage;
        p.math = precision_.math;
        p.m = x.info->rows() - first;
        p.n = spec_.classes;
        p.k = spec_.input;
        p.a = at_row(x.data, *x.info, first);
        p.a_stride = spec_.input;
        p.b = packed(call, weight_packing(), 0, weight_at_);
        p.b_stride = spec_.input;
        p.b_transposed = true;
        p.c = call.workspace;
        p.c_stride = spec_.classes;
        if (spec_.bias) p.bias = packed(call, bias_packing(), 1, bias_at_);
        call.backend.product(p, call.stream);
        CrossEntropy args;
        args.dtype = precision_.storage;
        args.rows = p.m;
        args.classes = spec_.classes;
        args.logits = call.workspace;
        args.targets = static_cast<const std::int32_t*>(call.inputs[1].data) + first;
        args.loss = loss.sum;
        args.counted = loss.counted;
        call.backend.cross_entropy(args, call.stream);
    }

private:
    Packing weight_packing() const { return {Packing::Kind::plain, precision_.storage, 1, spec_.classes, spec_.input}; }
    Packing bias_packing() const { return {Packing::Kind::plain, precision_.storage, 1, 1, spec_.classes}; }
    static const void* packed(Call& call, const Packing& packing, std::size_t block, std::int64_t at) {
        const void* given = call.blocks[block].data;
        if (call.backend.packed_bytes(packing) == 0) return given;
        call.backend.pack(packing, given, call.workspace + at, call.stream);
        return call.workspace + at;
    }

    SampledSoftmaxSpec spec_;
    Precision precision_;
    std::int64_t weight_at_, bias_at_;
};

class SampledSoftmaxLoss final : public Module {
public:
    SampledSoftmaxLoss(const SampledSoftmaxSpec& spec, const Precision& precision)
        : spec_(spec), precision_(precision) {
        constexpr std::int64_t kMostSamples = (1 << 20) - 1;  // stratified_uniform
        require(spec.input >= 1, "input", spec.input, "must be at least 1");
        require(spec.classes >= 2, "classes", spec.classes, "must be at least 2");
        require(spec.samples >= 1 && spec.samples <= kMostSamples, "samples", spec.samples,
                detail::concat("must be in [1, ", kMostSamples, "]"));
    }

    int inputs() const override { return 2; }
    int outputs() const override { return 0; }
    bool is_loss() const override { return true; }
    std::int64_t target_classes() const override { return spec_.classes; }

    std::vector<ParameterBlock> blocks() const override {
        const double bound = 1 / std::sqrt(static_cast<double>(spec_.input));
        const Shape shape{spec_.classes, spec_.input};
        std::vector<ParameterBlock> blocks{{{{.name = "weight", .shape = shape, .bound = bound}}, shape.size()}};
        if (spec_.bias)
            blocks.push_back(
                {{{.name = "bias", .shape = {spec_.classes}, .bias = true, .bound = bound}}, spec_.classes});
        return blocks;
    }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo &x = *inputs[0], &targets = *inputs[1];
        require(x.dtype == precision_.storage, "x", x.dtype, detail::concat("must be ", precision_.storage));
        require((x.shape.rank() == 2 || x.shape.rank() == 3) && x.width() == spec_.input, "x", x.shape,
                detail::concat("must be [T,B,", spec_.input, "] or [B,", spec_.input, "]"));
        require(targets.dtype == DType::i32, "targets", targets.dtype, "must be i32");
        require(targets.shape == without_last(x.shape), "targets", targets.shape,
                detail::concat("must be ", without_last(x.shape)));
        return {};
    }

    void attach(const Device& device) override {
        device_ = std::make_unique<Device>(device);
        const std::vector<double> sums = cumulated(spec_);
        proposal_ = DeviceBuffer(device, spec_.classes * size_of(DType::f64));
        const Stream stream{};
        device.backend().upload(proposal_.data(), sums.data(), sums.size() * sizeof(double), stream);
        device.backend().synchronize(stream);
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const override {
        const std::int64_t rows = request.inputs[0]->rows();
        if (request.mode == Mode::inference)
            return std::make_unique<PlannedFullSoftmax>(spec_, precision_, rows, device_->backend(), ledger);
        return std::make_unique<PlannedSampledSoftmax>(spec_, precision_, proposal_, request.name, rows, ledger);
    }

private:
    SampledSoftmaxSpec spec_;
    Precision precision_;
    std::unique_ptr<Device> device_;
    DeviceBuffer proposal_;
};

}  // namespace

std::unique_ptr<Module> make_sampled_softmax(const SampledSoftmaxSpec& spec, const Precision& precision) {
    return std::make_unique<SampledSoftmaxLoss>(spec, precision);
}

}  // namespace rondo::model
