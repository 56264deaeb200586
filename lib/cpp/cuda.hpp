// CUDA's things as owners that free themselves. Every call's return code is checked.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include "error.hpp"

namespace report::cuda {

// Throws Error that names the call unless it succeeded.
inline void check(cudaError_t status, const char* call) {
    if (status != cudaSuccess) {
        throw Error(std::string(call) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
    }
}

// Throws Error where there is no driver or no GPU.
inline void check_device() {
    int devices = 0;
    check(cudaGetDeviceCount(&devices), "no GPU: cudaGetDeviceCount");
}

// Calls the function that frees a handle. What it returns is of no use in a destructor: an error that sticks shows at
// the next call that is checked.
template <auto free>
struct Free {
    template <typename Handle>
    void operator()(Handle* handle) const noexcept {
        static_cast<void>(free(handle));
    }
};

template <typename Handle, auto free>
using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, Free<free>>;

// A stream that does not wait for the default stream.
class Stream {
public:
    Stream() {
        cudaStream_t handle = nullptr;
        check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
        handle_.reset(handle);
    }

    cudaStream_t get() const { return handle_.get(); }

    void wait() const { check(cudaStreamSynchronize(get()), "cudaStreamSynchronize"); }

private:
    Owner<cudaStream_t, cudaStreamDestroy> handle_;
};

// A point in a stream, with its time.
class Event {
public:
    Event() {
        cudaEvent_t handle = nullptr;
        check(cudaEventCreate(&handle), "cudaEventCreate");
        handle_.reset(handle);
    }

    void record(const Stream& stream) const { check(cudaEventRecord(handle_.get(), stream.get()), "cudaEventRecord"); }

    // Milliseconds from `start` to this event, both over.
    double ms_since(const Event& start) const {
        float ms = 0;
        check(cudaEventElapsedTime(&ms, start.handle_.get(), handle_.get()), "cudaEventElapsedTime");
        return static_cast<double>(ms);
    }

private:
    Owner<cudaEvent_t, cudaEventDestroy> handle_;
};

// `size` bytes on the device, or in host memory that is pinned so that copies are fast and run beside the CPU.
template <cudaError_t (*allocate)(void**, std::size_t), auto free>
class Bytes {
public:
    explicit Bytes(std::size_t size) : size_(size) {
        void* memory = nullptr;
        const cudaError_t status = allocate(&memory, size);
        if (status == cudaErrorMemoryAllocation) {
            static_cast<void>(cudaGetLastError());  // it does not stick: take it away, the next call is fine
            throw Error("no memory left for " + std::to_string(size) + " bytes; use smaller batches or fewer lanes");
        }
        check(status, "allocation");
        memory_.reset(static_cast<std::byte*>(memory));
    }

    std::byte* data() const { return memory_.get(); }
    std::size_t size() const { return size_; }

private:
    std::unique_ptr<std::byte, Free<free>> memory_;
    std::size_t size_;
};

inline cudaError_t allocate_device(void** memory, std::size_t bytes) { return cudaMalloc(memory, bytes); }
inline cudaError_t allocate_pinned(void** memory, std::size_t bytes) { return cudaHostAlloc(memory, bytes, cudaHostAllocDefault); }
inline cudaError_t free_device(void* memory) { return cudaFree(memory); }

using DeviceBytes = Bytes<allocate_device, free_device>;
using PinnedBytes = Bytes<allocate_pinned, cudaFreeHost>;

// What `work` puts into a stream, recorded once and launched as one.
class Graph {
public:
    Graph(const Stream& stream, const std::function<void()>& work) {
        // Thread-local: what other threads of the driver or TensorRT do does not break the capture.
        check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
        cudaGraph_t graph = nullptr;
        try {
            work();
        } catch (...) {
            static_cast<void>(cudaStreamEndCapture(stream.get(), &graph));  // leaves the stream usable
            const Owner<cudaGraph_t, cudaGraphDestroy> broken(graph);
            throw;
        }
        const cudaError_t ended = cudaStreamEndCapture(stream.get(), &graph);
        const Owner<cudaGraph_t, cudaGraphDestroy> captured(graph);
        check(ended, "cudaStreamEndCapture");
        cudaGraphExec_t executable = nullptr;
        check(cudaGraphInstantiateWithFlags(&executable, captured.get(), 0), "cudaGraphInstantiateWithFlags");
        executable_.reset(executable);
    }

    void launch(const Stream& stream) const { check(cudaGraphLaunch(executable_.get(), stream.get()), "cudaGraphLaunch"); }

private:
    Owner<cudaGraphExec_t, cudaGraphExecDestroy> executable_;
};

}  // namespace report::cuda
