// The devices there are, what they can do, and their errors.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "device/lane/launch.hpp"
#include "lane/emulator/grid.hpp"
#include "lane/emulator/shared_memory.hpp"
#include "lane/standin/machine.hpp"
#include "lane/standin/memory.hpp"
#include "lane/standin/queue.hpp"

namespace rondo::lane {
namespace {

constexpr int kThreadsPerMultiprocessor = 2048;
constexpr int kBlocksPerMultiprocessor = 32;
constexpr std::size_t kSharedPerMultiprocessor = 228 * 1024;
constexpr std::size_t kSharedReserved = 1024;  // of each block
constexpr unsigned kMaxBlockThreads = 1024;
constexpr unsigned kMaxClusterBlocks = 8;        // without asking for the larger, non-portable size
constexpr unsigned kMaxAskedClusterBlocks = 16;  // as an H100

thread_local int device_of_thread = 0;

std::map<const void*, std::size_t> allowed_shared;  // by kernel: more than 48 KB
std::set<const void*> asked_for_larger_clusters;    // by kernel

std::uint64_t volume(dim3 d) { return std::uint64_t{d.x} * d.y * d.z; }

int blocks_per_multiprocessor(int threads, std::size_t shared_bytes) {
    const int whole_warps = (threads + 31) / 32 * 32;
    const int by_threads = kThreadsPerMultiprocessor / whole_warps;
    const int by_memory = static_cast<int>(kSharedPerMultiprocessor / (shared_bytes + kSharedReserved));
    return std::min({by_threads, by_memory, kBlocksPerMultiprocessor});
}

std::size_t allowed_to(const void* function) {
    const auto place = allowed_shared.find(function);
    return place == allowed_shared.end() ? 48 * 1024 : place->second;
}

unsigned most_cluster_blocks(const void* function) {
    return asked_for_larger_clusters.count(function) != 0 ? kMaxAskedClusterBlocks : kMaxClusterBlocks;
}

bool fits(dim3 d, dim3 most) {
    return d.x > 0 && d.y > 0 && d.z > 0 && d.x <= most.x && d.y <= most.y && d.z <= most.z;
}

void check_shape(const Shape& shape) {
    need(shape.function != nullptr, cudaErrorInvalidDeviceFunction);
    need(fits(shape.grid, {0x7fffffffu, 65535, 65535}) && fits(shape.block, {1024, 1024, 64}) &&
             volume(shape.block) <= kMaxBlockThreads,
         cudaErrorInvalidConfiguration);
    need(shape.shared_bytes <= allowed_to(shape.function), cudaErrorInvalidValue);
    // Clusters along y and z would be legal; the emulator lays out only those along x.
    need(shape.cluster.y == 1 && shape.cluster.z == 1 && shape.cluster.x > 0 && shape.grid.x % shape.cluster.x == 0,
         cudaErrorInvalidConfiguration);
    need(shape.cluster.x <= most_cluster_blocks(shape.function), cudaErrorInvalidClusterSize);
    if (!shape.cooperative) return;
    const int threads = static_cast<int>(volume(shape.block));
    const auto most = std::uint64_t(blocks_per_multiprocessor(threads, shape.shared_bytes)) *
                      std::uint64_t(machine().multiprocessors);
    need(volume(shape.grid) <= most, cudaErrorCooperativeLaunchTooLarge);
}

}  // namespace

Machine& machine() {
    static Machine instance;
    return instance;
}

void set_failure(cudaError_t code, const std::string& text) {
    machine().sticky = code;
    machine().failure = text;
    abandon_all();
}

const Counters& counters() { return machine().counters; }
void reset_counters() { machine().counters = {}; }
std::int64_t undestroyed_handles() { return machine().handles; }
int current_device() { return device_of_thread; }
void set_devices(int count) { machine().devices = count; }
void set_multiprocessors(int count) { machine().multiprocessors = count; }

std::string take_failure() {
    Machine& m = machine();
    const std::string text = m.failure;
    m.failure.clear();
    m.sticky = m.last = cudaSuccess;
    return text;
}

cudaError_t enqueue(const Shape& shape, Call kernel, cudaStream_t stream) {
    return call([&] {
        check_shape(shape);
        need(stream_of(stream).device == current_device(), cudaErrorInvalidResourceHandle);
        for (const void* word : kernel.words) {
            if (looks_like_host_pointer(word))
                throw Failure(FailureKind::misuse,
                              std::string("an argument points to host memory, in kernel ") + shape.kernel);
            if (const int owner = device_of(word); owner >= 0 && owner != current_device())
                throw Failure(FailureKind::misuse,
                              std::string("an argument points to another device's memory, in kernel ") + shape.kernel);
        }
        enqueue_work(stream_of(stream), shape.kernel,
                     [shape, name = std::string(shape.kernel), body = std::move(kernel.run)] {
                         Shape named = shape;
                         named.kernel = name.c_str();  // the caller's may be gone by now
                         ++machine().counters.launches;
                         run(named, body);
                     });
    });
}

}  // namespace rondo::lane

using namespace rondo::lane;

cudaError_t cudaGetDeviceCount(int* count) {
    return call([&] { *count = machine().devices; });
}
cudaError_t cudaGetDevice(int* device) {
    return call([&] { *device = device_of_thread; });
}
cudaError_t cudaSetDevice(int device) {
    return call([&] {
        need(device >= 0 && device < machine().devices, cudaErrorInvalidDevice);
        device_of_thread = device;
    });
}
cudaError_t cudaRuntimeGetVersion(int* version) {
    return call([&] { *version = CUDART_VERSION; });
}
cudaError_t cudaDriverGetVersion(int* version) {
    return call([&] { *version = CUDART_VERSION; });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
    return call([&] {
        need(p != nullptr && device >= 0 && device < machine().devices, cudaErrorInvalidDevice);
        *p = {};
        std::strcpy(p->name, "emulated");
        p->major = 9;
        p->minor = 0;
        p->totalGlobalMem = device_bytes_limit();
        p->sharedMemPerBlock = kStaticSharedBytes;
        p->sharedMemPerBlockOptin = kSharedBytes;
        p->sharedMemPerMultiprocessor = kSharedPerMultiprocessor;
        p->reservedSharedMemPerBlock = kSharedReserved;
        p->regsPerBlock = p->regsPerMultiprocessor = 65536;
        p->warpSize = 32;
        p->maxThreadsPerBlock = static_cast<int>(kMaxBlockThreads);
        p->maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
        p->maxBlocksPerMultiProcessor = kBlocksPerMultiprocessor;
        p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
        p->maxThreadsDim[2] = 64;
        p->maxGridSize[0] = 0x7fffffff;
        p->maxGridSize[1] = p->maxGridSize[2] = 65535;
        p->multiProcessorCount = machine().multiprocessors;
        p->l2CacheSize = 50 << 20;
        p->cooperativeLaunch = p->clusterLaunch = p->unifiedAddressing = p->memoryPoolsSupported = 1;
        p->concurrentKernels = 1;
    });
}

cudaError_t cudaDeviceGetPCIBusId(char* bus, int length, int device) {
    return call([&] {
        need(bus != nullptr && length > 12 && device == 0, cudaErrorInvalidValue);
        std::strcpy(bus, "0000:00:00.0");  // nothing lies there
    });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    cudaDeviceProp p;
    if (const cudaError_t status = cudaGetDeviceProperties(&p, device); status != cudaSuccess) return status;
    return call([&] {
        switch (attribute) {
            case cudaDevAttrComputeCapabilityMajor:
                *value = p.major;
                return;
            case cudaDevAttrComputeCapabilityMinor:
                *value = p.minor;
                return;
            case cudaDevAttrMultiProcessorCount:
                *value = p.multiProcessorCount;
                return;
            case cudaDevAttrMaxSharedMemoryPerBlock:
                *value = static_cast<int>(p.sharedMemPerBlock);
                return;
            case cudaDevAttrMaxSharedMemoryPerBlockOptin:
                *value = static_cast<int>(p.sharedMemPerBlockOptin);
                return;
            case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
                *value = static_cast<int>(p.sharedMemPerMultiprocessor);
                return;
            case cudaDevAttrReservedSharedMemoryPerBlock:
                *value = static_cast<int>(p.reservedSharedMemPerBlock);
                return;
            case cudaDevAttrMaxThreadsPerBlock:
                *value = p.maxThreadsPerBlock;
                return;
            case cudaDevAttrMaxThreadsPerMultiProcessor:
                *value = p.maxThreadsPerMultiProcessor;
                return;
            case cudaDevAttrL2CacheSize:
                *value = p.l2CacheSize;
                return;
            case cudaDevAttrClockRate:
            case cudaDevAttrMemoryClockRate:
                *value = 1'000'000;  // kHz
                return;
            case cudaDevAttrGlobalMemoryBusWidth:
                *value = 1024;
                return;
            case cudaDevAttrCooperativeLaunch:
            case cudaDevAttrClusterLaunch:
            case cudaDevAttrUnifiedAddressing:
            case cudaDevAttrMemoryPoolsSupported:
                *value = 1;
                return;
            default:
                fail(cudaErrorInvalidValue);
        }
    });
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
    return call([&] {
        need(function != nullptr, cudaErrorInvalidDeviceFunction);
        if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return;
        if (attribute == cudaFuncAttributeNonPortableClusterSizeAllowed) {
            if (value != 0)
                asked_for_larger_clusters.insert(function);
            else
                asked_for_larger_clusters.erase(function);
            return;
        }
        need(attribute == cudaFuncAttributeMaxDynamicSharedMemorySize, cudaErrorNotSupported);
        need(value >= 0 && std::size_t(value) <= kSharedBytes, cudaErrorInvalidValue);
        allowed_shared[function] = std::size_t(value);
    });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
    return call([&] {
        *attributes = {};
        attributes->maxThreadsPerBlock = static_cast<int>(kMaxBlockThreads);
        attributes->maxDynamicSharedSizeBytes = static_cast<int>(allowed_to(function));
        attributes->binaryVersion = attributes->ptxVersion = 90;
    });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* function, int threads,
                                                                   std::size_t shared_bytes, unsigned int) {
    return call([&] {
        need(function != nullptr && threads > 0, cudaErrorInvalidValue);
        const bool possible = threads <= static_cast<int>(kMaxBlockThreads) && shared_bytes <= allowed_to(function);
        *blocks = possible ? blocks_per_multiprocessor(threads, shared_bytes) : 0;
    });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads,
                                                          std::size_t shared_bytes) {
    return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, shared_bytes, 0);
}

cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void* function, const cudaLaunchConfig_t* config) {
    return call([&] {
        unsigned cluster = 1;
        for (unsigned i = 0; i < config->numAttrs; ++i)
            if (config->attrs[i].id == cudaLaunchAttributeClusterDimension) cluster = config->attrs[i].val.clusterDim.x;
        need(function != nullptr && cluster <= most_cluster_blocks(function), cudaErrorInvalidClusterSize);
        const int per_multiprocessor =
            blocks_per_multiprocessor(static_cast<int>(volume(config->blockDim)), config->dynamicSmemBytes);
        *clusters = per_multiprocessor * machine().multiprocessors / static_cast<int>(cluster);
    });
}

cudaError_t cudaGetLastError() {
    Machine& m = machine();
    const cudaError_t last = m.last;
    m.last = m.sticky;  // only what is not sticky is forgotten
    return last;
}
cudaError_t cudaPeekAtLastError() { return machine().last; }

const char* cudaGetErrorName(cudaError_t status) {
    static std::string name;
    switch (status) {
        case cudaSuccess:
            return "cudaSuccess";
        case cudaErrorInvalidValue:
            return "cudaErrorInvalidValue";
        case cudaErrorMemoryAllocation:
            return "cudaErrorMemoryAllocation";
        case cudaErrorInvalidConfiguration:
            return "cudaErrorInvalidConfiguration";
        case cudaErrorInvalidResourceHandle:
            return "cudaErrorInvalidResourceHandle";
        case cudaErrorLaunchFailure:
            return "cudaErrorLaunchFailure";
        case cudaErrorNotReady:
            return "cudaErrorNotReady";
        case cudaErrorCooperativeLaunchTooLarge:
            return "cudaErrorCooperativeLaunchTooLarge";
        default:
            name = "cudaError " + std::to_string(static_cast<int>(status));
            return name.c_str();
    }
}

// The text of a kernel's failure stands in for CUDA's "unspecified launch failure".
const char* cudaGetErrorString(cudaError_t status) {
    const Machine& m = machine();
    if (status == m.sticky && status != cudaSuccess) return m.failure.c_str();
    return status == cudaErrorMemoryAllocation ? "out of memory" : "refused by the stand-in runtime";
}
