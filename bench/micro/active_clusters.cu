// How many clusters run at once, one block a multiprocessor: by CUDA's word, and by launching more than fit, each of
// which notes when it began and ended.
//   times [clusters][2] out: nanoseconds; both at least 1
#include "device/cluster.cuh"
#include "micro/clusters.hpp"
#include "micro/told.cuh"

namespace rondo::bench {
namespace {

using namespace rondo::device;

constexpr unsigned kThreads = 128;

struct Stay {
    unsigned long long* times;
    unsigned long long nanoseconds;  // how long a cluster stays
    std::int64_t looks;              // but never longer than so many looks at the timer
};

__global__ void __launch_bounds__(kThreads) stay_kernel(const Stay stay) {
    const std::uint64_t begin = global_nanoseconds();
    if (threadIdx.x == 0)
        for (int i = 0; i < stay.looks && global_nanoseconds() - begin < stay.nanoseconds; ++i) sleep_nanoseconds(1000);
    cluster_sync();
    if (threadIdx.x != 0 || cluster_rank() != 0) return;
    unsigned long long* const own = stay.times + 2 * (blockIdx.x / cluster_size());
    own[0] = begin + 1;
    own[1] = global_nanoseconds() + 1;
}

/// The most that overlap: at the beginning of some cluster.
int most_at_once(const std::vector<unsigned long long>& times) {
    std::ptrdiff_t most = 0;
    for (std::size_t i = 0; i < times.size(); i += 2) {
        std::ptrdiff_t now = 0;
        for (std::size_t j = 0; j < times.size(); j += 2) now += times[j] <= times[i] && times[i] < times[j + 1];
        most = std::max(most, now);
    }
    return static_cast<int>(most);
}

Timing counted(int clusters) { return {static_cast<double>(clusters), 0, 1}; }

void stay_figures(std::vector<Figure>& figures, const Effort& effort, unsigned size) {
    Figure told{.of = "active clusters", .unit = "clusters"};
    told.what = rondo::detail::concat(size, " blocks, by CUDA's word");
    told.assumed = size == 8 ? "15 on 132 multiprocessors" : size == 16 ? "about 7 on 132 multiprocessors" : "ask";
    Figure seen = told;
    seen.what = rondo::detail::concat(size, " blocks, seen at once");
    try {
        const std::size_t shared = effort.tiny ? 0 : kWholeMultiprocessor;
        const int active = allow_clusters(reinterpret_cast<const void*>(stay_kernel), size, kThreads, shared);
        told.value = counted(active);
        const unsigned clusters = effort.tiny ? 3 : static_cast<unsigned>(effort.multiprocessors) / size + 4;
        DeviceMemory<unsigned long long> times(2 * clusters, effort.stream);
        launch({.kernel = "stay",
                .grid = clusters * size,
                .block = kThreads,
                .cluster = size,
                .shared_bytes = shared,
                .stream = effort.stream},
               stay_kernel, Stay{times.data(), 1'000'000, effort.tiny ? 2 : 2000});
        const std::vector<unsigned long long> got = times.download();
        if (std::find(got.begin(), got.end(), 0ull) != got.end())
            throw Error(ErrorCode::device, "a cluster has not run");
        if (const int most = most_at_once(got); most > 0) seen.value = counted(most);
    } catch (const std::exception& error) {
        (told.value.samples == 0 ? told : seen).error = error.what();
    }
    figures.push_back(told);
    figures.push_back(seen);
}

}  // namespace

std::vector<Figure> active_clusters(const Effort& effort) {
    std::vector<Figure> figures;
    for (unsigned size : {2u, 4u, 8u, 16u}) stay_figures(figures, effort, size);
    return figures;
}

}  // namespace rondo::bench
