/// Everything around the time loop: each is one kernel or two.
#include "arrays.hpp"
#include "cross_entropy.hpp"
#include "cuda/cuda_backend.hpp"
#include "embedding.hpp"
#include "rows.hpp"
#include "sample.hpp"

namespace rondo {

void CudaBackend::mask_rows(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t batch,
                            std::int64_t cols, const std::int64_t* lengths, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::mask_rows(dtype, out, x, steps, batch, cols, lengths, cuda::handle_of(stream));
}

void CudaBackend::dropout(const Dropout& d, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    // Only addresses are taken here: what they point at lies on the device.
    kernels::dropout(d.dtype, d.out, d.x, d.begin, d.end, d.batch, d.cols, d.rate, d.per_sequence, d.site,
                     &d.random->seed, &d.random->step, d.lengths, cuda::handle_of(stream));
}

void CudaBackend::column_sums(DType dtype, void* sums, const void* x, std::int64_t rows, std::int64_t cols,
                              std::int64_t stride, bool accumulate, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::StreamMemory& memory = memory_of(stream);
    kernels::column_sums(dtype, sums, x, rows, cols, stride, accumulate, memory.scratch().data(),
                         static_cast<std::int64_t>(memory.scratch().bytes()), memory.stream);
}

void CudaBackend::embedding_forward(DType dtype, void* out, DType table_dtype, const void* table,
                                    const std::int32_t* ids, std::int64_t rows, std::int64_t cols, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::embedding_forward(dtype, out, table_dtype, table, ids, rows, cols, cuda::handle_of(stream));
}

void CudaBackend::embedding_backward(DType table_dtype, void* dtable, DType dtype, const void* dout,
                                     const std::int32_t* ids, std::int64_t rows, std::int64_t cols,
                                     std::int64_t classes, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::StreamMemory& memory = memory_of(stream);
    kernels::embedding_backward(table_dtype, dtable, dtype, dout, ids, rows, cols, classes, memory.scratch().data(),
                                static_cast<std::int64_t>(memory.scratch().bytes()), memory.stream);
}

void CudaBackend::cross_entropy(const CrossEntropy& loss, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::StreamMemory& memory = memory_of(stream);
    kernels::cross_entropy({loss.dtype, loss.rows, loss.classes, loss.logits, loss.targets, loss.loss, loss.counted,
                            loss.dlogits, loss.scale, loss.loss_scale},
                           memory.scratch().data(), memory.stream);
}

void CudaBackend::sample(const Sample& sample, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    // Only addresses of `random` are taken here: it lies on the device.
    kernels::sample({sample.dtype, sample.rows, sample.classes, sample.logits, sample.ids, sample.fed,
                     sample.temperature, sample.top_k, sample.top_p, &sample.random->seed, &sample.random->step},
                    cuda::handle_of(stream));
}

void CudaBackend::squared_error(const SquaredError& loss, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::StreamMemory& memory = memory_of(stream);
    kernels::squared_error({loss.dtype, loss.count, loss.prediction, loss.target, loss.loss, loss.dprediction,
                            loss.scale, loss.loss_scale},
                           static_cast<double*>(memory.scratch().data()), memory.stream);
}

void CudaBackend::copy_all(std::span<const Copy> copies, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    for (std::size_t i = 0; i < copies.size(); i += kernels::CopyArrays::kMost) {
        kernels::CopyArrays arrays;
        for (const Copy& c : copies.subspan(i, std::min<std::size_t>(kernels::CopyArrays::kMost, copies.size() - i)))
            arrays.parts[arrays.count++] = {c.to, c.from, static_cast<std::int64_t>(c.bytes)};
        kernels::copy_all(arrays, cuda::handle_of(stream));
    }
}

void CudaBackend::add(DType dtype, void* to, const void* from, std::int64_t count, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::add(dtype, to, from, count, cuda::handle_of(stream));
}

void CudaBackend::zero_unless_finite(void* p, std::size_t bytes, const double* values, std::int64_t count,
                                     Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::zero_unless_finite(p, static_cast<std::int64_t>(bytes), values, count, cuda::handle_of(stream));
}

void CudaBackend::sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate,
                                 Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::StreamMemory& memory = memory_of(stream);
    kernels::sum_of_squares(dtype, x, count, sum, accumulate, static_cast<double*>(memory.scratch().data()),
                            memory.stream);
}

void CudaBackend::largest(DType dtype, const void* x, std::int64_t count, double* largest, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::StreamMemory& memory = memory_of(stream);
    kernels::largest(dtype, x, count, largest, static_cast<double*>(memory.scratch().data()), memory.stream);
}

void CudaBackend::plan_update(const UpdatePlan& plan, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::plan_update(plan, cuda::handle_of(stream));
}

void CudaBackend::update(const Update& u, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::UpdateArrays a;
    switch (u.rule) {
        case Update::Rule::sgd:
            a.rule = kernels::UpdateArrays::Rule::sgd;
            break;
        case Update::Rule::adam:
            a.rule = kernels::UpdateArrays::Rule::adam;
            break;
        case Update::Rule::adamw:
            a.rule = kernels::UpdateArrays::Rule::adamw;
            break;
    }
    a.dtype = u.dtype;
    a.parameters = u.parameters;
    a.gradients = u.gradients;
    a.first = u.first;
    a.second = u.second;
    a.count = u.count;
    a.ranges = u.ranges;
    a.factors = u.factors;
    a.scalars = u.scalars;
    a.clamp = u.clamp;
    a.momentum = u.momentum;
    a.beta1 = u.beta1;
    a.beta2 = u.beta2;
    a.epsilon = u.epsilon;
    a.nesterov = u.nesterov;
    kernels::update(a, cuda::handle_of(stream));
}

}  // namespace rondo
