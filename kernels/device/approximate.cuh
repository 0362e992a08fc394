#pragma once
/// Functions that the hardware approximates. The CPU twins are exact, so that a test of a kernel that uses them allows
/// for the error given here. Nothing replaces exact functions with these behind a caller's back.
#include <cmath>

#include "device/platform.cuh"

namespace rondo::device {

/// tanh with a relative error of about 2^-11.
RONDO_DEVICE float tanh_approximate(float x) {
    float y = 0;
    RONDO_PTX(asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x)));
    RONDO_TWIN(y = std::tanh(x));
    return y;
}

/// 2^x within 2 units in the last place; subnormal results are flushed to zero.
RONDO_DEVICE float exp2_approximate(float x) {
    float y = 0;
    RONDO_PTX(asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)));
    RONDO_TWIN(y = std::exp2(x));
    return y;
}

/// 1 / x within 1 unit in the last place; subnormals are flushed to zero.
RONDO_DEVICE float reciprocal_approximate(float x) {
    float y = 0;
    RONDO_PTX(asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)));
    RONDO_TWIN(y = 1.0f / x);
    return y;
}

}  // namespace rondo::device
