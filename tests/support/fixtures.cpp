#include "support/fixtures.hpp"

#include <rondo/safetensors.hpp>
#include <sstream>

namespace rondo::test {

namespace {

std::vector<std::int64_t> parse_lengths(const std::string& text) {
    std::vector<std::int64_t> list;
    std::istringstream in(text);
    for (std::string word; std::getline(in, word, ',');) list.push_back(std::stoll(word));
    return list;
}

void set_option(LayerSpec& layer, const std::string& key, const std::string& value) {
    if (key == "cell")
        layer.cell = value;
    else if (key == "H")
        layer.hidden = std::stoll(value);
    else if (key == "projection")
        layer.projection = std::stoll(value);
    else if (key == "clip")
        layer.cell_clip = std::stod(value);
    else if (key == "direction")
        layer.direction = value == "forward"   ? Direction::forward
                          : value == "reverse" ? Direction::reverse
                                               : Direction::bidirectional;
    else if (key == "merge")
        layer.merge = value == "sum" ? Merge::sum : value == "average" ? Merge::average : Merge::concatenate;
    else if (key == "biases")
        layer.biases = value == "none" ? Biases::none : value == "one" ? Biases::one : Biases::two;
    else if (key == "options")
        layer.options = {.peepholes = value.find("peepholes") != std::string::npos,
                         .coupled = value.find("coupled") != std::string::npos,
                         .reset_before = value == "reset_before"};
    else
        refuse("fixture", key, "is no option of a layer");
}

/// "T=4 B=3 I=2 lengths=4,2,1 ; cell=lstm H=3 ... ; ..."
Problem parse_description(const std::string& name, const std::string& text) {
    Problem p;
    p.name = name;
    p.spec.precision = Precision::f64();
    std::istringstream in(text);
    for (std::string word; in >> word;) {
        const std::size_t equals = word.find('=');
        const std::string key = word.substr(0, equals);
        const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
        if (word == ";")
            p.spec.layers.emplace_back();
        else if (!p.spec.layers.empty())
            set_option(p.spec.layers.back(), key, value);
        else if (key == "T")
            p.steps = std::stoll(value);
        else if (key == "B")
            p.batch = std::stoll(value);
        else if (key == "I")
            p.spec.input = std::stoll(value);
        else if (key == "lengths")
            p.inputs.lengths = parse_lengths(value);
        else
            refuse("fixture", key, "is no option of a stack");
    }
    return p;
}

class CaseReader {
public:
    CaseReader(const SafetensorsReader& file, std::string name) : file_(file), name_(std::move(name)) {}

    /// Empty where the file has no such tensor.
    Tensor operator()(const std::string& tensor) const {
        const TensorInfo* info = file_.find(name_ + "/" + tensor);
        if (!info) return {};
        Tensor values(static_cast<std::size_t>(info->shape.size()));
        file_.read_as(*info, DType::f64, values.data());
        return values;
    }

private:
    const SafetensorsReader& file_;
    std::string name_;
};

}  // namespace

Result complete(const Fixture& fixture, const Result& oracle) {
    Result r = oracle;
    auto take = [](Tensor& to, const Tensor& from) {
        if (!from.empty()) to = from;
    };
    take(r.outputs.y, fixture.result.outputs.y);
    take(r.dx, fixture.result.dx);
    for (std::size_t i = 0; i < r.dstates.size(); ++i) {
        take(r.outputs.final_states[i], fixture.result.outputs.final_states[i]);
        take(r.outputs.state_steps[i], fixture.result.outputs.state_steps[i]);
        take(r.dstates[i], fixture.result.dstates[i]);
    }
    for (auto& [name, gradient] : r.dparameters) take(gradient, fixture.result.dparameters.at(name));
    return r;
}

std::vector<Fixture> read_fixtures(const std::string& name) {
    const SafetensorsReader file(std::string(RONDO_SOURCE_DIR) + "/tests/fixtures/" + name + ".safetensors");
    std::vector<Fixture> list;
    for (const auto& [case_name, description] : file.metadata()) {
        const CaseReader read(file, case_name);
        Fixture f{parse_description(name + "/" + case_name, description), {}, false};
        Problem& p = f.problem;
        p.inputs.x = read("x");
        p.upstream.y = read("dy");
        f.gradients = !p.upstream.y.empty();
        f.result.outputs.y = read("y");
        f.result.dx = read("dx");
        for (const auto& parameter : reference::parameters(p.spec)) {
            p.inputs.parameters[parameter.name] = read(parameter.name);
            f.result.dparameters[parameter.name] = read("d_" + parameter.name);
        }
        for (const auto& state : reference::states(p.spec)) {
            p.inputs.states.push_back(read("initial_" + state.name));
            p.upstream.final_states.push_back(read("dfinal_" + state.name));
            p.upstream.state_steps.push_back(read("dsteps_" + state.name));
            f.result.outputs.final_states.push_back(read("final_" + state.name));
            f.result.outputs.state_steps.push_back(read("steps_" + state.name));
            f.result.dstates.push_back(read("dinitial_" + state.name));
        }
        list.push_back(std::move(f));
    }
    return list;
}

}  // namespace rondo::test
