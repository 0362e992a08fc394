#include <span>

#include "cli/run_problem.hpp"
#include "model/device_buffer.hpp"
#include "rondo/convert.hpp"
#include "scheduler/backend.hpp"

namespace rondo::cli {
namespace {

/// Tensors of the device, filled from numbers and read back as numbers. All on one stream.
class Memory {
public:
    Memory(Device device, Stream stream) : device_(std::move(device)), stream_(stream) {}

    model::DeviceBuffer bytes(std::int64_t size) { return model::DeviceBuffer(device_, size); }
    model::DeviceBuffer upload(const void* data, std::int64_t size) {
        model::DeviceBuffer buffer(device_, size);
        if (size > 0) device_.backend().upload(buffer.data(), data, static_cast<std::size_t>(size), stream_);
        device_.backend().synchronize(stream_);  // `data` may be gone after this
        return buffer;
    }
    model::DeviceBuffer upload(const Numbers& numbers, DType type) {
        const auto count = static_cast<std::int64_t>(numbers.size());
        std::vector<std::byte> converted(static_cast<std::size_t>(count * size_of(type)));
        convert_elements(type, converted.data(), DType::f64, numbers.data(), count);
        return upload(converted.data(), count * size_of(type));
    }
    Numbers download(const model::DeviceBuffer& buffer, DType type) {
        std::vector<std::byte> stored(static_cast<std::size_t>(buffer.bytes()));
        if (!stored.empty()) device_.backend().download(stored.data(), buffer.data(), stored.size(), stream_);
        device_.backend().synchronize(stream_);
        Numbers numbers(stored.size() / static_cast<std::size_t>(size_of(type)));
        convert_elements(DType::f64, numbers.data(), type, stored.data(), static_cast<std::int64_t>(numbers.size()));
        return numbers;
    }

private:
    Device device_;
    Stream stream_;
};

/// One buffer a state, [B, width]. A missing one has no memory and is a null view.
struct StateBuffers {
    std::vector<model::DeviceBuffer> buffers;
    std::vector<View> views;

    std::vector<ConstView> inputs() const { return {views.begin(), views.end()}; }
    std::vector<Numbers> download(Memory& memory) const {
        std::vector<Numbers> out;
        for (std::size_t i = 0; i < buffers.size(); ++i) out.push_back(memory.download(buffers[i], views[i].dtype));
        return out;
    }
};

enum class Fill { given, room };

StateBuffers state_buffers(Memory& memory, const Plan& plan, Fill fill, const std::vector<Numbers>& given = {}) {
    StateBuffers out;
    for (std::size_t i = 0; i < plan.states.size(); ++i) {
        const StateInfo& state = plan.states[i];
        const DType type = state.index == 0 ? plan.spec.precision.storage : plan.spec.precision.state;
        const Shape shape{plan.extent.batch, state.width};
        out.buffers.push_back(fill == Fill::room ? memory.bytes(shape.size() * size_of(type))
                              : i < given.size() ? memory.upload(given[i], type)
                                                 : memory.bytes(0));
        out.views.emplace_back(out.buffers.back().data(), type, shape);
    }
    return out;
}

/// Between the parameter array, with its gaps, and numbers by name.
Numbers pack_parameters(const Plan& plan, const RunProblem& problem) {
    Numbers array(static_cast<std::size_t>(plan.parameter_count));
    for (const ParameterInfo& parameter : plan.parameters) {
        const Numbers& numbers = problem.parameters.at(parameter.name);
        std::copy(numbers.begin(), numbers.end(), array.begin() + parameter.offset);
    }
    return array;
}
std::map<std::string, Numbers> unpack_parameters(const Plan& plan, const Numbers& array) {
    std::map<std::string, Numbers> out;
    for (const ParameterInfo& parameter : plan.parameters) {
        const auto begin = array.begin() + parameter.offset;
        out[parameter.name] = Numbers(begin, begin + parameter.shape.size());
    }
    return out;
}

}  // namespace

RunResult run_on_device(const RunProblem& problem, const Device& device) {
    const Stream stream{};  // the device's own order
    Rnn rnn(device, problem.spec);
    const Plan plan = rnn.plan({.steps = problem.steps,
                                .batch = problem.batch,
                                .mode = problem.gradients ? Mode::training : Mode::inference,
                                .ragged = !problem.lengths.empty()});
    const DType storage = problem.spec.precision.storage, master = problem.spec.precision.accumulate;
    const Shape x_shape{problem.steps, problem.batch, problem.spec.input};
    const Shape y_shape{problem.steps, problem.batch, problem.spec.output()};

    Memory memory(device, stream);
    const auto parameters = memory.upload(pack_parameters(plan, problem), master);
    const auto prepared = memory.bytes(plan.prepared_bytes);
    const auto reserve = memory.bytes(plan.reserve_bytes), workspace = memory.bytes(plan.workspace_bytes);
    const auto x = memory.upload(problem.x, storage), y = memory.bytes(y_shape.size() * size_of(storage));
    const auto lengths = memory.upload(problem.lengths.data(), static_cast<std::int64_t>(problem.lengths.size() * 8));
    const StateBuffers initial = state_buffers(memory, plan, Fill::given, problem.states);
    const StateBuffers final_states = state_buffers(memory, plan, Fill::room);
    const std::vector<ConstView> states = initial.inputs();

    rnn.prepare(parameters.data(), prepared.data(), stream);
    ForwardArgs args;
    args.parameters = parameters.data();
    args.prepared = prepared.data();
    args.x = {x.data(), storage, x_shape};
    args.lengths = lengths.as<const std::int64_t>();
    args.states = states;
    args.y = {y.data(), storage, y_shape};
    args.final_states = final_states.views;
    args.reserve = reserve.data();
    args.workspace = workspace.data();
    const ForwardToken token = rnn.forward(plan, args, stream);

    RunResult result;
    result.y = memory.download(y, storage);
    result.finals = final_states.download(memory);
    if (!problem.gradients) return result;

    const auto dy = memory.upload(problem.dy, storage);
    const auto dx = memory.bytes(x_shape.size() * size_of(storage));
    const auto dparameters = memory.bytes(plan.parameter_count * size_of(master));
    const StateBuffers dfinals = state_buffers(memory, plan, Fill::given, problem.dfinals);
    const StateBuffers dstates = state_buffers(memory, plan, Fill::room);
    const std::vector<ConstView> dfinal_views = dfinals.inputs();
    BackwardArgs back;
    back.parameters = args.parameters;
    back.prepared = args.prepared;
    back.x = args.x;
    back.lengths = args.lengths;
    back.states = args.states;
    if (!problem.dy.empty()) back.dy = {dy.data(), storage, y_shape};
    back.dfinal_states = dfinal_views;
    back.dx = {dx.data(), storage, x_shape};
    back.dstates = dstates.views;
    back.dparameters = dparameters.data();
    back.reserve = args.reserve;
    back.workspace = args.workspace;
    rnn.backward(plan, token, back, stream);

    result.dx = memory.download(dx, storage);
    result.dstates = dstates.download(memory);
    result.dparameters = unpack_parameters(plan, memory.download(dparameters, master));
    return result;
}

}  // namespace rondo::cli
