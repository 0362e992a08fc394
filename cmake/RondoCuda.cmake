# RONDO_HAVE_CUDA: whether the device code is built. A compiler is enough; neither a GPU nor a driver is needed.

set(RONDO_HAVE_CUDA OFF)
if(RONDO_CUDA STREQUAL "OFF")
  message(STATUS "CUDA: off (RONDO_CUDA=OFF)")
  return()
endif()

# Cluster, wgmma and bulk-copy code exists for 90a only; 80 is the floor, and its PTX runs on whatever comes later.
# Set before the compiler is looked for, since `native` and CMake's default need a GPU or pick an old architecture.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
  set(CMAKE_CUDA_ARCHITECTURES "80;90a-real" CACHE STRING "CUDA architectures")
endif()
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)   # with CUDA::cudart below; otherwise both runtimes get linked

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(RONDO_CUDA STREQUAL "ON")
    message(FATAL_ERROR "RONDO_CUDA=ON, but no CUDA compiler was found: put nvcc on PATH, set "
      "CMAKE_CUDA_COMPILER, or use RONDO_CUDA=OFF")
  endif()
  message(STATUS "CUDA: off (no CUDA compiler found)")
  return()
endif()
enable_language(CUDA)

# CMake before 3.25.2 knows no C++20 for nvcc and would quietly fall back to C++17.
if(CMAKE_CUDA_COMPILER_ID STREQUAL "NVIDIA" AND NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)

# Never CUDA::cuda_driver: a program linked to it does not start where there is no driver.
find_package(CUDAToolkit REQUIRED)
include(RondoCublas)
set(RONDO_HAVE_CUDA ON)
message(STATUS "CUDA: on (${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES})")
