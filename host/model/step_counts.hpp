#pragma once
/// How many steps each row of the batch has been through: the state of modules that read a sequence piece by piece.
#include "model/module.hpp"

namespace rondo::model {

/// It is the first of the module's carried states, null or absent: 0.
class StepCounts {
public:
    static CarriedState state() { return {"steps", DType::i64, 1}; }

    /// most: steps there may be in all.
    StepCounts(Ledger& ledger, const std::string& node, std::int64_t batch, std::int64_t most)
        : batch_(batch),
          most_(most),
          begins_(ledger.book(Ledger::Kind::reserve, node + ".begins", bytes())),
          ends_(ledger.book(Ledger::Kind::reserve, node + ".ends", bytes())) {}

    /// By the steps of x.
    void advance(Call& call, const ValueInfo& x) const {
        call.backend.advance(
            {.steps = x.steps(),
             .batch = batch_,
             .most = most_,
             .lengths = call.lengths_of(x),
             .before = call.carried.empty() ? nullptr : static_cast<const std::int64_t*>(call.carried[0]),
             .begins = at(call, begins_),
             .ends = at(call, ends_)},
            call.stream);
    }
    const std::int64_t* begins(const Call& call) const { return at(call, begins_); }
    const std::int64_t* ends(const Call& call) const { return at(call, ends_); }

    /// steps: of this forward.
    void keep(Call& call, std::int64_t step, std::int64_t steps, void* to) const {
        if (step != 0 && step != steps)
            refuse("step", step, detail::concat("must be 0 or ", steps, " after an inference forward"));
        call.backend.copy(to, step == 0 ? begins(call) : ends(call), static_cast<std::size_t>(bytes()), call.stream);
    }

private:
    std::int64_t bytes() const { return batch_ * size_of(DType::i64); }
    static std::int64_t* at(const Call& call, std::int64_t offset) {
        return reinterpret_cast<std::int64_t*>(call.arena + offset);
    }

    std::int64_t batch_, most_, begins_, ends_;
};

}  // namespace rondo::model
