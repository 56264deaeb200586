#include "files.hpp"

#include "check.hpp"
#include "scratch.hpp"

namespace {

void write(const report::Path& path, const std::string& bytes) {
    report::NewFile file(path);
    file.write(bytes);
    file.keep();
}

std::string text_of(const report::Path& path) {
    const std::vector<char> bytes = report::read_file(path);
    return {bytes.begin(), bytes.end()};
}

std::size_t files_in(const report::Path& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

}  // namespace

TEST(files_are_written_whole_or_not_at_all) {
    const auto folder = scratch::folder() / "written";
    std::filesystem::create_directory(folder);
    const auto path = folder / "out.csv";
    write(path, "one");
    write(path, "two");
    CHECK(text_of(path) == "two");
    {
        report::NewFile left(path);
        left.write("three");
    }
    CHECK(text_of(path) == "two" && files_in(folder) == 1);
}

TEST(what_cannot_be_written_is_told) {
    CHECK_ERROR("out.csv: cannot be written", report::NewFile(scratch::folder() / "none" / "out.csv"));
    CHECK_ERROR("cannot be written", write(scratch::folder(), "x"));
    CHECK(!std::filesystem::exists(scratch::folder().string() + ".part"));
}
