#include "pointwise/forward.cuh"

template rondo::kernels::LaunchForward rondo::kernels::find_forward<rondo::DType::f32>(std::string_view,
                                                                                       rondo::CellOptions, int);
