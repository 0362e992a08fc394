/// Softmax cross-entropy and squared error. Both take the rows from step `begin` on; time-major rows are contiguous.
#include "model/loss_rows.hpp"

namespace rondo::model {
namespace {

class PlannedCrossEntropy final : public PlannedModule {
public:
    void forward(Call&) override {}
    void backward(Call&) override {}
    void loss(Call& call, const LossCall& loss) override {
        const Place& logits = call.inputs[0];
        const std::int64_t row = first_row(call, loss);
        CrossEntropy args;
        args.dtype = logits.info->dtype;
        args.rows = logits.info->rows() - row;
        args.classes = logits.info->width();
        args.logits = at_row(logits.data, *logits.info, row);
        args.targets = static_cast<const std::int32_t*>(call.inputs[1].data) + row;
        args.loss = loss.sum;
        args.counted = loss.counted;
        args.dlogits = loss.differentiate ? at_row(logits.gradient, *logits.info, row) : nullptr;
        args.scale = loss.scale;
        args.loss_scale = loss.loss_scale;
        call.backend.cross_entropy(args, call.stream);
    }
};

class CrossEntropyLoss final : public Module {
public:
    explicit CrossEntropyLoss(DType dtype) : dtype_(dtype) {}

    int inputs() const override { return 2; }
    int outputs() const override { return 0; }
    bool is_loss() const override { return true; }
    bool gradient_in_place() const override { return true; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo &logits = *inputs[0], &targets = *inputs[1];
        require(logits.dtype == dtype_, "logits", logits.dtype, detail::concat("must be ", dtype_));
        require(logits.shape.rank() == 2 || logits.shape.rank() == 3, "logits", logits.shape,
                "must be [T,B,classes] or [B,classes]");
        require(targets.dtype == DType::i32, "targets", targets.dtype, "must be i32");
        require(targets.shape == without_last(logits.shape), "targets", targets.shape,
                detail::concat("must be ", without_last(logits.shape)));
        return {};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest&, Ledger&) const override {
        return std::make_unique<PlannedCrossEntropy>();
    }

private:
    DType dtype_;
};

/// Past a row's length both sides are zero, whatever they held: masked copies, in the gradient's place where there is
/// one.
class PlannedSquaredError final : public PlannedModule {
public:
    explicit PlannedSquaredError(std::int64_t masked) : masked_(masked) {}

    void forward(Call&) override {}
    void backward(Call&) override {}
    void loss(Call& call, const LossCall& loss) override {
        const Place &prediction = call.inputs[0], &target = call.inputs[1];
        const ValueInfo& value = *prediction.info;
        const std::int64_t row = first_row(call, loss);
        void *p = prediction.data, *y = target.data;
        if (const std::int64_t* lengths = call.lengths_of(value)) {
            void* masked = call.arena + masked_;
            mask(call, masked, y, lengths, value);
            y = masked;
            void* clean = call.workspace;
            mask(call, clean, p, lengths, value);
            p = clean;
        }
        call.backend.squared_error(
            {value.dtype, (value.rows() - row) * value.width(), at_row(p, value, row), at_row(y, value, row), loss.sum,
             loss.differentiate ? at_row(prediction.gradient, value, row) : nullptr, loss.scale, loss.loss_scale},
            call.stream);
    }

private:
    static void mask(Call& call, void* out, const void* x, const std::int64_t* lengths, const ValueInfo& value) {
        call.backend.mask_rows(value.dtype, out, x, value.steps(), value.batch(), value.width(), lengths, call.stream);
    }

    std::int64_t masked_;
};

class SquaredErrorLoss final : public Module {
public:
    explicit SquaredErrorLoss(DType dtype) : dtype_(dtype) {}

    int inputs() const override { return 2; }
    int outputs() const override { return 0; }
    bool is_loss() const override { return true; }
    bool gradient_in_place() const override { return true; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo &prediction = *inputs[0], &target = *inputs[1];
        require(prediction.dtype == dtype_, "prediction", prediction.dtype, detail::concat("must be ", dtype_));
        require(target.dtype == dtype_, "target", target.dtype, detail::concat("must be ", dtype_));
        require(prediction.shape.rank() == 2 || prediction.shape.rank() == 3, "prediction", prediction.shape,
                "must be [T,B,width] or [B,width]");
        require(target.shape == prediction.shape, "target", target.shape, detail::concat("must be ", prediction.shape));
        return {};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const override {
        const ValueInfo& value = *request.inputs[0];
        std::int64_t masked = kNoBuffer;
        if (value.lengths >= 0) {
            masked = ledger.book(Ledger::Kind::reserve, request.name + ".masked_target", value.bytes());
            ledger.need_workspace(value.bytes());
        }
        return std::make_unique<PlannedSquaredError>(masked);
    }

private:
    DType dtype_;
};

}  // namespace

std::unique_ptr<Module> make_cross_entropy(const CrossEntropySpec&, const Precision& precision) {
    return std::make_unique<CrossEntropyLoss>(precision.storage);
}
std::unique_ptr<Module> make_squared_error(const SquaredErrorSpec&, const Precision& precision) {
    return std::make_unique<SquaredErrorLoss>(precision.storage);
}

}  // namespace rondo::model
