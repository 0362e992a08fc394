#pragma once
/// A row as cuDNN computes it with one of its algorithms, called directly.
///
/// Where all sequences are equally long, x and y are described as packed: the same memory, and no code of cuDNN's for
/// padding. Ragged rows are padded, as Rondo's are.
#include "gpu/cudnn_handles.hpp"
#include "gpu/problem.hpp"
#include "model/device_buffer.hpp"
#include "rows/result_file.hpp"

namespace rondo::bench {

/// "STANDARD", "PERSIST_STATIC", "PERSIST_DYNAMIC", "PERSIST_STATIC_SMALL_H"
const char* name_of(cudnnRNNAlgo_t algorithm);

class CudnnSide {
public:
    /// x, dy: on the device, in the row's type. `parameters` says where Rondo's lie, whose values cuDNN gets as well.
    /// The handle's stream is used. Throws Error with cuDNN's words where it does not take the configuration.
    CudnnSide(const Device& device, const CudnnHandle& handle, cudnnRNNAlgo_t algorithm, const Problem& problem,
              const Plan& plan, const void* x, const void* dy);

    /// A forward; in training the gradients of the data and of the weights after it.
    void run();

    MemoryUse memory() const;
    std::vector<double> y() const { return values(y_); }
    std::vector<double> dx() const { return values(dx_); }
    std::vector<double> dparameters() const;  ///< where Rondo's lie
    /// State 0 is h, 1 is c. Empty where none are carried.
    std::vector<double> final_state(int state) const { return values(state == 0 ? states_.hy : states_.cy); }
    std::vector<double> dinitial_state(int state) const { return values(state == 0 ? states_.dhx : states_.dcx); }

private:
    /// Null where none are carried, and c where the cell has none.
    struct States {
        model::DeviceBuffer hx, cx, hy, cy, dhy, dcy, dhx, dcx;
    };

    void describe();
    void carry_states(const Problem& problem);
    void place_weights(const Problem& problem);
    /// Calls visit(offset in Rondo's array, offset in cuDNN's, count), in elements, for each gate's block of a tensor.
    template <class Visit>
    void for_each_block(Visit visit) const;
    model::DeviceBuffer put(const void* data, std::size_t bytes) const;
    std::vector<double> values(const model::DeviceBuffer& buffer) const;

    Device device_;
    const CudnnHandle& handle_;
    cudnnRNNAlgo_t algorithm_;
    Row row_;
    const Plan& plan_;
    DType storage_;
    Stream stream_;
    cudnnForwardMode_t mode_;
    std::vector<int> host_lengths_;
    DropoutDescriptor dropout_;
    RnnDescriptor rnn_;
    RnnDataDescriptor x_descriptor_, y_descriptor_;
    TensorDescriptor h_descriptor_, c_descriptor_;
    std::size_t weight_bytes_ = 0, workspace_bytes_ = 0, reserve_bytes_ = 0;
    const void *x_, *dy_;
    model::DeviceBuffer lengths_, weights_, dweights_, workspace_, reserve_, y_, dx_;
    States states_;
};

}  // namespace rondo::bench
