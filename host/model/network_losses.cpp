/// A network's losses: what they are reduced by, their sums and gradients, and how they reach the host.
#include <algorithm>
#include <numeric>

#include "model/network_impl.hpp"

namespace rondo {

bool Network::Impl::is_active_loss(std::size_t n) const {
    return graph.nodes[n].module->is_loss() && current->nodes[n].active;
}

void Network::Impl::reduce(std::size_t n, Reduction reduction, std::int64_t begin) {
    const model::ValueInfo& prediction = current->values[static_cast<std::size_t>(graph.nodes[n].inputs[0])].info;
    const int target = graph.values[static_cast<std::size_t>(graph.nodes[n].inputs[1])].input;
    const std::vector<std::int64_t>& before = current->inputs[static_cast<std::size_t>(target)].targets_before;
    if (begin < 0 || begin >= prediction.steps())
        refuse("begin", begin, detail::concat("must be in [0, ", prediction.steps(), ")"));
    if (begin != 0 && !graph.nodes[n].module->aligned())
        refuse("begin", begin, detail::concat("must be 0 for the loss ", graph.nodes[n].name));
    loss_counted[n] = before.back() - before[static_cast<std::size_t>(begin)];
    switch (reduction) {
        case Reduction::sum:
            loss_scales[n] = 1;
            break;
        case Reduction::mean:
            loss_scales[n] = loss_counted[n] > 0 ? 1 / static_cast<double>(loss_counted[n]) : 0;
            break;
        case Reduction::mean_of_batch:
            loss_scales[n] = 1 / static_cast<double>(prediction.batch());
            break;
    }
}

void Network::set_loss(Reduction reduction, std::int64_t begin, Stream stream) {
    Impl& m = *impl_;
    if (m.phase != Impl::Phase::fed && m.phase != Impl::Phase::forward)
        model::refuse_state("set_loss: must follow a feed");
    std::fill(m.loss_counted.begin(), m.loss_counted.end(), 0);
    std::fill(m.loss_scales.begin(), m.loss_scales.end(), 0.0);
    bool any = false;
    for (std::size_t n = 0; n < m.graph.nodes.size(); ++n) {
        if (!m.is_active_loss(n)) continue;
        m.reduce(n, reduction, begin);
        any = true;
    }
    if (!any) model::refuse_state("loss: the network has none, or no target was given");
    m.loss_begin = begin;
    m.backend().upload(m.scales.data(), m.loss_scales.data(), m.loss_scales.size() * sizeof(double), stream);
    m.reduced = true;
}

void Network::Impl::run_loss(std::size_t n, Stream stream) {
    model::Call call = this->call(n, stream);
    current->nodes[n].module->loss(
        call, {sums.as<double>() + n, counted.as<std::int64_t>() + n, scales.as<double>() + n, loss_scale(), loss_begin,
               current->mode == Mode::training && !current->nodes[n].edges.empty()});
    current->add_scratch(graph, n, backend(), stream);
}

void Network::loss(Stream stream) {
    Impl& m = *impl_;
    if (m.phase != Impl::Phase::forward) model::refuse_state("loss: must follow a forward, and once");
    if (!m.reduced) model::refuse_state("loss: set_loss must come first");
    m.phase = Impl::Phase::none;
    m.sums.zero(stream);
    m.counted.zero(stream);
    for (std::size_t n = 0; n < m.graph.nodes.size(); ++n)
        if (m.is_active_loss(n)) m.run_loss(n, stream);
    m.phase = Impl::Phase::loss;
}

void Network::loss(Reduction reduction, std::int64_t begin, Stream stream) {
    if (impl_->phase != Impl::Phase::forward) model::refuse_state("loss: must follow a forward, and once");
    set_loss(reduction, begin, stream);
    loss(stream);
}

ConstView Network::loss_sums() const noexcept {
    return {impl_->sums.data(), DType::f64, {static_cast<std::int64_t>(impl_->graph.nodes.size())}};
}
std::span<const double> Network::loss_weights() const noexcept { return impl_->loss_scales; }
std::int64_t Network::loss_counted() const noexcept {
    return std::accumulate(impl_->loss_counted.begin(), impl_->loss_counted.end(), std::int64_t{0});
}
double* Network::loss_scale() noexcept { return impl_->loss_scale(); }

LossValue Network::read_loss(Stream stream) {
    Impl& m = *impl_;
    if (m.phase != Impl::Phase::loss && m.phase != Impl::Phase::backward)
        model::refuse_state("read_loss: must follow a loss");
    m.backend().download(m.sums_read.data(), m.sums.data(), m.sums_read.size() * sizeof(double), stream);
    m.backend().synchronize(stream);
    return {std::inner_product(m.sums_read.begin(), m.sums_read.end(), m.loss_scales.begin(), 0.0),
            std::accumulate(m.sums_read.begin(), m.sums_read.end(), 0.0), loss_counted()};
}

}  // namespace rondo
