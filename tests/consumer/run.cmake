# Installs into WORK_DIR/prefix, then configures, builds and runs the consumer against it, by CMake and by pkg-config.
#   KIND static|shared   BUILD_DIR what to install from; where absent, a library of that KIND is built first
cmake_minimum_required(VERSION 3.22)

macro(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endmacro()

set(prefix "${WORK_DIR}/prefix")
file(REMOVE_RECURSE "${prefix}" "${prefix}.moved" "${WORK_DIR}/user")

if(NOT BUILD_DIR)
  set(BUILD_DIR "${WORK_DIR}/library")
  set(shared OFF)
  if(KIND STREQUAL "shared")
    set(shared ON)
  endif()
  # CUDA and the optimiser are left out: they change nothing in how a library is found, and take minutes.
  run(${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${BUILD_DIR} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_BUILD_TYPE=${BUILD_TYPE} "-DCMAKE_CXX_FLAGS_RELEASE=-O0 -DNDEBUG" -DRONDO_WERROR=${WERROR} -DBUILD_SHARED_LIBS=${shared} -DRONDO_CUDA=OFF
    -DRONDO_BUILD_PROGRAM=OFF -DRONDO_BUILD_TESTS=OFF -DRONDO_BUILD_BENCH=OFF -DRONDO_BUILD_EXAMPLES=OFF
    -DCMAKE_INSTALL_LIBDIR=${LIBDIR}
    -DCMAKE_UNITY_BUILD=${UNITY} -DCMAKE_UNITY_BUILD_BATCH_SIZE=${UNITY_SIZE})
  run(${CMAKE_COMMAND} --build ${BUILD_DIR} --target rondo --parallel)
endif()
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})

if(KIND STREQUAL "shared")
  find_program(NM nm REQUIRED)
  file(GLOB library "${prefix}/${LIBDIR}/librondo.so")
  execute_process(COMMAND ${NM} -DC --defined-only ${library} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  if(NOT symbols MATCHES " rondo::Rnn::forward" OR symbols MATCHES " rondo::(cpu|reference|cuda|kernels|train|model)::")
    message(FATAL_ERROR "exported symbols: what is RONDO_API, and nothing of the inside:\n${symbols}")
  endif()
endif()

# Moved before use: nothing in an installed tree may remember where it was first put.
file(RENAME "${prefix}" "${prefix}.moved")
set(prefix "${prefix}.moved")

run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/tests/consumer -B ${WORK_DIR}/user -G ${GENERATOR}
  -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
run(${CMAKE_COMMAND} --build ${WORK_DIR}/user)
run(${WORK_DIR}/user/consumer)

find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG)
  set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBDIR}/pkgconfig")
  execute_process(COMMAND ${PKG_CONFIG} --cflags --libs rondo OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(${CXX} -std=c++20 ${SOURCE_DIR}/tests/consumer/main.cpp -o ${WORK_DIR}/user/by_pkg_config ${flags})
  set(ENV{LD_LIBRARY_PATH} "${prefix}/${LIBDIR}:$ENV{LD_LIBRARY_PATH}")
  run(${WORK_DIR}/user/by_pkg_config)
else()
  message(STATUS "pkg-config is not installed: its file was not tried")
endif()

if(EXISTS "${prefix}/bin/rondo")
  run(${prefix}/bin/rondo --version)
endif()
