/// A trainer's spec and state as tensors and strings, so that training can go on elsewhere bit by bit.
#include "train/trainer_impl.hpp"
#include "train/words.hpp"

namespace rondo {
namespace {

/// Every field by name, in one place for both directions.
template <class Fields, class Spec>
void visit_spec(Fields& f, Spec& s) {
    f("trainer.optimizer", s.optimizer.rule, train::rules());
    f("trainer.momentum", s.optimizer.momentum);
    f("trainer.nesterov", s.optimizer.nesterov);
    f("trainer.beta1", s.optimizer.beta1);
    f("trainer.beta2", s.optimizer.beta2);
    f("trainer.epsilon", s.optimizer.epsilon);
    f("trainer.weight_decay", s.optimizer.weight_decay);
    f("trainer.decay_biases", s.optimizer.decay_biases);
    f("trainer.schedule", s.schedule.kind, train::schedules());
    f("trainer.rate", s.schedule.rate);
    f("trainer.factor", s.schedule.factor);
    f("trainer.every", s.schedule.every);
    f("trainer.after", s.schedule.after);
    f("trainer.warmup", s.schedule.warmup);
    f("trainer.total", s.schedule.total);
    f("trainer.minimum", s.schedule.minimum);
    f("trainer.clip", s.clip.kind, train::clips());
    f("trainer.clip_limit", s.clip.limit);
    f("trainer.loss_scale", s.loss_scale.initial);
    f("trainer.loss_scale_growth", s.loss_scale.growth);
    f("trainer.loss_scale_backoff", s.loss_scale.backoff);
    f("trainer.loss_scale_interval", s.loss_scale.interval);
    f("trainer.reduction", s.reduction, train::reductions());
    f("trainer.window", s.window);
    f("trainer.history", s.history);
    f("trainer.seed", s.seed);
    f("trainer.max_skipped", s.max_skipped);
}

template <class Fields, class AnyProgress>
void visit_progress(Fields& f, AnyProgress& p) {
    f("progress.step", p.step);
    f("progress.epoch", p.epoch);
    f("progress.window", p.window);
    f("progress.skipped", p.skipped);
    f("progress.skipped_in_a_row", p.skipped_in_a_row);
}

template <class Fields, class AnyCounts>
void visit_counts(Fields& f, AnyCounts& c) {
    f("progress.updates", c.updates);
    f("progress.loss_scale", c.loss_scale);
    f("progress.steps_at_scale", c.steps_at_scale);
}

constexpr const char* kStateRows = "progress.state_rows";
constexpr const char* kStatePrefix = "state.";

}  // namespace

Metadata to_metadata(const TrainerSpec& spec) {
    Metadata metadata;
    model::FieldWriter writer(metadata);
    visit_spec(writer, spec);
    return metadata;
}

TrainerSpec trainer_spec_from(const Metadata& metadata) {
    TrainerSpec spec;
    model::FieldReader reader(metadata);
    visit_spec(reader, spec);
    validate(spec);
    return spec;
}

TrainingState Trainer::save() const {
    Impl& m = *impl_;
    TrainingState saved;
    saved.tensors = m.network.read_parameters(m.stream);
    for (HostTensor& t : m.optimizer.read(m.stream)) saved.tensors.push_back(std::move(t));
    saved.metadata = to_metadata(m.spec);
    model::FieldWriter writer(saved.metadata);
    Progress progress = m.progress;
    if (m.queued[m.last].waiting) Impl::count(m.queued[m.last].read(), progress);
    visit_progress(writer, progress);
    const UpdateCounts counts = m.optimizer.counts(m.stream);
    visit_counts(writer, counts);
    writer(kStateRows, m.state ? m.state->batch() : std::int64_t{0});
    if (m.state)
        for (HostTensor& t : m.state->read(m.stream)) {
            t.name = kStatePrefix + t.name;
            saved.tensors.push_back(std::move(t));
        }
    return saved;
}

void Trainer::restore(const TrainingState& saved) {
    Impl& m = *impl_;
    const model::FieldReader reader(saved.metadata);
    Progress progress;
    UpdateCounts counts;
    std::int64_t rows = 0;
    visit_progress(reader, progress);
    visit_counts(reader, counts);
    reader(kStateRows, rows);
    for (std::int64_t n :
         {progress.step, progress.epoch, progress.window, progress.skipped, progress.skipped_in_a_row, rows})
        require(n >= 0, "progress", n, "must not be negative");

    std::optional<NetworkState> state;
    if (rows > 0) {
        std::vector<HostTensor> tensors;
        const std::string_view prefix = kStatePrefix;
        for (const HostTensor& t : saved.tensors)
            if (t.name.starts_with(prefix)) {
                tensors.push_back(t);
                tensors.back().name.erase(0, prefix.size());
            }
        state.emplace(m.network.make_state(rows));
        state->write(tensors, m.stream);
    }
    m.optimizer.write(saved.tensors, counts, m.stream);
    m.network.write_parameters(saved.tensors, m.stream);
    m.state = std::move(state);
    m.progress = progress;
    for (QueuedStep& step : m.queued) step.waiting = false;
}

}  // namespace rondo
