#include "pointwise/backward.cuh"

template rondo::kernels::LaunchBackward rondo::kernels::find_backward<rondo::DType::f64>(std::string_view,
                                                                                         rondo::CellOptions, int);
