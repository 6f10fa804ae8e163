#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "proxy/metrics/cell.h"
#include "proxy/metrics/names.h"

namespace usher::metrics {

// Knows every exposed cell and sums those of equal name and labels (one per worker) when asked.
// Thread: main registers and collects; cells are written by their workers meanwhile.
// Owner: the server; outlives its Groups. Cells outlive the Group that registered them.
class Registry : public prometheus::Collectable {
 public:
  using Labels = std::vector<std::string>;  // values in the order of Spec::labels

  // Rows that come and go together (a generation's certificates); destroying it removes them.
  class Group {
   public:
    Group(Group&&) noexcept;
    Group& operator=(Group&&) noexcept;
    ~Group();

    // `spec` is one of kSpecs; as many labels as it has. Bytes other than printable ASCII in a
    // label's value are shown as \u00XX: certificate names are not ours, and one bad byte would
    // spoil the scrape.
    void add(const Spec& spec, Labels labels, const Cell& cell);
    void add(const Spec& spec, Labels labels, const LatencyHistogram& histogram);
    void add(const Spec& spec, Labels labels, std::function<double()> value);  // called on main
    // One row per cell, told apart by the last label, which `labels` leaves out; each appears when
    // its cell is no longer 0: for values that are many and mostly unused. `last_label` gives it
    // for an index into `cells`.
    void add_used(const Spec& spec, Labels labels, std::span<const Cell> cells,
                  std::string (*last_label)(std::size_t index));

   private:
    friend class Registry;
    struct Rows;
    explicit Group(std::shared_ptr<Rows> rows);
    std::shared_ptr<Rows> rows_;
  };

  Registry();
  ~Registry() override;

  Group group();
  // Families with rows only, in the order of kSpecs, rows in the order of their labels.
  std::vector<prometheus::MetricFamily> Collect() const override;
  std::string text() const;  // exposition format, for /metrics

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace usher::metrics
