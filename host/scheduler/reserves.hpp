#pragma once
/// Which forward last wrote each reserve, and whether its backward has run: one list for all stacks of a device, since
/// any of them may be handed the same memory.
#include <cstdint>
#include <vector>

namespace rondo {

class Reserves {
public:
    struct Record {
        const void* reserve;
        std::uint64_t generation;
        bool consumed;
    };

    Reserves() { records_.reserve(kUsual); }

    /// A forward is about to write `reserve`: its generation, never given before. Takes an allocation only where more
    /// than kUsual reserves wait for their backward.
    std::uint64_t written(const void* reserve) {
        Record* record = find(reserve);
        if (!record && records_.size() >= kUsual) record = find_consumed();
        if (!record) record = &records_.emplace_back();
        *record = {reserve, ++generation_, false};
        return generation_;
    }

    /// Null where no forward has written it.
    Record* find(const void* reserve) noexcept {
        for (Record& r : records_)
            if (r.reserve == reserve) return &r;
        return nullptr;
    }

private:
    static constexpr std::size_t kUsual = 64;

    Record* find_consumed() noexcept {
        for (Record& r : records_)
            if (r.consumed) return &r;
        return nullptr;
    }

    std::vector<Record> records_;
    std::uint64_t generation_ = 0;
};

}  // namespace rondo
