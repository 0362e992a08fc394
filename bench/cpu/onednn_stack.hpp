#pragma once
/// A row as oneDNN's RNN primitive computes it: one layer, one direction, lstm or gru (its "linear before reset").
///
/// Weights come from Rondo's and are put into the layout that the primitive asks for: once for inference, in every call
/// in training, where they change. The gradients of the weights are zeroed first, since oneDNN adds to them. How many
/// threads it takes is said by OMP_NUM_THREADS.
#include <dnnl.hpp>
#include <string>
#include <unordered_map>

#include "cpu/rondo_stack.hpp"

namespace rondo::bench {

class OnednnStack {
public:
    /// Takes weights, x and dy from there. Throws Error where oneDNN has no such row.
    OnednnStack(const CpuRow& row, const RondoStack& rondo);

    void run();

    /// Empty if y, dx and every gradient of the weights are Rondo's up to rounding; else what is not.
    std::string difference(const RondoStack& rondo) const;

private:
    using Arguments = std::unordered_map<int, dnnl::memory>;

    template <class Forward, class Backward, class Describe>
    void describe(const Describe& descriptors);
    void make_lstm();
    void make_gru();
    void take_weights(const RondoStack& rondo);
    dnnl::memory plain(dnnl::memory::dims dims, dnnl::memory::format_tag tag) const;
    void reorder_weights(Arguments& arguments);

    CpuRow row_;
    int gates_, biases_;
    dnnl::engine engine_;
    dnnl::stream stream_;
    dnnl::memory w_layer_, w_iter_, bias_, x_, y_, dx_, dy_, dw_layer_, dw_iter_, dbias_;
    dnnl::primitive forward_, backward_;
    Arguments forward_arguments_, backward_arguments_;
};

}  // namespace rondo::bench
