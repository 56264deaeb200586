// A stand-in of TensorRT's runtime, as far as the runner calls it, of the major version that NV_TENSORRT_MAJOR says. Its only network gives
// VALUES values of an image back as they are, or which of them is the first of the largest.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cuda_runtime_api.h"

#define NV_TENSORRT_MINOR 5
#define NV_TENSORRT_PATCH 3
#define NV_TENSORRT_BUILD 1

namespace nvinfer1 {

using AsciiChar = char;
enum class DataType : std::int32_t { kFLOAT, kHALF, kINT8, kINT32, kBOOL, kUINT8 };
enum class TensorIOMode : std::int32_t { kNONE, kINPUT, kOUTPUT };
enum class OptProfileSelector : std::int32_t { kMIN, kOPT, kMAX };

struct Dims {
    std::int32_t nbDims;
    std::conditional_t<NV_TENSORRT_MAJOR < 10, std::int32_t, std::int64_t> d[8];
};

class ILogger {
public:
    enum class Severity : std::int32_t { kINTERNAL_ERROR, kERROR, kWARNING, kINFO, kVERBOSE };
    virtual void log(Severity severity, const AsciiChar* message) noexcept = 0;
    virtual ~ILogger() = default;
};

}  // namespace nvinfer1

namespace stand_in {

constexpr int VALUES = 4;

// What the tests say and look at. profiles: min, opt, max each; fixed: the only batch, 0 for any; fail_at: which enqueue fails, from now
// on, one for the next.
struct TensorRT {
    std::vector<std::array<int, 3>> profiles{{1, 8, 64}};
    int fixed = 0;
    bool classes = false;
    bool silent = false;  // nothing is written, and no call says so
    int fail_at = 0;
    int enqueued = 0;
    std::vector<int> chosen;  // profiles that contexts were given by setOptimizationProfileAsync
};
inline TensorRT tensorrt;

}  // namespace stand_in

namespace nvinfer1 {

class ICudaEngine;

class IExecutionContext {
public:
    explicit IExecutionContext(ICudaEngine& engine);
    ~IExecutionContext();

    std::int32_t getOptimizationProfile() const noexcept { return profile_; }
    bool setOptimizationProfileAsync(std::int32_t profile, cudaStream_t) noexcept;
    bool setInputShape(const char* name, const Dims& dims) noexcept;
    bool setBindingDimensions(std::int32_t index, const Dims& dims) noexcept;
    bool setTensorAddress(const char* name, void* memory) noexcept;
    std::int64_t getMaxOutputSize(const char*) const noexcept { return batch() * stand_in::VALUES * 4; }
    bool enqueueV3(cudaStream_t stream) noexcept;
    bool executeV2(void* const* bindings) noexcept;

private:
    int batch() const { return stand_in::tensorrt.fixed == 0 ? batch_ : stand_in::tensorrt.fixed; }
    bool failed(const char* why) noexcept;

    ICudaEngine& engine_;
    std::int32_t profile_ = -1;
    int batch_ = 0;
    bool fresh_ = true;  // no call since the shape was set
    std::map<std::string, void*> addresses_;
};

class ICudaEngine {
public:
    explicit ICudaEngine(ILogger& to) : logger(to) {}

    std::int32_t getNbIOTensors() const noexcept { return 3; }
    const char* getIOTensorName(std::int32_t i) const noexcept { return std::array{"x", "features", "y"}.at(static_cast<std::size_t>(i)); }
    TensorIOMode getTensorIOMode(const char* name) const noexcept {
        return std::string(name) == "x" ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
    }
    Dims getTensorShape(const char* name) const noexcept {
        const int batch = stand_in::tensorrt.fixed == 0 ? -1 : stand_in::tensorrt.fixed;
        return std::string(name) == "y" && stand_in::tensorrt.classes ? Dims{1, {batch}} : Dims{2, {batch, stand_in::VALUES}};
    }
    DataType getTensorDataType(const char* name) const noexcept {
        return std::string(name) == "y" && stand_in::tensorrt.classes ? DataType::kINT32 : DataType::kFLOAT;
    }
    std::int32_t getNbOptimizationProfiles() const noexcept { return static_cast<std::int32_t>(stand_in::tensorrt.profiles.size()); }
    Dims getProfileShape(const char*, std::int32_t profile, OptProfileSelector which) const noexcept {
        const auto& batches = stand_in::tensorrt.profiles.at(static_cast<std::size_t>(profile));
        return {2, {batches.at(static_cast<std::size_t>(which)), stand_in::VALUES}};
    }
    IExecutionContext* createExecutionContext() noexcept { return new IExecutionContext(*this); }
    std::int32_t getBindingIndex(const char* name) const noexcept {
        const std::string all[] = {"x", "features", "y"};
        return static_cast<std::int32_t>(std::find(std::begin(all), std::end(all), name) - std::begin(all));
    }
    std::int32_t getNbBindings() const noexcept { return 3 * getNbOptimizationProfiles(); }

    ILogger& logger;
    std::multiset<int> taken;  // profiles, by contexts
};

inline IExecutionContext::IExecutionContext(ICudaEngine& engine) : engine_(engine) {
    if (NV_TENSORRT_MAJOR >= 10 || engine.taken.count(0) == 0) {
        engine.taken.insert(profile_ = 0);
    } else {
        engine.logger.log(ILogger::Severity::kERROR, "Profile 0 has been chosen by another IExecutionContext.");
    }
}

inline IExecutionContext::~IExecutionContext() {
    if (profile_ >= 0) {
        engine_.taken.erase(engine_.taken.find(profile_));
    }
}

inline bool IExecutionContext::failed(const char* why) noexcept {
    engine_.logger.log(ILogger::Severity::kERROR, why);
    return false;
}

inline bool IExecutionContext::setOptimizationProfileAsync(std::int32_t profile, cudaStream_t) noexcept {
    if (NV_TENSORRT_MAJOR < 10 && engine_.taken.count(profile) > 0) {
        return failed("the profile has been chosen by another context");
    }
    if (profile_ >= 0) {
        engine_.taken.erase(engine_.taken.find(profile_));
    }
    engine_.taken.insert(profile_ = profile);
    stand_in::tensorrt.chosen.push_back(profile);
    batch_ = 0;
    addresses_.clear();
    return true;
}

inline bool IExecutionContext::setInputShape(const char*, const Dims& dims) noexcept {
    if (profile_ < 0) {
        return failed("no profile was chosen");
    }
    const auto& [smallest, best, largest] = stand_in::tensorrt.profiles.at(static_cast<std::size_t>(profile_));
    static_cast<void>(best);
    if (dims.d[0] < smallest || dims.d[0] > largest) {
        return failed("the shape is outside the profile");
    }
    batch_ = static_cast<int>(dims.d[0]);
    fresh_ = true;
    return true;
}

inline bool IExecutionContext::setBindingDimensions(std::int32_t index, const Dims& dims) noexcept {
    return index == 0 && setInputShape("x", dims);
}

inline bool IExecutionContext::setTensorAddress(const char* name, void* memory) noexcept {
    addresses_[name] = memory;
    return true;
}

inline bool IExecutionContext::enqueueV3(cudaStream_t stream) noexcept {
    stand_in::TensorRT& all = stand_in::tensorrt;
    const int images = batch();
    if (profile_ < 0 && all.profiles.size() > 1) {
        return failed("Assertion mOptimizationProfile >= 0 failed.");  // 8.5.3.1, also where all profiles are of one batch
    }
    if (images == 0 || addresses_.size() != 3) {
        return failed("shapes or addresses are missing");
    }
    if (fresh_ && stream->capturing) {
        return failed("the first call for a shape cannot be captured");
    }
    fresh_ = false;
    ++all.enqueued;
    if (all.fail_at > 0 && --all.fail_at == 0) {
        return failed("a kernel did not start");
    }
    stream->work.push_back([=, x = static_cast<float*>(addresses_["x"]), other = addresses_["features"], y = addresses_["y"]] {
        std::memset(other, 0, static_cast<std::size_t>(images * stand_in::VALUES) * sizeof(float));
        for (int i = 0; i < images && !stand_in::tensorrt.silent; ++i) {
            float* const row = x + i * stand_in::VALUES;
            if (stand_in::tensorrt.classes) {
                static_cast<std::int32_t*>(y)[i] = static_cast<std::int32_t>(std::max_element(row, row + stand_in::VALUES) - row);
            } else {
                std::copy_n(row, stand_in::VALUES, static_cast<float*>(y) + i * stand_in::VALUES);
            }
        }
        return cudaSuccess;
    });
    return true;
}

inline bool IExecutionContext::executeV2(void* const* bindings) noexcept {
    addresses_ = {{"x", bindings[0]}, {"features", bindings[1]}, {"y", bindings[2]}};
    CUstream_st now;
    return enqueueV3(&now) && cudaStreamSynchronize(&now) == cudaSuccess;
}

class IRuntime {
public:
    explicit IRuntime(ILogger& logger) : logger_(logger) {}
    ICudaEngine* deserializeCudaEngine(const void*, std::size_t) noexcept { return new ICudaEngine(logger_); }

private:
    ILogger& logger_;
};

inline IRuntime* createInferRuntime(ILogger& logger) { return new IRuntime(logger); }

}  // namespace nvinfer1

inline std::int32_t getInferLibVersion() {
    return NV_TENSORRT_MAJOR < 10 ? NV_TENSORRT_MAJOR * 1000 + 503 : NV_TENSORRT_MAJOR * 10000 + 503;
}
