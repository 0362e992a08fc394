// Blocks that exchange h through global memory, that is, through L2: what the `grid` policy does in each step, without
// the product and the gates. Four ways: what the kernels do, plain words, one counter and a bulk copy into shared memory;
// words that carry the step as a tag; plain words and a flag a block; a barrier of the whole grid and nothing else.
//   words [2][count], flags [blocks], arrived: zero before the launch     told [blocks] out
//   a step: each block writes its share of the words and waits until it has read all; one barrier of the block
#include "device/bulk_copy.cuh"
#include "device/grid_barrier.cuh"
#include "device/ordered.cuh"
#include "micro/told.cuh"

namespace rondo::bench {
namespace {

using namespace rondo::device;

constexpr unsigned kThreads = 256;

enum class Way { copied, tagged, flagged, barrier_alone };

struct Exchange {
    std::uint64_t* words;
    unsigned* flags;
    unsigned* arrived;
    unsigned count;  // a multiple of the blocks; of kAtOnce · kThreads, or at most kThreads with kAtOnce = 1
    int steps;
    Told* told;
};

/// Half of it is h, half the step.
RONDO_DEVICE std::uint64_t word_at(unsigned t, unsigned index) {
    return static_cast<std::uint64_t>(t) << 32 | (t * 2654435761u + index);
}

/// Adds up the low halves of the words [from, from + kThreads, ...), kAtOnce of them, once all carry the tag t. Those
/// that are missing are asked for together, then the first of them until it comes: the rest will have come by then, mostly.
template <int kAtOnce>
RONDO_DEVICE bool read_tagged(const std::uint64_t* from, unsigned t, unsigned long long& sum) {
    std::uint64_t got[kAtOnce] = {};
    while (true) {
        RONDO_UNROLL
        for (int i = 0; i < kAtOnce; ++i)
            if (got[i] >> 32 != t) got[i] = load_relaxed(from + i * kThreads);
        int missing = -1;
        RONDO_UNROLL
        for (int i = kAtOnce - 1; i >= 0; --i)
            if (got[i] >> 32 != t) missing = i;
        if (missing < 0) break;
        const std::uint64_t* const word = from + missing * static_cast<int>(kThreads);
        if (!spin_until([&] { return load_relaxed(word) >> 32 == t; }, kPatience)) return false;
    }
    RONDO_UNROLL
    for (int i = 0; i < kAtOnce; ++i) sum += static_cast<unsigned>(got[i]);
    return true;
}

/// Once the flags of all blocks say t, the words need no tag.
RONDO_DEVICE bool await_flags(const unsigned* flags, unsigned t) {
    bool ok = true;
    for (unsigned block = threadIdx.x; block < gridDim.x && ok; block += kThreads)
        ok = spin_until([&] { return load_acquire(flags + block) >= t; }, kPatience);
    return block_all(ok);
}

RONDO_DEVICE Mbarrier& copies_landed() {
    RONDO_SHARED(Mbarrier, landed, [1]);
    return landed[0];
}

/// One thread announces this block's words, waits for all blocks' and has them copied; all threads then read the copies.
RONDO_DEVICE bool read_copied(const Exchange& exchange, const std::uint64_t* words, unsigned t, Mbarrier& landed,
                              unsigned long long& sum) {
    RONDO_DYNAMIC_SHARED(std::uint64_t, copies);  // [count]
    bool ok = true;
    __syncthreads();
    if (threadIdx.x == 0) {
        add_release(exchange.arrived, 1);
        ok = spin_until([&] { return load_acquire(exchange.arrived) >= t * gridDim.x; }, kPatience);
        fence_after_acquire();
        const unsigned bytes = exchange.count * static_cast<unsigned>(sizeof(std::uint64_t));
        mbarrier_arrive_expect(landed, bytes);
        copy_bulk(copies, words, bytes, landed);
    }
    ok = mbarrier_wait(landed, (t - 1) % 2, kPatience) && ok;
    for (unsigned i = threadIdx.x; i < exchange.count && ok; i += kThreads) sum += static_cast<unsigned>(copies[i]);
    return ok;
}

template <Way kWay, int kAtOnce>
__global__ void __launch_bounds__(kThreads) exchange_kernel(const Exchange exchange) {
    const unsigned count = exchange.count, own = count / gridDim.x, first = blockIdx.x * own;
    const Watch watch = Watch::start();
    unsigned long long sum = 0;
    bool ok = true;
    if constexpr (kWay == Way::copied) {
        if (threadIdx.x == 0) {
            mbarrier_init(copies_landed(), 1);
            mbarrier_fence_init();
        }
        __syncthreads();
    }
    for (unsigned t = 1; t <= static_cast<unsigned>(exchange.steps) && ok; ++t) {
        if constexpr (kWay == Way::barrier_alone) {
            ok = grid_barrier(exchange.arrived, t - 1, kPatience);
            continue;
        }
        std::uint64_t* const words = exchange.words + t % 2 * count;
        if constexpr (kWay == Way::copied) {
            for (unsigned i = threadIdx.x; i < own; i += kThreads) words[first + i] = word_at(t, first + i);
            ok = block_all(read_copied(exchange, words, t, copies_landed(), sum));
            continue;
        }
        for (unsigned i = threadIdx.x; i < own; i += kThreads) store_relaxed(words + first + i, word_at(t, first + i));
        if constexpr (kWay == Way::flagged) {
            __syncthreads();
            if (threadIdx.x == 0) store_release(exchange.flags + blockIdx.x, t);
            ok = await_flags(exchange.flags, t);
        }
        for (unsigned i = threadIdx.x; i < count && ok; i += kAtOnce * kThreads)
            ok = read_tagged<kAtOnce>(words + i, t, sum);
        ok = block_all(ok);  // h(t+1) goes out when nobody here reads h(t-1) any more
    }
    tell<kThreads>(exchange.told, watch, sum, ok);
}

unsigned long long sum_of(unsigned count, int steps) {
    unsigned long long sum = 0;
    for (unsigned t = 1; t <= static_cast<unsigned>(steps); ++t)
        for (unsigned i = 0; i < count; ++i) sum += t * 2654435761u + i;
    return sum;
}

template <Way kWay, int kAtOnce>
Figure exchange_figure(const Effort& effort, unsigned blocks, unsigned count) {
    Figure figure{.of = "word through L2", .unit = "us a step"};
    const unsigned bytes = count * (kWay == Way::copied ? 8 : 4);
    const char* const way = kWay == Way::copied   ? "a counter and a bulk copy"
                            : kWay == Way::tagged ? "tagged words"
                                                  : "words and a flag a block";
    figure.what = kWay == Way::barrier_alone ? rondo::detail::concat(blocks, " blocks, grid barrier")
                                             : rondo::detail::concat(blocks, " blocks, ", bytes, " bytes of h, ", way);
    figure.assumed = kWay == Way::barrier_alone ? "1.09 us, flat from 32 to 132 blocks"
                     : kWay == Way::copied      ? "0.76 us and 32 bytes a cycle"
                                                : "0.56 us for a flag";
    try {
        DeviceMemory<std::uint64_t> words(2 * count, effort.stream);
        DeviceMemory<unsigned> flags(blocks + 1, effort.stream);
        const auto launch_it = [&](Told* told, int steps, bool) {
            words.zero();
            flags.zero();
            launch({.kernel = "exchange",
                    .grid = blocks,
                    .block = kThreads,
                    .shared_bytes = kWay == Way::copied ? std::size_t{bytes} : 0,
                    .cooperative = true,
                    .stream = effort.stream},
                   exchange_kernel<kWay, kAtOnce>,
                   Exchange{words.data(), flags.data(), flags.data() + blocks, count, steps, told});
        };
        const auto expected = [&](int steps) { return kWay == Way::barrier_alone ? 0 : blocks * sum_of(count, steps); };
        measure(figure, effort, {static_cast<int>(blocks), effort.steps, launch_it, expected});
        if (figure.cycles > 0 && kWay != Way::barrier_alone) {
            figure.rate = bytes / figure.cycles;
            figure.rate_unit = "bytes of h a cycle into an SM";
        }
    } catch (const std::exception& error) {
        figure.error = error.what();
    }
    return figure;
}

template <int kAtOnce>
void all_ways(std::vector<Figure>& figures, const Effort& effort, unsigned blocks, unsigned count) {
    figures.push_back(exchange_figure<Way::copied, 1>(effort, blocks, count));
    figures.push_back(exchange_figure<Way::tagged, kAtOnce>(effort, blocks, count));
    figures.push_back(exchange_figure<Way::flagged, kAtOnce>(effort, blocks, count));
}

}  // namespace

std::vector<Figure> word_through_l2(const Effort& effort) {
    std::vector<Figure> figures;
    if (effort.tiny) {
        all_ways<1>(figures, effort, 4, 64);
        all_ways<8>(figures, effort, 2, 8 * kThreads);
        figures.push_back(exchange_figure<Way::barrier_alone, 1>(effort, 4, 4));
        return figures;
    }
    all_ways<1>(figures, effort, 2, 64);  // one word a thread: the time to arrive
    for (unsigned blocks : {16u, 32u, 64u, 128u}) {
        if (static_cast<int>(blocks) > effort.multiprocessors) break;
        all_ways<1>(figures, effort, blocks, kThreads);
        all_ways<8>(figures, effort, blocks, 8 * kThreads);
        all_ways<8>(figures, effort, blocks, 32 * kThreads);
        figures.push_back(exchange_figure<Way::barrier_alone, 1>(effort, blocks, blocks));
    }
    return figures;
}

}  // namespace rondo::bench
