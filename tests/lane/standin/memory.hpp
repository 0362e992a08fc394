#pragma once
/// The device's memory: one range of addresses that the host may not touch, except while the device works.
#include <cstddef>

namespace rondo::lane {

void* allocate_device(std::size_t bytes);  ///< of the current device
void* allocate_pinned(std::size_t bytes);
/// False if p was never allocated that way, or is freed already.
bool free_device(void* p);
bool free_pinned(void* p);

std::size_t device_bytes_used();
std::size_t device_bytes_limit();

enum class Place { host, pinned, device };

/// Where an address lies. Device memory that is not allocated counts as device.
Place place_of(const void* p);
/// Whether [p, p + bytes) lies within one allocation of that place (for the host: outside of the device).
bool lies_in(Place place, const void* p, std::size_t bytes);
/// Whose allocation holds p; -1: none.
int device_of(const void* p);
/// Whether a word among a kernel's arguments is a pointer into the host's heap, as far as can be told.
bool looks_like_host_pointer(const void* p);

/// While one lives, the device's memory can be read and written.
class DeviceWorks {
public:
    DeviceWorks();
    ~DeviceWorks();
    DeviceWorks(const DeviceWorks&) = delete;
    DeviceWorks& operator=(const DeviceWorks&) = delete;
};

}  // namespace rondo::lane
