// A stand-in of the CUDA runtime, as far as the runner calls it: what is put into a stream runs when the stream is waited for, not before.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

enum cudaError_t { cudaSuccess, cudaErrorMemoryAllocation, cudaErrorLaunchFailure, cudaErrorStreamCaptureUnsupported };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
constexpr unsigned cudaStreamNonBlocking = 1;
constexpr unsigned cudaHostAllocDefault = 0;

using Work = std::vector<std::function<cudaError_t()>>;
struct CUstream_st {
    Work work;
    bool capturing = false;
};
struct CUevent_st {};
struct CUgraph_st {
    Work work;
};
struct CUgraphExec_st {
    Work work;
};
using cudaStream_t = CUstream_st*;
using cudaEvent_t = CUevent_st*;
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraphExec_st*;

namespace stand_in {

// What the tests look at. held: streams, events, graphs and buffers that nobody gave back; room: bytes that may still be allocated.
struct Cuda {
    int held = 0;
    int graph_launches = 0;
    std::size_t room = 1 << 20;
};
inline Cuda cuda;

template <typename Thing>
cudaError_t made(Thing** handle, Thing thing = {}) {
    ++cuda.held;
    *handle = new Thing(std::move(thing));
    return cudaSuccess;
}

template <typename Thing>
cudaError_t gone(Thing* handle) {
    --cuda.held;
    delete handle;
    return cudaSuccess;
}

inline cudaError_t allocate(void** memory, std::size_t bytes) {
    if (bytes > cuda.room) {
        return cudaErrorMemoryAllocation;
    }
    ++cuda.held;
    *memory = std::malloc(bytes);
    return cudaSuccess;
}

inline cudaError_t release(void* memory) {
    --cuda.held;
    std::free(memory);
    return cudaSuccess;
}

}  // namespace stand_in

inline const char* cudaGetErrorString(cudaError_t) { return "an error"; }
inline const char* cudaGetErrorName(cudaError_t) { return "cudaError"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }

inline cudaError_t cudaMalloc(void** memory, std::size_t bytes) { return stand_in::allocate(memory, bytes); }
inline cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) { return stand_in::allocate(memory, bytes); }
inline cudaError_t cudaFree(void* memory) { return stand_in::release(memory); }
inline cudaError_t cudaFreeHost(void* memory) { return stand_in::release(memory); }

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return stand_in::made(stream); }
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) { return stand_in::gone(stream); }
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (stream->capturing) {
        return cudaErrorStreamCaptureUnsupported;
    }
    for (const auto& step : std::exchange(stream->work, {})) {
        if (const cudaError_t status = step(); status != cudaSuccess) {
            return status;
        }
    }
    return cudaSuccess;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
    stream->work.push_back([=] { return std::memcpy(to, from, bytes), cudaSuccess; });
    return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
    stream->work.push_back([=] { return std::memset(to, value, bytes), cudaSuccess; });
    return cudaSuccess;
}

inline cudaError_t cudaEventCreate(cudaEvent_t* event) { return stand_in::made(event); }
inline cudaError_t cudaEventDestroy(cudaEvent_t event) { return stand_in::gone(event); }
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t, cudaEvent_t) { return *ms = 0.25F, cudaSuccess; }

inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    if (!stream->work.empty()) {
        return cudaErrorStreamCaptureUnsupported;
    }
    stream->capturing = true;
    return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    stream->capturing = false;
    return stand_in::made(graph, CUgraph_st{std::exchange(stream->work, {})});
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return stand_in::gone(graph); }
inline cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
    return stand_in::made(executable, CUgraphExec_st{graph->work});
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return stand_in::gone(executable); }
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    ++stand_in::cuda.graph_launches;
    stream->work.insert(stream->work.end(), executable->work.begin(), executable->work.end());
    return cudaSuccess;
}
