# Which layer may include which: read by the build and by the test that checks every #include.
# Every layer sees include/ ("rondo/...") and its own folder; beyond that, only what stands here.
# A private header is named from host/, e.g. "scheduler/backend.hpp"; a kernel's from kernels/.

set(RONDO_HOST_LAYERS reference scheduler cpu files model train)   # cuda and cli are added where they are built
set(RONDO_USES_reference "")             # the oracle shares nothing with what it checks
set(RONDO_USES_scheduler "")
set(RONDO_USES_cpu scheduler)
set(RONDO_USES_cuda scheduler kernels)   # the only one that may include a header of kernels/
set(RONDO_USES_files "")
set(RONDO_USES_model scheduler cpu cuda files)
set(RONDO_USES_train scheduler cpu cuda files model)
# The program is a user of the public headers like any other, but for `rondo run`: it offers the oracle, and moves
# tensors to and from a device by the backend itself.
set(RONDO_USES_cli reference scheduler model)
