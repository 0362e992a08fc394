#pragma once
/// cuDNN's handles and descriptors with owners, and its status as an Error.
#include <cudnn.h>

#include <memory>
#include <string>
#include <type_traits>

#include "rondo/error.hpp"

namespace rondo::bench {

/// Throws Error that reads "what: status: cuDNN's own words" unless the call succeeded.
void check(cudnnStatus_t status, const char* what);

template <class Pointer, auto create, auto destroy>
class Owned {
public:
    Owned() : p_(nullptr) {
        Pointer made = nullptr;
        check(create(&made), "cuDNN descriptor");
        p_.reset(made);
    }
    operator Pointer() const noexcept { return p_.get(); }

private:
    struct Destroy {
        void operator()(Pointer p) const noexcept { static_cast<void>(destroy(p)); }
    };
    std::unique_ptr<std::remove_pointer_t<Pointer>, Destroy> p_;
};

using CudnnHandle = Owned<cudnnHandle_t, cudnnCreate, cudnnDestroy>;
using TensorDescriptor = Owned<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor>;
using DropoutDescriptor = Owned<cudnnDropoutDescriptor_t, cudnnCreateDropoutDescriptor, cudnnDestroyDropoutDescriptor>;
using RnnDescriptor = Owned<cudnnRNNDescriptor_t, cudnnCreateRNNDescriptor, cudnnDestroyRNNDescriptor>;
using RnnDataDescriptor = Owned<cudnnRNNDataDescriptor_t, cudnnCreateRNNDataDescriptor, cudnnDestroyRNNDataDescriptor>;

}  // namespace rondo::bench
