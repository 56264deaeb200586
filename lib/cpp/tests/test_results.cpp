#include "results.hpp"

#include "check.hpp"
#include "fake.hpp"
#include "memory.hpp"
#include "scratch.hpp"

using report::Outputs;

namespace {

const report::Tensor IMAGE{report::Type::float32, {fake::CLASSES}};

// What is written of images with these values, which are the answers.
report::Path write(const std::string& name, const std::vector<float>& values, Outputs outputs, const std::string& what = "") {
    fake::Engine engine(IMAGE, what);
    engine.logits = true;
    memory::Images samples(values.size() / fake::CLASSES, IMAGE.shape, values);
    const report::Path path = scratch::folder() / name;
    report::write_results(path, engine, samples, 2, outputs);
    return path;
}

std::string text_of(const report::Path& path) {
    const std::vector<char> bytes = report::read_file(path);
    return {bytes.begin(), bytes.end()};
}

const std::string HEADER = "sample_id,class,probability_0,probability_1,probability_2,probability_3,probability_4,probability_5,"
                           "probability_6,probability_7,probability_8,probability_9\n";

}  // namespace

TEST(writes_class_and_probabilities) {
    const std::vector<float> values{0.25F, 0.5F, 0.25F, 0, 0, 0, 0, 0, 0, 0, 0, 0.4F, 0.2F, 0.4F, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    CHECK(text_of(write("p.csv", values, Outputs::probabilities)) == HEADER + "0,1,0.25,0.5,0.25,0,0,0,0,0,0,0\n"
                                                                              "1,1,0,0.400000006,0.200000003,0.400000006,0,0,0,0,0,0\n"
                                                                              "2,0,1,0,0,0,0,0,0,0,0,0\n");
}

TEST(a_csv_of_logits_has_their_softmax) {
    const std::vector<float> values{1000, 1000, -1000, 0, 0, 0, 0, 0, 0, 0, -3, -3, -3, -3, -3, -3, -3, -3, -3, -3};
    CHECK(text_of(write("z.csv", values, Outputs::logits)) == HEADER + "0,0,0.5,0.5,0,0,0,0,0,0,0,0\n"
                                                                       "1,0,0.100000001,0.100000001,0.100000001,0.100000001,0.100000001,"
                                                                       "0.100000001,0.100000001,0.100000001,0.100000001,0.100000001\n");
}

TEST(writes_what_npy_readers_read) {
    std::vector<float> values(5 * fake::CLASSES);
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(i) / 3 - 1e-45F;
    }
    const report::Path path = write("z.npy", values, Outputs::logits);
    CHECK((std::filesystem::file_size(path) - values.size() * sizeof(float)) % 64 == 0);
    const auto back = report::open_npy(path);
    CHECK(memory::values_of(*back) == values && back->image().text() == "float32 (10,)");
}

TEST(classes_are_written_as_they_are) {
    fake::Engine engine(IMAGE);
    engine.give_classes();
    std::vector<float> values(3 * fake::CLASSES, 0.0F);
    values[7] = values[fake::CLASSES] = values.back() = 1;
    memory::Images samples(3, IMAGE.shape, values);
    report::write_results(scratch::folder() / "c.csv", engine, samples, 2, Outputs::classes);
    CHECK(text_of(scratch::folder() / "c.csv") == "sample_id,class\n0,7\n1,0\n2,9\n");
    report::write_results(scratch::folder() / "c.npy", engine, samples, 2, Outputs::classes);
    const std::string npy = text_of(scratch::folder() / "c.npy");
    CHECK(npy.find("{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }") == 10 && npy.size() % 64 == 12);
    const std::string data = npy.substr(npy.size() - 12);
    CHECK(data == std::string("\7\0\0\0\0\0\0\0\11\0\0\0", 12));
}

TEST(what_fails_leaves_no_file) {
    const std::vector<float> values(3 * fake::CLASSES, 0.1F);
    write("kept.npy", values, Outputs::probabilities);
    const std::string before = text_of(scratch::folder() / "kept.npy");
    CHECK_WRONG_OUTPUT("p[0]: NaN", write("kept.npy", values, Outputs::probabilities, "wrong"));
    CHECK_ERROR("enqueueV3: failed", write("none.csv", values, Outputs::probabilities, "fails"));
    CHECK(text_of(scratch::folder() / "kept.npy") == before);
    CHECK(!std::filesystem::exists(scratch::folder() / "kept.npy.part") && !std::filesystem::exists(scratch::folder() / "none.csv"));
    CHECK_ERROR("cannot be written", write("no folder/p.npy", values, Outputs::probabilities));
}
