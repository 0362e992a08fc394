/// Connectionist temporal classification: a loss whose targets are not aligned with the steps.
#include "model/module.hpp"

namespace rondo::model {
namespace {

class PlannedCtc final : public PlannedModule {
public:
    explicit PlannedCtc(std::int32_t blank) : blank_(blank) {}

    void forward(Call&) override {}
    void backward(Call&) override {}
    void loss(Call& call, const LossCall& loss) override {
        if (loss.begin != 0) refuse("begin", loss.begin, "must be 0: an alignment has no part");
        const Place &logits = call.inputs[0], &targets = call.inputs[1];
        const ValueInfo& value = *logits.info;
        call.backend.ctc({.dtype = value.dtype,
                          .steps = value.steps(),
                          .batch = value.batch(),
                          .classes = value.width(),
                          .target_steps = targets.info->shape[0],
                          .blank = blank_,
                          .logits = logits.data,
                          .lengths = call.lengths_of(value),
                          .targets = static_cast<const std::int32_t*>(targets.data),
                          .loss = loss.sum,
                          .counted = loss.counted,
                          .dlogits = loss.differentiate ? logits.gradient : nullptr,
                          .scale = loss.scale,
                          .loss_scale = loss.loss_scale,
                          .scratch = call.workspace},
                         call.stream);
    }

private:
    std::int32_t blank_;
};

class CtcLoss final : public Module {
public:
    CtcLoss(const CtcSpec& spec, DType dtype) : spec_(spec), dtype_(dtype) {
        require(spec.blank >= 0, "blank", spec.blank, "must be a class");
    }

    int inputs() const override { return 2; }
    int outputs() const override { return 0; }
    bool is_loss() const override { return true; }
    bool aligned() const override { return false; }
    std::int32_t forbidden() const override { return spec_.blank; }
    bool gradient_in_place() const override { return true; }

    void attach(const Device& device) override { device_ = std::make_unique<Device>(device); }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo &logits = *inputs[0], &targets = *inputs[1];
        require(logits.dtype == dtype_ && logits.per_step(), "logits", logits.shape,
                detail::concat("must be ", dtype_, " [T,B,classes]"));
        require(spec_.blank < logits.width(), "blank", spec_.blank,
                detail::concat("must be one of ", logits.width(), " classes"));
        require(targets.dtype == DType::i32 && targets.shape.rank() == 2 && targets.shape[1] == logits.batch(),
                "targets", targets.shape, detail::concat("must be i32 [labels,", logits.batch(), "]"));
        return {};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const override {
        const ValueInfo &logits = *request.inputs[0], &targets = *request.inputs[1];
        ledger.need_workspace(
            device_->backend().ctc_scratch(dtype_, logits.steps(), logits.batch(), logits.width(), targets.shape[0]));
        return std::make_unique<PlannedCtc>(spec_.blank);
    }

private:
    CtcSpec spec_;
    DType dtype_;
    std::unique_ptr<Device> device_;
};

}  // namespace

std::unique_ptr<Module> make_ctc(const CtcSpec& spec, const Precision& precision) {
    return std::make_unique<CtcLoss>(spec, precision.storage);
}

}  // namespace rondo::model
