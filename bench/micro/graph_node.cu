// A chain of kernels in a graph, each waiting for the one before: what `steps` pays a kernel, whatever it computes. The
// kernels keep the time themselves, from the first to the last.
//   chain: zero before the graph
#include "micro/told.cuh"

namespace rondo::bench {
namespace {

using namespace rondo::device;

struct Chain {
    unsigned long long links, first, last;  // how many have run; when the first and the last did
};

__global__ void __launch_bounds__(256) link_kernel(Chain* chain) {
    if (thread_rank() != 0 || blockIdx.x != 0) return;
    const std::uint64_t now = global_nanoseconds();
    if (chain->links == 0) chain->first = now;
    chain->last = now;
    ++chain->links;
}

/// A recorded chain.
class Graph {
public:
    Graph(const Effort& effort, Chain* chain, unsigned blocks, int links) {
        check(cudaStreamBeginCapture(effort.stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
        for (int i = 0; i < links; ++i)
            launch({.kernel = "link", .grid = blocks, .block = 256, .stream = effort.stream}, link_kernel, chain);
        cudaGraph_t graph = nullptr;
        check(cudaStreamEndCapture(effort.stream, &graph), "cudaStreamEndCapture");
        const cudaError_t made = cudaGraphInstantiate(&runs_, graph, 0);
        static_cast<void>(cudaGraphDestroy(graph));
        check(made, "cudaGraphInstantiate");
    }
    ~Graph() { static_cast<void>(cudaGraphExecDestroy(runs_)); }
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;
    void run(cudaStream_t stream) const { check(cudaGraphLaunch(runs_, stream), "cudaGraphLaunch"); }

private:
    cudaGraphExec_t runs_ = nullptr;
};

Figure node_figure(const Effort& effort, unsigned blocks, int links) {
    Figure figure{.of = "graph node", .unit = "us a node"};
    figure.what = rondo::detail::concat("a chain of ", links, " kernels of ", blocks, " blocks");
    figure.assumed = "1.0 to 1.3 us";
    try {
        DeviceMemory<Chain> chain(1, effort.stream);
        const Graph graph(effort, chain.data(), blocks, links);
        std::vector<double> us;
        for (int i = 0; i <= effort.samples; ++i) {
            chain.zero();
            graph.run(effort.stream);
            const Chain got = chain.download().front();
            if (got.links != static_cast<unsigned long long>(links))
                throw Error(ErrorCode::device, rondo::detail::concat(got.links, " of ", links, " kernels have run"));
            if (i > 0 && got.last > got.first)
                us.push_back(static_cast<double>(got.last - got.first) / 1000 / (links - 1));
        }
        if (!us.empty()) figure.value = timing_of(us);
    } catch (const std::exception& error) {
        figure.error = error.what();
    }
    return figure;
}

}  // namespace

std::vector<Figure> graph_node(const Effort& effort) {
    if (effort.tiny) return {node_figure(effort, 2, 3)};
    const auto all = static_cast<unsigned>(effort.multiprocessors);
    return {node_figure(effort, 1, 1000), node_figure(effort, all, 1000)};
}

}  // namespace rondo::bench
