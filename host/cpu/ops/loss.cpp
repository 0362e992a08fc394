/// Losses and their gradients. A row's softmax is done by the instruction set's code; here are the rows.
#include <cmath>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"
#include "cpu/table.hpp"

namespace rondo {
namespace {

struct LossSum {
    double loss = 0;
    std::int64_t counted = 0;
    LossSum& operator+=(const LossSum& other) {
        loss += other.loss;
        counted += other.counted;
        return *this;
    }
};

template <class Loss>
double scale_of(const Loss& loss) {
    return (loss.scale ? *loss.scale : 1) * (loss.loss_scale ? *loss.loss_scale : 1);
}

/// Rows [begin, end) of a cross-entropy.
template <class T>
LossSum cross_entropy_rows(const CrossEntropy& args, const cpu::Functions& functions, std::int64_t begin,
                           std::int64_t end) {
    const auto* logits = static_cast<const T*>(args.logits);
    auto* dlogits = static_cast<T*>(args.dlogits);
    const double scale = scale_of(args);
    LossSum sum;
    for (std::int64_t r = begin; r < end; ++r) {
        const T* row = logits + r * args.classes;
        T* drow = dlogits ? dlogits + r * args.classes : nullptr;
        const std::int32_t target = args.targets[r];
        if (target < 0) {
            if (drow) std::fill_n(drow, args.classes, T(0));
            continue;
        }
        const double hit = static_cast<double>(row[target]);  // read first: drow may be row
        const cpu::SoftmaxRow softmax = functions.softmax_row(row, drow, args.classes, scale);
        if (drow) drow[target] -= static_cast<T>(scale);
        sum.loss += std::log(softmax.sum) + (softmax.maximum - hit);
        ++sum.counted;
    }
    return sum;
}

}  // namespace

void CpuBackend::cross_entropy(const CrossEntropy& args, Stream) {
    for (std::int64_t r = 0; r < args.rows; ++r)
        if (args.targets[r] >= args.classes)
            refuse(detail::concat("targets[", r, "]"), args.targets[r], detail::concat("must be below ", args.classes));
    cpu::with_type(args.dtype, [&]<class T>() {
        const cpu::Functions& functions = args.dtype == DType::f32 ? table_->f32 : table_->f64;
        const LossSum sum = cpu::ChunkedSum<LossSum>::run(
            pool_, args.rows, args.classes,
            [&](std::int64_t begin, std::int64_t end) { return cross_entropy_rows<T>(args, functions, begin, end); });
        *args.loss += sum.loss;
        *args.counted += sum.counted;
    });
}

void CpuBackend::squared_error(const SquaredError& args, Stream) {
    cpu::with_type(args.dtype, [&]<class T>() {
        const auto* p = static_cast<const T*>(args.prediction);
        const auto* y = static_cast<const T*>(args.target);
        auto* dp = static_cast<T*>(args.dprediction);
        const double scale = scale_of(args);
        *args.loss += cpu::ChunkedSum<double>::run(pool_, args.count, 1, [&](std::int64_t begin, std::int64_t end) {
            double sum = 0;
            for (std::int64_t i = begin; i < end; ++i) {
                const double d = static_cast<double>(p[i]) - static_cast<double>(y[i]);
                sum += d * d;
                if (dp) dp[i] = static_cast<T>(2 * scale * d);
            }
            return sum;
        });
    });
}

}  // namespace rondo
