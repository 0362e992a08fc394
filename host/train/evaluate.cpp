/// The loss over a whole text.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "train/trainer_impl.hpp"

namespace rondo {

double Evaluation::perplexity() const { return std::exp(loss()); }
double Evaluation::bits() const { return loss() / std::numbers::ln2; }

Evaluation evaluate(Network& network, const TokenStreams& streams, std::int64_t window, Stream stream,
                    const std::function<bool(double)>& go_on) {
    require(window >= 1, "window", window, "must be at least 1");
    train::require_language_model(network);
    NetworkState state = network.make_state(streams.batch());
    Evaluation total;
    for (std::int64_t begin = 0; begin < streams.steps(); begin += window) {
        const std::int64_t end = std::min(begin + window, streams.steps());
        const std::array<Sequence, 2> inputs{Sequence{streams.inputs(begin, end)},
                                             Sequence{streams.targets(begin, end)}};
        network.forward(inputs, Mode::inference, &state, stream);
        network.loss(Reduction::sum, 0, stream);
        network.keep_state(end - begin, state, stream);
        const LossValue loss = network.read_loss(stream);
        total.loss_sum += loss.sum;
        total.tokens += loss.counted;
        if (go_on && !go_on(static_cast<double>(end) / static_cast<double>(streams.steps()))) break;
    }
    return total;
}

}  // namespace rondo
