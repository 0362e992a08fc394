#pragma once
/// The high-level door: a model as a static graph of modules, with its parameters, its gradients and its carried state.
///
/// A network is a list of nodes. A node is a module, the names of its input values and the names of its output values;
/// a value is made once and may be read many times: the reverse walk sums the gradients of its readers.
///
///     module          inputs                               outputs                      parameters
///     EmbeddingSpec   ids i32 [T,B]                        [T,B,width]                  weight [classes,width]
///     StackSpec       x [T,B,I], then initial states       y [T,B,O], then final        as Plan::parameters
///                     in the order of Plan::states         states in the same order
///     LinearSpec      x [...,input]                        [...,output]                 weight [output,input], bias
///     DropoutSpec     x [...,width]                        [...,width]
///     AddSpec         a, b [...,width]                     [...,width]
///     ActivationSpec  x [...,width]                        [...,width]
///     LayerNormSpec   x [...,width]                        [...,width]                   gain, bias [width]
///     PositionSpec    x [T,B,width]                        [T,B,width]                   table [steps,width], if learned
///     ConcatSpec      a [T,B,A], b [T,B,C] or [B,C]        [T,B,A+C]
///     RepeatSpec      x [B,width]                          [steps,B,width]
///     PoolSpec        x [T,B,width]                        [B,width]
///     SampleSpec      logits [...,classes]                 ids i32 [...]
///     SelectSpec      which, a, b i32 [...]                i32 [...]
///     LoopSpec        its steps, its whole inputs,         its outputs [T,B,width],      those of its body
///                     then initial states                  then final states
///     AttentionSpec   q [T,B,heads·D], k [S,B,heads·D],    [T,B,heads·V], weights        additive: vector [D]
///                     v [S,B,heads·V]                      [T,B,S]
///     CrossEntropySpec  logits [...,classes], targets i32 [...]         a loss
///     SquaredErrorSpec  prediction [...,width], target [...,width]      a loss
///     CtcSpec         logits [T,B,classes], targets i32 [U,B]           a loss
///     SampledSoftmaxSpec  x [...,input], targets i32 [...]              a loss      weight [classes,input], bias
///
/// States of a stack that are not given as inputs are carried: from a NetworkState, or zero; so is what an attention
/// remembers of the steps before (AttentionSpec::memory, PositionSpec::carried). A tensor's full name is
/// "node.tensor": embedding.weight, rnn.weight_ih_l0, linear.bias.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rondo/rnn.hpp"
#include "rondo/tensor.hpp"

namespace rondo {

/// y[t,b,:] = weight[ids[t,b],:]
struct EmbeddingSpec {
    std::int64_t classes = 0, width = 0;
    friend bool operator==(const EmbeddingSpec&, const EmbeddingSpec&) = default;
};

/// y = x · weightᵀ + bias
struct LinearSpec {
    std::int64_t input = 0, output = 0;
    bool bias = true;
    friend bool operator==(const LinearSpec&, const LinearSpec&) = default;
};

/// In training y = keep ? x / (1 - rate) : 0, drawn from Philox (rondo/philox.hpp); otherwise y = x.
struct DropoutSpec {
    double rate = 0;
    bool per_sequence = false;  ///< one mask for all steps
    friend bool operator==(const DropoutSpec&, const DropoutSpec&) = default;
};

/// y = a + b
struct AddSpec {
    friend bool operator==(const AddSpec&, const AddSpec&) = default;
};

/// y = f(x), element by element. gelu(x) = x·Φ(x) with the normal distribution's Φ, not an approximation of it
/// (Hendrycks and Gimpel 2016).
struct ActivationSpec {
    enum class Kind { tanh, sigmoid, relu, gelu };
    Kind kind = Kind::tanh;
    friend bool operator==(const ActivationSpec&, const ActivationSpec&) = default;
};

/// y = gain·(x - mean)/sqrt(variance + epsilon) + bias over the last axis, the variance divided by width (Ba et al.
/// 2016). gain begins at 1 and bias at 0.
struct LayerNormSpec {
    std::int64_t width = 0;
    double epsilon = 1e-5;
    friend bool operator==(const LayerNormSpec&, const LayerNormSpec&) = default;
};

/// y[t,b,:] = x[t,b,:] + table[t,:]
struct PositionSpec {
    enum class Kind {
        sinusoidal,  ///< table[t,2i] = sin(t / 10000^(2i/width)), table[t,2i+1] its cosine (Vaswani et al. 2017)
        learned,     ///< begins normal(0,1)·0.02
    };
    Kind kind = Kind::sinusoidal;
    std::int64_t width = 0;
    std::int64_t steps = 0;  ///< most steps there may be
    bool carried = false;    ///< t goes on from one forward to the next
    friend bool operator==(const PositionSpec&, const PositionSpec&) = default;
};

/// y = a beside b, which where it has no steps is the same at every step.
struct ConcatSpec {
    friend bool operator==(const ConcatSpec&, const ConcatSpec&) = default;
};

/// y[t,b,:] = x[b,:]: a vector as a sequence.
struct RepeatSpec {
    std::int64_t steps = 0;
    friend bool operator==(const RepeatSpec&, const RepeatSpec&) = default;
};

/// One vector from a sequence, over each row's valid steps. A row without any gives zeros.
struct PoolSpec {
    enum class Kind { last, mean, max };
    Kind kind = Kind::last;
    friend bool operator==(const PoolSpec&, const PoolSpec&) = default;
};

/// w[t,s] = softmax over s of score(q[t], k[s]),   y[t] = Σ_s w[t,s]·v[s], for each row of the batch over the valid
/// steps of k (v has lengths of the same input, or none). A query past its row's length gives zeros.
struct AttentionSpec {
    enum class Score {
        dot,         ///< q·k (Luong et al. 2015; their "general" is a LinearSpec before q or k)
        scaled_dot,  ///< q·k / sqrt(D) (Vaswani et al. 2017)
        additive,    ///< vector · tanh(q + k) with LinearSpecs before both (Bahdanau et al. 2015; Luong's "concat")
    };
    Score score = Score::scaled_dot;
    std::int64_t heads = 1;  ///< dot and scaled_dot: the columns of q, k and v in so many equal parts
    std::int64_t width = 0;  ///< of q and k, all heads together
    bool causal = false;     ///< dot and scaled_dot: only s <= t
    /// Not 0, causal, inference alone: k and v of up to so many steps are carried, and those of this forward come behind
    /// what each row has read before. They are as wide as q. Pieces read one after the other are then the whole, and
    /// each costs what it takes to look at what came before.
    std::int64_t memory = 0;
    friend bool operator==(const AttentionSpec&, const AttentionSpec&) = default;
};

/// L = -Σ_b log p(targets of b | logits of b), summed over all alignments (connectionist temporal classification, Graves
/// et al. 2006). A target must fit its row: as many steps as labels and pairs of equal neighbours. Reduction::mean
/// divides by the number of labels.
struct CtcSpec {
    std::int32_t blank = 0;  ///< the class that stands for no label
    friend bool operator==(const CtcSpec&, const CtcSpec&) = default;
};

/// L = -Σ log softmax(logits)[target], over the targets that are not negative.
struct CrossEntropySpec {
    friend bool operator==(const CrossEntropySpec&, const CrossEntropySpec&) = default;
};

/// L = Σ (prediction - target)²
struct SquaredErrorSpec {
    friend bool operator==(const SquaredErrorSpec&, const SquaredErrorSpec&) = default;
};

/// An output layer and its loss, L = -Σ log softmax(x·weightᵀ + bias)[target], which in training is estimated from
/// `samples` classes s that all rows share. Of a row with the logits z and the target t:
///     L = log(e^z[t] + Σ_j [s_j ≠ t]·e^z[s_j] / (samples·Q(s_j))) - z[t]
/// The sum's expectation is that of the classes other than t (importance sampling: Bengio and Senécal 2008; one set of
/// samples a batch: Jean et al. 2015). s_j is drawn from the j-th of `samples` equal parts of Q, so that a class comes
/// samples·Q times, up to one; uniform with as many samples as classes is the softmax itself. In inference all classes
/// count. Its parameters are those of a LinearSpec of the same name, and a network with that and a CrossEntropySpec in
/// its place takes them.
struct SampledSoftmaxSpec {
    enum class Proposal {
        log_uniform,  ///< Q(c) = log((c + 2)/(c + 1)) / log(classes + 1): words, the most frequent first (Zipf's law)
        uniform,
    };
    std::int64_t input = 0, classes = 0, samples = 0;
    bool bias = true;
    Proposal proposal = Proposal::log_uniform;
    friend bool operator==(const SampledSoftmaxSpec&, const SampledSoftmaxSpec&) = default;
};

/// One id a row, drawn from softmax(logits / temperature) among the top_k largest (0: all), from Philox; top_k = 1 is the
/// largest, and draws nothing. No gradient flows back. -1 where a logit is NaN.
struct SampleSpec {
    double temperature = 1;
    std::int64_t top_k = 0;
    friend bool operator==(const SampleSpec&, const SampleSpec&) = default;
};

/// y = which ? a : max(b, 0), id by id.
struct SelectSpec {
    std::int64_t classes = 0;  ///< that the ids are of
    friend bool operator==(const SelectSpec&, const SelectSpec&) = default;
};

/// Something the caller feeds: ids (i32, width 0) or numbers in the network's storage type (states: in that
/// of Precision::state).
struct InputSpec {
    std::string name;
    DType dtype = DType::i32;
    std::int64_t width = 0;  ///< last extent; 0: ids, which have none
    bool gradient = false;   ///< the gradient of the loss with respect to it is wanted (numbers only)
    friend bool operator==(const InputSpec&, const InputSpec&) = default;
};

struct Node;

/// A part of a network that runs one step at a time, because a step reads what the step before made: input feeding
/// (Luong et al. 2015), the decoder of Bahdanau et al. 2015, a decoder that goes on from its own words (scheduled
/// sampling, Bengio et al. 2015). What needs no such thing is faster outside, all steps at once.
///
/// The body is a list of nodes as a network's, without losses, that sees one step: values of the `steps` are [1,B,width],
/// those `whole` are as they are. States that its stacks carry go from step to step, and so does what `feedback` names;
/// the loop's own states are all of these: initial ones as inputs, in this order (each stack's, then feedback's),
/// otherwise carried or zero. Steps past a row's length leave stacks' states alone and write zeros where the modules of
/// the body do.
struct LoopSpec {
    struct Feedback {
        std::string value;       ///< of the body: what one step makes
        std::string as;          ///< under this name the next step reads it
        std::int64_t width = 0;  ///< 0: ids
        friend bool operator==(const Feedback&, const Feedback&) = default;
    };
    std::vector<InputSpec> steps{}, whole{};  ///< inputs of the body; those of the node are in this order
    std::vector<Feedback> feedback{};
    std::vector<Node> body;
    std::vector<std::string> outputs{};  ///< values of the body, [1,B,width]
    friend bool operator==(const LoopSpec& a, const LoopSpec& b);
};

/// A StackSpec's precision must be the network's.
using ModuleSpec =
    std::variant<EmbeddingSpec, StackSpec, LinearSpec, DropoutSpec, AddSpec, ActivationSpec, LayerNormSpec,
                 PositionSpec, ConcatSpec, RepeatSpec, PoolSpec, AttentionSpec, SampleSpec, SelectSpec, LoopSpec,
                 CrossEntropySpec, SquaredErrorSpec, CtcSpec, SampledSoftmaxSpec>;

struct Node {
    std::string name;
    ModuleSpec module;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs{};  ///< an empty name, or none: that output is not wanted
    friend bool operator==(const Node&, const Node&) = default;
};

inline bool operator==(const LoopSpec& a, const LoopSpec& b) {
    return a.steps == b.steps && a.whole == b.whole && a.feedback == b.feedback && a.body == b.body &&
           a.outputs == b.outputs;
}

/// `parameter` is the same tensor as `same_as`: one array, one gradient, the sum of both uses.
struct Tie {
    std::string parameter, same_as;
    friend bool operator==(const Tie&, const Tie&) = default;
};

struct NetworkSpec {
    Precision precision = Precision::f32();
    std::vector<InputSpec> inputs;
    std::vector<Node> nodes;  ///< each reads inputs and outputs of nodes before it
    std::vector<Tie> ties{};
    friend bool operator==(const NetworkSpec&, const NetworkSpec&) = default;
};

/// A tensor of the parameter array, and at the same place of the gradient's and of each optimizer moment's. All three are
/// in Precision::accumulate: values may be stored in 16 bits, parameters are not.
struct NetworkParameter {
    std::string name;
    Shape shape;
    std::int64_t offset = 0;  ///< in elements
    bool bias = false;
};

/// How parameters begin.
struct InitSpec {
    enum class Kind {
        standard,  ///< PyTorch's: recurrent ±1/sqrt(H), linear ±1/sqrt(input), both uniform; embedding normal(0,1)
        uniform,   ///< all parameters uniform in ±range, but for those that begin as constants (LayerNormSpec)
    };
    Kind kind = Kind::standard;
    double range = 0.1;
    double forget_bias = 0;  ///< not 0: bias_ih of every forget gate is this, bias_hh of it 0
    std::uint64_t seed = 1;
    friend bool operator==(const InitSpec&, const InitSpec&) = default;
};

/// One input of a batch, in host memory: [T,B], [T,B,width], or without T where nothing needs it. Null: absent (a loss
/// without its target is left out).
struct Sequence {
    ConstView data;
    std::span<const std::int64_t> lengths = {};  ///< [B] valid steps of each row; empty: all. Host memory.
    /// The data, numbers, lie in memory of the network's device, such as another network's value; they are copied in
    /// the order of the stream.
    bool on_device = false;
};

/// What a sum of losses becomes before it is differentiated.
enum class Reduction {
    sum,
    mean,           ///< divided by the number of targets (squared error: of elements)
    mean_of_batch,  ///< summed over T, divided by B: the Penn Treebank recipes
};

struct LossValue {
    double value = 0;          ///< reduced
    double sum = 0;            ///< not reduced
    std::int64_t counted = 0;  ///< targets (squared error: elements) it is over
};

/// The carried states of a network, for B rows, in device memory: h and c of its stacks [B,H], keys and values of its
/// attentions [memory,B,width] and how many steps of them are read [B,1]. Made by Network::make_state.
/// One thread at a time; everything is ordered by the streams given.
class RONDO_API NetworkState {
public:
    ~NetworkState();
    NetworkState(NetworkState&&) noexcept;
    NetworkState& operator=(NetworkState&&) noexcept;

    std::int64_t batch() const noexcept;
    std::vector<std::string> names() const;
    void zero(Stream stream);
    View array() noexcept;  ///< the device memory that holds them all; i32 stands for any four bytes
    /// Row i becomes row rows[i] of `from`, another state of the same network, all within the device.
    void take_rows(const NetworkState& from, std::span<const std::int64_t> rows, Stream stream);
    /// The same of one state [B,width] and a value [any,width] in device memory.
    void take_rows(std::string_view name, const ConstView& from, std::span<const std::int64_t> rows, Stream stream);
    /// The states by name ("rnn.h_l0" [B,H]). Waits for the stream.
    std::vector<HostTensor> read(Stream stream) const;
    /// The reverse. Throws Error on a missing tensor or another shape or type.
    void write(std::span<const HostTensor> tensors, Stream stream);

private:
    friend class Network;
    struct Impl;
    explicit NetworkState(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

struct GradientFlow;  // rondo/gradient_flow.hpp

/// A model on a device. One thread at a time may use it and its Device; work is queued on the stream given, and all
/// calls on one network must use one stream, or streams ordered by the caller.
///
/// Extents (shapes of the inputs, mode, ragged or not) are planned when first met and remembered; after that a step
/// allocates nothing. What forward leaves (values, reserve) lives until the next forward.
class RONDO_API Network {
public:
    /// Throws Error naming the node and field that is not allowed.
    Network(Device device, NetworkSpec spec);
    ~Network();
    Network(Network&&) noexcept;
    Network& operator=(Network&&) noexcept;

    const NetworkSpec& spec() const noexcept;
    const Device& device() const noexcept;

    // Parameters: one array with a named part for each tensor, another like it for the gradients.
    const std::vector<NetworkParameter>& parameters() const noexcept;
    const NetworkParameter& parameter(std::string_view name) const;  ///< throws Error when there is none
    std::int64_t parameter_count() const noexcept;  ///< elements of the array, alignment gaps (always 0) included
    std::int64_t trainable_count() const noexcept;  ///< elements of the tensors
    View parameter_array() noexcept;                ///< call parameters_changed() after writing
    View gradient_array() noexcept;
    void parameters_changed() noexcept;
    /// Makes what computations keep of the parameters beside them, in 16 bits or another order, if they have changed.
    /// Forward does so by itself; who replays a captured one, in which parameters stay as they are, calls this first.
    void prepare(Stream stream);

    void initialise(const InitSpec& init, Stream stream);
    /// Copies to the host; these wait for the stream.
    std::vector<HostTensor> read_parameters(Stream stream) const;
    std::vector<HostTensor> read_gradients(Stream stream) const;
    /// All of them, by name. Throws Error on a missing tensor or another shape or type; other tensors are ignored.
    void write_parameters(std::span<const HostTensor> tensors, Stream stream);

    // Running. These three copy what changes from step to step to the device; what they are given may change as soon as
    // they return.
    /// The inputs of the next forward, as NetworkSpec::inputs; ids are checked against the classes of their readers.
    /// Throws Error on shapes that do not fit.
    void feed(std::span<const Sequence> inputs, Mode mode, Stream stream);
    /// What dropout and samples are drawn from: (seed, step); set a new step before every training forward.
    void set_random(RandomState random, Stream stream);
    /// How the next loss is reduced: over the steps from `begin`. After feed.
    void set_loss(Reduction reduction, std::int64_t begin, Stream stream);

    /// Where a fed input lies in device memory, for who writes the next one there himself, in the order of the stream: in
    /// inference forward may then come again without a feed. What is written there is not checked: an id that the network
    /// has no row for is read beyond its tables, and padding of numbers must be zero where lengths were fed. Throws Error
    /// (state) before a feed, and for targets, which a feed counts.
    View input(std::string_view name);

    // These three only queue work that reads device memory: they can be captured in a graph (once a step with the same
    // extents has run; parameters_changed() comes right before, or the copies of the parameters that 16-bit types need
    // may be missing from it), and replayed after each feed, set_random and set_loss of the same extents, `begin`, `from`
    // and `accumulate`. A keep_state belongs into the same capture: after a replay it is refused.
    /// Everything but the losses. from: the carried states to begin with, null for zero. Throws Error (state) unless it
    /// follows a feed, or in inference a forward.
    void forward(const NetworkState* from, Stream stream);
    /// The losses, and after a training forward their gradients, reduced.
    void loss(Stream stream);
    /// Gradients of the reduced loss with respect to all parameters, overwritten or added to.
    /// Throws Error (state) unless a training forward and its loss came just before.
    void backward(bool accumulate, Stream stream);
    /// For whoever replays a captured forward, loss and backward: they count as called.
    void replayed() noexcept;

    /// feed, then forward.
    void forward(std::span<const Sequence> inputs, Mode mode, const NetworkState* from, Stream stream);
    /// set_loss, then loss.
    void loss(Reduction reduction, std::int64_t begin, Stream stream);
    /// The last loss. Waits for the stream.
    LossValue read_loss(Stream stream);

    // The same in parts, for who does not want to wait: value = Σ loss_sums[n]·loss_weights[n].
    ConstView loss_sums() const noexcept;                   ///< one a node, in device memory
    std::span<const double> loss_weights() const noexcept;  ///< one a node, of the last set_loss
    std::int64_t loss_counted() const noexcept;             ///< LossValue::counted of the last set_loss
    /// In device memory: what the losses' gradients are multiplied by beside their reduction, 1 until somebody (an
    /// Optimizer, for f16) changes it. All gradients carry it.
    double* loss_scale() noexcept;

    /// A value of the last forward, in device memory; gone after loss() in training where its gradient took its place.
    ConstView value(std::string_view name) const;
    /// The gradient of a value after backward.
    ConstView gradient(std::string_view name) const;
    /// Copies of them. Wait for the stream.
    HostTensor read_value(std::string_view name, Stream stream) const;
    HostTensor read_gradient(std::string_view name, Stream stream) const;

    // Seeing gradients: rondo/gradient_flow.hpp.
    /// Whether training steps that are fed from now on are observed: a plan of their own, with the bits of the other.
    void observe_gradients(bool on);
    /// What the last backward saw. Waits for the stream. Throws Error (state) unless it was observed.
    GradientFlow gradient_flow(Stream stream) const;

    // Carried state.
    NetworkState make_state(std::int64_t batch);  ///< zero
    /// The states as they stood after `step` steps of the last forward (0: initial). After an inference forward only
    /// its last step, or step 0 into another state while what it began from is still there. `to` may be what forward
    /// began from; that must still be there where attentions remember, as they write behind what a state holds and copy
    /// the rest only to another. Throws Error (state) where no forward has run since the last feed, or a recording was
    /// replayed in its place.
    void keep_state(std::int64_t step, NetworkState& to, Stream stream) const;

    /// Names the plan of the last feed and the memory it lies in: what was captured under it may be replayed under it.
    std::uint64_t plan_id() const noexcept;

    /// Buffers of the last planned extent and parameters as a table for people.
    std::string to_string() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Throws Error naming the node and the first field that is not allowed. Does not need a device.
RONDO_API void validate(const NetworkSpec& spec);

/// The same network for reading from left to right, piece by piece: every causal attention remembers `steps` steps, and
/// positions go on. Parameters keep their names and places.
RONDO_API NetworkSpec with_memory(NetworkSpec spec, std::int64_t steps);

}  // namespace rondo
