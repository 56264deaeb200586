#include "version.hpp"

#include "check.hpp"

TEST(a_version_is_read_off_the_number_of_the_library) {
    CHECK(report::version_text(8503) == "8.5.3" && report::version_text(8601) == "8.6.1" && report::version_text(8016) == "8.0.16");
    CHECK(report::version_text(100600) == "10.6.0" && report::version_text(101303) == "10.13.3" && report::version_text(110000) == "11.0.0");
}
