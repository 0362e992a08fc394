#include "cuda/findings.hpp"

#include <algorithm>
#include <atomic>

#include "cuda/gpu.hpp"
#include "cuda/memory.hpp"
#include "rondo/error.hpp"

namespace rondo::cuda {

namespace {

constexpr std::size_t kWords = 3;

std::int64_t* make_words(int ordinal) {
    const CurrentGpu current(ordinal);
    auto* words = static_cast<std::int64_t*>(allocate_host(kWords * sizeof(std::int64_t)));
    std::fill_n(words, kWords, 0);
    return words;
}

/// What a word says, and forgets; 0: nothing.
std::int64_t take(std::int64_t& word) {
    const std::atomic_ref<std::int64_t> shared(word);
    const std::int64_t found = shared.load();
    if (found != 0) shared.store(0);
    return found;
}

}  // namespace

Findings::Findings(int ordinal) : words_(make_words(ordinal), [](void* p) { free_host(p); }) {}

void Findings::report() const {
    if (const std::int64_t found = take(*bad_length()); found != 0)
        throw Error(ErrorCode::invalid_argument,
                    detail::concat("lengths[", found - 1, "]: must be in [0, T] of its plan, found on the device"));
    if (const std::int64_t found = take(*full_row()); found != 0)
        throw Error(ErrorCode::invalid_argument,
                    detail::concat("steps of row ", found - 1,
                                   ": more than it has memory or positions for, found on the device"));
    if (take(*late()) != 0)
        throw Error(
            ErrorCode::device,
            "time loop: blocks that must run together did not, and gave up waiting; what they made is worthless");
}

}  // namespace rondo::cuda
