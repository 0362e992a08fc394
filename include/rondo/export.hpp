#pragma once
/// RONDO_API marks what the shared library exports; everything else is hidden. Users of a static library get
/// RONDO_STATIC_DEFINE from the build system, so that their own binaries do not export it once more.
#if defined(RONDO_STATIC_DEFINE)
#define RONDO_API
#else
#define RONDO_API __attribute__((visibility("default")))
#endif
