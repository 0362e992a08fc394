# The scripts around the benchmarks and the report of a GPU, on made-up files and tools: they must work the day they are
# needed, on a machine that is there for minutes.

find_package(Python3 COMPONENTS Interpreter QUIET)
if(NOT Python3_Interpreter_FOUND)
  message(STATUS "Report: its tests are skipped (there is no Python)")
  return()
endif()
foreach(name compare_results gpu_report)
  add_test(NAME report.${name} COMMAND Python3::Interpreter -B
    "${PROJECT_SOURCE_DIR}/tests/report/${name}_test.py")
  set_tests_properties(report.${name} PROPERTIES LABELS cpu TIMEOUT 120)
endforeach()
