# GoogleTest: an installed package if there is one, else sources; never a download.
set(RONDO_GTEST_SOURCE "" CACHE PATH "GoogleTest source tree to build when no package is installed")

find_package(GTest 1.11 CONFIG QUIET)
if(NOT TARGET GTest::gtest_main)
  foreach(dir "${RONDO_GTEST_SOURCE}" /usr/src/googletest)
    if(dir AND EXISTS "${dir}/CMakeLists.txt")
      set(INSTALL_GTEST OFF CACHE BOOL "" FORCE)
      set(BUILD_GMOCK OFF CACHE BOOL "" FORCE)
      add_subdirectory("${dir}" "${PROJECT_BINARY_DIR}/googletest" EXCLUDE_FROM_ALL)
      message(STATUS "GoogleTest: from sources")
      break()
    endif()
  endforeach()
endif()
if(NOT TARGET GTest::gtest_main)
  message(FATAL_ERROR "The tests need GoogleTest: run cmake/setup.sh check, name its sources with "
    "RONDO_GTEST_SOURCE, or use RONDO_BUILD_TESTS=OFF")
endif()
