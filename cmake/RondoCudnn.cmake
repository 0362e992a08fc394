# RondoCudnn: target RondoCudnn::cudnn, where headers and library are found. CUDA's packages for CMake know nothing of it.
#
# Looked for in CUDNN_ROOT (variable or environment), in the toolkit, where pip puts it, in the system.

set(cudnn_places "")
if(DEFINED CUDNN_ROOT)
  list(APPEND cudnn_places "${CUDNN_ROOT}")
endif()
if(DEFINED ENV{CUDNN_ROOT})
  list(APPEND cudnn_places "$ENV{CUDNN_ROOT}")
endif()
if(CUDAToolkit_LIBRARY_ROOT)
  list(APPEND cudnn_places "${CUDAToolkit_LIBRARY_ROOT}")
endif()
include(RondoPip)
rondo_pip_places(python_places cudnn)
list(APPEND cudnn_places ${python_places})

find_path(CUDNN_INCLUDE_DIR cudnn_version.h HINTS ${cudnn_places} PATHS /usr/local/cuda PATH_SUFFIXES include
  DOC "Folder of cuDNN's headers")
# Beside its own headers first: another version's library would be a riddle.
get_filename_component(cudnn_beside "${CUDNN_INCLUDE_DIR}" DIRECTORY)
find_library(CUDNN_LIBRARY NAMES libcudnn.so.9 cudnn HINTS "${cudnn_beside}" ${cudnn_places} PATHS /usr/local/cuda
  PATH_SUFFIXES lib64 lib lib/x64 DOC "cuDNN's library")
mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY)

set(RONDO_CUDNN_VERSION "")
if(CUDNN_INCLUDE_DIR)
  file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" lines REGEX "#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
  string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
  list(JOIN numbers "." RONDO_CUDNN_VERSION)
endif()

set(RONDO_HAVE_CUDNN OFF)
if(NOT CUDNN_INCLUDE_DIR OR NOT CUDNN_LIBRARY)
  message(STATUS "cuDNN: not found (set CUDNN_ROOT)")
elseif(RONDO_CUDNN_VERSION VERSION_LESS 9)
  message(STATUS "cuDNN: ${RONDO_CUDNN_VERSION} is too old, 9 is needed")
else()
  set(RONDO_HAVE_CUDNN ON)
  message(STATUS "cuDNN: ${RONDO_CUDNN_VERSION} (${CUDNN_LIBRARY})")
  add_library(RondoCudnn::cudnn SHARED IMPORTED)
  set_target_properties(RondoCudnn::cudnn PROPERTIES IMPORTED_LOCATION "${CUDNN_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${CUDNN_INCLUDE_DIR}" INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${CUDNN_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES CUDA::cudart)
endif()
