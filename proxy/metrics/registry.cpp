#include "proxy/metrics/registry.h"

#include <fmt/format.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>
#include <utility>
#include <variant>

#include "proxy/base/check.h"

namespace usher::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct ManyCells {
  std::span<const Cell> cells;
  std::string (*last_label)(std::size_t index);
};

using Source =
    std::variant<const Cell*, const LatencyHistogram*, std::function<double()>, ManyCells>;

struct Row {
  std::size_t family;  // index into kSpecs
  Registry::Labels labels;
  Source source;
};

// Rows of equal name and labels; ordered as they are shown.
using Sums = std::map<std::pair<std::size_t, Registry::Labels>, ClientMetric>;

std::size_t index_of(const Spec& spec) {
  const auto found = std::find_if(kSpecs.begin(), kSpecs.end(),
                                  [&](const Spec* known) { return known->name == spec.name; });
  CHECK(found != kSpecs.end());
  return static_cast<std::size_t>(found - kSpecs.begin());
}

std::size_t label_count(const Spec& spec) {
  return static_cast<std::size_t>(std::count_if(
      spec.labels.begin(), spec.labels.end(), [](std::string_view name) { return !name.empty(); }));
}

std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c >= 0x20 && c < 0x7f) {
      result += c;
    } else {
      result += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

MetricType type_of(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return MetricType::Counter;
    case Kind::kGauge:
      return MetricType::Gauge;
    case Kind::kHistogram:
      return MetricType::Histogram;
  }
  return MetricType::Untyped;
}

void add_histogram(ClientMetric::Histogram& sum, const LatencyHistogram& histogram) {
  sum.bucket.resize(kLatencyBounds.size() + 1);
  // Counted from the buckets as read here: the writer goes on meanwhile, and the parts must agree.
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < sum.bucket.size(); ++i) {
    cumulative += histogram.bucket(i).value();
    sum.bucket[i].cumulative_count += cumulative;
    sum.bucket[i].upper_bound =
        i < kLatencyBounds.size() ? kLatencyBounds[i] : std::numeric_limits<double>::infinity();
  }
  sum.sample_count += cumulative;
  sum.sample_sum += histogram.sum_seconds();
}

void add_value(Sums& sums, std::size_t family, const Registry::Labels& labels, double value) {
  ClientMetric& sum = sums[{family, labels}];
  if (kSpecs[family]->kind == Kind::kCounter) {
    sum.counter.value += value;
  } else {
    sum.gauge.value += value;
  }
}

void add_used_cells(Sums& sums, const Row& row, const ManyCells& many) {
  for (std::size_t i = 0; i < many.cells.size(); ++i) {
    if (const std::uint64_t value = many.cells[i].value(); value > 0) {
      Registry::Labels labels = row.labels;
      labels.push_back(many.last_label(i));
      add_value(sums, row.family, labels, static_cast<double>(value));
    }
  }
}

void add_row(Sums& sums, const Row& row) {
  if (const auto* histogram = std::get_if<const LatencyHistogram*>(&row.source)) {
    add_histogram(sums[{row.family, row.labels}].histogram, **histogram);
  } else if (const auto* many = std::get_if<ManyCells>(&row.source)) {
    add_used_cells(sums, row, *many);
  } else if (const auto* cell = std::get_if<const Cell*>(&row.source)) {
    add_value(sums, row.family, row.labels, static_cast<double>((*cell)->value()));
  } else {
    add_value(sums, row.family, row.labels, std::get<std::function<double()>>(row.source)());
  }
}

}  // namespace

struct Registry::Group::Rows {
  std::vector<Row> rows;

  void add(const Spec& spec, Labels labels, Source source) {
    const bool is_last_left_out = std::holds_alternative<ManyCells>(source);
    CHECK(labels.size() + (is_last_left_out ? 1 : 0) == label_count(spec));
    CHECK((spec.kind == Kind::kHistogram) ==
          std::holds_alternative<const LatencyHistogram*>(source));
    for (std::string& label : labels) {
      label = printable(label);
    }
    rows.push_back({index_of(spec), std::move(labels), std::move(source)});
  }
};

struct Registry::State {
  // Owned by their Groups; one that died is dropped at the next look.
  std::vector<std::weak_ptr<Group::Rows>> groups;
};

Registry::Group::Group(std::shared_ptr<Rows> rows) : rows_(std::move(rows)) {}
Registry::Group::Group(Group&&) noexcept = default;
Registry::Group& Registry::Group::operator=(Group&&) noexcept = default;
Registry::Group::~Group() = default;

void Registry::Group::add(const Spec& spec, Labels labels, const Cell& cell) {
  rows_->add(spec, std::move(labels), &cell);
}

void Registry::Group::add(const Spec& spec, Labels labels, const LatencyHistogram& histogram) {
  rows_->add(spec, std::move(labels), &histogram);
}

void Registry::Group::add(const Spec& spec, Labels labels, std::function<double()> value) {
  rows_->add(spec, std::move(labels), std::move(value));
}

void Registry::Group::add_used(const Spec& spec, Labels labels, std::span<const Cell> cells,
                               std::string (*last_label)(std::size_t index)) {
  rows_->add(spec, std::move(labels), ManyCells{cells, last_label});
}

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

Registry::Group Registry::group() {
  std::erase_if(state_->groups, [](const auto& group) { return group.expired(); });
  auto rows = std::make_shared<Group::Rows>();
  state_->groups.push_back(rows);
  return Group(std::move(rows));
}

std::vector<MetricFamily> Registry::Collect() const {
  Sums sums;
  for (const auto& group : state_->groups) {
    if (const auto rows = group.lock()) {
      for (const Row& row : rows->rows) {
        add_row(sums, row);
      }
    }
  }
  std::vector<MetricFamily> families;
  const Spec* last = nullptr;
  for (auto& [key, metric] : sums) {
    const Spec& spec = *kSpecs[key.first];
    if (&spec != last) {
      families.push_back({std::string(spec.name), std::string(spec.help), type_of(spec.kind), {}});
      last = &spec;
    }
    for (std::size_t i = 0; i < key.second.size(); ++i) {
      metric.label.push_back({std::string(spec.labels[i]), key.second[i]});
    }
    families.back().metric.push_back(std::move(metric));
  }
  return families;
}

std::string Registry::text() const {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, Collect());
  return std::move(text).str();
}

}  // namespace usher::metrics
