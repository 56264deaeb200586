#include "execution.hpp"

#include "error.hpp"

#if NV_TENSORRT_MAJOR < 10
#define REPORT_LEGACY_API 1
#else
#define REPORT_LEGACY_API 0
#endif

namespace report {
namespace {

void need(bool succeeded, const Engine& engine, const char* call) {
    if (!succeeded) {
        throw Error(engine.logger().explain(call));
    }
}

class NamedTensors : public Execution {
public:
    NamedTensors(const Engine& engine, float* input, float* output) : engine_(engine) {
        need(engine.context().setTensorAddress(engine.input().c_str(), input), engine, "setTensorAddress");
        need(engine.context().setTensorAddress(engine.output().c_str(), output), engine, "setTensorAddress");
    }

    void set_batch(std::size_t batch) override {
        need(engine_.context().setInputShape(engine_.input().c_str(), engine_.input_shape(batch)), engine_, "setInputShape");
    }

    void run(const cuda::Stream& stream) override { need(engine_.context().enqueueV3(stream.get()), engine_, "enqueueV3"); }

private:
    const Engine& engine_;
};

#if REPORT_LEGACY_API
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // the comparison with the old calls is what this class is for

class Bindings : public Execution {
public:
    Bindings(const Engine& engine, float* input, float* output)
        : engine_(engine),
          input_index_(index_of(engine.input())),
          pointers_(static_cast<std::size_t>(engine.cuda_engine().getNbBindings())) {
        pointers_.at(static_cast<std::size_t>(input_index_)) = input;
        pointers_.at(static_cast<std::size_t>(index_of(engine.output()))) = output;
    }

    void set_batch(std::size_t batch) override {
        need(engine_.context().setBindingDimensions(input_index_, engine_.input_shape(batch)), engine_, "setBindingDimensions");
    }

    // executeV2 takes no stream: what ours still copies must be there before.
    void run(const cuda::Stream& stream) override {
        stream.wait();
        need(engine_.context().executeV2(pointers_.data()), engine_, "executeV2");
    }

private:
    int index_of(const std::string& name) const {
        const int index = engine_.cuda_engine().getBindingIndex(name.c_str());
        need(index >= 0, engine_, "getBindingIndex");
        return index;
    }

    const Engine& engine_;
    int input_index_;
    std::vector<void*> pointers_;
};

#pragma GCC diagnostic pop
#endif

}  // namespace

std::vector<std::string> apis() {
#if REPORT_LEGACY_API
    return {"enqueueV3", "executeV2"};
#else
    return {"enqueueV3"};
#endif
}

std::unique_ptr<Execution> make_execution(bool legacy, const Engine& engine, float* input, float* output) {
#if REPORT_LEGACY_API
    if (legacy) {
        return std::make_unique<Bindings>(engine, input, output);
    }
#else
    if (legacy) {
        throw Error("this TensorRT has no binding calls; use --api enqueueV3");
    }
#endif
    return std::make_unique<NamedTensors>(engine, input, output);
}

}  // namespace report
