/// What the CUDA backend refuses, and that it goes on working afterwards.
#include "cuda/on_gpu.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

template <class F>
std::string refusal(ErrorCode code, const F& call) {
    try {
        call();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "nothing was refused";
    return {};
}

class CudaErrorsGpu : public GpuTest {
protected:
    Problem problem() const { return make_problem(single_layer_cases()[37]); }

    void expect_to_work() const {
        const Problem p = problem();
        EXPECT_TRUE(agree(p, run_on(device(), p), expected(p), kDouble));
    }
};

TEST_F(CudaErrorsGpu, HostMemoryForDeviceMemoryIsNamed) {
    RnnHarness harness(device(), problem());
    Tensor host(100000);
    const ForwardArgs good = harness.forward_args;
    harness.forward_args.x.data = host.data();
    EXPECT_NE(refusal(ErrorCode::invalid_argument, [&] { harness.run_forward(); }).find("x = "), std::string::npos);
    harness.forward_args = good;
    harness.forward_args.y.data = host.data();
    EXPECT_NE(refusal(ErrorCode::invalid_argument, [&] { harness.run_forward(); }).find("y = "), std::string::npos);
    harness.forward_args = good;
    harness.forward_args.parameters = host.data();
    EXPECT_NE(refusal(ErrorCode::invalid_argument, [&] { harness.run_forward(); }).find("parameters = "),
              std::string::npos);
    harness.forward_args = good;
    const ForwardToken token = harness.run_forward();
    harness.backward_args.dparameters = host.data();
    EXPECT_NE(refusal(ErrorCode::invalid_argument, [&] { harness.run_backward(token); }).find("dparameters = "),
              std::string::npos);
    refusal(ErrorCode::invalid_argument, [&] { backend().upload(host.data(), host.data(), 8, {}); });
    refusal(ErrorCode::invalid_argument, [&] { backend().download(host.data(), host.data(), 8, {}); });
    expect_to_work();
}

TEST_F(CudaErrorsGpu, ExhaustedMemoryIsAnError) {
    refusal(ErrorCode::out_of_memory, [&] { backend().allocate(std::size_t{1} << 50); });
    expect_to_work();
}

TEST_F(CudaErrorsGpu, GpusThatAreNotThere) {
    refusal(ErrorCode::unsupported, [&] { cuda::make_backend(cuda::gpu_count()); });
    refusal(ErrorCode::unsupported, [&] { cuda::make_backend(-1); });
}

TEST_F(CudaErrorsGpu, PrecisionsItDoesNotKnow) {
    refusal(ErrorCode::unsupported, [&] { backend().check({DType::f16, Math::exact, DType::f16, DType::f32}); });
    refusal(ErrorCode::unsupported, [&] { backend().check({DType::i32, Math::exact, DType::f32, DType::f32}); });
    for (const char* name : {"f64", "f32", "tf32", "f16", "bf16"}) backend().check(Precision::parse(name));
}

TEST_F(CudaErrorsGpu, ProductsOfNothing) {
    Product p;
    p.m = 0;
    backend().product(p, {});
    p.m = p.n = 1;
    p.k = 0;
    refusal(ErrorCode::invalid_argument, [&] { backend().product(p, {}); });
}

TEST_F(CudaErrorsGpu, SaysWhatItIs) {
    EXPECT_EQ(backend().name(), "cuda");
    EXPECT_NE(backend().description().find("multiprocessors"), std::string::npos);
}

}  // namespace
}  // namespace rondo::test
