/// One value beside another, and one vector at every step.
#include "model/module.hpp"

namespace rondo::model {
namespace {

const void* column(const void* base, std::int64_t col, DType dtype) {
    return static_cast<const std::byte*>(base) + col * size_of(dtype);
}
void* column(void* base, std::int64_t col, DType dtype) { return static_cast<std::byte*>(base) + col * size_of(dtype); }

/// Columns from `col` on of y are x, which without steps of its own is the same at each.
void spread(Call& call, const Place& x, const Place& y, std::int64_t col) {
    const ValueInfo &from = *x.info, &to = *y.info;
    call.backend.map_rows({.dtype = to.dtype,
                           .rows = to.rows(),
                           .cols = from.width(),
                           .to = column(y.data, col, to.dtype),
                           .to_stride = to.width(),
                           .from_dtype = from.dtype,
                           .from = x.data,
                           .from_stride = from.width(),
                           .divide = 1,
                           .modulo = from.rows()},
                          call.stream);
}

void gather(Call& call, const Place& x, const Place& y, std::int64_t col) {
    if (!x.gradient) return;
    const ValueInfo &to = *x.info, &from = *y.info;
    call.backend.sum_rows({.to_dtype = to.dtype,
                           .to = x.gradient,
                           .dtype = from.dtype,
                           .from = column(static_cast<const void*>(y.gradient), col, from.dtype),
                           .from_stride = from.width(),
                           .groups = to.rows(),
                           .group_step = 1,
                           .items = from.rows() / to.rows(),
                           .item_step = to.rows(),
                           .cols = to.width()},
                          call.stream);
}

class PlannedConcat final : public PlannedModule {
public:
    void forward(Call& call) override {
        spread(call, call.inputs[0], call.outputs[0], 0);
        spread(call, call.inputs[1], call.outputs[0], call.inputs[0].info->width());
    }
    void backward(Call& call) override {
        gather(call, call.inputs[0], call.outputs[0], 0);
        gather(call, call.inputs[1], call.outputs[0], call.inputs[0].info->width());
    }
};

class PlannedRepeat final : public PlannedModule {
public:
    void forward(Call& call) override { spread(call, call.inputs[0], call.outputs[0], 0); }
    void backward(Call& call) override { gather(call, call.inputs[0], call.outputs[0], 0); }
};

class Concat final : public Module {
public:
    explicit Concat(DType dtype) : dtype_(dtype) {}

    int inputs() const override { return 2; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo &a = *inputs[0], &b = *inputs[1];
        require(a.dtype == dtype_ && (a.shape.rank() == 2 || a.per_step()), "a", a.shape,
                detail::concat("must be ", dtype_, " [T,B,width] or [B,width]"));
        const bool same_steps = b.per_step() == a.per_step() && b.steps() == a.steps();
        require(b.dtype == dtype_ && (b.shape.rank() == 2 || same_steps) && b.batch() == a.batch(), "b", b.shape,
                detail::concat("must be ", dtype_, " with the rows of a, ", a.shape, ", or one row for all its steps"));
        Shape shape;
        for (int i = 0; i + 1 < a.shape.rank(); ++i) shape.append(a.shape[i]);
        shape.append(a.width() + b.width());
        return {{dtype_, shape, b.per_step() ? common_lengths(a, b) : a.lengths}};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest&, Ledger&) const override {
        return std::make_unique<PlannedConcat>();
    }

private:
    DType dtype_;
};

class Repeat final : public Module {
public:
    Repeat(const RepeatSpec& spec, DType dtype) : spec_(spec), dtype_(dtype) {
        require(spec.steps >= 1, "steps", spec.steps, "must be at least 1");
    }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo& x = *inputs[0];
        require(x.dtype == dtype_ && x.shape.rank() == 2, "x", x.shape,
                detail::concat("must be ", dtype_, " [B,width]"));
        return {{dtype_, {spec_.steps, x.shape[0], x.shape[1]}, -1}};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest&, Ledger&) const override {
        return std::make_unique<PlannedRepeat>();
    }

private:
    RepeatSpec spec_;
    DType dtype_;
};

}  // namespace

std::unique_ptr<Module> make_concat(const ConcatSpec&, const Precision& precision) {
    return std::make_unique<Concat>(precision.storage);
}
std::unique_ptr<Module> make_repeat(const RepeatSpec& spec, const Precision& precision) {
    return std::make_unique<Repeat>(spec, precision.storage);
}

}  // namespace rondo::model
