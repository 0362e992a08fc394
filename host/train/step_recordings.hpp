#pragma once
/// Steps, of training or of writing text, that are recorded once and replayed.
#include <array>
#include <cstdint>

#include "rondo/trainer.hpp"
#include "scheduler/backend.hpp"

namespace rondo::train {

/// All that the work of a step depends on, but for what lies in device memory.
struct StepKey {
    std::uint64_t plan = 0;  ///< Network::plan_id
    const void* state = nullptr;
    std::int64_t loss_begin = 0, keep = 0;  ///< of training
    std::int64_t steps = 0;                 ///< of text
    friend bool operator==(const StepKey&, const StepKey&) = default;
};

/// The first step with a key runs as it is (what is new to it may allocate and choose), the second is recorded, and all
/// from then on are replays. On a stream that cannot be recorded every step runs as it is.
class StepRecordings {
public:
    explicit StepRecordings(Device device) : device_(std::move(device)) {}
    ~StepRecordings();
    StepRecordings(const StepRecordings&) = delete;
    StepRecordings& operator=(const StepRecordings&) = delete;

    enum class Done { ran, replayed };
    Done run(const StepKey& key, Stream stream, const std::function<void()>& work);

    /// Keys that made room for another one.
    std::int64_t dropped() const noexcept { return dropped_; }

private:
    struct Slot {
        StepKey key;
        std::uint64_t used = 0;  ///< when; 0: never
        void* recording = nullptr;
    };
    Slot& slot_of(const StepKey& key);

    Device device_;
    std::array<Slot, Trainer::kRecordings> slots_{};
    std::uint64_t clock_ = 0;
    std::int64_t dropped_ = 0;
};

}  // namespace rondo::train
