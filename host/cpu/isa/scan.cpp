// Scans over time: strips of units of one row are all independent of each other.
#include "cpu/isa/loop.hpp"
#include "cpu/isa/scan_map.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

/// run(scan, row, first unit) for every strip.
template <class T, class Scan>
void for_strips(const Scan& scan, void (*run)(const Scan&, std::int64_t, std::int64_t), const Context& context) {
    constexpr std::int64_t kUnits = kStripPacks * kLanes<T>;
    const LoopLayer& layer = *scan.layer;
    const std::int64_t strips = (layer.hidden + kUnits - 1) / kUnits;
    const std::int64_t work = 32 * kUnits * (scan.end - scan.begin);  // of a strip, in multiply-adds
    context.pool.parallel_for(strips * layer.batch, 1 + kGrain / work, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t i = begin; i < end; ++i) run(scan, i / strips, i % strips * kUnits);
    });
}

}  // namespace

template <class T>
void scan_forward(const ScanForward& scan, const Context& context) {
    for_strips<T>(scan, scan.layer->kernels->scan_forward, context);
}

template <class T>
void scan_backward(const ScanBackward& scan, const Context& context) {
    for_strips<T>(scan, scan.layer->kernels->scan_backward, context);
}

template void scan_forward<float>(const ScanForward&, const Context&);
template void scan_forward<double>(const ScanForward&, const Context&);
template void scan_backward<float>(const ScanBackward&, const Context&);
template void scan_backward<double>(const ScanBackward&, const Context&);

}  // namespace rondo::cpu::RONDO_ISA
