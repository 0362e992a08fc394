# The installed library used from outside, in both kinds. This build is of one kind; the other is built beside it, the
# library alone and with the same flags: those of its objects that are no unity of several the compiler cache has already.

set(own static)
set(other shared)
if(BUILD_SHARED_LIBS)
  set(own shared)
  set(other static)
endif()
set(common -DCXX=${CMAKE_CXX_COMPILER} -DGENERATOR=${CMAKE_GENERATOR} -DSOURCE_DIR=${PROJECT_SOURCE_DIR}
  -DLIBDIR=${CMAKE_INSTALL_LIBDIR} -DBUILD_TYPE=${CMAKE_BUILD_TYPE} -DWERROR=${RONDO_WERROR}
  -DUNITY=${CMAKE_UNITY_BUILD} -DUNITY_SIZE=${CMAKE_UNITY_BUILD_BATCH_SIZE})

add_test(NAME consumer.${own} COMMAND ${CMAKE_COMMAND} ${common} -DKIND=${own}
  -DBUILD_DIR=${PROJECT_BINARY_DIR} -DWORK_DIR=${PROJECT_BINARY_DIR}/consumer/${own}
  -P "${CMAKE_CURRENT_SOURCE_DIR}/consumer/run.cmake")
add_test(NAME consumer.${other} COMMAND ${CMAKE_COMMAND} ${common} -DKIND=${other}
  -DWORK_DIR=${PROJECT_BINARY_DIR}/consumer/${other}
  -P "${CMAKE_CURRENT_SOURCE_DIR}/consumer/run.cmake")
set_tests_properties(consumer.${own} consumer.${other} PROPERTIES LABELS cpu TIMEOUT 900)
