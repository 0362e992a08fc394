/// One vector from a sequence: many to one.
#include "model/module.hpp"

namespace rondo::model {
namespace {

class PlannedPool final : public PlannedModule {
public:
    PlannedPool(PoolSpec::Kind kind, std::int64_t chosen) : kind_(kind), chosen_(chosen) {}

    void forward(Call& call) override {
        Pool args = pool(call);
        args.x = call.inputs[0].data;
        args.y = call.outputs[0].data;
        call.backend.pool_forward(args, call.stream);
    }
    void backward(Call& call) override {
        Pool args = pool(call);
        args.dy = call.outputs[0].gradient;
        args.dx = call.inputs[0].gradient;
        if (args.dx) call.backend.pool_backward(args, call.stream);
    }

private:
    Pool pool(const Call& call) const {
        const ValueInfo& x = *call.inputs[0].info;
        return {.kind = kind_,
                .dtype = x.dtype,
                .steps = x.steps(),
                .batch = x.batch(),
                .width = x.width(),
                .lengths = call.lengths_of(x),
                .chosen = chosen_ == kNoBuffer ? nullptr : reinterpret_cast<std::int32_t*>(call.arena + chosen_)};
    }

    PoolSpec::Kind kind_;
    std::int64_t chosen_;
};

class PoolModule final : public Module {
public:
    PoolModule(const PoolSpec& spec, DType dtype) : spec_(spec), dtype_(dtype) {}

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo& x = *inputs[0];
        require(x.dtype == dtype_ && x.per_step(), "x", x.shape, detail::concat("must be ", dtype_, " [T,B,width]"));
        return {{dtype_, {x.batch(), x.width()}, -1}};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const override {
        const ValueInfo& x = *request.inputs[0];
        std::int64_t chosen = kNoBuffer;
        if (spec_.kind == PoolSpec::Kind::max && request.mode == Mode::training)
            chosen = ledger.book(Ledger::Kind::reserve, request.name + ".chosen",
                                 x.batch() * x.width() * size_of(DType::i32));
        return std::make_unique<PlannedPool>(spec_.kind, chosen);
    }

private:
    PoolSpec spec_;
    DType dtype_;
};

}  // namespace

std::unique_ptr<Module> make_pool(const PoolSpec& spec, const Precision& precision) {
    return std::make_unique<PoolModule>(spec, precision.storage);
}

}  // namespace rondo::model
