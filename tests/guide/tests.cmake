# docs/guide.md: its pieces of code, as one source, and its commands.

find_package(Python3 COMPONENTS Interpreter QUIET)
if(NOT Python3_Interpreter_FOUND)
  message(STATUS "Guide: not tested (there is no Python)")
  return()
endif()
set(page "${PROJECT_SOURCE_DIR}/docs/guide.md")
set(reader "${PROJECT_SOURCE_DIR}/tests/guide/guide.py")
set(pieces "${CMAKE_CURRENT_BINARY_DIR}/guide_snippets.cpp")
add_custom_command(OUTPUT "${pieces}" DEPENDS "${page}" "${reader}"
  COMMAND Python3::Interpreter -B "${reader}" snippets "${page}" "${pieces}")
add_executable(rondo_guide "${pieces}")
target_include_directories(rondo_guide PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
target_link_libraries(rondo_guide PRIVATE rondo_build rondo::rondo)
target_compile_options(rondo_guide PRIVATE "${RONDO_QUICK}")
add_test(NAME guide.snippets COMMAND rondo_guide WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
set_tests_properties(guide.snippets PROPERTIES LABELS cpu TIMEOUT 120)
if(TARGET rondo_program)
  add_test(NAME guide.commands
    COMMAND Python3::Interpreter -B "${reader}" commands "${page}" "$<TARGET_FILE:rondo_program>")
  set_tests_properties(guide.commands PROPERTIES LABELS cpu TIMEOUT 120)
endif()
