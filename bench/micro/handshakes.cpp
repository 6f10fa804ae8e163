#include <benchmark/benchmark.h>
#include <openssl/ssl.h>

#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "bench/micro/lock_count.h"
#include "bench/micro/memory_handshake.h"
#include "proxy/base/check.h"

// Handshakes in memory by one and by two workers: how well two of them share a process (DESIGN
// §1.3), and how many operations they make on locks that both use.
namespace {

using namespace usher;

constexpr std::size_t kWorkers = 2;

constexpr bench::Scenario kScenarios[] = {
    {"tls13_full", TLS1_3_VERSION, false, false},
    {"tls13_ticket", TLS1_3_VERSION, false, true},
    {"tls12_full", TLS1_2_VERSION, false, false},
    {"tls12_ticket", TLS1_2_VERSION, false, true},
    {"tls13_full_client_certificate", TLS1_3_VERSION, true, false},
    {"tls13_ticket_client_certificate", TLS1_3_VERSION, true, true},
    {"tls12_full_client_certificate", TLS1_2_VERSION, true, false},
    {"tls12_ticket_client_certificate", TLS1_2_VERSION, true, true},
};

double wanted_ratio(const bench::Scenario& scenario) {
  return scenario.client_certificate ? 1.85 : 1.9;
}

struct Process {
  bench::Site site = bench::Site::make();
  std::array<std::unique_ptr<tls::LibraryContext>, kWorkers> libraries;
};

Process& process() {
  static Process instance;
  return instance;
}

void run_handshakes(benchmark::State& state, const bench::Scenario& scenario) {
  const auto& library = *process().libraries[static_cast<std::size_t>(state.thread_index())];
  const tls::LibraryContext::ThreadDefault own(library);
  bench::MemoryHandshake handshake(library, process().site, scenario);
  while (state.KeepRunning()) {
    handshake.run();
  }
  state.SetItemsProcessed(state.iterations());
}

struct Locks {
  double all;
  double shared;
};

// Per handshake, after a first few that fill OpenSSL's caches.
Locks count_locks(const bench::Scenario& scenario) {
  constexpr int kHandshakes = 200;
  std::array<bench::LockCounts, kWorkers> counts;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    threads.emplace_back([&, i] {
      const auto& library = *process().libraries[i];
      const tls::LibraryContext::ThreadDefault own(library);
      bench::MemoryHandshake handshake(library, process().site, scenario);
      for (int n = 0; n < 10; ++n) {
        handshake.run();
      }
      const bench::LockCounting counting(counts[i]);
      for (int n = 0; n < kHandshakes; ++n) {
        handshake.run();
      }
    });
  }
  threads.clear();  // joins
  double all = 0;
  for (const auto& of_worker : counts) {
    for (const auto& [lock, operations] : of_worker) {
      all += static_cast<double>(operations);
    }
  }
  const auto shared = static_cast<double>(bench::shared_operations(counts[0], counts[1]));
  return {all / (kWorkers * kHandshakes), shared / (kWorkers * kHandshakes)};
}

// Keeps handshakes per second of each run, medians where there are repetitions.
class Rates : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const bool single = run.run_type == Run::RT_Iteration && run.repetitions <= 1;
      if (single || run.aggregate_name == "median") {
        rates_[run.run_name.function_name][static_cast<int>(run.threads)] =
            run.counters.at("items_per_second");
      }
    }
    ConsoleReporter::ReportRuns(runs);
  }

  double ratio(const std::string& name) const {
    const auto found = rates_.find(name);
    if (found == rates_.end() || !found->second.contains(1) || !found->second.contains(2)) {
      return 0;  // left out by --benchmark_filter
    }
    return found->second.at(2) / found->second.at(1);
  }

 private:
  std::map<std::string, std::map<int, double>> rates_;
};

void print_summary(const Rates& rates) {
  std::printf("\n%-34s %12s %8s %14s %14s\n", "handshake", "two / one", "wanted", "lock ops each",
              "on shared ones");
  for (const bench::Scenario& scenario : kScenarios) {
    if (const double ratio = rates.ratio(scenario.name); ratio > 0) {
      const Locks locks = count_locks(scenario);
      std::printf("%-34s %12.2f %8.2f %14.1f %14.2f\n", scenario.name, ratio,
                  wanted_ratio(scenario), locks.all, locks.shared);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  for (auto& library : process().libraries) {  // on this thread, one after another (DESIGN §3)
    auto made = tls::LibraryContext::create();
    CHECK(made);
    library = *std::move(made);
  }
  for (const bench::Scenario& scenario : kScenarios) {
    benchmark::RegisterBenchmark(
        scenario.name, [&scenario](benchmark::State& state) { run_handshakes(state, scenario); })
        ->Threads(1)
        ->Threads(2)
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
  }
  Rates rates;
  benchmark::RunSpecifiedBenchmarks(&rates);
  print_summary(rates);
  return 0;
}
