// cudaStream...Capture, cudaGraph...: recording work and running it again.
#include <algorithm>
#include <set>
#include <vector>

#include "lane/standin/machine.hpp"
#include "lane/standin/queue.hpp"
#include "lane/standin/streams.hpp"

namespace rondo::lane {
namespace {

using GraphHandle = std::shared_ptr<Graph>;

// A cudaGraph_t and a cudaGraphExec_t both point to one of these.
std::set<GraphHandle*> graphs;

template <class Handle>
GraphHandle& graph_of(Handle handle) {
    auto* graph = reinterpret_cast<GraphHandle*>(handle);
    need(graphs.count(graph) != 0, cudaErrorInvalidValue);
    return *graph;
}

template <class Handle>
Handle make_handle(GraphHandle graph) {
    auto* handle = new GraphHandle(std::move(graph));
    graphs.insert(handle);
    ++machine().handles;
    return reinterpret_cast<Handle>(handle);
}

template <class Handle>
void drop_handle(Handle handle) {
    GraphHandle* graph = &graph_of(handle);
    graphs.erase(graph);
    --machine().handles;
    delete graph;
}

/// Every node is an ancestor of `ends`, or one of them.
bool all_joined(const Graph& graph, const std::vector<Work>& ends) {
    std::set<const Operation*> reached;
    std::vector<const Operation*> open;
    for (const Work& end : ends) open.push_back(end.get());
    while (!open.empty()) {
        const Operation* work = open.back();
        open.pop_back();
        if (!reached.insert(work).second) continue;
        for (const Work& before : work->after) open.push_back(before.get());
    }
    return std::all_of(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Work& node) { return reached.count(node.get()) != 0; });
}

}  // namespace
}  // namespace rondo::lane

using namespace rondo::lane;

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
    return call([&] {
        Stream& stream = stream_of(handle);
        need(!stream.legacy, cudaErrorStreamCaptureUnsupported);
        need(!stream.capture, cudaErrorIllegalState);
        stream.capture = std::make_shared<Capture>();
        stream.capture->origin = handle;
        stream.capture->mode = mode;
        stream.capture->graph = std::make_shared<Graph>();
        stream.capture_tail.clear();
    });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
    return call([&] {
        Stream& stream = stream_of(handle);
        need(graph != nullptr && stream.capture, cudaErrorIllegalState);
        *graph = nullptr;
        const std::shared_ptr<Capture> capture = stream.capture;
        need(capture->origin == handle, cudaErrorStreamCaptureUnmatched);
        const std::vector<Work> ends = stream.capture_tail;
        for (Stream* other : live_streams()) {
            if (other->capture != capture) continue;
            other->capture = nullptr;
            other->capture_tail.clear();
        }
        // Its nodes name the capture, which from now on no longer names them.
        const GraphHandle recorded = std::move(capture->graph);
        need(!capture->broken, cudaErrorStreamCaptureInvalidated);
        need(all_joined(*recorded, ends), cudaErrorStreamCaptureUnjoined);
        *graph = make_handle<cudaGraph_t>(recorded);
    });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
    return call([&] {
        const Stream& stream = stream_of(handle);
        *status = cudaStreamCaptureStatusNone;
        if (!stream.capture) return;
        *status = stream.capture->broken ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
    });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t handle, cudaGraphNode_t* nodes, std::size_t* count) {
    return call([&] {
        need(nodes == nullptr && count != nullptr, cudaErrorNotSupported);  // only how many there are
        *count = graph_of(handle)->nodes.size();
    });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
    return call([&] {
        need(executable != nullptr, cudaErrorInvalidValue);
        *executable = make_handle<cudaGraphExec_t>(graph_of(graph));
    });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
    return call([&] { static_cast<void>(graph_of(executable)); });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
    return call([&] {
        Stream& stream = stream_of(handle);
        need(!stream.capture, cudaErrorStreamCaptureUnsupported);
        ++machine().counters.graph_launches;
        enqueue_graph(stream, *graph_of(executable));
    });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    return call_always([&] { drop_handle(executable); });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    return call_always([&] { drop_handle(graph); });
}
