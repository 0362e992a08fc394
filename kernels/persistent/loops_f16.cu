#include "persistent/loops.cuh"

template rondo::kernels::LoopLaunches rondo::kernels::find_loops<rondo::DType::f16>(std::string_view,
                                                                                    rondo::CellOptions);
