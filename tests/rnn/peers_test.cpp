/// The device against other systems: PyTorch's modules, formulas under PyTorch's autograd, ONNX's reference evaluator.
#include <gtest/gtest.h>

#include "support/compare.hpp"
#include "support/devices.hpp"
#include "support/fixtures.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

class RnnPeerTest : public ::testing::TestWithParam<const char*> {};

TEST_P(RnnPeerTest, Agrees) {
    const std::vector<Device> devices = cpu_devices();
    const std::vector<Fixture> fixtures = read_fixtures(GetParam());
    ASSERT_GE(fixtures.size(), 24u);
    Worst worst;
    for (const Fixture& f : fixtures) {
        const Result peer = complete(f, expected(f.problem));
        for (const Device& device : devices) {
            const Result out = run_on(device, f.problem);
            EXPECT_TRUE(agree(f.problem, out, peer, kPeer)) << device.description();
            worst.take(f.problem, out, peer, kPeer);
        }
    }
    record(std::string("cpu against ") + GetParam(), static_cast<int>(fixtures.size()), worst);
}

INSTANTIATE_TEST_SUITE_P(Files, RnnPeerTest,
                         ::testing::Values("pytorch_rnn_tanh", "pytorch_rnn_relu", "pytorch_lstm",
                                           "pytorch_lstm_projected", "pytorch_gru", "formulas", "onnx"),
                         [](const auto& file) { return std::string(file.param); });

}  // namespace
}  // namespace rondo::test
