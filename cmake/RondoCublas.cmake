# CUDA::cublasLt where the toolkit comes without it: from pip's nvidia-cublas. Installed beside rondoConfig.cmake, too.

if(TARGET CUDA::cublasLt)
  return()
endif()
include("${CMAKE_CURRENT_LIST_DIR}/RondoPip.cmake")
rondo_pip_places(cublas_places cu${CUDAToolkit_VERSION_MAJOR})
find_path(CUBLASLT_INCLUDE_DIR cublasLt.h HINTS ${cublas_places} PATH_SUFFIXES include DOC "Folder of cuBLASLt's header")
find_library(CUBLASLT_LIBRARY NAMES cublasLt libcublasLt.so.${CUDAToolkit_VERSION_MAJOR} NAMES_PER_DIR
  HINTS ${cublas_places} PATH_SUFFIXES lib64 lib DOC "cuBLASLt's library")
mark_as_advanced(CUBLASLT_INCLUDE_DIR CUBLASLT_LIBRARY)
if(NOT CUBLASLT_INCLUDE_DIR OR NOT CUBLASLT_LIBRARY)
  message(FATAL_ERROR "cuBLASLt was found neither in CUDA's toolkit nor among Python's packages (nvidia-cublas): install "
    "it, or set CUBLASLT_INCLUDE_DIR and CUBLASLT_LIBRARY")
endif()
message(STATUS "CUDA: cuBLASLt from ${CUBLASLT_LIBRARY}")
add_library(CUDA::cublasLt SHARED IMPORTED)
set_target_properties(CUDA::cublasLt PROPERTIES IMPORTED_LOCATION "${CUBLASLT_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${CUBLASLT_INCLUDE_DIR}" INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${CUBLASLT_INCLUDE_DIR}")
