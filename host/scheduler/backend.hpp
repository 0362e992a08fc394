#pragma once
/// What a device must be able to do. The scheduler and the modules are written against this, once for all devices.
///
/// All pointers are device memory. All calls are asynchronous on `stream` where the device has streams, allocate
/// nothing (but for allocate itself, and what a stream takes for itself when it first works), and give the same bits
/// every time. Matrices are row-major; a stride is the distance of two rows in elements.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string>

#include "rondo/device.hpp"
#include "rondo/dtype.hpp"
#include "rondo/rnn.hpp"
#include "rondo/update_plan.hpp"
#include "scheduler/cell_info.hpp"
#include "scheduler/module_ops.hpp"
#include "scheduler/reserves.hpp"

namespace rondo {

/// The most streams that a plan's operations are spread over.
inline constexpr int kMostStreams = 8;

/// What is queued on `after` from now on comes after what is queued on `before` by now.
struct Wait {
    Stream before, after;
};

/// C[m,n] = (accumulate ? C : 0) + op(A)·op(B) + bias.   op(A) is [m,k], op(B) is [k,n].
struct Product {
    DType dtype = DType::f32;    ///< of A and B
    DType c_dtype = DType::f32;  ///< of C and the bias: dtype, or what it accumulates in
    Math math = Math::exact;
    std::int64_t m = 0, n = 0, k = 0;
    const void* a = nullptr;
    std::int64_t a_stride = 0;
    bool a_transposed = false;  ///< A is stored [k,m]
    const void* b = nullptr;
    std::int64_t b_stride = 0;
    bool b_transposed = false;  ///< B is stored [n,k], as weights are
    void* c = nullptr;
    std::int64_t c_stride = 0;
    bool accumulate = false;
    const void* bias = nullptr;  ///< [n] or null
};

/// What a weight matrix is packed for. W is [rows, cols], row-major, rows = gates·units, in the type that `dtype`
/// accumulates in; the packed copy is in `dtype`. Where a device needs no copy of its own it takes 0 bytes, and the
/// scheduler hands over what serves instead.
struct Packing {
    enum class Kind {
        gates,  ///< for operand[B,cols]·Wᵀ fused with a cell's map: units in blocks, all gates of a unit together;
                ///< 0 bytes: W itself
        transposed,  ///< for dgates[B,rows]·W; 0 bytes: what serves for `gates`
        plain,       ///< for Product: row-major; 0 bytes: W itself
    };
    Kind kind;
    DType dtype;
    int gates = 1;  ///< of `rows`: W is [gates, units, cols]
    std::int64_t units = 0, cols = 0;
};

/// A cell's maps compiled for a device; made and owned by the backend, alive as long as it.
struct CellKernels;

/// One layer and direction as its time loop sees it. Constant over the loop.
struct LoopLayer {
    const CellKernels* kernels = nullptr;
    const CellInfo* cell = nullptr;
    Precision precision;
    std::int64_t batch = 0, hidden = 0;
    std::int64_t width = 0;  ///< of h: the projection or hidden
    bool projected = false;
    const void* vectors = nullptr;  ///< [cell->vectors, hidden]
    double cell_clip = 0;           ///< 0 for none
    RecurrentClip recurrent_clip;
    const std::int64_t* lengths = nullptr;  ///< [B], null where all rows take every step
    void* scratch = nullptr;                ///< Backend::scratch_bytes, dead between two calls
    /// in [B,width], in Precision::accumulate: factors of h on its way into its product; null for none
    const void* recurrent_mask = nullptr;
};

/// Elements of a state that stay as they were. In training they are drawn; otherwise the expectation is taken,
/// rate·state + (1 - rate)·candidate.
struct Zoneout {
    double rate = 0;             ///< 0: none
    const void* mask = nullptr;  ///< in [B,H], in Precision::storage: 0 where the state stays; null: the expectation
    void* candidate = nullptr;   ///< out [B,H], like the state, where there is a mask: what the cell made of it
};

/// One stage of one step: gates_h = operand·W_stageᵀ + bias_h, then the stage's map on every (b, h).
/// Idle rows (lengths[b] <= t): next = state, y = 0, and saved planes and an unprojected h are zero, whatever gates_x
/// holds (the weight products read those planes, and 0·NaN is NaN).
struct StepForward {
    const LoopLayer* layer = nullptr;
    int stage = 0;
    std::int64_t t = 0;
    const void* operand = nullptr;  ///< in [B, cols]: h, or a saved plane
    std::int64_t operand_stride = 0;
    const void* packed = nullptr;        ///< in: W_hh's rows of this stage, packed for Packing::gates; cols = width for
                                         ///< stage 0, hidden after it
    const void* bias_h = nullptr;        ///< in [gates of the stage, H] or null
    const void* gates_x = nullptr;       ///< in [B,G,H]: all gates
    const void* state[kMaxStates] = {};  ///< in [B, width or H]: states before the step; [0] is h
    void* next[kMaxStates] = {};         ///< out [B, ...]; where h is projected next[0] is o∘tanh(c) [B,H]
    void* saved = nullptr;               ///< in, out [B,R,H]; null where nobody will read it
    Zoneout zoneout[kMaxStates] = {};    ///< of the states; none of a projected h
    void* fed_back = nullptr;            ///< out [B,width]: h'∘recurrent_mask, the next step's operand; null for no
    void* y = nullptr;  ///< out: h' is also written here, scaled; null for no (projection does it then)
    std::int64_t y_stride = 0;
    double y_scale = 1;
    bool y_add = false;  ///< add instead of overwrite (second direction of a sum)
};

/// h' = unprojected · W_hrᵀ after the last stage, with the masking and the writing of y that StepForward would do.
struct ProjectForward {
    const LoopLayer* layer = nullptr;
    std::int64_t t = 0;
    const void* unprojected = nullptr;  ///< in [B,H]
    const void* packed = nullptr;       ///< in: W_hr [P,H] packed for Packing::gates with one gate
    const void* h = nullptr;            ///< in [B,P]: before the step
    void* next = nullptr;               ///< out [B,P]
    void* fed_back = nullptr;           ///< out [B,P], as StepForward's
    void* y = nullptr;
    std::int64_t y_stride = 0;
    double y_scale = 1;
    bool y_add = false;
};

/// The gradient of h after step t, as it goes into the step's backward. `later` is the step that ran after t
/// (t + 1 forward, t - 1 in the reverse direction):
///     dh = (row took step `later` ? clip(carry + (dgates_h(later)·W_hh)∘recurrent_mask) : carry)
///        + (row took step t ? dy_scale·dy(t) + dstep(t) : 0)
/// A row takes step t where t < lengths[b]. At the step that ran last there is no later one (dgates_h null): carry is
/// the gradient of the final state.
struct IncomingGradient {
    const void* carry = nullptr;     ///< in [B,width]: element-wise part from the later step; or dfinal; null: zero
    DType carry_dtype = DType::f32;  ///< Precision::accumulate, but ::storage of dfinal
    const void* dgates_h = nullptr;  ///< in [B, gates of stage 0, H] of the later step; null: none
    std::int64_t dgates_stride = 0;  ///< distance of two rows
    const void* packed = nullptr;    ///< in: stage 0's rows of W_hh packed for Packing::transposed
    std::int64_t later = 0;
    const void* dy = nullptr;  ///< in, rows dy_stride apart; null: zero
    std::int64_t dy_stride = 0;
    double dy_scale = 1;
    const void* dstep = nullptr;  ///< in [B,width]: gradient of h asked for as a step output; null: none
};

/// One stage of one step backward. The last stage begins with the incoming gradient of h (or, projected, with
/// du = dh·W_hr where dh is given whole); earlier stages with doperand = dgates_h(stage+1)·W_hh(stage+1).
/// Idle rows (lengths[b] <= t): dgates are zero and dstate is the gradient after the step unchanged.
struct StepBackward {
    const LoopLayer* layer = nullptr;
    int stage = 0;
    std::int64_t t = 0;
    IncomingGradient dh;               ///< of the last stage, unprojected
    const void* dh_whole = nullptr;    ///< in [B,P]: projected: gradient of h after the step, made by GradientOfH
    const void* projection = nullptr;  ///< in: W_hr packed for Packing::transposed
    const void* next_stage_dgates = nullptr;  ///< in: dgates_h of stage+1's gates, for doperand
    std::int64_t next_stage_stride = 0;
    const void* next_stage_packed = nullptr;  ///< in: W_hh's rows of stage+1, Packing::transposed
    const void* state[kMaxStates] = {};       ///< in: before the step
    const void* next[kMaxStates] = {};        ///< in: after the step ([0] is never read when projected), of a state
                                              ///< with zoneout its candidate
    const void* zoneout[kMaxStates] = {};     ///< in [B,H]: the masks; null for none
    const void* saved = nullptr;              ///< in [B,R,H]
    const void* dnext[kMaxStates] = {};  ///< in [B,H]: gradients after the step, of states other than h; null: zero
    const void* dstep[kMaxStates] = {};  ///< in [B,H]: gradients of step outputs, of states other than h; null: none
    void* dstate[kMaxStates] =
        {};  ///< out [B, ...], [0] in Precision::accumulate: element-wise part of the gradients before the step; may be
             ///< dnext. [0] when projected: zero, but dh_whole for idle rows.
    void* dgates_x = nullptr;  ///< out [B,G,H] (in for earlier stages)
    void* dgates_h = nullptr;  ///< out [B,G,H]; equals dgates_x where the cell shares them
    void* dvectors = nullptr;  ///< in, out [B,V,H]: summed over steps; null without vectors
    void* dh_told =
        nullptr;  ///< out [B,H], in Precision::accumulate: dh, by the last stage; or null, as where projected
};

/// dh whole, as IncomingGradient says: for projected layers at every step, and for all at the end of the loop (the
/// gradient of the initial h; dy and dstep are null then).
struct GradientOfH {
    const LoopLayer* layer = nullptr;
    std::int64_t t = 0;
    IncomingGradient dh;
    void* out = nullptr;  ///< out [B,width], in Precision::storage
};

/// Steps [begin, end) of a cell without stages, all of one call: h(t) = a(t)∘h(before) + b(t), in the order of time or
/// against it. Idle rows as StepForward's. n = end - begin.
struct ScanForward {
    const LoopLayer* layer = nullptr;
    std::int64_t begin = 0, end = 0;
    bool reverse = false;
    const void* gates_x = nullptr;  ///< in [n,B,G,H]
    const void* h = nullptr;        ///< in [B,H]: before the step that is taken first
    void* next = nullptr;           ///< out [n,B,H]: after every step
    void* saved = nullptr;          ///< out [n,B,R,H]; null where nobody will read it
    Zoneout zoneout;                ///< mask [n,B,H]; no candidates
    void* y = nullptr;              ///< out: rows y_stride apart, as StepForward's
    std::int64_t y_stride = 0;
    double y_scale = 1;
    bool y_add = false;
};

/// Its backward, which takes the steps in the other order:
///     dh(t) = carry + (row takes step t ? dy_scale·dy(t) + dstep(t) : 0);   carry = a(t)∘dh(t)
struct ScanBackward {
    const LoopLayer* layer = nullptr;
    std::int64_t begin = 0, end = 0;
    bool reverse = false;            ///< of forward
    const void* before = nullptr;    ///< in [n,B,H]: h before every step
    const void* saved = nullptr;     ///< in [n,B,R,H]
    const void* zoneout = nullptr;   ///< in [n,B,H] or null
    const void* carry = nullptr;     ///< in [B,H]: gradient of h after the last step; null: zero
    DType carry_dtype = DType::f32;  ///< as IncomingGradient's
    const void* dy = nullptr;        ///< in, rows dy_stride apart; null: zero
    std::int64_t dy_stride = 0;
    double dy_scale = 1;
    const void* dstep = nullptr;  ///< in [n,B,H] or null
    void* dgates_x = nullptr;     ///< out [n,B,G,H]
    void* dstate = nullptr;       ///< out [B,H], in Precision::accumulate: carry in the end; may be carry
    void* dh_told = nullptr;      ///< out [n,B,H], in Precision::accumulate: dh of the rows that take the step; or null
};

/// Most gates of a cell that are looked at.
inline constexpr int kMaxGates = 8;

/// The activated values of one gate over a range of steps: element (t,b,h) stands at ((t·B + b)·stride + h), in
/// Precision::storage.
struct ObservedGate {
    GateValue::Kind kind = GateValue::Kind::none;
    const void* values = nullptr;
    std::int64_t stride = 0;
};

/// What a range of steps of one layer and direction shows: rows of ObservationInfo.
struct Observation {
    std::int64_t begin = 0, steps = 0;  ///< of the range
    std::int64_t batch = 0, hidden = 0, width = 0;
    const std::int64_t* lengths = nullptr;  ///< [B], null where all rows take every step
    DType storage = DType::f32;
    DType dh_dtype = DType::f32;  ///< Precision::accumulate, or ::storage
    const void* dh = nullptr;     ///< in [steps,B,width]
    const void* dy = nullptr;     ///< in, rows dy_stride apart; null: zero
    std::int64_t dy_stride = 0;
    double dy_scale = 1;
    const void* dstep = nullptr;  ///< in [steps,B,width]; null: none
    ObservedGate gates[kMaxGates] = {};
    int gate_count = 0;
    double* out = nullptr;  ///< out [steps, columns()]
    std::int64_t columns() const { return ObservationInfo::kFirstGate + 2 * gate_count; }
};

/// Where a gate's value counts as near the end of its range: ObservationInfo.
inline constexpr double kGateShut = 0.05, kGateOpen = 0.95;

/// All steps of a time loop's operation in one call, of a cell with one stage, where Backend::loop_policy says so: the first
/// step as it would be taken alone. What the others read and write lies one step's size further on each, or, where time
/// runs backwards, further back.
struct LoopForward {
    StepForward first;
    std::int64_t steps = 0;
    bool reverse = false;
    bool every[kMaxStates] = {};  ///< every step's next[s] is wanted; otherwise the last one's alone, at first.next[s]
    const void* whole = nullptr;  ///< LoopPolicy::whole
};

/// Its backward, which takes the steps in the other order; without a clip by norm.
struct LoopBackward {
    StepBackward first;
    const void* w = nullptr;  ///< in: W_hh packed for Packing::transposed, where the first step needs none as well
    std::int64_t steps = 0;
    bool reverse = false;  ///< of forward
    const void* whole = nullptr;
};

/// What a time loop's policy follows from.
struct LoopTask {
    const CellInfo& cell;
    const LayerSpec& layer;
    const StackSpec& stack;
    const Extent& extent;
    std::int64_t steps;  ///< of an operation
    bool backward;
    int at_once;  ///< how many such loops may be on the device together
};

/// How a backend takes the steps of a time loop.
struct LoopPolicy {
    std::string algorithm, reason;      ///< for people
    std::shared_ptr<const void> whole;  ///< not null: all of them in one call, which is given it
    std::int64_t scratch_bytes = 0;     ///< that such a call wants of LoopLayer::scratch
};

/// Bytes that go from one place of a device to another.
struct Copy {
    void* to = nullptr;
    const void* from = nullptr;
    std::size_t bytes = 0;
};

/// Steps [begin, end) of out[t,b,i] = keep(t,b,i) ? x[t,b,i] / (1 - rate) : 0; keep from Philox keyed by (seed, step,
/// site, element), the element being (t,b,i), or (b,i) where one mask serves all steps: a sequence may be taken in
/// pieces. Its own backward. Also zero where t >= lengths[b], if lengths are given (whatever x holds there).
struct Dropout {
    DType dtype = DType::f32;
    void* out = nullptr;      ///< out [end - begin, B, cols], beginning with step `begin`; may be x
    const void* x = nullptr;  ///< in, likewise; null: ones
    std::int64_t begin = 0, end = 1;
    std::int64_t batch = 0, cols = 0;
    double rate = 0;
    bool per_sequence = false;  ///< one mask serves all steps
    std::uint64_t site = 0;
    const RandomState* random = nullptr;
    const std::int64_t* lengths = nullptr;  ///< [B] or null
};

/// A softmax over rows of logits with its loss.
struct CrossEntropy {
    DType dtype = DType::f32;
    std::int64_t rows = 0, classes = 0;
    const void* logits = nullptr;           ///< in [rows, classes]
    const std::int32_t* targets = nullptr;  ///< in [rows]; negative: the row is left out
    double* loss = nullptr;                 ///< out: the sum of -log softmax[target] over the rows; added to it
    std::int64_t* counted = nullptr;        ///< out: rows that were not left out; added to it
    void* dlogits = nullptr;                ///< out [rows, classes]: scale·(softmax - onehot); may be logits; or null
    // In device memory, so that a captured step can be replayed with others; null: 1.
    const double* scale = nullptr;       ///< what the sum of the losses is multiplied by
    const double* loss_scale = nullptr;  ///< and that once more
};

/// Tokens drawn from rows of logits: softmax(logits / temperature), cut to the top_k most likely (equals in order of
/// id), renormalised, cut to the most likely that together reach top_p (at least one), renormalised. Temperature 0 takes
/// the most likely, the first of equals; an infinite logit leaves nothing to the others.
struct Sample {
    DType dtype = DType::f32;
    std::int64_t rows = 0, classes = 0;
    const void* logits = nullptr;  ///< in [rows, classes]
    std::int32_t* ids = nullptr;   ///< out [rows]; -1 where a logit is NaN
    std::int32_t* fed = nullptr;   ///< out [rows]: the ids for who reads them unseen, 0 in the place of -1; or null
    double temperature = 1;
    std::int64_t top_k = 0;  ///< 0: all
    double top_p = 1;
    const RandomState* random = nullptr;  ///< in: the seed and, as `step`, which draw this is. Row r takes the number
                                          ///< of Philox at the counter (step, r).
};

/// A sum of squared differences.
struct SquaredError {
    DType dtype = DType::f32;
    std::int64_t count = 0;
    const void* prediction = nullptr;  ///< in [count]
    const void* target = nullptr;      ///< in [count]
    double* loss = nullptr;            ///< out: Σ (prediction - target)²; added to it
    void* dprediction = nullptr;       ///< out [count]: scale·2·(prediction - target); may be prediction; or null
    const double* scale = nullptr;     ///< as CrossEntropy's
    const double* loss_scale = nullptr;
};

/// One optimizer update over a whole parameter array. The gradient is multiplied by its group's factor and clamped as
/// it is read. Nothing happens when scalars->skip is not zero.
struct Update {
    enum class Rule { sgd, adam, adamw };
    Rule rule = Rule::sgd;
    DType dtype = DType::f32;
    void* parameters = nullptr;       ///< in, out
    const void* gradients = nullptr;  ///< in
    void* first = nullptr;            ///< in, out: momentum or first moment (null: SGD without momentum)
    void* second = nullptr;           ///< in, out: second moment (Adam)
    std::int64_t count = 0;
    const UpdateRange* ranges = nullptr;  ///< device memory: ascending, without gaps, over all of [0, count)
    std::int64_t range_count = 0;
    const double* factors = nullptr;         ///< device memory
    const UpdateScalars* scalars = nullptr;  ///< device memory
    double clamp = 0;                        ///< 0: none
    double momentum = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    bool nesterov = false;
};

class Backend : public ModuleOps {
public:
    Reserves reserves;  ///< kept by Rnn

    virtual std::string_view name() const = 0;
    virtual std::string description() const = 0;

    /// Whether the host may read and write this device's memory: lengths are then checked at once.
    virtual bool shares_host_memory() const { return false; }

    /// Throws Error (unsupported) when this device cannot run that precision.
    virtual void check(Precision precision) const = 0;
    /// The maps of a cell. Throws as visit_cell does.
    virtual const CellKernels* cell_kernels(std::string_view name, CellOptions options, Precision precision) const = 0;
    /// How it takes the steps of a layer's time loop, and why.
    virtual LoopPolicy loop_policy(const LoopTask& task) const = 0;
    /// How many bytes of gates a chunk of steps should hold: one product makes them, the time loop reads them after it.
    virtual std::int64_t chunk_bytes() const = 0;
    /// What a step of this layer's time loop needs for itself; the plan books it in the workspace.
    virtual std::int64_t scratch_bytes(const CellInfo& cell, const LayerSpec& layer, Precision precision,
                                       std::int64_t batch) const {
        (void)cell, (void)layer, (void)precision, (void)batch;
        return 0;
    }
    /// Throws Error (invalid_argument) naming the argument when `p` is not memory of this device.
    virtual void check_memory(std::string_view argument, const void* p) const { (void)argument, (void)p; }
    /// Where the host cannot look at lengths[B]: has the device see whether all are in [0, steps].
    virtual void check_lengths(const std::int64_t* /*lengths*/, std::int64_t /*batch*/, std::int64_t /*steps*/,
                               Stream) {}
    /// Throws Error (invalid_argument), once, where work that has run by now was given what it cannot take. synchronize
    /// and wait do so too.
    virtual void throw_findings() {}
    /// A pass begins on a stream: throws as throw_findings, and where the stream is another device's.
    virtual void begin(Stream) { throw_findings(); }

    // Memory. allocate is aligned to 64 bytes and throws Error (out_of_memory).
    virtual void* allocate(std::size_t bytes) = 0;
    virtual void free(void* p) noexcept = 0;
    virtual void zero(void* p, std::size_t bytes, Stream stream) = 0;
    virtual void copy(void* to, const void* from, std::size_t bytes, Stream stream) = 0;  ///< within the device
    /// All of them, in no order; of elements of two bytes and more.
    virtual void copy_all(std::span<const Copy> copies, Stream stream) {
        for (const Copy& c : copies) copy(c.to, c.from, c.bytes, stream);
    }
    /// The source may change as soon as this returns. Never while work is recorded.
    virtual void upload(void* to, const void* from_host, std::size_t bytes, Stream stream) = 0;
    /// Returns at once where to_host is of allocate_host.
    virtual void download(void* to_host, const void* from, std::size_t bytes, Stream stream) = 0;
    virtual void synchronize(Stream stream) = 0;
    /// Host memory for downloads that nobody waits for.
    virtual void* allocate_host(std::size_t bytes) { return ::operator new(bytes); }
    virtual void free_host(void* p) noexcept { ::operator delete(p); }

    // Order. What follows is that of a device that runs everything at once, in the order of the calls.
    virtual Stream make_stream() { return {}; }
    virtual void free_stream(Stream) noexcept {}
    /// A mark in a stream's work that the host can wait for; freeing it waits as well.
    virtual void* make_event() { return nullptr; }
    virtual void free_event(void*) noexcept {}
    virtual void mark(void* /*event*/, Stream) {}
    virtual void wait(void* /*event*/) {}
    /// How many streams a plan may spread its operations over: 1 to kMostStreams.
    virtual int streams() const { return 1; }
    /// The n-th of them, n < streams(): `stream` itself, then others for work beside it, always the same ones.
    virtual Stream beside(Stream stream, int /*n*/) { return stream; }
    /// All of these waits as one: none of them hands on what another one brings.
    virtual void order(std::span<const Wait>) {}
    /// Whether what is queued on this stream can be recorded and run again.
    virtual bool can_record(Stream) const { return false; }
    /// Records what `work` queues, without running it. Memory must stay where it is for as long as it is replayed. What
    /// `work` throws goes through, and nothing is kept.
    virtual void* record(Stream, const std::function<void()>& /*work*/) {
        throw Error(ErrorCode::unsupported, "record: this device runs everything at once");
    }
    virtual void replay(void* /*recording*/, Stream) {}
    virtual void free_recording(void*) noexcept {}

    // Products.
    virtual void product(const Product& product, Stream stream) = 0;
    virtual std::int64_t packed_bytes(const Packing& packing) const = 0;  ///< a multiple of 64
    virtual void pack(const Packing& packing, const void* w, void* packed, Stream stream) = 0;

    // The time loop.
    virtual void step_forward(const StepForward& step, Stream stream) = 0;
    virtual void project_forward(const ProjectForward& step, Stream stream) = 0;
    virtual void step_backward(const StepBackward& step, Stream stream) = 0;
    virtual void gradient_of_h(const GradientOfH& step, Stream stream) = 0;
    /// Of both directions of a layer, or one; never called where no policy says so.
    virtual void loop_forward(std::span<const LoopForward> /*loops*/, Stream) {
        throw Error(ErrorCode::unsupported, "loop_forward: this device takes step after step");
    }
    virtual void loop_backward(std::span<const LoopBackward> /*loops*/, Stream) {
        throw Error(ErrorCode::unsupported, "loop_backward: this device takes step after step");
    }
    virtual void scan_forward(const ScanForward& scan, Stream stream) = 0;
    virtual void scan_backward(const ScanBackward& scan, Stream stream) = 0;
    // The same of both directions of a layer, whose steps do not wait for each other: at once, where a device can.
    virtual void together(std::span<const StepForward> steps, Stream stream) {
        for (const StepForward& step : steps) step_forward(step, stream);
    }
    virtual void together(std::span<const ProjectForward> steps, Stream stream) {
        for (const ProjectForward& step : steps) project_forward(step, stream);
    }
    virtual void together(std::span<const StepBackward> steps, Stream stream) {
        for (const StepBackward& step : steps) step_backward(step, stream);
    }
    virtual void together(std::span<const GradientOfH> steps, Stream stream) {
        for (const GradientOfH& step : steps) gradient_of_h(step, stream);
    }

    virtual void observe(const Observation& observation, Stream stream) = 0;

    // Around it. All [rows, cols] with a row stride unless said otherwise.
    /// out[t,b,:] = t < lengths[b] ? x[t,b,:] : 0. out may be x.
    virtual void mask_rows(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t batch,
                           std::int64_t cols, const std::int64_t* lengths, Stream stream) = 0;
    virtual void dropout(const Dropout& dropout, Stream stream) = 0;
    /// sums[cols] = (accumulate ? sums : 0) + the sum of the rows of x, in a fixed order. sums are f64 of f64, else f32.
    virtual void column_sums(DType dtype, void* sums, const void* x, std::int64_t rows, std::int64_t cols,
                             std::int64_t stride, bool accumulate, Stream stream) = 0;

    // Modules.
    /// out[r,:] = table[ids[r],:]
    virtual void embedding_forward(DType dtype, void* out, DType table_dtype, const void* table,
                                   const std::int32_t* ids, std::int64_t rows, std::int64_t cols, Stream stream) = 0;
    /// dtable[ids[r],:] += dout[r,:], rows in order. dtable is [classes, cols].
    virtual void embedding_backward(DType table_dtype, void* dtable, DType dtype, const void* dout,
                                    const std::int32_t* ids, std::int64_t rows, std::int64_t cols, std::int64_t classes,
                                    Stream stream) = 0;
    virtual void cross_entropy(const CrossEntropy& loss, Stream stream) = 0;
    virtual void sample(const Sample& sample, Stream stream) = 0;
    virtual void squared_error(const SquaredError& loss, Stream stream) = 0;
    /// to[i] += from[i]
    virtual void add(DType dtype, void* to, const void* from, std::int64_t count, Stream stream) = 0;
    /// Zeroes the memory unless all the values are finite. `bytes` is a multiple of 4.
    virtual void zero_unless_finite(void* p, std::size_t bytes, const double* values, std::int64_t count,
                                    Stream stream) = 0;

    // Gradients and updates.
    /// *sum = (accumulate ? *sum : 0) + Σ x², in double and in a fixed order; not finite where any x is not.
    virtual void sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate,
                                Stream stream) = 0;
    /// *largest = max |x|, 0 of nothing; NaN where any x is.
    virtual void largest(DType dtype, const void* x, std::int64_t count, double* largest, Stream stream) = 0;
    /// rondo::plan_update.
    virtual void plan_update(const UpdatePlan& plan, Stream stream) = 0;
    virtual void update(const Update& update, Stream stream) = 0;
};

}  // namespace rondo
