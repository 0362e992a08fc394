#include "train/step_recordings.hpp"

#include <algorithm>
#include <utility>

namespace rondo::train {

StepRecordings::~StepRecordings() {
    for (const Slot& slot : slots_)
        if (slot.recording) device_.backend().free_recording(slot.recording);
}

/// The key's, or the one that was not used for longest.
StepRecordings::Slot& StepRecordings::slot_of(const StepKey& key) {
    const auto known =
        std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.used > 0 && slot.key == key; });
    if (known != slots_.end()) return *known;
    Slot& slot =
        *std::min_element(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) { return a.used < b.used; });
    dropped_ += slot.used > 0 ? 1 : 0;
    if (void* old = std::exchange(slot.recording, nullptr)) device_.backend().free_recording(old);
    slot.key = key;
    slot.used = 0;
    return slot;
}

StepRecordings::Done StepRecordings::run(const StepKey& key, Stream stream, const std::function<void()>& work) {
    Backend& backend = device_.backend();
    if (!backend.can_record(stream)) {
        work();
        return Done::ran;
    }
    Slot& slot = slot_of(key);
    if (slot.used == 0) {
        work();
        slot.used = ++clock_;  // not before: one that failed has not shown that the next can be recorded
        return Done::ran;
    }
    slot.used = ++clock_;
    if (!slot.recording) slot.recording = backend.record(stream, work);
    backend.replay(slot.recording, stream);
    return Done::replayed;
}

}  // namespace rondo::train
