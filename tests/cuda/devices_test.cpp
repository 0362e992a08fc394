/// Two GPUs in one program: what belongs to the other one is refused by name, and both go on working.
#include <cuda_runtime_api.h>

#include "cuda/on_gpu.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

class CudaDevicesGpu : public GpuTest {
protected:
    void SetUp() override {
        GpuTest::SetUp();
        if (IsSkipped()) return;
        if (cuda::gpu_count() < 2) GTEST_SKIP() << "this machine has one GPU";
        other_ = std::make_unique<Device>(cuda::make_backend(1));
    }

    const Device& other() const { return *other_; }
    Problem problem() const { return make_problem(single_layer_cases()[37]); }

    void expect_both_to_work() const {
        const Problem p = problem();
        const Result expected_result = expected(p);
        EXPECT_TRUE(agree(p, run_on(device(), p), expected_result, kDouble));
        EXPECT_TRUE(agree(p, run_on(other(), p), expected_result, kDouble));
    }

private:
    std::unique_ptr<Device> other_;
};

/// What is refused, in words.
template <class F>
std::string refusal(const F& call) {
    try {
        call();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "nothing was refused";
    return {};
}

bool names(const std::string& text, const char* word) { return text.find(word) != std::string::npos; }

TEST_F(CudaDevicesGpu, EachRunsAStackOfItsOwn) { expect_both_to_work(); }

TEST_F(CudaDevicesGpu, TheThreadsDeviceStaysWhatItWas) {
    ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
    run_on(device(), problem());
    int now = -1;
    EXPECT_EQ(cudaGetDevice(&now), cudaSuccess);
    EXPECT_EQ(now, 1);
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
}

TEST_F(CudaDevicesGpu, TensorsOfTheOtherOneAreNamed) {
    RnnHarness harness(device(), problem()), there(other(), problem());
    const ForwardArgs good = harness.forward_args;
    const auto refused = [&](const char* name, const auto& exchange) {
        harness.forward_args = good;
        exchange(harness.forward_args);
        const std::string text = refusal([&] { harness.run_forward(); });
        EXPECT_TRUE(names(text, name) && names(text, "must be memory of cuda:0, is memory of cuda:1")) << text;
    };
    refused("x = ", [&](ForwardArgs& a) { a.x.data = there.forward_args.x.data; });
    refused("y = ", [&](ForwardArgs& a) { a.y.data = there.forward_args.y.data; });
    refused("parameters = ", [&](ForwardArgs& a) { a.parameters = there.forward_args.parameters; });
    refused("workspace = ", [&](ForwardArgs& a) { a.workspace = there.forward_args.workspace; });
    refused("reserve = ", [&](ForwardArgs& a) { a.reserve = there.forward_args.reserve; });
    refused("final_states = ", [&](ForwardArgs& a) { a.final_states = there.forward_args.final_states; });
    harness.forward_args = good;
    const ForwardToken token = harness.run_forward();
    harness.backward_args.dparameters = there.dparameters->data();
    EXPECT_TRUE(names(refusal([&] { harness.run_backward(token); }), "dparameters = "));
    double number = 1;
    refusal([&] { backend().upload(there.y->data(), &number, sizeof number, {}); });
    refusal([&] { backend().download(&number, there.y->data(), sizeof number, {}); });
    expect_both_to_work();
}

TEST_F(CudaDevicesGpu, StreamsOfTheOtherOneAreNamed) {
    RnnHarness harness(device(), problem());
    const DeviceStream there(other());
    const std::string text = refusal([&] { harness.rnn.forward(harness.plan, harness.forward_args, there); });
    EXPECT_TRUE(names(text, "stream = ") && names(text, "must be of cuda:0, is of cuda:1")) << text;
    expect_both_to_work();
}

}  // namespace
}  // namespace rondo::test
