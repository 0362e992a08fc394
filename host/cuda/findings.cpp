#include "cuda/findings.hpp"

#include <atomic>

#include "cuda/gpu.hpp"
#include "cuda/memory.hpp"
#include "rondo/error.hpp"

namespace rondo::cuda {

namespace {

std::int64_t* make_word(int ordinal) {
    const CurrentGpu current(ordinal);
    auto* word = static_cast<std::int64_t*>(allocate_host(sizeof(std::int64_t)));
    *word = 0;
    return word;
}

}  // namespace

Findings::Findings(int ordinal) : word_(make_word(ordinal), [](void* p) { free_host(p); }) {}

void Findings::report() const {
    const std::atomic_ref<std::int64_t> word(*word_);
    if (const std::int64_t found = word.load(); found != 0) {
        word.store(0);
        throw Error(ErrorCode::invalid_argument,
                    detail::concat("lengths[", found - 1, "]: must be in [0, T] of its plan, found on the device"));
    }
}

}  // namespace rondo::cuda
