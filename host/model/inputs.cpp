/// A batch on its way to the device: checked, and padding made safe.
#include <algorithm>

#include "model/network_impl.hpp"

namespace rondo {
namespace {

struct IdRange {
    std::int64_t below;
    bool negative;  ///< allowed: the target is left out
    std::int32_t forbidden = -1;
};

void check_id(const std::string& name, std::int64_t index, std::int32_t id, IdRange range) {
    if (id >= 0 && id == range.forbidden)
        refuse(detail::concat(name, "[", index, "]"), id, "is the blank, which is no label");
    if ((id >= 0 || range.negative) && id < range.below) return;
    refuse(detail::concat(name, "[", index, "]"), id,
           detail::concat("must be ", range.negative ? "negative or " : "in [0, ", range.negative ? "below " : "",
                          range.below, range.negative ? "" : ")"));
}

/// before[t] = targets in the steps before t.
void count_ids(const std::int32_t* ids, std::int64_t batch, std::vector<std::int64_t>& before) {
    for (std::size_t t = 0; t + 1 < before.size(); ++t) {
        const std::int32_t* row = ids + static_cast<std::int64_t>(t) * batch;
        before[t + 1] = before[t] + std::count_if(row, row + batch, [](std::int32_t id) { return id >= 0; });
    }
}

void count_elements(std::span<const std::int64_t> lengths, std::int64_t batch, std::int64_t width,
                    std::vector<std::int64_t>& before) {
    for (std::size_t t = 0; t + 1 < before.size(); ++t) {
        std::int64_t rows = batch;
        if (!lengths.empty())
            rows = std::count_if(lengths.begin(), lengths.end(),
                                 [t](std::int64_t length) { return static_cast<std::int64_t>(t) < length; });
        before[t + 1] = before[t] + rows * width;
    }
}

}  // namespace

void Network::Impl::upload(std::span<const Sequence> inputs, Stream stream) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!inputs[i].data) continue;
        Sequence input = inputs[i];
        // A target without lengths of its own ends where what it is compared with ends.
        const model::InputCheck& check = graph.inputs[i];
        if (const int prediction = check.prediction; prediction >= 0 && check.aligned && input.lengths.empty()) {
            const int of = current->values[static_cast<std::size_t>(prediction)].info.lengths;
            if (of >= 0) input.lengths = inputs[static_cast<std::size_t>(of)].lengths;
        }
        upload_input(i, input, stream);
        if (check.prediction >= 0 && !check.aligned) check_alignable(i, inputs);
    }
}

/// Throws Error where a row of labels cannot be aligned with its steps: there must be one for each label, and one for a
/// blank between equal neighbours.
void Network::Impl::check_alignable(std::size_t target, std::span<const Sequence> inputs) const {
    const model::ValueInfo& prediction =
        current->values[static_cast<std::size_t>(graph.inputs[target].prediction)].info;
    const Sequence& labels = inputs[target];
    const std::int64_t batch = prediction.batch(), most = labels.data.shape[0];
    const auto* ids = static_cast<const std::int32_t*>(labels.data.data);
    for (std::int64_t b = 0; b < batch; ++b) {
        const auto row = static_cast<std::size_t>(b);
        const std::int64_t steps = prediction.lengths < 0
                                       ? prediction.steps()
                                       : inputs[static_cast<std::size_t>(prediction.lengths)].lengths[row];
        std::int64_t needed = 0, count = 0;
        const std::int64_t end = labels.lengths.empty() ? most : labels.lengths[row];
        for (; count < end && ids[count * batch + b] >= 0; ++count)
            needed += 1 + (count > 0 && ids[count * batch + b] == ids[(count - 1) * batch + b] ? 1 : 0);
        for (std::int64_t u = count; u < end; ++u)
            if (ids[u * batch + b] >= 0)
                refuse(detail::concat(spec.inputs[target].name, "[", u, ",", b, "]"), ids[u * batch + b],
                       "follows a negative one: a row's labels come first");
        if (needed > steps)
            refuse(detail::concat(spec.inputs[target].name, " of row ", b), detail::concat(count, " labels"),
                   detail::concat("must fit its ", steps, " steps: ", needed, " are needed"));
    }
}

void Network::Impl::upload_input(std::size_t i, const Sequence& input, Stream stream) {
    const std::string& name = spec.inputs[i].name;
    const model::PlannedValue& value = current->values[i];
    model::PlannedInput& planned = current->inputs[i];
    const Shape& shape = value.info.shape;
    const bool ids = spec.inputs[i].width == 0;
    const bool has_steps = shape.rank() == (ids ? 2 : 3);
    const std::int64_t steps = has_steps ? shape[0] : 1, batch = has_steps ? shape[1] : shape[0];
    const bool ragged = !input.lengths.empty() && has_steps;
    if (ragged && static_cast<std::int64_t>(input.lengths.size()) != batch)
        refuse(name, input.lengths.size(), detail::concat("must have ", batch, " lengths, one a row"));
    for (std::size_t b = 0; ragged && b < input.lengths.size(); ++b)
        if (input.lengths[b] < 0 || input.lengths[b] > steps)
            refuse(detail::concat(name, ".lengths[", b, "]"), input.lengths[b],
                   detail::concat("must be in [0, ", steps, "]"));
    std::byte* to = current->arena + value.data;
    if (planned.lengths != model::kNoBuffer)
        backend().upload(current->arena + planned.lengths, input.lengths.data(), input.lengths.size_bytes(), stream);

    if (!ids) {
        const auto bytes = static_cast<std::size_t>(value.info.bytes());
        if (input.on_device)
            backend().copy(to, input.data.data, bytes, stream);
        else
            backend().upload(to, input.data.data, bytes, stream);
        if (planned.lengths != model::kNoBuffer)  // padding may hold anything, and products read it
            backend().mask_rows(value.info.dtype, to, to, steps, batch, value.info.width(),
                                reinterpret_cast<const std::int64_t*>(current->arena + planned.lengths), stream);
        if (graph.inputs[i].is_target)
            count_elements(ragged ? input.lengths : std::span<const std::int64_t>(), batch, value.info.width(),
                           planned.targets_before);
        return;
    }
    require(!input.on_device, name, "on the device", "ids must lie in host memory, where they are checked");
    const bool target = graph.inputs[i].is_target;
    std::int64_t below = graph.inputs[i].classes > 0 ? graph.inputs[i].classes : std::int64_t{1} << 31;
    if (target) {
        below = graph.inputs[i].target_classes;
        if (below == 0) below = current->values[static_cast<std::size_t>(graph.inputs[i].prediction)].info.width();
    }
    const auto* from = static_cast<const std::int32_t*>(input.data.data);
    if (ragged) {
        planned.staged.resize(static_cast<std::size_t>(shape.size()));
        for (std::int64_t t = 0; t < steps; ++t)
            for (std::int64_t b = 0; b < batch; ++b) {
                const std::int64_t at = t * batch + b;
                const bool padding = t >= input.lengths[static_cast<std::size_t>(b)];
                planned.staged[static_cast<std::size_t>(at)] = !padding ? from[at] : target ? -1 : 0;
            }
        from = planned.staged.data();
    }
    for (std::int64_t at = 0; at < shape.size(); ++at)
        check_id(name, at, from[at], {below, target, graph.inputs[i].forbidden});
    if (target) count_ids(from, batch, planned.targets_before);
    backend().upload(to, from, static_cast<std::size_t>(value.info.bytes()), stream);
}

}  // namespace rondo
