#pragma once
/// RONDO_API marks what the shared library exports; everything else is hidden. Users of a static library get
/// RONDO_STATIC_DEFINE from the build system, so that what these headers make in their binaries is not exported once
/// more. The library itself is compiled without it: one set of objects serves both kinds.
#if defined(RONDO_STATIC_DEFINE)
#define RONDO_API
#else
#define RONDO_API __attribute__((visibility("default")))
#endif
