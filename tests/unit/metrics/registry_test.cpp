#include "proxy/metrics/registry.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>
#include <thread>

namespace usher::metrics {
namespace {

using std::chrono::milliseconds;

// What `promtool check metrics` says of the text; "" is no complaint.
std::string promtool_complaints(const std::string& text) {
  // ctest runs each test in a process of its own, several at a time.
  const std::string path =
      ::testing::TempDir() + "/usher_registry_" + std::to_string(::getpid()) + ".prom";
  std::ofstream(path) << text;
  FILE* pipe = ::popen(("promtool check metrics <" + path + " 2>&1").c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    output += static_cast<char>(c);
  }
  const int status = ::pclose(pipe);
  std::remove(path.c_str());
  EXPECT_EQ(status == 0, output.empty());
  return output;
}

Registry::Labels some_labels(const Spec& spec) {
  Registry::Labels labels;
  for (std::string_view name : spec.labels) {
    if (!name.empty()) {
      labels.push_back("some " + std::string(name));
    }
  }
  return labels;
}

TEST(Registry, EmptyRegistryExposesNothing) {
  Registry registry;
  Registry::Group group = registry.group();
  EXPECT_EQ(registry.text(), "");
  EXPECT_EQ(promtool_complaints(registry.text()), "");
}

TEST(Registry, EveryMetricOfTheTablePassesPromtool) {
  Registry registry;
  Registry::Group group = registry.group();
  Cell cell;
  LatencyHistogram histogram;
  histogram.observe(milliseconds(3));
  for (const Spec* spec : kSpecs) {
    if (spec->kind == Kind::kHistogram) {
      group.add(*spec, some_labels(*spec), histogram);
    } else {
      group.add(*spec, some_labels(*spec), cell);
    }
  }
  EXPECT_EQ(promtool_complaints(registry.text()), "");
  const auto families = registry.Collect();
  ASSERT_EQ(families.size(), kSpecs.size());
  for (std::size_t i = 0; i < kSpecs.size(); ++i) {
    EXPECT_EQ(families[i].name, kSpecs[i]->name);
  }
}

TEST(Registry, UsedCellsAppearWhenTheyAreUsed) {
  Registry registry;
  Registry::Group group = registry.group();
  std::array<Cell, 500> workers[2];
  for (const auto& cells : workers) {
    group.add_used(kHttpRequests, {"main"}, cells,
                   [](std::size_t index) { return std::to_string(100 + index); });
  }
  EXPECT_TRUE(registry.Collect().empty());
  workers[0][104].add(2);
  workers[1][104].add(3);
  workers[1][499].add();
  const auto families = registry.Collect();
  ASSERT_EQ(families.size(), 1U);
  ASSERT_EQ(families[0].metric.size(), 2U);
  const auto& ok = families[0].metric[0];
  EXPECT_EQ(ok.label.back().name, "code");
  EXPECT_EQ(ok.label.back().value, "204");
  EXPECT_EQ(ok.counter.value, 5);
  EXPECT_EQ(families[0].metric[1].label.back().value, "599");
  EXPECT_EQ(promtool_complaints(registry.text()), "");
}

TEST(Registry, PromtoolCheckCanFail) {
  EXPECT_NE(promtool_complaints("# TYPE usher_x counter\nusher_x 1\n"), "");
}

TEST(Registry, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const Spec* spec : kSpecs) {
    EXPECT_TRUE(names.insert(spec->name).second) << spec->name;
  }
}

TEST(Registry, RowsOfEqualLabelsAreSummed) {
  Registry registry;
  Registry::Group first = registry.group();
  Registry::Group second = registry.group();
  Cell a;
  Cell b;
  Cell other;
  a.add(2);
  b.add(40);
  other.set(7);
  first.add(kConnectionsTotal, {"web"}, a);
  second.add(kConnectionsTotal, {"web"}, b);
  second.add(kConnectionsTotal, {"api"}, other);
  EXPECT_EQ(registry.text(),
            "# HELP usher_connections_total Accepted client connections.\n"
            "# TYPE usher_connections_total counter\n"
            "usher_connections_total{listener=\"api\"} 7\n"
            "usher_connections_total{listener=\"web\"} 42\n");
}

TEST(Registry, FunctionsAreAskedAtEachCollection) {
  Registry registry;
  Registry::Group group = registry.group();
  double age = 1.5;
  group.add(kTicketKeyAge, {"current"}, [&] { return age; });
  EXPECT_EQ(registry.Collect()[0].metric[0].gauge.value, 1.5);
  age = 3;
  EXPECT_EQ(registry.Collect()[0].metric[0].gauge.value, 3);
}

TEST(Registry, RowsGoWithTheirGroup) {
  Registry registry;
  Cell cell;
  Registry::Group kept = registry.group();
  kept.add(kTicketsIssued, {}, cell);
  {
    Registry::Group gone = registry.group();
    gone.add(kConnectionsTotal, {"web"}, cell);
    EXPECT_EQ(registry.Collect().size(), 2u);
  }
  EXPECT_EQ(registry.Collect().size(), 1u);
  kept = registry.group();
  EXPECT_EQ(registry.Collect().size(), 0u);
}

TEST(Registry, HistogramsAreCumulativeAndSummed) {
  Registry registry;
  Registry::Group group = registry.group();
  LatencyHistogram one;
  LatencyHistogram two;
  one.observe(milliseconds(1));  // a bound belongs to its bucket (le)
  one.observe(std::chrono::hours(1));
  two.observe(milliseconds(4));
  two.observe(milliseconds(-4));  // a clock that went back counts as no time
  group.add(kBackendConnectSeconds, {"web"}, one);
  group.add(kBackendConnectSeconds, {"web"}, two);
  const auto families = registry.Collect();
  const auto& histogram = families[0].metric[0].histogram;
  ASSERT_EQ(histogram.bucket.size(), kLatencyBounds.size() + 1);
  EXPECT_EQ(histogram.bucket[0].cumulative_count, 1u);
  EXPECT_EQ(histogram.bucket[2].cumulative_count, 1u);   // 0.5 ms
  EXPECT_EQ(histogram.bucket[3].cumulative_count, 2u);   // 1 ms
  EXPECT_EQ(histogram.bucket[5].cumulative_count, 3u);   // 5 ms
  EXPECT_EQ(histogram.bucket[14].cumulative_count, 3u);  // 10 s
  EXPECT_EQ(histogram.bucket[15].cumulative_count, 4u);
  EXPECT_TRUE(std::isinf(histogram.bucket[15].upper_bound));
  EXPECT_EQ(histogram.sample_count, 4u);
  EXPECT_NEAR(histogram.sample_sum, 3600.005, 1e-9);
  EXPECT_EQ(promtool_complaints(registry.text()), "");
}

TEST(Registry, StrangeLabelValuesStayOnTheirLine) {
  Registry registry;
  Registry::Group group = registry.group();
  Cell cell;
  group.add(kCertificateNotAfter, {"web\"\n\\", "\xff*.example"}, cell);
  EXPECT_EQ(registry.Collect()[0].metric[0].label[1].value, "\\u00ff*.example");
  EXPECT_EQ(promtool_complaints(registry.text()), "");
}

TEST(Registry, CellsAreReadWhileTheirThreadWrites) {
  Registry registry;
  Registry::Group group = registry.group();
  Cell cell;
  LatencyHistogram histogram;
  group.add(kConnectionsTotal, {"web"}, cell);
  group.add(kBackendConnectSeconds, {"web"}, histogram);
  std::thread writer([&] {
    for (int i = 0; i < 20'000; ++i) {
      cell.add();
      histogram.observe(milliseconds(i % 100));
    }
  });
  for (int i = 0; i < 50; ++i) {
    const auto families = registry.Collect();
    const auto& seen = families[1].metric[0].histogram;
    EXPECT_EQ(seen.sample_count, seen.bucket.back().cumulative_count);
  }
  writer.join();
  EXPECT_EQ(registry.Collect()[0].metric[0].counter.value, 20'000);
}

TEST(RegistryDeathTest, WrongLabelsAreAProgrammingError) {
  Registry registry;
  Registry::Group group = registry.group();
  Cell cell;
  EXPECT_DEATH(group.add(kConnectionsTotal, {}, cell), "labels.size");
}

}  // namespace
}  // namespace usher::metrics
