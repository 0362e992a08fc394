/// Forward and backward take no memory: every operator new of this program is counted.
#include <gtest/gtest.h>

#include "support/allocations.hpp"
#include "support/cases.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

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
