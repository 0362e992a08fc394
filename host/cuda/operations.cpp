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

void CudaBackend::dropout(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t batch,
                          std::int64_t cols, double rate, bool per_sequence, std::uint64_t site,
                          const RandomState* random, const std::int64_t* lengths, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    // Only addresses are taken here: what they point at lies on the device.
    kernels::dropout(dtype, out, x, steps, batch, cols, rate, per_sequence, site, &random->seed, &random->step, lengths,
                     cuda::handle_of(stream));
}

void CudaBackend::column_sums(DType dtype, void* sums, const void* x, std::int64_t rows, std::int64_t cols,
                              std::int64_t stride, bool accumulate, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const cuda::StreamMemory& memory = memory_of(stream);
    kernels::column_sums(dtype, sums, x, rows, cols, stride, accumulate, memory.scratch.data(),
                         static_cast<std::int64_t>(memory.scratch.bytes()), memory.stream);
}

void CudaBackend::embedding_forward(DType dtype, void* out, const void* table, const std::int32_t* ids,
                                    std::int64_t rows, std::int64_t cols, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::embedding_forward(dtype, out, table, ids, rows, cols, cuda::handle_of(stream));
}

void CudaBackend::embedding_backward(DType dtype, void* dtable, const void* dout, const std::int32_t* ids,
                                     std::int64_t rows, std::int64_t cols, std::int64_t classes, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const cuda::StreamMemory& memory = memory_of(stream);
    kernels::embedding_backward(dtype, dtable, dout, ids, rows, cols, classes, memory.scratch.data(),
                                static_cast<std::int64_t>(memory.scratch.bytes()), memory.stream);
}

void CudaBackend::cross_entropy(const CrossEntropy& loss, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const cuda::StreamMemory& memory = memory_of(stream);
    kernels::cross_entropy({loss.dtype, loss.rows, loss.classes, loss.logits, loss.targets, loss.loss, loss.counted,
                            loss.dlogits, loss.scale},
                           memory.scratch.data(), memory.stream);
}

void CudaBackend::sample(const Sample& sample, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    // Only addresses of `random` are taken here: it lies on the device.
    kernels::sample({sample.dtype, sample.rows, sample.classes, sample.logits, sample.ids, sample.temperature,
                     sample.top_k, sample.top_p, &sample.random->seed, &sample.random->step},
                    cuda::handle_of(stream));
}

void CudaBackend::squared_error(DType dtype, const void* prediction, const void* target, std::int64_t count,
                                double* loss, void* dprediction, double scale, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const cuda::StreamMemory& memory = memory_of(stream);
    kernels::squared_error(dtype, prediction, target, count, loss, dprediction, scale,
                           static_cast<double*>(memory.scratch.data()), memory.stream);
}

void CudaBackend::sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate,
                                 Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const cuda::StreamMemory& memory = memory_of(stream);
    kernels::sum_of_squares(dtype, x, count, sum, accumulate, static_cast<double*>(memory.scratch.data()),
                            memory.stream);
}

void CudaBackend::scale(DType dtype, void* x, std::int64_t count, double factor, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::scale(dtype, x, count, factor, cuda::handle_of(stream));
}

void CudaBackend::clamp(DType dtype, void* x, std::int64_t count, double limit, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::clamp(dtype, x, count, limit, cuda::handle_of(stream));
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
    a.count = u.count;
    a.parameters = u.parameters;
    a.gradients = u.gradients;
    a.first = u.first;
    a.second = u.second;
    // Only addresses are taken here: what they point at lies on the device.
    a.learning_rate = &u.scalars->learning_rate;
    a.gradient_scale = &u.scalars->gradient_scale;
    a.bias_correction1 = &u.scalars->bias_correction1;
    a.bias_correction2 = &u.scalars->bias_correction2;
    a.skip = &u.scalars->skip;
    a.momentum = u.momentum;
    a.beta1 = u.beta1;
    a.beta2 = u.beta2;
    a.epsilon = u.epsilon;
    a.weight_decay = u.weight_decay;
    a.nesterov = u.nesterov;
    kernels::update(a, cuda::handle_of(stream));
}

}  // namespace rondo
