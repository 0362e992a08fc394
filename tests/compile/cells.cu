// The public cell headers under nvcc, for every architecture of the build: they must read the same on both sides.
#include <rondo/cell/registry.hpp>

__global__ void nothing() {}
