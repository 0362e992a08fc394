#pragma once
/// The low-level door: describe a stack, plan it, run it forward and backward on the caller's memory and stream.
///
/// T steps, B batch, I input, H hidden, P projection, D directions, G gates. Everything is row-major and time-major.
///
///     x[T,B,I]   y[T,B,O]   O = D·W where directions are concatenated, W where they are summed or averaged;
///                           W = P where h is projected, H otherwise
///     lengths[B] valid steps of each row, 0 to T
///
/// Parameters are one array in Precision::accumulate (f32 masters for f16 and bf16) with a named part for each tensor
/// (Plan::parameters), named and shaped as PyTorch's:
/// weight_ih_l0 [G·H,I], weight_hh_l0 [G·H,W], bias_ih_l0, bias_hh_l0 [G·H], weight_hr_l0 [P,H],
/// weight_peephole_l0 [3·H]; of lnlstm and lngru weight_norm_l0 (cell/layer_norm.hpp) and no biases; of mingru and minlstm
/// neither weight_hh nor bias_hh. "_reverse" is appended for the reverse direction. A layer's parameters come direction by
/// direction in the order of this list; each tensor begins on a multiple of 16 elements, and what lies between is
/// ignored (and zero in gradients).
///
/// States are a list, one entry a (layer, direction, state name), each [B, its width] (Plan::states).
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rondo/cell/element.hpp"
#include "rondo/device.hpp"
#include "rondo/dtype.hpp"
#include "rondo/export.hpp"
#include "rondo/view.hpp"

namespace rondo {

enum class Direction { forward, reverse, bidirectional };
enum class Merge { concatenate, sum, average };
enum class Biases { none, one, two };  ///< one: bias_ih alone, on the input side of every gate

/// Limits the gradient inside the recurrence: what flows from step t to h of step t-1 (and to the initial h) is clamped
/// element by element (value), or scaled down to the limit where the norm of a row [width] exceeds it (norm).
struct RecurrentClip {
    enum class Kind { none, value, norm };
    Kind kind = Kind::none;
    double limit = 0;
    friend bool operator==(const RecurrentClip&, const RecurrentClip&) = default;
};

/// One layer of a stack.
struct LayerSpec {
    std::string cell = "lstm";  ///< rnn_tanh, rnn_relu, lstm, gru, slstm, mingru, minlstm, lnlstm, lngru
    std::int64_t hidden = 0;
    Direction direction = Direction::forward;
    Merge merge = Merge::concatenate;
    Biases biases = Biases::two;  ///< mingru, minlstm: two is one; lnlstm, lngru have their own
    CellOptions options{};        ///< peepholes, coupled (lstm); reset_before (gru)
    std::int64_t projection = 0;  ///< lstm: h is projected to this width; 0 for none
    double cell_clip = 0;         ///< lstm: c is clamped to ±this; 0 for none
    double dropout = 0;           ///< rate, of the layer's input, in training; kept values are scaled by 1/(1-rate)
    bool dropout_per_sequence = false;  ///< one mask for all steps instead of a fresh one each

    // Noise inside the recurrence, in training. Masks are drawn once a forward pass, from its RandomState.
    /// Rate of h on its way into W_hh·h, one mask [B,W] for all steps; kept values are scaled by 1/(1-rate).
    /// Y. Gal, Z. Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, 2016.
    double recurrent_dropout = 0;
    /// Rate of the elements of W_hh (DropConnect), one mask for the whole batch and all steps; kept ones are scaled.
    /// S. Merity et al., Regularizing and optimizing LSTM language models, 2018.
    double weight_dropout = 0;
    /// Rate at which an element of h stays as it was for a step; inference takes the expectation of old and new.
    /// D. Krueger et al., Zoneout: regularizing RNNs by randomly preserving hidden activations, 2017.
    double zoneout = 0;
    double zoneout_cell = 0;  ///< lstm: likewise of c; h' is made from the c before zoneout

    int directions() const noexcept { return direction == Direction::bidirectional ? 2 : 1; }
    std::int64_t width() const noexcept { return projection > 0 ? projection : hidden; }  ///< of h
    std::int64_t output() const noexcept { return width() * (merge == Merge::concatenate ? directions() : 1); }
    friend bool operator==(const LayerSpec&, const LayerSpec&) = default;
};

/// A stack of recurrent layers, each over the output of the one before.
struct StackSpec {
    std::int64_t input = 0;
    std::vector<LayerSpec> layers;
    Precision precision = Precision::f32();
    RecurrentClip recurrent_clip{};

    std::int64_t output() const { return layers.empty() ? input : layers.back().output(); }
    friend bool operator==(const StackSpec&, const StackSpec&) = default;
};

/// Throws Error naming the first field that is not allowed.
RONDO_API void validate(const StackSpec& spec);

enum class Mode { inference, training };

/// How a plan runs the two directions of a bidirectional layer. Where they depend on each other (outputs that are summed,
/// steps cut into chunks) they run in turn whatever is asked for; Operation::reason tells.
enum class DirectionOrder {
    automatic,  ///< what host/scheduler/arrange.cpp holds for the fastest
    in_turn,
    streams,  ///< beside each other on two streams
    batched,  ///< step by step together: one product over both and one launch of the cell's kernel
};

/// How a plan runs the layers of a stack.
enum class LayerOrder {
    automatic,  ///< what host/scheduler/arrange.cpp holds for the fastest
    in_turn,    ///< each layer takes all steps before the next one begins
    wavefront,  ///< in pieces of time: a layer takes a piece while the one below
                ///< takes the next, and backward its weights' gradients are made
                ///< beside its loop. Where all layers run in one and the same
                ///< direction; in turn otherwise.
};

/// How a plan takes the steps of a layer on a GPU. What cannot be had is stepped through; Operation::reason tells.
enum class TimeLoop {
    automatic,  ///< what host/cuda/loop_choice.cpp holds for the fastest
    steps,      ///< one by one: a product and a fused kernel each
    solo,       ///< in one launch: all of W_hh in one multiprocessor, which takes some rows of the batch
    cluster,    ///< in one launch: W_hh shared out over the blocks of a cluster (sm_90), which push h, backward sums
                ///< for its gradient, to each other
    grid,       ///< in one launch: W_hh shared out over many multiprocessors (sm_90), which gather h, backward the
                ///< gates' gradients, through L2, and backward add up sums within clusters
};

/// What a plan is made for.
struct Extent {
    std::int64_t steps = 1;
    std::int64_t batch = 1;
    Mode mode = Mode::training;
    bool ragged = false;         ///< rows have lengths of their own
    bool input_gradient = true;  ///< backward may be asked for dx
    DirectionOrder directions = DirectionOrder::automatic;
    LayerOrder layers = LayerOrder::automatic;
    TimeLoop loop = TimeLoop::automatic;
    bool observe = false;  ///< backward also tells what it sees on its way: Plan::observations. Training only.
    friend bool operator==(const Extent&, const Extent&) = default;
};

/// A parameter tensor: where it lies in the parameter array (and in its gradient's).
struct ParameterInfo {
    std::string name;
    Shape shape;
    std::int64_t offset;  ///< in elements
    int layer, direction;
};

/// A carried state.
struct StateInfo {
    std::string name;  ///< "h_l0", "c_l1_reverse", ...
    int layer, direction;
    int index;           ///< within the cell's states; 0 is h
    std::int64_t width;  ///< shape is [B, width]
};

/// What backward tells of one layer and direction, a row of `columns()` numbers for each step t, over the rows of the batch
/// that take step t and all units:
///
///     0  Σ (dL/dh_t)²   the whole gradient of h after step t: of all that comes later and of the step's own outputs
///     1  the same of what comes through time alone, without what the step's own outputs (dy, dstate_steps) bring.
///        Found by subtraction, so that it is only as exact as the whole.
///     2  how many rows took the step
///     3  for each gate of `gates` how many elements lie near the lower end of its range, then, in 4, near the upper:
///        sigmoid below 0.05 and above 0.95, tanh below -0.95 and above 0.95, ReLU at 0 (and none above)
///
/// f64, in fixed order: the same bits every time. A loss scale is not taken out.
struct ObservationInfo {
    int layer, direction;
    std::int64_t offset;                 ///< in elements, of [T, columns()]
    std::vector<std::string> gates;      ///< those of the cell's table that saturate
    std::vector<GateValue::Kind> kinds;  ///< of them
    static constexpr std::int64_t kWhole = 0, kThroughTime = 1, kRows = 2, kFirstGate = 3;
    std::int64_t columns() const noexcept { return kFirstGate + 2 * static_cast<std::int64_t>(gates.size()); }
};

/// A piece of the prepared weights, the reserve or the workspace.
struct BufferInfo {
    enum class Kind { prepared, reserve, workspace };
    Kind kind;
    std::string name;
    std::int64_t offset, bytes;
};

/// What a plan does, in order.
struct Operation {
    enum class Kind {
        mask_input,      ///< copy of x with zeros past each row's length
        dropout,         ///< of a layer's input; backward: of its gradient
        input_product,   ///< gates_x = x·W_ihᵀ + b_ih over a range of steps
        time_loop,       ///< the recurrence over a range of steps
        weight_product,  ///< dW_ih, dW_hh, dW_hr, biases over a range of steps
        input_gradient,  ///< dx += dgates_x·W_ih over a range of steps
        observe,         ///< sums for Plan::observations over a range of steps
    };
    Kind kind;
    int layer, direction;
    std::int64_t begin, end;  ///< steps
    std::string algorithm;    ///< which code runs it
    std::string reason;       ///< why that one
    std::vector<int> after;   ///< the operations of this list it depends on
    int stream = 0;           ///< 0: the caller's; what is on another may run beside it
    int workspace = 0;        ///< which of the time loops' workspaces it uses
    int wave = 0;             ///< above 0: it waits for other streams where the first of its wave does
    int directions = 1;       ///< 2: a time loop of `direction` and the one after it, each with a workspace of its own
};

RONDO_API std::string_view name_of(Operation::Kind kind) noexcept;
RONDO_API std::string_view name_of(DirectionOrder order) noexcept;
RONDO_API std::string_view name_of(LayerOrder order) noexcept;
RONDO_API std::string_view name_of(TimeLoop loop) noexcept;

struct Program;  // host/scheduler/program.hpp

/// Everything about one stack at one extent on one device: sizes, buffers, operations. Immutable; thread-safe.
struct RONDO_API Plan {
    StackSpec spec;
    Extent extent;
    std::string device;
    std::vector<ParameterInfo> parameters;
    std::vector<StateInfo> states;
    std::int64_t parameter_count = 0;  ///< elements of the parameter array
    std::int64_t prepared_bytes = 0, reserve_bytes = 0, workspace_bytes = 0;
    std::vector<BufferInfo> buffers;
    std::vector<ObservationInfo> observations;  ///< one a layer and direction, where the extent asks for them
    std::int64_t observation_count = 0;         ///< elements of the array of all of them
    std::vector<Operation> forward, backward;
    std::uint64_t id = 0;                    ///< plans of equal id are interchangeable
    std::shared_ptr<const Program> program;  ///< the same for the scheduler

    /// The named parameter. Throws Error when there is none.
    const ParameterInfo& parameter(std::string_view name) const;
    /// The named buffer. Throws Error when there is none.
    const BufferInfo& buffer(BufferInfo::Kind kind, std::string_view name) const;
    /// A table for people.
    std::string to_string() const;
};

/// What the counter-based dropout is keyed by. Lies in device memory, so that a captured graph can be replayed.
struct RandomState {
    std::uint64_t seed = 0;
    std::uint64_t step = 0;
};

/// Where a forward pass reads and writes. Null views are absent; lists are empty or hold Plan::states.size() entries.
/// Every pointer lies on the plan's device; prepared, reserve and workspace are aligned to 64 bytes, all else to its
/// element. x may hold anything (NaN too) past a row's length; y is zero there.
struct ForwardArgs {
    const void* parameters = nullptr;         ///< in: Plan::parameter_count elements
    const void* prepared = nullptr;           ///< in: made by Rnn::prepare from the same parameters
    ConstView x;                              ///< in [T,B,I]
    const std::int64_t* lengths = nullptr;    ///< in [B], if ragged
    std::span<const ConstView> states = {};   ///< in: initial states, zero where null
    View y;                                   ///< out [T,B,O]; must not alias x
    std::span<const View> final_states = {};  ///< out, at each row's own last valid step; may alias `states`
    std::span<const View> state_steps = {};   ///< out: a state after every step [T,B,width]; carried past a length
    void* reserve = nullptr;                  ///< out, in training: what backward needs
    void* workspace = nullptr;                ///< scratch, dead on return
    const RandomState* random = nullptr;      ///< in, if any layer drops out in training
};

/// Where a backward pass reads and writes. `parameters` to `random` are those of the forward pass, unchanged.
struct BackwardArgs {
    const void* parameters = nullptr;
    const void* prepared = nullptr;
    ConstView x;
    const std::int64_t* lengths = nullptr;
    std::span<const ConstView> states = {};
    const RandomState* random = nullptr;
    ConstView dy;                                   ///< in [T,B,O]; zero where null; may hold anything past a length
    std::span<const ConstView> dfinal_states = {};  ///< in
    std::span<const ConstView> dstate_steps = {};   ///< in [T,B,width]; ignored past a length
    View dx;                                        ///< out [T,B,I], zero past a length; not computed where null
    std::span<const View> dstates = {};             ///< out: gradients of the initial states; may alias dfinal_states
    void* dparameters = nullptr;                    ///< out: laid out as the parameters; not computed where null
    bool accumulate = false;                        ///< add to dparameters instead of overwriting them
    double* observations = nullptr;                 ///< out: see Plan::observations; not told where null
    void* reserve = nullptr;                        ///< in: as forward left it
    void* workspace = nullptr;                      ///< scratch, dead on return
};

/// What a training forward hands to its backward. One backward consumes it.
struct ForwardToken {
    std::uint64_t plan = 0;
    std::uint64_t generation = 0;
    const void* reserve = nullptr;
    Mode mode = Mode::inference;
};

/// A stack on a device. Forward and backward allocate nothing and do not wait for the device.
/// One thread at a time may use an Rnn (and its Device); any number of Rnns may share a Device.
class RONDO_API Rnn {
public:
    /// Throws Error when the spec is not valid, or the device cannot run it.
    Rnn(Device device, StackSpec spec);
    ~Rnn();
    Rnn(Rnn&&) noexcept;
    Rnn& operator=(Rnn&&) noexcept;

    const StackSpec& spec() const noexcept;
    const Device& device() const noexcept;

    /// Sizes, buffers and operations for an extent. Throws Error where the extent is not allowed.
    Plan plan(const Extent& extent) const;

    /// Writes the device's own copy of the recurrent weights, which its kernels read: once after every change of the
    /// parameters, before forward. parameters, prepared: as sized by any plan of this Rnn.
    void prepare(const void* parameters, void* prepared, Stream stream);

    /// Runs the stack. Throws Error on views that do not fit the plan. Lengths are checked at once when they lie on the
    /// host. Those in a GPU's memory are checked there, in a recorded graph at every replay: Device::check, or the next
    /// call of this kind, throws once that has run. Till then a row takes no step for a negative one, and all T for one
    /// that is too large.
    ForwardToken forward(const Plan& plan, const ForwardArgs& args, Stream stream);

    /// Gradients of a loss L given dL/dy and the like. Throws Error (state) when the token is of an inference forward,
    /// was consumed before, or its reserve has been written by another forward since.
    void backward(const Plan& plan, const ForwardToken& token, const BackwardArgs& args, Stream stream);

    /// Copies every state as it stood after `step` steps (0: initial) from the reserve of a training forward.
    /// states: out, Plan::states.size() entries. Only of forward layers. Truncated BPTT carries state with it.
    void states_after(const Plan& plan, const ForwardToken& token, std::int64_t step, std::span<const View> states,
                      Stream stream) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
