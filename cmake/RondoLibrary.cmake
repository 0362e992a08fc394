# rondo::rondo: the library, static or shared, from the layers' objects.
# rondo_internal: the same objects with nothing hidden, and the private headers; for tests and benchmarks only.

configure_file(include/rondo/version.hpp.in "${PROJECT_BINARY_DIR}/include/rondo/version.hpp" @ONLY)

set(layer_objects "")
foreach(target IN LISTS RONDO_LAYER_TARGETS)
  list(APPEND layer_objects $<TARGET_OBJECTS:${target}>)
endforeach()

function(rondo_link_needs target)
  target_link_libraries(${target} PRIVATE Threads::Threads)
  if(TARGET rondo_cuda OR TARGET rondo_kernels)
    target_link_libraries(${target} PRIVATE CUDA::cudart CUDA::cublasLt)
  endif()
endfunction()

add_library(rondo ${layer_objects})
add_library(rondo::rondo ALIAS rondo)
# While 0.x, a minor version may change the binary interface.
set_target_properties(rondo PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_compile_features(rondo PUBLIC cxx_std_20)
target_include_directories(rondo PUBLIC
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include;${PROJECT_BINARY_DIR}/include>"
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
rondo_link_needs(rondo)
if(NOT BUILD_SHARED_LIBS)
  target_compile_definitions(rondo INTERFACE RONDO_STATIC_DEFINE)
endif()

add_library(rondo_internal INTERFACE)
if(BUILD_SHARED_LIBS)   # hidden symbols cannot be reached through the shared library
  add_library(rondo_internal_archive STATIC EXCLUDE_FROM_ALL ${layer_objects})
  set_target_properties(rondo_internal_archive PROPERTIES LINKER_LANGUAGE CXX)
  rondo_link_needs(rondo_internal_archive)
  target_link_libraries(rondo_internal INTERFACE rondo_internal_archive)
else()
  target_link_libraries(rondo_internal INTERFACE rondo)
endif()
target_link_libraries(rondo_internal INTERFACE rondo_build rondo_cpu_options)
target_include_directories(rondo_internal INTERFACE "${PROJECT_SOURCE_DIR}/host")
if(TARGET rondo_cuda)
  target_compile_definitions(rondo_internal INTERFACE RONDO_HAVE_CUDA=1)
endif()
