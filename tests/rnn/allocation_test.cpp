/// Forward and backward take no memory: every operator new of this program is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "support/cases.hpp"
#include "support/harness.hpp"

namespace {

std::atomic<bool> counting{false};
std::atomic<int> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
    if (counting) ++allocations;
    void* p = nullptr;
    if (alignment <= alignof(std::max_align_t))
        p = std::malloc(size ? size : 1);
    else if (posix_memalign(&p, alignment, size ? size : 1) != 0)
        p = nullptr;
    if (!p) throw std::bad_alloc();
    return p;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size, 1); }
void* operator new[](std::size_t size) { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t a) { return counted(size, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t size, std::align_val_t a) { return counted(size, static_cast<std::size_t>(a)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace rondo::test {
namespace {

template <class F>
int allocations_of(F f) {
    allocations = 0;
    counting = true;
    f();
    counting = false;
    return allocations;
}

TEST(AllocationTest, TheCounterCounts) {
    EXPECT_EQ(allocations_of([] { ::operator delete(::operator new(4)); }), 1);
    EXPECT_GE(allocations_of([] { std::vector<double> v(100); }), 1);
    EXPECT_EQ(allocations_of([] {}), 0);
}

TEST(AllocationTest, ForwardAndBackwardAllocateNothing) {
    for (const int threads : {1, 2})
        for (const Precision precision : {Precision::f64(), Precision::f32()})
            for (const Case& c : stack_cases(40)) {
                RnnHarness h(Device::cpu(threads), make_problem(c, precision));
                ForwardToken token;
                EXPECT_EQ(allocations_of([&] { h.rnn.prepare(h.parameters->data(), h.prepared->data(), {}); }), 0)
                    << c.name << " prepare";
                EXPECT_EQ(allocations_of([&] { token = h.rnn.forward(h.plan, h.forward_args, {}); }), 0)
                    << c.name << " forward";
                EXPECT_EQ(allocations_of([&] { h.rnn.backward(h.plan, token, h.backward_args, {}); }), 0)
                    << c.name << " backward";
            }
}

TEST(AllocationTest, InferenceAllocatesNothing) {
    for (const Case& c : stack_cases(40)) {
        RnnHarness h(Device::cpu(2), make_problem(c), Mode::inference);
        h.run_forward();
        EXPECT_EQ(allocations_of([&] { h.rnn.forward(h.plan, h.forward_args, {}); }), 0) << c.name;
    }
}

}  // namespace
}  // namespace rondo::test
