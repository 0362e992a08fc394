# host/cpu/isa/*.cpp is compiled once for each instruction set, with RONDO_ISA naming it; the processor's is chosen at
# run time, so a build runs on any machine of its architecture. Everything in those files lives in
# namespace rondo::cpu::RONDO_ISA: a function that two sets share by name would be merged by the linker, and a
# machine without AVX-512 could be handed the AVX-512 copy (a test looks for such symbols).

add_library(rondo_cpu_options INTERFACE)
set(RONDO_ISA_TARGETS "")

file(GLOB isa_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/host/cpu/isa/*.cpp")

function(rondo_isa name)
  if(NOT isa_sources)
    return()
  endif()
  add_library(rondo_cpu_${name} OBJECT ${isa_sources})
  target_link_libraries(rondo_cpu_${name} PRIVATE rondo_build rondo_cpu_options)
  target_include_directories(rondo_cpu_${name} PRIVATE "${PROJECT_SOURCE_DIR}/host")
  target_compile_definitions(rondo_cpu_${name} PRIVATE RONDO_ISA=${name})
  # Their own templates take far longer than the headers.
  set_target_properties(rondo_cpu_${name} PROPERTIES UNITY_BUILD OFF)
  # -Wno-psabi: passing vectors by value changed its convention once; these never cross a library boundary.
  # Debug is optimised here all the same, or its tests would crawl.
  target_compile_options(rondo_cpu_${name} PRIVATE -ffp-contract=fast -Wno-psabi $<$<CONFIG:Debug>:-O2> ${ARGN})
  set(RONDO_ISA_TARGETS ${RONDO_ISA_TARGETS} rondo_cpu_${name} PARENT_SCOPE)
endfunction()

rondo_isa(baseline)
# The cells' maps are nothing but floating-point arithmetic, of which clang's undefined-behaviour sanitizer makes minutes.
if(RONDO_SANITIZE MATCHES "undefined" AND TARGET rondo_cpu_baseline)
  set_source_files_properties("${PROJECT_SOURCE_DIR}/host/cpu/isa/cells_f32.cpp"
    "${PROJECT_SOURCE_DIR}/host/cpu/isa/cells_f64.cpp" PROPERTIES COMPILE_OPTIONS -fno-sanitize=undefined)
endif()
# The sanitizers take minutes over each set, and see the same templates in all.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND RONDO_CPU_SETS AND NOT RONDO_SANITIZE)
  target_compile_definitions(rondo_cpu_options INTERFACE RONDO_CPU_AVX2=1)
  rondo_isa(avx2 -mavx2 -mfma -mf16c)
  target_compile_definitions(rondo_cpu_options INTERFACE RONDO_CPU_AVX512=1)
  rondo_isa(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512)
endif()

if(TARGET rondo_cpu)
  target_link_libraries(rondo_cpu PRIVATE rondo_cpu_options)
endif()
list(APPEND RONDO_LAYER_TARGETS ${RONDO_ISA_TARGETS})
