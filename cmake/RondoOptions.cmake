# Options, and the interface target `rondo_build` that carries language level, warnings and flags to every
# object of ours. It is never exported: a user's project keeps its own flags.

option(BUILD_SHARED_LIBS "Build librondo as a shared library" OFF)
option(RONDO_BUILD_PROGRAM "Build the command-line program" ${PROJECT_IS_TOP_LEVEL})
option(RONDO_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(RONDO_BUILD_BENCH "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(RONDO_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(RONDO_WERROR "Treat warnings as errors" OFF)
option(RONDO_CCACHE "Compile through ccache when it is installed" ${PROJECT_IS_TOP_LEVEL})
set(RONDO_CUDA AUTO CACHE STRING "Build for CUDA: AUTO (if a compiler is found), ON or OFF")
set_property(CACHE RONDO_CUDA PROPERTY STRINGS AUTO ON OFF)
option(RONDO_CPU_SETS "Compile the CPU's kernels for AVX2 and AVX-512 too; the processor's are chosen at run time" ON)
set(RONDO_SANITIZE "" CACHE STRING "Sanitizers: empty, address,undefined or thread")
set_property(CACHE RONDO_SANITIZE PROPERTY STRINGS "" "address,undefined" "thread")

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

if(RONDO_CCACHE)
  find_program(RONDO_CCACHE_PROGRAM ccache)
  foreach(lang CXX CUDA)
    if(RONDO_CCACHE_PROGRAM AND NOT DEFINED CMAKE_${lang}_COMPILER_LAUNCHER)
      set(CMAKE_${lang}_COMPILER_LAUNCHER "${RONDO_CCACHE_PROGRAM}")
    endif()
  endforeach()
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)   # the layers' objects go into either kind of library
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

# For what takes longer to compile than to run. What is fast, and what sanitizers look at closely, is the library.
set(RONDO_QUICK "$<$<COMPILE_LANGUAGE:CXX>:-O1>")
if(RONDO_SANITIZE)
  set(RONDO_QUICK "$<$<COMPILE_LANGUAGE:CXX>:-O0>")
endif()

# Directory-wide, because objects that are linked together must agree on them.
if(RONDO_SANITIZE)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${RONDO_SANITIZE}>"
    "$<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all;-fno-omit-frame-pointer>")
  add_link_options("-fsanitize=${RONDO_SANITIZE}")
endif()

find_package(Threads REQUIRED)

add_library(rondo_build INTERFACE)
target_compile_features(rondo_build INTERFACE cxx_std_20)
target_include_directories(rondo_build INTERFACE
  "${PROJECT_SOURCE_DIR}/include" "${PROJECT_BINARY_DIR}/include")
target_link_libraries(rondo_build INTERFACE Threads::Threads)

# No -ffast-math anywhere: NaN and infinity keep their meaning. Contraction is off so that a number does not depend on
# what the compiler chose to fuse; host/cpu/isa/ alone turns it on, where fused multiply-adds are the point.
set(cxx_flags -fno-math-errno -ffp-contract=off)
# -Wconversion is left out: indices are int64 and extents mix with sizes everywhere; -Wfloat-conversion stays, since a
# double that silently becomes a float is a wrong digit.
list(APPEND cxx_flags -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi
  -Wold-style-cast -Wcast-align -Wcast-qual -Wfloat-conversion -Wimplicit-fallthrough)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 follows paths that cannot be taken: overlaps and overflows inside std::string, an index of a negative rank.
  # The address sanitizer's leg finds the real ones.
  list(APPEND cxx_flags -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow)
endif()
set(cuda_flags --fmad=false -Xcompiler=-Wall,-Wextra -Xptxas=-warn-spills)
if(RONDO_WERROR)
  list(APPEND cxx_flags -Werror)
  list(APPEND cuda_flags -Werror=all-warnings -Xptxas=-Werror)
endif()
target_compile_options(rondo_build INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${cxx_flags}>" "$<$<COMPILE_LANGUAGE:CUDA>:${cuda_flags}>")
