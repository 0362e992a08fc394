#include "pointwise/forward.cuh"

template rondo::kernels::LaunchForward rondo::kernels::find_forward<rondo::DType::bf16>(std::string_view,
                                                                                        rondo::CellOptions, int);
