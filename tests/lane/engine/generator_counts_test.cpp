/// What writing text asks of the device: a launch of a graph for some tokens at once, no memory, and the host waits once.
#include <gtest/gtest.h>

#include <array>

#include "cuda/make_backend.hpp"
#include "lane/standin/standin.hpp"
#include "rondo/generator.hpp"
#include "rondo/language_model.hpp"

namespace rondo {
namespace {

TEST(LaneGenerator, TokensAreRecordedAndNeedNoHost) {
    const Device device(cuda::make_backend(0));
    const DeviceStream stream(device);
    constexpr int kLayers = 2;
    Network network(device, network_spec({.classes = 7, .hidden = 8, .layers = kLayers}));
    network.initialise({}, stream);
    constexpr std::int64_t kTexts = 3, kPieces = 4;
    constexpr auto kRecorded = Generator::kRecorded;
    Generator generator(network, {}, stream, "logits", 0, kTexts);
    generator.feed(std::array{1, 2, 3});
    generator.next(kPieces * kRecorded);  // takes what it needs, and records
    lane::reset_counters();
    generator.next(kPieces * kRecorded);
    const lane::Counters counts = lane::counters();
    EXPECT_EQ(counts.graph_launches, kPieces);
    EXPECT_EQ(counts.allocations, 0);
    EXPECT_EQ(counts.synchronisations, 2) << "for the tokens, and for what the device may have found";
    // A token: sample, embedding, of each layer the input's product, the step's and its map, the output layer's, and the
    // states' copies.
    EXPECT_EQ(counts.products, kPieces * kRecorded * (2 * kLayers + 1));
    EXPECT_EQ(counts.launches, kPieces * kRecorded * (3 + kLayers));
}

}  // namespace
}  // namespace rondo
