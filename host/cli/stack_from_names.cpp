#include "cli/stack_from_names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "reference/names.hpp"

namespace rondo::cli {
namespace {

using reference::full_name;
using Tensors = std::map<std::string, const TensorInfo*>;  ///< by name, the prefix taken off

/// The layer of a parameter's name: 12 of weight_hh_l12_reverse. Nothing where it is no such name.
std::optional<int> layer_of(std::string_view name) {
    constexpr std::string_view kReverse = "_reverse";
    constexpr std::array<std::string_view, 7> kKinds{"weight_ih", "weight_hh",       "bias_ih",    "bias_hh",
                                                     "weight_hr", "weight_peephole", "weight_norm"};
    if (name.ends_with(kReverse)) name.remove_suffix(kReverse.size());
    const std::size_t mark = name.rfind("_l");
    if (mark == std::string_view::npos) return std::nullopt;
    const std::string_view number = name.substr(mark + 2);
    int layer = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), layer);
    const bool whole = error == std::errc() && number == std::to_string(layer);  // not 00 or 01
    const bool known = std::find(kKinds.begin(), kKinds.end(), name.substr(0, mark)) != kKinds.end();
    return whole && known && layer >= 0 ? std::optional(layer) : std::nullopt;
}

/// What stands for one layer and direction.
class LayerTensors {
public:
    LayerTensors(const Tensors& all, int layer, int direction) : all_(all), layer_(layer), direction_(direction) {}

    std::string name(const char* kind) const { return full_name(kind, layer_, direction_); }
    bool has(const char* kind) const { return all_.count(name(kind)) != 0; }
    bool any() const { return has("weight_ih") || has("weight_hh"); }
    const Shape& matrix(const char* kind) const {
        const auto found = all_.find(name(kind));
        if (found == all_.end()) refuse("tensor", name(kind), "is missing");
        const Shape& shape = found->second->shape;
        require(shape.rank() == 2 && shape[0] > 0 && shape[1] > 0, name(kind), shape, "must be a matrix");
        return shape;
    }

private:
    const Tensors& all_;
    int layer_, direction_;
};

std::string cell_by_gates(std::int64_t gates, const StackOptions& options, const std::string& tensor) {
    if (gates == 4) return "lstm";
    if (gates == 3) return options.coupled ? "lstm" : "gru";
    if (gates == 1) refuse("cell", "not given", tensor + " has one gate: say --cell rnn_tanh or --cell rnn_relu");
    refuse(
        "cell", "not given",
        detail::concat(tensor, " has ", gates, " gates, which no cell has (lstm 4, gru 3, rnn_tanh and rnn_relu 1)"));
}

LayerSpec layer_from(const LayerTensors& tensors, std::size_t layer, const StackOptions& options) {
    LayerSpec spec;
    if (!options.cells.empty()) {
        spec.cell = options.cells[options.cells.size() == 1 ? 0 : layer];
        if (!reference::is_recurrent(spec)) {  // it has no weight_hh to tell its width
            spec.hidden = tensors.matrix("weight_ih")[0] / reference::gates(spec);
            spec.biases = tensors.has("bias_ih") ? Biases::one : Biases::none;
            return spec;
        }
    }
    const Shape& hh = tensors.matrix("weight_hh");
    spec.hidden = hh[1];
    if (tensors.has("weight_hr")) {
        spec.projection = hh[1];
        spec.hidden = tensors.matrix("weight_hr")[1];
    }
    if (options.cells.empty()) {
        require(hh[0] % spec.hidden == 0, tensors.name("weight_hh"), hh,
                detail::concat("rows must be a multiple of the hidden width, ", spec.hidden));
        spec.cell = cell_by_gates(hh[0] / spec.hidden, options, tensors.name("weight_hh"));
    }
    if (tensors.has("bias_hh") && !tensors.has("bias_ih"))
        refuse("tensor", tensors.name("bias_ih"), "is missing, and bias_hh is there: a single bias is bias_ih");
    spec.biases = tensors.has("bias_hh") ? Biases::two : tensors.has("bias_ih") ? Biases::one : Biases::none;
    if (spec.cell == "lstm") {
        spec.options.coupled = options.coupled;
        spec.options.peepholes = options.peepholes || tensors.has("weight_peephole");
        spec.cell_clip = options.cell_clip;
    }
    if (spec.cell == "gru") spec.options.reset_before = options.reset_before;
    return spec;
}

/// An option that no layer takes is a mistake.
void check_options(const StackSpec& spec, const StackOptions& options) {
    const auto any = [&](const char* cell) {
        return std::any_of(spec.layers.begin(), spec.layers.end(), [&](const LayerSpec& l) { return l.cell == cell; });
    };
    require(!options.coupled || any("lstm"), "coupled", "true", "needs a layer of lstm cells");
    require(!options.peepholes || any("lstm"), "peepholes", "true", "needs a layer of lstm cells");
    require(options.cell_clip == 0 || any("lstm"), "cell_clip", options.cell_clip, "needs a layer of lstm cells");
    require(!options.reset_before || any("gru"), "reset_before", "true", "needs a layer of gru cells");
}

/// Every tensor against what the stack needs, told by the oracle's own list; `tensors` is used up.
void check_shapes(const StackSpec& spec, Tensors tensors) {
    for (const reference::Parameter& expected : reference::parameters(spec)) {
        const auto found = tensors.find(expected.name);
        if (found == tensors.end()) refuse("tensor", expected.name, "is missing");
        const TensorInfo& tensor = *found->second;
        const bool vector = expected.name.starts_with("bias") || expected.name.starts_with("weight_peephole") ||
                            expected.name.starts_with("weight_norm");
        const Shape shape = vector ? Shape{expected.rows} : Shape{expected.rows, expected.columns};
        require(tensor.shape == shape, tensor.name, tensor.shape, "must be " + shape.to_string());
        require(tensor.dtype != DType::i64 && tensor.dtype != DType::i32, tensor.name, tensor.dtype,
                "must be f64, f32, f16 or bf16");
        tensors.erase(found);
    }
    if (!tensors.empty())
        refuse("tensor", tensors.begin()->second->name, "has no place in the stack that the other tensors describe");
}

}  // namespace

StackSpec stack_from_names(const std::vector<TensorInfo>& tensors, const StackOptions& options) {
    Tensors named;
    int last = -1;
    for (const TensorInfo& tensor : tensors) {
        if (!tensor.name.starts_with(options.prefix)) continue;
        const std::string name = tensor.name.substr(options.prefix.size());
        const std::optional<int> layer = layer_of(name);
        if (!layer)
            refuse("tensor", tensor.name,
                   "is no parameter of a recurrent stack (weight_ih_l0, ...); --prefix leaves others out");
        last = std::max(last, *layer);
        named[name] = &tensor;
    }
    require(last >= 0, "weights", "no tensor", "must hold " + options.prefix + "weight_ih_l0 and so on");

    StackSpec spec;
    spec.precision = options.precision;
    spec.recurrent_clip = options.recurrent_clip;
    for (int l = 0; l <= last; ++l) {
        const LayerTensors forward(named, l, 0), reverse(named, l, 1);
        const LayerTensors& described = reverse.any() && !forward.any() ? reverse : forward;
        if (l == 0) spec.input = described.matrix("weight_ih")[1];
        require(options.cells.size() <= 1 || static_cast<std::size_t>(l) < options.cells.size(), "cell",
                options.cells.size(), "must be one cell for all layers or one for each");
        LayerSpec layer = layer_from(described, static_cast<std::size_t>(l), options);
        layer.direction = !reverse.any()  ? Direction::forward
                          : forward.any() ? Direction::bidirectional
                                          : Direction::reverse;
        layer.merge = options.merge;
        spec.layers.push_back(layer);
    }
    require(options.cells.size() <= 1 || options.cells.size() == spec.layers.size(), "cell", options.cells.size(),
            detail::concat("must be one cell for all layers or one for each of the ", spec.layers.size()));
    check_options(spec, options);
    validate(spec);
    check_shapes(spec, std::move(named));
    return spec;
}

}  // namespace rondo::cli
