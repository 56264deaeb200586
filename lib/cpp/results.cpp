#include "results.hpp"

#include <algorithm>
#include <cmath>

namespace report {
namespace {

constexpr std::size_t NPY_ALIGNMENT = 64;

std::string npy_header(const std::string& type, const Shape& shape) {
    std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape_text(shape) + ", }";
    const std::size_t before = 10;  // the magic string, version 1.0, two bytes of length
    header.append(NPY_ALIGNMENT - (before + header.size() + 1) % NPY_ALIGNMENT, ' ');
    header += '\n';
    std::string start = "\x93NUMPY\x01";
    start += {'\0', static_cast<char>(header.size() % 256), static_cast<char>(header.size() / 256)};
    return start + header;
}

std::string csv_header(std::size_t classes) {
    std::string line = "sample_id,class";
    for (std::size_t c = 0; c < classes; ++c) {
        line += ",probability_" + std::to_string(c);
    }
    return line + '\n';
}

// In float64, of differences from the largest, so that nothing overflows.
void softmax(float* row, float* end) {
    const double largest = static_cast<double>(*std::max_element(row, end));
    double sum = 0;
    std::for_each(row, end, [&](float value) { sum += std::exp(static_cast<double>(value) - largest); });
    std::transform(row, end, row, [&](float value) { return static_cast<float>(std::exp(static_cast<double>(value) - largest) / sum); });
}

std::string csv_line(std::int64_t id, float* row, float* end, Outputs outputs) {
    std::string line = std::to_string(id) + ',';
    if (outputs == Outputs::classes) {
        return line + number(*row) + '\n';
    }
    line += std::to_string(std::max_element(row, end) - row);
    if (outputs == Outputs::logits) {
        softmax(row, end);
    }
    for (; row != end; ++row) {
        line += ',' + number(*row);
    }
    return line + '\n';
}

template <typename Value>
std::string_view bytes_of(const std::vector<Value>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

}  // namespace

void write_results(const Path& path, Inference& engine, Samples& samples, std::size_t batch, Outputs outputs) {
    const bool npy = path.extension() == ".npy";
    const bool classes = outputs == Outputs::classes;
    const std::size_t each = values_in(engine.row().shape);
    const std::string npy_start = classes ? npy_header("<i4", {samples.count()}) : npy_header("<f4", {samples.count(), each});
    NewFile file(path);
    file.write(npy ? npy_start : csv_header(classes ? 0 : each));
    predict(engine, samples, batch, outputs, [&](std::size_t first, std::vector<float>& rows) {
        if (npy) {
            file.write(classes ? bytes_of(std::vector<std::int32_t>(rows.begin(), rows.end())) : bytes_of(rows));
            return;
        }
        for (std::size_t i = 0; i < rows.size() / each; ++i) {
            float* const row = rows.data() + i * each;
            file.write(csv_line(samples.id(first + i), row, row + each, outputs));
        }
    });
    file.keep();
}

}  // namespace report
