#pragma once
/// What a module of a network is: parameters, the shapes of its outputs, and what it does at a planned extent.
///
/// A module knows nothing of the graph. Forward reads its inputs and writes its outputs; backward reads the inputs
/// again, the gradients of the outputs, and writes the gradients of the inputs, always overwriting: summing where a
/// value has several readers is the graph's affair. Backward may not read the values of its outputs, which a reader
/// may have written over by then; a module that needs them keeps them in its reserve.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/ledger.hpp"
#include "rondo/network.hpp"
#include "scheduler/backend.hpp"

namespace rondo::model {

/// A value at one extent.
struct ValueInfo {
    DType dtype = DType::f32;
    Shape shape;
    int lengths = -1;  ///< the network input whose lengths its rows have; -1: none

    std::int64_t width() const { return shape.rank() > 0 ? shape[shape.rank() - 1] : 1; }
    std::int64_t rows() const { return width() > 0 ? shape.size() / width() : 0; }
    /// Whether it is [T,B,width], and not [B,width].
    bool per_step() const { return shape.rank() == 3; }
    std::int64_t steps() const { return per_step() ? shape[0] : 1; }
    std::int64_t batch() const { return shape[shape.rank() - 2]; }
    std::int64_t bytes() const { return shape.size() * size_of(dtype); }
};

/// The lengths of what two values are made into: those that one of them has, or both.
inline int common_lengths(const ValueInfo& a, const ValueInfo& b) {
    require(a.lengths < 0 || b.lengths < 0 || a.lengths == b.lengths, "lengths", "two inputs'",
            "must be those of one input where values are joined step by step");
    return a.lengths < 0 ? b.lengths : a.lengths;
}

/// A parameter tensor and how it begins.
struct TensorSpec {
    std::string name;
    Shape shape;
    std::int64_t offset = 0;  ///< in its block
    bool bias = false;
    double bound = 0;                               ///< standard initialisation: uniform in ±bound; 0: normal
    double deviation = 1;                           ///< of that normal, whose mean is 0
    std::optional<double> constant{};               ///< begins so, whatever the initialisation
    std::optional<std::int64_t> ones{};             ///< begins as so many ones, then zeros, likewise
    std::int64_t forget_begin = 0, forget_end = 0;  ///< bias elements of the forget gate, if any
    bool input_side = false;                        ///< bias_ih: where a forget bias goes
};

/// Parameters that must lie together as the module wants them. A block of one tensor may be tied.
struct ParameterBlock {
    std::vector<TensorSpec> tensors;
    std::int64_t count = 0;  ///< elements
};

/// A state that is carried from one forward to the next: [B,width], or a sequence [steps,B,width].
struct CarriedState {
    std::string name;
    DType dtype;
    std::int64_t width;
    std::int64_t steps = 0;  ///< of a sequence; the module's first state, i64 [B,1], then says how many are valid
};

/// A value or parameter block in device memory while a network runs.
struct Place {
    const ValueInfo* info = nullptr;  ///< null: this optional input or output is absent
    void* data = nullptr;
    void* gradient = nullptr;  ///< outputs: null where no reader had one; inputs: null where none is wanted
    explicit operator bool() const noexcept { return info != nullptr; }
};
struct BlockPlace {
    void* data = nullptr;
    void* gradient = nullptr;
    bool accumulate = false;  ///< backward adds to the gradient instead of overwriting it
};

/// One node's surroundings while it runs.
struct Call {
    Backend& backend;
    Stream stream;
    std::span<const Place> inputs, outputs;
    std::span<BlockPlace> blocks;
    std::span<void* const> carried;  ///< states to begin with, in the order of Module::carried; empty: zero
    std::byte* arena;                ///< of the planned extent
    std::byte* workspace;            ///< dead on return
    std::span<const std::int64_t* const> lengths;  ///< device memory, one a network input, null where not ragged
    const RandomState* random;

    const std::int64_t* lengths_of(const ValueInfo& value) const {
        return value.lengths < 0 ? nullptr : lengths[static_cast<std::size_t>(value.lengths)];
    }
};

/// What a loss is asked for.
struct LossCall {
    // Device memory.
    double* sum;               ///< added to
    std::int64_t* counted;     ///< added to
    const double* scale;       ///< of the gradient
    const double* loss_scale;  ///< and once more
    // Known when it is queued.
    std::int64_t begin;  ///< first step that counts
    bool differentiate;  ///< write the gradient of inputs[0]
};

/// A module at one extent. Allocates nothing.
class PlannedModule {
public:
    virtual ~PlannedModule() = default;
    virtual void forward(Call& call) = 0;
    virtual void backward(Call& call) = 0;
    /// Only of losses, whose forward does nothing, and whose backward makes the gradients of their own parameters alone.
    virtual void loss(Call&, const LossCall&) {}
    /// Copies the carried states as they stood after `step` steps.
    virtual void keep(Call&, std::int64_t /*step*/, std::span<void* const> /*to*/) {}
    /// Adds what the last backward saw, times `unscale`. Waits for the stream. Only of recurrent stacks.
    virtual void tell(Backend&, const std::byte* /*arena*/, double /*unscale*/, GradientFlow&, Stream) const {}
};

/// What a module is planned for.
struct PlanRequest {
    std::string name;  ///< of the node
    Mode mode;
    bool observe;                                      ///< backward tells what it sees
    std::span<const ValueInfo*const> inputs, outputs;  ///< null: absent
    std::span<const bool> input_gradients;             ///< wanted
};

class Module {
public:
    virtual ~Module() = default;

    virtual std::vector<ParameterBlock> blocks() const { return {}; }
    virtual std::vector<CarriedState> carried() const { return {}; }
    /// How many inputs and outputs it has, optional ones included.
    virtual int inputs() const { return 1; }
    virtual int required_inputs() const { return inputs(); }
    virtual int outputs() const { return 1; }
    /// The input that the first carried state may come from instead; the others follow it. -1: none may.
    virtual int state_port() const { return 1; }
    virtual bool is_loss() const { return false; }
    /// What ids in this input must be below; 0: they are no ids.
    virtual std::int64_t classes(int /*input*/) const { return 0; }
    /// Whether a gradient flows back from this output. What has none is for people to look at.
    virtual bool differentiable(int /*output*/) const { return true; }
    /// Losses: the targets have the steps of the prediction, and end where its rows end.
    virtual bool aligned() const { return true; }
    /// Losses: what targets must be below; 0: the width of the prediction.
    virtual std::int64_t target_classes() const { return 0; }
    /// Losses: the class that no target may name; -1: none.
    virtual std::int32_t forbidden() const { return -1; }
    /// The only output may be written over the only input.
    virtual bool forward_in_place() const { return false; }
    /// The gradient of input 0 may be written over what it is made of: a loss over its prediction, another module
    /// over the gradient of its output.
    virtual bool gradient_in_place() const { return false; }
    /// The outputs' shapes, one a port. Throws Error on inputs that do not fit.
    virtual std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const = 0;

    /// Called once, before plan; parameters are not set yet.
    virtual void attach(const Device&) {}
    /// Called when parameters have changed, before the next forward; `blocks` as blocks() lists them.
    virtual void prepare(std::span<const void* const> /*blocks*/, Stream) {}
    virtual std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const = 0;
};

/// Throws Error on a field that is not allowed.
std::unique_ptr<Module> make_module(const ModuleSpec& spec, const Precision& precision);

// One a kind, called by make_module alone.
std::unique_ptr<Module> make_embedding(const EmbeddingSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_stack(const StackSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_linear(const LinearSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_dropout(const DropoutSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_add(const AddSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_activation(const ActivationSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_layer_norm(const LayerNormSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_position(const PositionSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_concat(const ConcatSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_repeat(const RepeatSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_pool(const PoolSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_attention(const AttentionSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_sample(const SampleSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_select(const SelectSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_loop(const LoopSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_ctc(const CtcSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_cross_entropy(const CrossEntropySpec& spec, const Precision& precision);
std::unique_ptr<Module> make_squared_error(const SquaredErrorSpec& spec, const Precision& precision);
std::unique_ptr<Module> make_sampled_softmax(const SampledSoftmaxSpec& spec, const Precision& precision);

}  // namespace rondo::model
