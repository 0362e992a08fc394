#pragma once
/// What a Network holds, shared by the files that define its members.
#include <optional>

#include "model/device_buffer.hpp"
#include "model/network_plan.hpp"

namespace rondo {

namespace model {
[[noreturn]] inline void refuse_state(const char* why) { throw Error(ErrorCode::state, why); }
}  // namespace model

struct NetworkState::Impl {
    struct Part {
        std::string name;
        DType dtype;
        std::int64_t steps, width, offset;  ///< steps: 0 where it is no sequence
        std::int64_t counts;                ///< of a sequence: where the i64 [B] of its valid steps lie
        std::size_t node, state;
    };
    Device device;
    std::int64_t batch;
    std::vector<Part> parts;
    model::DeviceBuffer buffer, rows{};

    Shape shape(const Part& part) const {
        return part.steps > 0 ? Shape{part.steps, batch, part.width} : Shape{batch, part.width};
    }
    std::int64_t bytes(const Part& part) const { return shape(part).size() * size_of(part.dtype); }
    void upload_rows(std::span<const std::int64_t> wanted, std::int64_t of, Stream stream);
    /// The uploaded rows of a state like `part` of `from_batch` rows. lengths: its valid steps, null for all.
    void take(const Part& part, const void* from, std::int64_t from_batch, const void* lengths, Stream stream);
};

struct Network::Impl {
    Impl(Device on, NetworkSpec described);

    Device device;
    NetworkSpec spec;
    model::Graph graph;
    model::DeviceBuffer parameters, gradients, arena;
    model::DeviceBuffer random;       ///< RandomState, one a node
    model::DeviceBuffer sums;         ///< double, one a node: the losses
    model::DeviceBuffer scales;       ///< double, one a node: what they are reduced by; then the loss scale
    model::DeviceBuffer counted;      ///< i64, one a node
    model::DeviceBuffer weight_sums;  ///< double, one a parameter: squares of observed gradients; then their loss scale
    bool observing = false;           ///< what is fed from now on
    std::vector<RandomState> random_staged;
    std::vector<double> sums_read;
    std::vector<model::BlockPlace> block_places;  ///< one a block
    std::vector<const void*> block_data;          ///< scratch of prepare
    std::vector<std::unique_ptr<model::NetworkPlan>> plans;
    std::uint64_t bindings = 0;               ///< of plans to arenas, so far
    std::vector<model::InputExtent> wanted;   ///< scratch of find_plan
    std::vector<std::vector<void*>> carried;  ///< one a node: where its states lie
    std::vector<void*> kept;                  ///< scratch of keep_state
    std::vector<char> block_written;

    // Of the last forward.
    enum class Phase { none, fed, forward, loss, backward };
    Phase phase = Phase::none;
    bool was_replayed = false;  ///< a recording stood for what was called since the last feed
    bool reduced = false;       ///< set_loss has been called for it
    std::int64_t loss_begin = 0;
    model::NetworkPlan* current = nullptr;
    std::vector<double> loss_scales;         ///< one a node
    std::vector<std::int64_t> loss_counted;  ///< one a node
    bool parameters_dirty = true;

    Backend& backend() const noexcept { return device.backend(); }
    /// Of the parameters and their gradients: a master copy where values are stored in 16 bits.
    DType parameter_dtype() const noexcept { return spec.precision.accumulate; }
    std::int64_t element() const noexcept { return size_of(parameter_dtype()); }

    model::NetworkPlan& find_plan(std::span<const Sequence> inputs, Mode mode);
    void upload(std::span<const Sequence> inputs, Stream stream);
    void upload_input(std::size_t i, const Sequence& input, Stream stream);
    void check_alignable(std::size_t target, std::span<const Sequence> inputs) const;
    void prepare(Stream stream);
    model::Call call(std::size_t node, Stream stream);
    void point_carried(const NetworkState* state);
    void reduce(std::size_t node, Reduction reduction, std::int64_t begin);
    void run_loss(std::size_t node, Stream stream);
    bool is_active_loss(std::size_t node) const;
    double* loss_scale() const { return scales.as<double>() + graph.nodes.size(); }
    void backward_node(std::size_t node, Stream stream);
    void observe_weights(Stream stream);
    const model::PlannedValue& planned_value(std::string_view name) const;
    HostTensor download(std::string name, const ConstView& view, Stream stream) const;
    std::vector<HostTensor> download_array(const std::byte* array, Stream stream) const;
};

}  // namespace rondo
