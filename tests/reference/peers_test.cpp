/// The oracle against other systems: PyTorch's modules, formulas under PyTorch's autograd, ONNX's reference evaluator.
#include <gtest/gtest.h>

#include "support/compare.hpp"
#include "support/fixtures.hpp"

namespace rondo::test {
namespace {

class OraclePeerTest : public ::testing::TestWithParam<const char*> {};

TEST_P(OraclePeerTest, Agrees) {
    const std::vector<Fixture> fixtures = read_fixtures(GetParam());
    ASSERT_GE(fixtures.size(), 24u);
    Worst worst;
    for (const Fixture& f : fixtures) {
        const Result oracle = expected(f.problem);
        const Result peer = complete(f, oracle);
        ASSERT_FALSE(f.result.outputs.y.empty()) << f.problem.name;
        EXPECT_EQ(f.gradients, !f.result.dx.empty()) << f.problem.name;
        EXPECT_TRUE(agree(f.problem, oracle, peer, kPeer));
        worst.take(f.problem, oracle, peer, kPeer);
    }
    record(std::string("oracle against ") + GetParam(), static_cast<int>(fixtures.size()), worst);
}

INSTANTIATE_TEST_SUITE_P(Files, OraclePeerTest,
                         ::testing::Values("pytorch_rnn_tanh", "pytorch_rnn_relu", "pytorch_lstm",
                                           "pytorch_lstm_projected", "pytorch_gru", "formulas", "onnx"),
                         [](const auto& file) { return std::string(file.param); });

}  // namespace
}  // namespace rondo::test
