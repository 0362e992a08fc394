# Headers, library, and the two ways to find them: find_package(rondo CONFIG) and pkg-config.

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/rondo")

install(TARGETS rondo EXPORT rondoTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(DIRECTORY include/rondo "${PROJECT_BINARY_DIR}/include/rondo" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.hpp")

set(RONDO_NEEDS_CUDA OFF)
if(TARGET rondo_cuda OR TARGET rondo_kernels)
  set(RONDO_NEEDS_CUDA ON)
endif()
configure_package_config_file(cmake/rondoConfig.cmake.in rondoConfig.cmake INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(rondoConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(EXPORT rondoTargets NAMESPACE rondo:: DESTINATION "${package_dir}")
install(FILES "${PROJECT_BINARY_DIR}/rondoConfig.cmake" "${PROJECT_BINARY_DIR}/rondoConfigVersion.cmake"
  cmake/RondoCublas.cmake cmake/RondoPip.cmake DESTINATION "${package_dir}")

# pkg-config: the prefix is told from where the file lies, so that an installed tree can be moved.
file(RELATIVE_PATH RONDO_PC_TO_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
set(RONDO_PC_CFLAGS "")
set(RONDO_PC_PRIVATE "-pthread")
if(NOT BUILD_SHARED_LIBS)
  set(RONDO_PC_CFLAGS " -DRONDO_STATIC_DEFINE")
endif()
if(RONDO_NEEDS_CUDA)
  string(APPEND RONDO_PC_PRIVATE " -lcublasLt -lcudart")
endif()
# A static library needs its own needs named with it; a shared one carries them.
set(RONDO_PC_LIBS "-L\${libdir} -lrondo")
if(NOT BUILD_SHARED_LIBS)
  string(APPEND RONDO_PC_LIBS " ${RONDO_PC_PRIVATE}")
endif()
configure_file(cmake/rondo.pc.in rondo.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/rondo.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
