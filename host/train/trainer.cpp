/// A step of training: forward, loss, backward, clip, update.
#include "rondo/trainer.hpp"

#include <array>
#include <cmath>

#include "train/trainer_impl.hpp"

namespace rondo {

void validate(const TrainerSpec& spec) {
    validate(spec.optimizer);
    validate(spec.schedule);
    validate(spec.clip);
    require(spec.window >= 1, "window", spec.window, "must be at least 1");
    require(spec.history == 0 || spec.history >= spec.window, "history", spec.history,
            "must be 0 (as long as the window) or at least the window");
    require(spec.max_skipped >= 1, "max_skipped", spec.max_skipped, "must be at least 1");
}

Trainer::Trainer(Network& network, TrainerSpec spec, Stream stream) {
    validate(spec);
    impl_ = std::make_unique<Impl>(Impl{
        network, spec, stream, Optimizer(network, spec.optimizer), GradientClipper(network, spec.clip), {}, {}, {}, 0});
}
Trainer::~Trainer() = default;
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;

const TrainerSpec& Trainer::spec() const noexcept { return impl_->spec; }
const Progress& Trainer::progress() const noexcept { return impl_->progress; }
double Trainer::learning_rate() const {
    return rondo::learning_rate(impl_->spec.schedule, impl_->progress.step, impl_->progress.epoch);
}
void Trainer::next_epoch() {
    ++impl_->progress.epoch;
    impl_->progress.window = 0;
}

/// keep: the step after which the state is taken for the next window; -1: none.
StepMetrics Trainer::Impl::step(std::span<const Sequence> inputs, std::int64_t loss_begin, std::int64_t keep) {
    network.set_random({spec.seed, static_cast<std::uint64_t>(progress.step)}, stream);

    network.forward(inputs, Mode::training, state ? &*state : nullptr, stream);
    network.loss(spec.reduction, loss_begin, stream);
    if (keep >= 0) network.keep_state(keep, *state, stream);
    network.backward(false, stream);
    const GradientReport gradient = clipper.clip(stream);
    const double rate = rondo::learning_rate(spec.schedule, progress.step, progress.epoch);
    optimizer.update(rate, gradient.scale, !gradient.finite, stream);

    const LossValue loss = network.read_loss(stream);
    // A state with NaN in it would spoil every window up to the epoch's end.
    if (keep >= 0 && !std::isfinite(loss.value)) state->zero(stream);
    const StepMetrics metrics{.step = progress.step,
                              .epoch = progress.epoch,
                              .loss = loss.value,
                              .loss_sum = loss.sum,
                              .tokens = loss.counted,
                              .gradient_norm = gradient.norm,
                              .learning_rate = rate,
                              .clipped = gradient.clipped,
                              .skipped = !gradient.finite};
    ++progress.step;
    count_skips(gradient.finite);
    return metrics;
}

void Trainer::Impl::count_skips(bool finite) {
    progress.skipped += finite ? 0 : 1;
    progress.skipped_in_a_row = finite ? 0 : progress.skipped_in_a_row + 1;
    if (progress.skipped_in_a_row >= spec.max_skipped)
        throw Error(ErrorCode::state,
                    detail::concat("training: ", progress.skipped_in_a_row,
                                   " steps in a row had a gradient that is not finite, the last was step ",
                                   progress.step - 1, "; parameters are as they were before"));
}

void Trainer::Impl::begin_state(std::int64_t batch) {
    if (!state || state->batch() != batch)
        state.emplace(network.make_state(batch));
    else
        state->zero(stream);
}

const std::vector<Window>& Trainer::Impl::windows_of(std::int64_t steps) {
    if (windows_steps != steps) {
        windows = truncation_windows(steps, spec.window, spec.history > 0 ? spec.history : spec.window);
        windows_steps = steps;
    }
    return windows;
}

StepMetrics Trainer::Impl::window_step(std::span<const Sequence> inputs, std::size_t w) {
    const std::int64_t next = w + 1 < windows.size() ? windows[w + 1].begin : windows[w].end;
    return step(inputs, windows[w].loss_begin - windows[w].begin, next - windows[w].begin);
}

StepMetrics Trainer::step(std::span<const Sequence> inputs) {
    impl_->state.reset();
    return impl_->step(inputs, 0, -1);
}

StepMetrics Trainer::step(const TokenStreams& streams) {
    Impl& m = *impl_;
    train::require_language_model(m.network);
    const std::vector<Window>& windows = m.windows_of(streams.steps());
    const auto w = static_cast<std::size_t>(m.progress.window);
    if (w >= windows.size())
        refuse("progress.window", m.progress.window,
               detail::concat("must be below ", windows.size(), ", the windows of these streams"));
    if (w == 0) m.begin_state(streams.batch());
    if (!m.state || m.state->batch() != streams.batch())
        refuse("streams.batch", streams.batch(), "differs from the streams this epoch began with");
    const std::array<Sequence, 2> inputs{Sequence{streams.inputs(windows[w].begin, windows[w].end)},
                                         Sequence{streams.targets(windows[w].begin, windows[w].end)}};
    StepMetrics metrics = m.window_step(inputs, w);
    metrics.epoch_end = w + 1 == windows.size();
    if (metrics.epoch_end)
        next_epoch();
    else
        ++m.progress.window;
    return metrics;
}

StepMetrics Trainer::sequence(std::span<const Sequence> inputs, const std::function<void(const StepMetrics&)>& each) {
    Impl& m = *impl_;
    const train::LongBatch batch(m.network.spec(), inputs);
    m.begin_state(batch.rows());
    const std::vector<Window>& windows = m.windows_of(batch.steps());
    StepMetrics metrics;
    for (std::size_t w = 0; w < windows.size(); ++w) {
        metrics = m.window_step(batch.slice(windows[w].begin, windows[w].end), w);
        if (each) each(metrics);
    }
    return metrics;
}

}  // namespace rondo
