/// Tokens drawn from logits, one row after the other.
#include <cmath>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"

namespace rondo {

void CpuBackend::sample(const Sample& args, Stream) {
    cpu::with_type(args.dtype, [&]<class T>() {
        for (std::int64_t r = 0; r < args.rows; ++r) {
            const T* row = static_cast<const T*>(args.logits) + r * args.classes;
            logits_.assign(row, row + args.classes);
            const bool nan = std::any_of(logits_.begin(), logits_.end(), [](double x) { return std::isnan(x); });
            args.ids[r] = nan ? -1
                              : draw(cut_softmax_.of(logits_, args.temperature, args.top_k, args.top_p), *args.random,
                                     static_cast<std::uint64_t>(r));
            if (args.fed) args.fed[r] = std::max(args.ids[r], 0);
        }
    });
}

}  // namespace rondo
