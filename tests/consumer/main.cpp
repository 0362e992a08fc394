#include <cstdio>
#include <rondo/version.hpp>

int main() {
    const rondo::Version v = rondo::library_version();
    std::printf("rondo %d.%d.%d, headers %s\n", v.major, v.minor, v.patch, RONDO_VERSION_STRING);
    return rondo::library_matches() ? 0 : 1;
}
