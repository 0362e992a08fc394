#include "lane/emulator/fiber.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "lane/emulator/sanitizer.hpp"

#if !defined(__x86_64__) || defined(RONDO_LANE_UCONTEXT)
#define RONDO_LANE_USES_UCONTEXT 1
#include <ucontext.h>
#endif
#if defined(RONDO_LANE_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(RONDO_LANE_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if !defined(RONDO_LANE_USES_UCONTEXT)
// Saves the registers that a call must preserve on the running stack, and takes up another where it was left.
// ucontext does the same through the kernel, at four to eight times the cost.
extern "C" void rondo_lane_switch(void** from_stack, void* to_stack);
asm(R"(
.pushsection .text
.globl rondo_lane_switch
.hidden rondo_lane_switch
.type rondo_lane_switch,@function
rondo_lane_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size rondo_lane_switch, .-rondo_lane_switch
.popsection
)");
#endif

namespace rondo::lane {

struct Fiber::State {
    unsigned char* stack = nullptr;  ///< null: the operating system's
    std::size_t bytes = 0;
#if defined(RONDO_LANE_USES_UCONTEXT)
    ucontext_t context;
#else
    void* top = nullptr;
#endif
    void* fake_stack = nullptr;          // the address sanitizer's
    const void* known_bottom = nullptr;  // of a stack that is not ours, learnt on the first switch away from it
    std::size_t known_bytes = 0;
    void* tsan = nullptr;
};

namespace {

constexpr std::uint64_t kCanary = 0x5AFEC0DE5AFEC0DEull;

}  // namespace

Fiber::Fiber() : state_(new State) {
#if defined(RONDO_LANE_TSAN)
    state_->tsan = __tsan_get_current_fiber();
#endif
}

Fiber::Fiber(std::size_t stack_bytes) : state_(new State) {
    void* stack =
        mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) throw std::bad_alloc();
    state_->stack = static_cast<unsigned char*>(stack);
    state_->bytes = stack_bytes;
    std::memcpy(state_->stack, &kCanary, sizeof(kCanary));
}

Fiber::~Fiber() {
    if (state_->stack == nullptr) return;
    munmap(state_->stack, state_->bytes);
#if defined(RONDO_LANE_TSAN)
    if (state_->tsan != nullptr) __tsan_destroy_fiber(state_->tsan);
#endif
}

bool Fiber::stack_intact() const { return std::memcmp(state_->stack, &kCanary, sizeof(kCanary)) == 0; }

void Fiber::start(void (*entry)()) {
    State& s = *state_;
    s.fake_stack = nullptr;
    allow(s.stack, s.bytes);
#if defined(RONDO_LANE_TSAN)
    // Kept from run to run: making one takes longer than most kernels' threads run.
    if (s.tsan == nullptr) s.tsan = __tsan_create_fiber(0);
#endif
#if defined(RONDO_LANE_USES_UCONTEXT)
    getcontext(&s.context);
    s.context.uc_stack.ss_sp = s.stack;
    s.context.uc_stack.ss_size = s.bytes;
    s.context.uc_link = nullptr;
    makecontext(&s.context, entry, 0);
#else
    auto** top = reinterpret_cast<void**>(s.stack + s.bytes);
    *--top = nullptr;  // where `entry` would return to: nowhere, and the stack is aligned as after a call
    *--top = reinterpret_cast<void*>(entry);
    for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
    s.top = top;
#endif
}

#if defined(RONDO_LANE_ASAN)
namespace {

/// `save` is where the stack that is left keeps its fake frames; null when it is left for good.
void announce(void** save, const void* bottom, std::size_t bytes) {
    __sanitizer_start_switch_fiber(save, bottom, bytes);
}

}  // namespace
#endif

void Fiber::entered([[maybe_unused]] Fiber& self, [[maybe_unused]] Fiber& from) {
#if defined(RONDO_LANE_ASAN)
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(self.state_->fake_stack, &bottom, &bytes);
    if (from.state_->stack == nullptr) {
        from.state_->known_bottom = bottom;
        from.state_->known_bytes = bytes;
    }
#endif
}

void Fiber::resume(Fiber& next) {
    State &here = *state_, &there = *next.state_;
#if defined(RONDO_LANE_TSAN)
    __tsan_switch_to_fiber(there.tsan, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(RONDO_LANE_ASAN)
    if (there.stack != nullptr)
        announce(&here.fake_stack, there.stack, there.bytes);
    else
        announce(&here.fake_stack, there.known_bottom, there.known_bytes);
#endif
#if defined(RONDO_LANE_USES_UCONTEXT)
    swapcontext(&here.context, &there.context);
#else
    rondo_lane_switch(&here.top, there.top);
#endif
#if defined(RONDO_LANE_ASAN)
    __sanitizer_finish_switch_fiber(here.fake_stack, nullptr, nullptr);
#endif
}

void Fiber::finish(Fiber& next) {
    State &here = *state_, &there = *next.state_;
#if defined(RONDO_LANE_TSAN)
    __tsan_switch_to_fiber(there.tsan, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(RONDO_LANE_ASAN)
    if (there.stack != nullptr)
        announce(nullptr, there.stack, there.bytes);
    else
        announce(nullptr, there.known_bottom, there.known_bytes);
#endif
#if defined(RONDO_LANE_USES_UCONTEXT)
    setcontext(&there.context);
    static_cast<void>(here);
#else
    rondo_lane_switch(&here.top, there.top);
#endif
    __builtin_unreachable();
}

}  // namespace rondo::lane
