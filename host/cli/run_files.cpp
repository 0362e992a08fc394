#include "cli/run_files.hpp"

#include <algorithm>
#include <set>

#include "reference/names.hpp"
#include "rondo/convert.hpp"

namespace rondo::cli {
namespace {

/// The states that one tensor of a file holds: all of a kind, or a single one.
struct StateGroup {
    char kind;           ///< h or c
    std::string suffix;  ///< "", or "_l1_reverse" of a single one
    std::vector<std::size_t> members;
    std::int64_t width;
    bool stacked;

    std::string name(const std::string& before, const std::string& after) const {
        return before + kind + after + suffix;
    }
    Shape shape(std::int64_t batch) const {
        return stacked ? Shape{static_cast<std::int64_t>(members.size()), batch, width} : Shape{batch, width};
    }
};

std::vector<StateGroup> state_groups(const StackSpec& spec) {
    const std::vector<reference::State> list = reference::states(spec);
    std::vector<StateGroup> groups;
    std::string kinds;
    for (const reference::State& state : list)
        if (kinds.find(state.name.front()) == std::string::npos) kinds += state.name.front();
    for (const char kind : kinds) {
        StateGroup all{kind, "", {}, 0, true};
        bool equal = true;
        for (std::size_t i = 0; i < list.size(); ++i) {
            if (list[i].name.front() != kind) continue;
            equal = equal && (all.members.empty() || list[i].width == all.width);
            all.width = list[i].width;
            all.members.push_back(i);
        }
        if (all.members.empty()) continue;
        if (equal) {
            groups.push_back(all);
            continue;
        }
        for (const std::size_t i : all.members)
            groups.push_back(
                {kind, reference::full_name("", list[i].layer, list[i].direction), {i}, list[i].width, false});
    }
    return groups;
}

Numbers read_numbers(const SafetensorsReader& file, const TensorInfo& tensor) {
    require(tensor.dtype != DType::i64 && tensor.dtype != DType::i32, tensor.name, tensor.dtype,
            "must be f64, f32, f16 or bf16");
    Numbers numbers(static_cast<std::size_t>(tensor.shape.size()));
    file.read_as(tensor, DType::f64, numbers.data());
    return numbers;
}

/// Reads an input's tensors one by one and knows in the end which nobody asked for.
class Input {
public:
    explicit Input(const SafetensorsReader& file) : file_(file) {}

    const TensorInfo* find(const std::string& name) {
        known_.insert(name);
        return file_.find(name);
    }
    /// Empty where it is absent.
    Numbers optional(const std::string& name, const Shape& shape) {
        const TensorInfo* tensor = find(name);
        if (!tensor) return {};
        require(tensor->shape == shape, name, tensor->shape, "must be " + shape.to_string());
        return read_numbers(file_, *tensor);
    }
    void refuse_unknown() const {
        std::string names;
        for (const std::string& name : known_) names += (names.empty() ? "" : ", ") + name;
        for (const TensorInfo& tensor : file_.tensors())
            if (!known_.count(tensor.name)) refuse("tensor", tensor.name, "is no input; there are " + names);
    }
    const SafetensorsReader& file() const { return file_; }

private:
    const SafetensorsReader& file_;
    std::set<std::string> known_;
};

std::vector<std::int64_t> read_lengths(Input& input, std::int64_t steps, std::int64_t batch) {
    const TensorInfo* tensor = input.find("lengths");
    if (!tensor) return {};
    require(tensor->dtype == DType::i64, "lengths", tensor->dtype, "must be i64");
    require(tensor->shape == Shape{batch}, "lengths", tensor->shape, "must be " + Shape{batch}.to_string());
    std::vector<std::int64_t> lengths(static_cast<std::size_t>(batch));
    input.file().read(*tensor, lengths.data());
    for (std::size_t b = 0; b < lengths.size(); ++b)
        require(lengths[b] >= 0 && lengths[b] <= steps, detail::concat("lengths[", b, "]"), lengths[b],
                detail::concat("must be in [0, ", steps, "]"));
    return lengths;
}

/// States or their gradients, cut into one tensor each.
std::vector<Numbers> read_states(Input& input, const StackSpec& spec, std::int64_t batch, const std::string& before,
                                 const std::string& after) {
    std::vector<Numbers> states(reference::states(spec).size());
    for (const StateGroup& group : state_groups(spec)) {
        const Numbers all = input.optional(group.name(before, after), group.shape(batch));
        if (all.empty()) continue;
        const auto each = static_cast<std::ptrdiff_t>(batch * group.width);
        for (std::size_t k = 0; k < group.members.size(); ++k) {
            const auto begin = all.begin() + static_cast<std::ptrdiff_t>(k) * each;
            states[group.members[k]] = Numbers(begin, begin + each);
        }
    }
    return states;
}

/// Collects tensors in the type they are written in.
class Output {
public:
    explicit Output(const RunProblem& problem)
        : type_(problem.spec.precision.storage == DType::f64 ? DType::f64 : DType::f32) {}

    void add(const std::string& name, const Shape& shape, const Numbers& numbers) {
        HostTensor& tensor = tensors_.emplace_back(name, type_, shape);
        require(static_cast<std::int64_t>(numbers.size()) == shape.size(), name, numbers.size(),
                "is not its shape's size");
        convert_elements(type_, tensor.data.data(), DType::f64, numbers.data(), shape.size());
    }
    void add_states(const RunProblem& problem, const std::vector<Numbers>& states, const std::string& after,
                    const std::string& end) {
        for (const StateGroup& group : state_groups(problem.spec)) {
            Numbers all;
            for (const std::size_t i : group.members) all.insert(all.end(), states[i].begin(), states[i].end());
            add(group.name("", after) + end, group.shape(problem.batch), all);
        }
    }
    void write(const std::string& path) const {
        std::vector<NamedTensor> named;
        for (const HostTensor& tensor : tensors_) named.push_back({tensor.name, tensor.view()});
        write_safetensors(path, named);
    }

private:
    DType type_;
    std::vector<HostTensor> tensors_;
};

}  // namespace

RunProblem read_problem(const StackSpec& spec, const SafetensorsReader& weights, const std::string& prefix,
                        const SafetensorsReader& file, bool gradients) {
    RunProblem problem;
    problem.spec = spec;
    problem.gradients = gradients;
    for (const reference::Parameter& parameter : reference::parameters(spec))
        problem.parameters[parameter.name] = read_numbers(weights, weights.tensor(prefix + parameter.name));

    Input input(file);
    const TensorInfo* x = input.find("x");
    if (!x) refuse("tensor", "x", "is missing in the input");
    require(x->shape.rank() == 3 && x->shape[0] > 0 && x->shape[1] > 0 && x->shape[2] == spec.input, "x", x->shape,
            detail::concat("must be [T, B, ", spec.input, "] with T and B at least 1"));
    problem.x = read_numbers(file, *x);
    problem.steps = x->shape[0];
    problem.batch = x->shape[1];
    problem.lengths = read_lengths(input, problem.steps, problem.batch);
    problem.states = read_states(input, spec, problem.batch, "", "0");
    // Known without --grad too: one input serves both runs.
    problem.dy = input.optional("dy", {problem.steps, problem.batch, spec.output()});
    problem.dfinals = read_states(input, spec, problem.batch, "d", "y");
    input.refuse_unknown();
    const bool upstream = !problem.dy.empty() || std::any_of(problem.dfinals.begin(), problem.dfinals.end(),
                                                             [](const Numbers& n) { return !n.empty(); });
    require(!gradients || upstream, "tensor", "dy", "is missing in the input: --grad needs dy, or dhy or dcy");
    return problem;
}

void write_result(const std::string& path, const RunProblem& problem, const RunResult& result) {
    Output output(problem);
    output.add("y", {problem.steps, problem.batch, problem.spec.output()}, result.y);
    output.add_states(problem, result.finals, "y", "");
    if (problem.gradients) {
        output.add("x.grad", {problem.steps, problem.batch, problem.spec.input}, result.dx);
        output.add_states(problem, result.dstates, "0", ".grad");
        for (const reference::Parameter& parameter : reference::parameters(problem.spec)) {
            const bool vector = parameter.name.starts_with("bias") || parameter.name.starts_with("weight_peephole") ||
                                parameter.name.starts_with("weight_norm");
            output.add(parameter.name + ".grad",
                       vector ? Shape{parameter.rows} : Shape{parameter.rows, parameter.columns},
                       result.dparameters.at(parameter.name));
        }
    }
    output.write(path);
}

}  // namespace rondo::cli
