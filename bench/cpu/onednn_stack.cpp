#include "cpu/onednn_stack.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace rondo::bench {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

constexpr auto kF32 = memory::data_type::f32;

/// Where oneDNN's gates stand in Rondo's order: i, f, c, o of i, f, g, o; u, r, o of r, z, n.
constexpr std::array<std::int64_t, 4> kOfLstm{0, 1, 2, 3};
constexpr std::array<std::int64_t, 3> kOfGru{1, 0, 2};

std::int64_t rondo_gate(const std::string& cell, int gate) {
    return cell == "lstm" ? kOfLstm[static_cast<std::size_t>(gate)] : kOfGru[static_cast<std::size_t>(gate)];
}

/// Calls visit(index in ldigo, index in [G,H,I]).
template <class Visit>
void for_each_weight(const std::string& cell, int gates, std::int64_t hidden, std::int64_t inputs, Visit visit) {
    for (std::int64_t i = 0; i < inputs; ++i)
        for (int g = 0; g < gates; ++g)
            for (std::int64_t o = 0; o < hidden; ++o)
                visit((i * gates + g) * hidden + o, (rondo_gate(cell, g) * hidden + o) * inputs + i);
}

float* data_of(const memory& m) { return static_cast<float*>(m.get_data_handle()); }

const float* tensor(const RondoStack& rondo, const float* all, const char* name) {
    return all + rondo.plan().parameter(name).offset;
}

/// The largest distance over the largest value.
double distance(const float* a, const float* b, std::int64_t count) {
    double apart = 0, largest = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
        if (!(d <= apart)) apart = d;
        largest = std::max(largest, std::abs(static_cast<double>(b[i])));
    }
    return apart / largest;
}

}  // namespace

OnednnStack::OnednnStack(const CpuRow& row, const RondoStack& rondo)
    : row_(row), gates_(row.cell == "lstm" ? 4 : 3), biases_(4), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    require(row.layers == 1 && !row.bidirectional && (row.cell == "lstm" || row.cell == "gru"), "row", row.name(),
            "must be one layer of lstm or gru in one direction");
    const std::int64_t h = row.hidden;
    w_layer_ = plain({1, 1, h, gates_, h}, Tag::ldigo);
    w_iter_ = plain({1, 1, h, gates_, h}, Tag::ldigo);
    bias_ = plain({1, 1, biases_, h}, Tag::ldgo);
    x_ = plain({row.steps, row.batch, h}, Tag::tnc);
    y_ = plain({row.steps, row.batch, h}, Tag::tnc);
    take_weights(rondo);
    std::copy_n(rondo.x(), row.steps * row.batch * h, data_of(x_));
    if (row.training) {
        dx_ = plain({row.steps, row.batch, h}, Tag::tnc);
        dy_ = plain({row.steps, row.batch, h}, Tag::tnc);
        dbias_ = plain({1, 1, biases_, h}, Tag::ldgo);
        std::copy_n(rondo.dy(), row.steps * row.batch * h, data_of(dy_));
    }
    row.cell == "lstm" ? make_lstm() : make_gru();
    reorder_weights(forward_arguments_);
}

memory OnednnStack::plain(memory::dims dims, Tag tag) const { return memory({dims, kF32, tag}, engine_); }

void OnednnStack::take_weights(const RondoStack& rondo) {
    const std::int64_t h = row_.hidden;
    const float* const all = rondo.parameters();
    const auto matrix = [&](const memory& to, const char* name) {
        const float* const from = tensor(rondo, all, name);
        for_each_weight(row_.cell, gates_, h, h,
                        [&](std::int64_t their, std::int64_t our) { data_of(to)[their] = from[our]; });
    };
    matrix(w_layer_, "weight_ih_l0");
    matrix(w_iter_, "weight_hh_l0");
    const float *b_ih = tensor(rondo, all, "bias_ih_l0"), *b_hh = tensor(rondo, all, "bias_hh_l0");
    for (int g = 0; g < biases_; ++g)
        for (std::int64_t o = 0; o < h; ++o) {
            // The reset gate of a GRU lies between the last two: they stay apart.
            const bool of_h = row_.cell == "gru" && g == 3, of_x = row_.cell == "gru" && g == 2;
            const std::int64_t at = (of_h ? 2 : rondo_gate(row_.cell, g)) * h + o;
            data_of(bias_)[g * h + o] = of_h ? b_hh[at] : of_x ? b_ih[at] : b_ih[at] + b_hh[at];
        }
}

/// `descriptors` makes the two primitives' descriptors from those of the weights, in any layout.
template <class Forward, class Backward, class Describe>
void OnednnStack::describe(const Describe& descriptors) {
    const std::int64_t h = row_.hidden;
    const memory::desc any_w({1, 1, h, gates_, h}, kF32, Tag::any);
    const auto [forward_desc, backward_desc] = descriptors(any_w);
    const typename Forward::primitive_desc forward(forward_desc, engine_);
    forward_ = Forward(forward);
    forward_arguments_ = {{DNNL_ARG_SRC_LAYER, x_},
                          {DNNL_ARG_WEIGHTS_LAYER, memory(forward.weights_layer_desc(), engine_)},
                          {DNNL_ARG_WEIGHTS_ITER, memory(forward.weights_iter_desc(), engine_)},
                          {DNNL_ARG_BIAS, bias_},
                          {DNNL_ARG_DST_LAYER, y_}};
    if (!row_.training) return;
    const memory workspace(forward.workspace_desc(), engine_);
    forward_arguments_.insert({DNNL_ARG_WORKSPACE, workspace});
    const typename Backward::primitive_desc backward(backward_desc, engine_, forward);
    backward_ = Backward(backward);
    dw_layer_ = memory(backward.diff_weights_layer_desc(), engine_);
    dw_iter_ = memory(backward.diff_weights_iter_desc(), engine_);
    backward_arguments_ = {{DNNL_ARG_SRC_LAYER, x_},
                           {DNNL_ARG_WEIGHTS_LAYER, memory(backward.weights_layer_desc(), engine_)},
                           {DNNL_ARG_WEIGHTS_ITER, memory(backward.weights_iter_desc(), engine_)},
                           {DNNL_ARG_BIAS, bias_},
                           {DNNL_ARG_DST_LAYER, y_},
                           {DNNL_ARG_WORKSPACE, workspace},
                           {DNNL_ARG_DIFF_SRC_LAYER, dx_},
                           {DNNL_ARG_DIFF_WEIGHTS_LAYER, dw_layer_},
                           {DNNL_ARG_DIFF_WEIGHTS_ITER, dw_iter_},
                           {DNNL_ARG_DIFF_BIAS, dbias_},
                           {DNNL_ARG_DIFF_DST_LAYER, dy_}};
}

void OnednnStack::make_lstm() {
    using dnnl::lstm_backward, dnnl::lstm_forward;
    const auto kind = row_.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const auto way = dnnl::rnn_direction::unidirectional_left2right;
    const memory::desc none, rows = x_.get_desc(), bias = bias_.get_desc();
    const memory::desc state({1, 1, row_.batch, row_.hidden}, kF32, Tag::ldnc);
    describe<lstm_forward, lstm_backward>([&](const memory::desc& w) {
        return std::pair(lstm_forward::desc(kind, way, rows, state, state, w, w, bias, rows, none, none),
                         lstm_backward::desc(dnnl::prop_kind::backward, way, rows, state, state, w, w, bias, rows, none,
                                             none, rows, state, state, w, w, bias, rows, none, none));
    });
    // Given as zeros: without initial states 2.6 returns another gradient of the recurrent weights.
    for (const int argument : {DNNL_ARG_SRC_ITER, DNNL_ARG_SRC_ITER_C}) {
        const memory zeros(state, engine_);
        std::memset(zeros.get_data_handle(), 0, state.get_size());
        forward_arguments_.insert({argument, zeros});
        backward_arguments_.insert({argument, zeros});
    }
    for (const int argument : {DNNL_ARG_DIFF_SRC_ITER, DNNL_ARG_DIFF_SRC_ITER_C})
        backward_arguments_.insert({argument, memory(state, engine_)});
}

void OnednnStack::make_gru() {
    using dnnl::lbr_gru_backward, dnnl::lbr_gru_forward;
    const auto kind = row_.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const auto way = dnnl::rnn_direction::unidirectional_left2right;
    const memory::desc none, rows = x_.get_desc(), bias = bias_.get_desc();
    describe<lbr_gru_forward, lbr_gru_backward>([&](const memory::desc& w) {
        return std::pair(lbr_gru_forward::desc(kind, way, rows, none, w, w, bias, rows, none),
                         lbr_gru_backward::desc(dnnl::prop_kind::backward, way, rows, none, w, w, bias, rows, none,
                                                rows, none, w, w, bias, rows, none));
    });
}

void OnednnStack::reorder_weights(Arguments& arguments) {
    for (const auto& [argument, from] :
         {std::pair(DNNL_ARG_WEIGHTS_LAYER, w_layer_), {DNNL_ARG_WEIGHTS_ITER, w_iter_}}) {
        memory to = arguments.at(argument), source = from;
        dnnl::reorder(source, to).execute(stream_, source, to);
    }
}

void OnednnStack::run() {
    if (row_.training) reorder_weights(forward_arguments_);
    forward_.execute(stream_, forward_arguments_);
    if (row_.training) {
        reorder_weights(backward_arguments_);
        for (const memory& gradient : {dw_layer_, dw_iter_, dbias_})
            std::memset(gradient.get_data_handle(), 0, gradient.get_desc().get_size());
        backward_.execute(stream_, backward_arguments_);
    }
    stream_.wait();
}

std::string OnednnStack::difference(const RondoStack& rondo) const {
    const std::int64_t h = row_.hidden, elements = row_.steps * row_.batch * h;
    const double allowed = 1e-4;  // tells another problem from another order of sums; proves no precision
    const auto told = [&](const char* what, double apart) {
        return detail::concat(what, ": ", apart, " of the largest value apart, ", allowed, " is allowed");
    };
    if (const double apart = distance(data_of(y_), rondo.y(), elements); !(apart <= allowed)) return told("y", apart);
    if (!row_.training) return "";
    if (const double apart = distance(data_of(dx_), rondo.dx(), elements); !(apart <= allowed))
        return told("dx", apart);
    for (const auto& [name, gradient] : {std::pair("weight_ih_l0", dw_layer_), {"weight_hh_l0", dw_iter_}}) {
        memory source = gradient, to = plain({1, 1, h, gates_, h}, Tag::ldigo);
        dnnl::stream stream(engine_);
        dnnl::reorder(source, to).execute(stream, source, to);
        stream.wait();
        std::vector<float> ours(static_cast<std::size_t>(gates_ * h * h));
        for_each_weight(row_.cell, gates_, h, h, [&](std::int64_t their, std::int64_t our) {
            ours[static_cast<std::size_t>(our)] = data_of(to)[their];
        });
        const double apart = distance(ours.data(), tensor(rondo, rondo.dparameters(), name), gates_ * h * h);
        if (!(apart <= allowed)) return told(name, apart);
    }
    return "";
}

}  // namespace rondo::bench
