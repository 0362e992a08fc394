# The program `rondo` (target rondo_program). It sees the public headers and host/cli/ only; what it needs beyond the
# standard library is its own and never the library's. rondo_cli holds everything but main(), for its tests.

rondo_layer(cli host/cli EXCLUDE "/host/cli/main\\.cpp$")
if(NOT EXISTS "${PROJECT_SOURCE_DIR}/host/cli/main.cpp")
  message(STATUS "Program: skipped (no host/cli/main.cpp)")
  return()
endif()

foreach(package CLI11 nlohmann_json fmt)
  find_package(${package} CONFIG QUIET)
  if(package STREQUAL "fmt" AND NOT fmt_FOUND)   # its headers alone will do
    find_path(RONDO_FMT_HEADERS fmt/format-inl.h)
    mark_as_advanced(RONDO_FMT_HEADERS)
    if(RONDO_FMT_HEADERS)
      add_library(fmt::fmt INTERFACE IMPORTED)
      target_include_directories(fmt::fmt SYSTEM INTERFACE "${RONDO_FMT_HEADERS}")
      target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY=1)
      set(fmt_FOUND TRUE)
    endif()
  endif()
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "The program needs ${package}: run cmake/setup.sh, or use RONDO_BUILD_PROGRAM=OFF")
  endif()
endforeach()
add_library(rondo_cli_needs INTERFACE)
target_link_libraries(rondo_cli_needs INTERFACE CLI11::CLI11 nlohmann_json::nlohmann_json fmt::fmt)

# --tokens subwords, where SentencePiece is installed.
set(RONDO_SENTENCEPIECE AUTO CACHE STRING "Subwords by SentencePiece: AUTO (if it is found), ON or OFF")
set_property(CACHE RONDO_SENTENCEPIECE PROPERTY STRINGS AUTO ON OFF)
if(RONDO_SENTENCEPIECE)
  find_path(RONDO_SENTENCEPIECE_HEADERS sentencepiece_trainer.h)
  find_library(RONDO_SENTENCEPIECE_LIBRARY sentencepiece)
  find_library(RONDO_SENTENCEPIECE_TRAIN_LIBRARY sentencepiece_train)
  mark_as_advanced(RONDO_SENTENCEPIECE_HEADERS RONDO_SENTENCEPIECE_LIBRARY RONDO_SENTENCEPIECE_TRAIN_LIBRARY)
  if(RONDO_SENTENCEPIECE_HEADERS AND RONDO_SENTENCEPIECE_LIBRARY AND RONDO_SENTENCEPIECE_TRAIN_LIBRARY)
    target_include_directories(rondo_cli_needs SYSTEM INTERFACE "${RONDO_SENTENCEPIECE_HEADERS}")
    target_link_libraries(rondo_cli_needs INTERFACE
      "${RONDO_SENTENCEPIECE_TRAIN_LIBRARY}" "${RONDO_SENTENCEPIECE_LIBRARY}")
    target_compile_definitions(rondo_cli_needs INTERFACE RONDO_HAVE_SENTENCEPIECE=1)
    message(STATUS "Program: subwords by SentencePiece")
  elseif(NOT RONDO_SENTENCEPIECE STREQUAL "AUTO")
    message(FATAL_ERROR "RONDO_SENTENCEPIECE=ON, but SentencePiece was not found: install libsentencepiece-dev")
  else()
    message(STATUS "Program: no subwords (SentencePiece was not found)")
  endif()
endif()

add_executable(rondo_program "${PROJECT_SOURCE_DIR}/host/cli/main.cpp")
set_target_properties(rondo_program PROPERTIES OUTPUT_NAME rondo RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
target_include_directories(rondo_program PRIVATE "${PROJECT_SOURCE_DIR}/host")
target_link_libraries(rondo_program PRIVATE rondo_build rondo::rondo rondo_cli_needs)
if(TARGET rondo_cli)
  # CLI11 and the JSON library take far longer to read than our own sources.
  set_target_properties(rondo_cli PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)
  target_compile_options(rondo_cli PRIVATE "${RONDO_QUICK}")
  target_link_libraries(rondo_cli PRIVATE rondo_cli_needs)
  target_sources(rondo_program PRIVATE $<TARGET_OBJECTS:rondo_cli>)
endif()
if(BUILD_SHARED_LIBS)   # the oracle is hidden there, and the program offers it
  target_sources(rondo_program PRIVATE $<TARGET_OBJECTS:rondo_reference>)
endif()

# Found beside its library wherever the installed tree is moved to.
set_target_properties(rondo_program PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY host/cli/configs host/cli/data DESTINATION "${CMAKE_INSTALL_DATADIR}/rondo"
  FILES_MATCHING PATTERN "*.json" PATTERN "*.csv")
install(TARGETS rondo_program RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
