/// A step of training: forward, loss, backward, update.
#include "rondo/trainer.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "train/trainer_impl.hpp"

namespace rondo {

void validate(const TrainerSpec& spec) {
    validate(spec.optimizer);
    validate(spec.schedule);
    validate(spec.clip);
    validate(spec.loss_scale);
    require(spec.window >= 1, "window", spec.window, "must be at least 1");
    require(spec.history == 0 || spec.history >= spec.window, "history", spec.history,
            "must be 0 (as long as the window) or at least the window");
    require(spec.max_skipped >= 1, "max_skipped", spec.max_skipped, "must be at least 1");
}

Trainer::Impl::Impl(Network& trained, const TrainerSpec& how, Stream on)
    : network(trained),
      spec(how),
      stream(on),
      optimizer(trained, how.optimizer, how.clip, how.loss_scale),
      recordings(trained.device()),
      queued{QueuedStep(trained), QueuedStep(trained)} {}

Trainer::Trainer(Network& network, TrainerSpec spec, Stream stream) {
    validate(spec);
    impl_ = std::make_unique<Impl>(network, spec, stream);
}
Trainer::~Trainer() = default;
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;

const TrainerSpec& Trainer::spec() const noexcept { return impl_->spec; }
const Progress& Trainer::progress() const noexcept { return impl_->progress; }
double Trainer::learning_rate() const {
    return rondo::learning_rate(impl_->spec.schedule, impl_->progress.step, impl_->progress.epoch);
}
std::int64_t Trainer::dropped_recordings() const noexcept { return impl_->recordings.dropped(); }
void Trainer::next_epoch() {
    ++impl_->progress.epoch;
    impl_->progress.window = 0;
}

/// What may be recorded. keep: the step after which the state is taken for the next window; -1: none.
void Trainer::Impl::run(const NetworkState* from, std::int64_t keep) {
    network.forward(from, stream);
    network.loss(stream);
    if (keep >= 0) {
        network.keep_state(keep, *state, stream);
        // A state with NaN in it would spoil every window up to the epoch's end.
        const ConstView sums = network.loss_sums();
        const View kept = state->array();
        network.device().backend().zero_unless_finite(kept.data, static_cast<std::size_t>(kept.shape.size()) * 4,
                                                      static_cast<const double*>(sums.data), sums.shape[0], stream);
    }
    network.backward(false, stream);
    optimizer.update(stream);
}

void Trainer::Impl::queue(std::span<const Sequence> inputs, std::int64_t loss_begin, std::int64_t keep) {
    deliver(queued[1 - last]);  // nobody asked for it, but it counts
    const double rate = rondo::learning_rate(spec.schedule, progress.step, progress.epoch);
    network.feed(inputs, Mode::training, stream);
    network.set_random({spec.seed, static_cast<std::uint64_t>(progress.step)}, stream);
    network.set_loss(spec.reduction, loss_begin, stream);
    optimizer.set_learning_rate(rate, stream);
    const NetworkState* from = state ? &*state : nullptr;
    const train::StepKey key{network.plan_id(), state ? state->array().data : nullptr, loss_begin, keep};
    // A recording must make its own copies of the parameters, also where an evaluation has just made them.
    network.parameters_changed();
    const auto work = [&] { run(from, keep); };
    // By reference: a copy of it would need memory.
    if (recordings.run(key, stream, std::cref(work)) == train::StepRecordings::Done::replayed) network.replayed();

    last = 1 - last;
    QueuedStep& step = queued[last];
    step.sums.fill(static_cast<const double*>(network.loss_sums().data), stream);
    step.findings.fill(optimizer.findings(), stream);
    std::copy(network.loss_weights().begin(), network.loss_weights().end(), step.weights.begin());
    step.metrics = {
        .step = progress.step, .epoch = progress.epoch, .tokens = network.loss_counted(), .learning_rate = rate};
    step.waiting = true;
    ++progress.step;
}

StepMetrics QueuedStep::read() {
    const std::span<const double> losses = sums.get();
    const UpdateReport report = report_of(findings.get()[0]);
    metrics.loss = std::inner_product(losses.begin(), losses.end(), weights.begin(), 0.0);
    metrics.loss_sum = std::accumulate(losses.begin(), losses.end(), 0.0);
    metrics.gradient_norm = report.norm;
    metrics.loss_scale = report.loss_scale;
    metrics.clipped = report.clipped;
    metrics.skipped = !report.finite;
    return metrics;
}

void Trainer::Impl::count(const StepMetrics& metrics, Progress& progress) {
    progress.skipped += metrics.skipped ? 1 : 0;
    progress.skipped_in_a_row = metrics.skipped ? progress.skipped_in_a_row + 1 : 0;
}

/// Throws where too many steps in a row had no finite gradient.
std::optional<StepMetrics> Trainer::Impl::deliver(QueuedStep& step) {
    if (!step.waiting) return std::nullopt;
    const StepMetrics metrics = step.read();
    step.waiting = false;
    count(metrics, progress);
    if (progress.skipped_in_a_row >= spec.max_skipped)
        throw Error(ErrorCode::state,
                    detail::concat("training: ", progress.skipped_in_a_row,
                                   " steps in a row had a gradient that is not finite, the last was step ",
                                   metrics.step, "; none of them changed a parameter"));
    return metrics;
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

void Trainer::Impl::queue_window(std::span<const Sequence> inputs, std::size_t w) {
    const std::int64_t next = w + 1 < windows.size() ? windows[w + 1].begin : windows[w].end;
    queue(inputs, windows[w].loss_begin - windows[w].begin, next - windows[w].begin);
}

void Trainer::Impl::queue(const TokenStreams& streams) {
    train::require_language_model(network);
    windows_of(streams.steps());
    const auto w = static_cast<std::size_t>(progress.window);
    if (w >= windows.size())
        refuse("progress.window", progress.window,
               detail::concat("must be below ", windows.size(), ", the windows of these streams"));
    if (w == 0) begin_state(streams.batch());
    if (!state || state->batch() != streams.batch())
        refuse("streams.batch", streams.batch(), "differs from the streams this epoch began with");
    const std::array<Sequence, 2> inputs{Sequence{streams.inputs(windows[w].begin, windows[w].end)},
                                         Sequence{streams.targets(windows[w].begin, windows[w].end)}};
    queue_window(inputs, w);
    queued[last].metrics.epoch_end = w + 1 == windows.size();
    ++progress.window;
    if (queued[last].metrics.epoch_end) {
        ++progress.epoch;
        progress.window = 0;
    }
}

/// Of the step just queued where the device runs everything at once, else of the one before.
std::optional<StepMetrics> Trainer::Impl::deliver_ready() {
    const bool at_once = network.device().backend().shares_host_memory();
    return deliver(queued[at_once ? last : 1 - last]);
}

std::optional<StepMetrics> Trainer::queue(const TokenStreams& streams) {
    impl_->queue(streams);
    return impl_->deliver_ready();
}

std::optional<StepMetrics> Trainer::queue(std::span<const Sequence> inputs) {
    Impl& m = *impl_;
    if (m.state) {  // of streams: what was queued still reads it
        const std::optional<StepMetrics> before = finish();
        m.state.reset();
        m.queue(inputs, 0, -1);
        return before ? before : m.deliver_ready();
    }
    m.queue(inputs, 0, -1);
    return m.deliver_ready();
}

std::optional<StepMetrics> Trainer::finish() { return impl_->deliver(impl_->queued[impl_->last]); }

StepMetrics Trainer::step(std::span<const Sequence> inputs) {
    finish();
    impl_->state.reset();
    impl_->queue(inputs, 0, -1);
    return *finish();
}

StepMetrics Trainer::step(const TokenStreams& streams) {
    finish();
    impl_->queue(streams);
    return *finish();
}

StepMetrics Trainer::sequence(std::span<const Sequence> inputs, const std::function<void(const StepMetrics&)>& each) {
    Impl& m = *impl_;
    finish();
    const train::LongBatch batch(m.network.spec(), inputs);
    m.begin_state(batch.rows());
    const std::vector<Window>& windows = m.windows_of(batch.steps());
    StepMetrics metrics;
    for (std::size_t w = 0; w < windows.size(); ++w) {
        m.queue_window(batch.slice(windows[w].begin, windows[w].end), w);
        metrics = *finish();
        if (each) each(metrics);
    }
    return metrics;
}

}  // namespace rondo
