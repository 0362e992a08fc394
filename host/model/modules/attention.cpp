/// Attention of queries to a memory, by dot products or by a small network.
#include <cmath>

#include "model/step_counts.hpp"

namespace rondo::model {
namespace {

using Score = AttentionSpec::Score;

enum Port { kQ, kK, kV };  // kK and kV are the places of their carried states, too

std::size_t bytes_of(const Place& place) { return static_cast<std::size_t>(place.info->bytes()); }

Attention dot_attention(const AttentionSpec& spec, const Call& call) {
    const ValueInfo &q = *call.inputs[kQ].info, &k = *call.inputs[kK].info, &v = *call.inputs[kV].info;
    const auto width = static_cast<double>(spec.width / spec.heads);
    return {.dtype = q.dtype,
            .queries = q.steps(),
            .keys = k.steps(),
            .batch = q.batch(),
            .heads = spec.heads,
            .width = spec.width / spec.heads,
            .value_width = v.width() / spec.heads,
            .scale = spec.score == Score::scaled_dot ? 1 / std::sqrt(width) : 1,
            .causal = spec.causal,
            .query_lengths = call.lengths_of(q),
            .key_lengths = call.lengths_of(k),
            .q = call.inputs[kQ].data,
            .k = call.inputs[kK].data,
            .v = call.inputs[kV].data,
            .q_stride = q.width(),
            .k_stride = k.width(),
            .v_stride = v.width(),
            .out_stride = v.width()};
}

class PlannedDotAttention final : public PlannedModule {
public:
    /// log_sums, kept: in the reserve, of training alone.
    PlannedDotAttention(const AttentionSpec& spec, std::int64_t log_sums, std::int64_t kept)
        : spec_(spec), log_sums_(log_sums), kept_(kept) {}

    void forward(Call& call) override {
        const Place &out = call.outputs[0], &weights = call.outputs[1];
        Attention args = attention(call);
        args.out = out.data;
        call.backend.attention_forward(args, call.stream);
        if (weights) call.backend.attention_weights({&args, weights.data}, call.stream);
        // What reads the output may write over it.
        if (kept_ != kNoBuffer) call.backend.copy(call.arena + kept_, out.data, bytes_of(out), call.stream);
    }

    void backward(Call& call) override {
        Attention args = attention(call);
        args.out = call.arena + kept_;
        args.dout = call.outputs[0].gradient;
        args.dq = call.inputs[kQ].gradient;
        args.dk = call.inputs[kK].gradient;
        args.dv = call.inputs[kV].gradient;
        args.scratch = call.workspace;
        call.backend.attention_backward(args, call.stream);
    }

private:
    Attention attention(const Call& call) const {
        Attention args = dot_attention(spec_, call);
        if (log_sums_ != kNoBuffer) args.log_sums = call.arena + log_sums_;
        return args;
    }

    AttentionSpec spec_;
    std::int64_t log_sums_, kept_;
};

/// Inference with a memory. What a row's state holds are its first so many steps; those behind them are free, and forward
/// writes there, so that nothing has to be copied when the state goes on from itself.
class PlannedRemembering final : public PlannedModule {
public:
    PlannedRemembering(const AttentionSpec& spec, StepCounts counts) : spec_(spec), counts_(counts) {}

    void forward(Call& call) override {
        counts_.advance(call, *call.inputs[kK].info);
        Attention args = dot_attention(spec_, call);
        args.out = call.outputs[0].data;
        if (!call.carried.empty()) {
            args.k = append(call, kK, call.carried[kK], counts_.begins(call));
            args.v = append(call, kV, call.carried[kV], counts_.begins(call));
            args.keys = spec_.memory;
            args.key_lengths = counts_.ends(call);
            args.begins = counts_.begins(call);
        }
        call.backend.attention_forward(args, call.stream);
    }
    void backward(Call&) override {}

    void keep(Call& call, std::int64_t step, std::span<void* const> to) override {
        counts_.keep(call, step, call.inputs[kK].info->steps(), to[0]);
        for (const Port port : {kK, kV}) {
            const ValueInfo& info = *call.inputs[port].info;
            if (call.carried.empty())
                append(call, port, to[port], nullptr);
            else if (to[port] != call.carried[port])
                call.backend.copy(to[port], call.carried[port],
                                  static_cast<std::size_t>(spec_.memory * info.batch() * row_bytes(info)), call.stream);
        }
    }

private:
    static std::int64_t row_bytes(const ValueInfo& info) { return info.width() * size_of(info.dtype); }

    /// This forward's steps behind the first `begins` of a memory, which it returns.
    static void* append(Call& call, Port port, void* memory, const std::int64_t* begins) {
        const ValueInfo& info = *call.inputs[port].info;
        call.backend.copy_rows({.bytes = row_bytes(info),
                                .steps = info.steps(),
                                .batch = info.batch(),
                                .from_batch = info.batch(),
                                .lengths = call.lengths_of(info),
                                .begins = begins,
                                .from = call.inputs[port].data,
                                .to = memory},
                               call.stream);
        return memory;
    }

    AttentionSpec spec_;
    StepCounts counts_;
};

class PlannedAdditiveAttention final : public PlannedModule {
public:
    PlannedAdditiveAttention(const AttentionSpec& spec, std::int64_t weights) : spec_(spec), weights_(weights) {}

    void forward(Call& call) override {
        AdditiveAttention args = attention(call);
        args.out = call.outputs[0].data;
        call.backend.additive_attention_forward(args, call.stream);
        if (const Place& weights = call.outputs[1])
            call.backend.copy(weights.data, args.weights, bytes_of(weights), call.stream);
    }

    void backward(Call& call) override {
        AdditiveAttention args = attention(call);
        args.dout = call.outputs[0].gradient;
        args.dq = call.inputs[kQ].gradient;
        args.dk = call.inputs[kK].gradient;
        args.dv = call.inputs[kV].gradient;
        args.dvector = call.blocks[0].gradient;
        args.add_to_dvector = call.blocks[0].accumulate;
        args.scratch = call.workspace;
        call.backend.additive_attention_backward(args, call.stream);
    }

private:
    AdditiveAttention attention(const Call& call) const {
        const ValueInfo &q = *call.inputs[kQ].info, &k = *call.inputs[kK].info;
        return {.dtype = q.dtype,
                .queries = q.steps(),
                .keys = k.steps(),
                .batch = q.batch(),
                .width = spec_.width,
                .value_width = call.inputs[kV].info->width(),
                .query_lengths = call.lengths_of(q),
                .key_lengths = call.lengths_of(k),
                .q = call.inputs[kQ].data,
                .k = call.inputs[kK].data,
                .v = call.inputs[kV].data,
                .vector = call.blocks[0].data,
                .weights = call.arena + weights_};
    }

    AttentionSpec spec_;
    std::int64_t weights_;
};

class AttentionModule final : public Module {
public:
    AttentionModule(const AttentionSpec& spec, const Precision& precision) : spec_(spec), precision_(precision) {
        require(spec.heads >= 1, "heads", spec.heads, "must be at least 1");
        require(spec.width >= 1 && spec.width % spec.heads == 0, "width", spec.width,
                detail::concat("must be a multiple of the heads, ", spec.heads));
        require(!additive() || spec.heads == 1, "heads", spec.heads, "must be 1 where the score is additive");
        require(!additive() || !spec.causal, "causal", "true", "needs a score by dot products");
        require(spec.memory == 0 || (spec.memory > 0 && spec.causal), "memory", spec.memory,
                "must be 0, or a number of steps where it is causal");
    }

    int inputs() const override { return 3; }
    int outputs() const override { return 2; }
    int state_port() const override { return -1; }
    bool differentiable(int output) const override { return output == 0; }

    std::vector<CarriedState> carried() const override {
        if (spec_.memory == 0) return {};
        const auto sequence = [&](const char* name) {
            return CarriedState{name, precision_.storage, spec_.width, spec_.memory};
        };
        return {StepCounts::state(), sequence("k"), sequence("v")};
    }

    std::vector<ParameterBlock> blocks() const override {
        if (!additive()) return {};
        const double bound = 1 / std::sqrt(static_cast<double>(spec_.width));
        return {{{{.name = "vector", .shape = {spec_.width}, .bound = bound}}, spec_.width}};
    }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo &q = *inputs[kQ], &k = *inputs[kK], &v = *inputs[kV];
        const DType dtype = precision_.storage;
        require(q.dtype == dtype && q.per_step() && q.width() == spec_.width, "q", q.shape,
                detail::concat("must be ", dtype, " [T,B,", spec_.width, "]"));
        require(k.dtype == dtype && k.per_step() && k.width() == spec_.width && k.batch() == q.batch(), "k", k.shape,
                detail::concat("must be ", dtype, " [S,", q.batch(), ",", spec_.width, "]"));
        require(v.dtype == dtype && v.per_step() && v.steps() == k.steps() && v.batch() == q.batch() &&
                    v.width() % spec_.heads == 0,
                "v", v.shape, detail::concat("must be ", dtype, " [", k.steps(), ",", q.batch(), ",heads·V]"));
        require(v.lengths == k.lengths || v.lengths < 0, "v", "lengths", "must be those of k, or none");
        require(!spec_.causal || k.steps() == q.steps(), "k", k.shape, "must have the steps of q where it is causal");
        require(spec_.memory == 0 || (k.steps() <= spec_.memory && v.width() == spec_.width), "v", v.shape,
                detail::concat("must be at most ", spec_.memory, " steps of ", spec_.width, ", for its memory"));
        return {{dtype, {q.steps(), q.batch(), v.width()}, q.lengths},
                {precision_.accumulate, {q.steps(), q.batch(), k.steps()}, q.lengths}};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const override {
        const ValueInfo &q = *request.inputs[kQ], &k = *request.inputs[kK], &v = *request.inputs[kV];
        const std::int64_t element = size_of(precision_.accumulate), rows = q.rows();
        const auto book = [&](const char* name, std::int64_t bytes) {
            return ledger.book(Ledger::Kind::reserve, detail::concat(request.name, ".", name), bytes);
        };
        const bool training = request.mode == Mode::training;
        if (spec_.memory > 0) {
            require(!training, "memory", spec_.memory, "is for inference");
            require(!request.outputs[1], "weights", "wanted", "are not made with a memory");
            return std::make_unique<PlannedRemembering>(spec_,
                                                        StepCounts(ledger, request.name, k.batch(), spec_.memory));
        }
        if (additive()) {
            if (training) ledger.need_workspace((rows * k.steps() + q.batch() * spec_.width) * element);
            return std::make_unique<PlannedAdditiveAttention>(spec_, book("weights", rows * k.steps() * element));
        }
        std::int64_t log_sums = kNoBuffer, kept = kNoBuffer;
        if (training || request.outputs[1]) log_sums = book("log_sums", rows * spec_.heads * element);
        if (training) {
            kept = book("out", rows * v.width() * size_of(q.dtype));
            ledger.need_workspace(rows * spec_.heads * element);
        }
        return std::make_unique<PlannedDotAttention>(spec_, log_sums, kept);
    }

private:
    bool additive() const { return spec_.score == Score::additive; }

    AttentionSpec spec_;
    Precision precision_;
};

}  // namespace

std::unique_ptr<Module> make_attention(const AttentionSpec& spec, const Precision& precision) {
    return std::make_unique<AttentionModule>(spec, precision);
}

}  // namespace rondo::model
