// Compares what Segue computes with published results, figure by figure.
//
//   published [DATA]      DATA is the folder with rfm_orders/, online_retail/ and cdnow/;
//   ../shared/data when not given
//
// Each data set has a workspace beside this file, written in the language; its facts come in
// through its CSV source, and its models run their first slot on the day of the publication. Prints
// one line per figure; ends with 1 when any of them differs, and with 2 when it could not compare.

#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "config/load.h"
#include "ledger/columns.h"
#include "ledger/ledger.h"
#include "published/cdnow.h"
#include "segments/score.h"
#include "segments/segments.h"
#include "sources/source.h"
#include "store/database.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

[[noreturn]] void Fail(const std::string& what) {
  throw std::runtime_error(what);
}

// A line without its end, whichever of the two usual ones it has.
bool ReadLine(std::istream& in, std::string& line) {
  if (!std::getline(in, line)) {
    return false;
  }
  if (line.ends_with('\r')) {
    line.pop_back();
  }
  return true;
}

// Published tables: no quotes, no commas inside.
using Row = std::map<std::string, std::string>;

std::vector<Row> ReadTable(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    Fail("cannot read " + path);
  }
  std::string line;
  ReadLine(in, line);
  const std::string header = line;
  const std::vector<std::string_view> names = Split(header, ',');
  std::vector<Row> rows;
  while (ReadLine(in, line)) {
    const std::vector<std::string_view> cells = Split(line, ',');
    if (cells.size() != names.size()) {
      Fail(path + ": a row has other columns than the header");
    }
    Row row;
    for (std::size_t i = 0; i < names.size(); ++i) {
      row.emplace(names[i], cells[i]);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// One line per figure, and how many of them differ.
class Comparison {
 public:
  void Text(const std::string& set, const std::string& quantity, const std::string& published,
            const std::string& computed, const std::string& note = "") {
    const bool ok = published == computed;
    ++all_;
    differ_ += ok ? 0 : 1;
    fmt::print("{:<14} {:<52} {:>18} {:>18}  {}{}\n", set, quantity, published, computed,
               ok ? "ok" : "DIFFERS", note);
  }

  void Number(const std::string& set, const std::string& quantity, const std::string& published,
              double computed, double tolerance, const std::string& note = "") {
    const bool ok = std::fabs(std::stod(published) - computed) <= tolerance;
    ++all_;
    differ_ += ok ? 0 : 1;
    fmt::print("{:<14} {:<52} {:>18} {:>18}  {}{}\n", set, quantity, published,
               fmt::format("{:.10g}", computed), ok ? "ok" : "DIFFERS", note);
  }

  int all() const { return all_; }

  int differ() const { return differ_; }

 private:
  int all_ = 0, differ_ = 0;
};

// One workspace with its facts taken in, as of one moment.
class Bench final : public Population, public Inputs {
 public:
  Bench(const std::string& name, const std::string& inbox) {
    const std::string root = std::string(SEGUE_SOURCE_DIR) + "/tests/published/" + name;
    Diagnostics problems;
    std::vector<SourceFile> files = ReadWorkspaceFiles(root, problems);
    Loaded loaded = LoadWorkspace(std::move(files), std::make_shared<TextPool>());
    problems.insert(problems.end(), loaded.diagnostics.begin(), loaded.diagnostics.end());
    if (loaded.workspace == nullptr || HasErrors(problems)) {
      Fail(FormatDiagnostics(problems, loaded.files, false));
    }
    workspace_ = std::move(loaded.workspace);
    for (const Model& model : workspace_->models) {
      const Diagnostics found = LintModel(model, *workspace_);
      if (HasErrors(found)) {
        Fail(FormatDiagnostics(found, loaded.files, false));
      }
    }
    db_ = std::make_unique<Database>(Database::Open(state_ / "segue.db"));
    ledger_ = std::make_unique<Ledger>(*db_, workspace_->schema, *workspace_->pool);
    TakeIn(inbox);
  }

  // Runs the first slot of a model at `at`.
  void Run(const std::string& model, TimePoint at) {
    if (columns_ == nullptr || columns_->edge() != at) {
      columns_ = std::make_unique<Columns>(*ledger_, *db_, workspace_->schema, *workspace_->pool,
                                           workspace_->aggregates, at);
      columns_->Advance(at);
    }
    const std::optional<int> index = workspace_->FindModel(model);
    if (!index) {
      Fail("no model " + model);
    }
    model_ = &workspace_->models[static_cast<std::size_t>(*index)];
    segments_ = std::make_unique<Segments>(*db_, *workspace_, *index);
    segments_->RunSlot(*this, at, at);
  }

  CustomerIndex count() const override { return ledger_->customer_count(); }

  bool IsAlive(CustomerIndex customer) const override { return ledger_->IsAlive(customer); }

  const std::string& Key(CustomerIndex customer) const override {
    return ledger_->CustomerKey(customer);
  }

  const Inputs& inputs() const override { return *this; }

  std::optional<Cause> CauseSince(CustomerIndex /*customer*/) const override {
    return std::nullopt;
  }

  bool FirstFactWasLate(CustomerIndex /*customer*/) const override { return false; }

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override {
    if (leaf.kind != Leaf::Kind::kAggregate) {
      Fail("the published models read aggregates only, not " + leaf.name);
    }
    columns_->Read(leaf.index, first, out);
  }

  const Model& model() const { return *model_; }

  const Segments& segments() const { return *segments_; }

  std::optional<CustomerIndex> Find(const std::string& key) const {
    return ledger_->FindCustomer(key);
  }

  std::string SegmentName(CustomerIndex customer) const {
    const SegmentIndex segment = segments_->Get(customer).segment;
    return segment == kNoSegment ? "" : model_->segments[segment].name;
  }

  // Sums of the model's features, by the name of the segment.
  struct Sums {
    std::int64_t customers = 0;
    double recency = 0, frequency = 0, monetary = 0;  // Money in whole units of the currency.
  };

  std::map<std::string, Sums> Summary() const {
    std::map<std::string, Sums> sums;
    for (CustomerIndex customer = 0; customer < count(); ++customer) {
      const std::string name = SegmentName(customer);
      if (name.empty()) {
        continue;
      }
      const std::vector<double> features = segments_->Get(customer).features;
      Sums& sum = sums[name];
      ++sum.customers;
      sum.recency += features[0];
      sum.frequency += features[1];
      sum.monetary += features[2];
    }
    for (auto& [name, sum] : sums) {
      sum.monetary /= 100;
    }
    return sums;
  }

 private:
  void TakeIn(const std::string& inbox) {
    const auto files = MakeDiskReader(inbox);
    for (const Source& source : workspace_->sources) {
      std::string cursor;
      std::map<std::string, std::int64_t> bad;
      for (bool done = false; !done;) {
        Result<Batch> batch = PullCsv(source, *workspace_, *files, cursor, 50'000);
        if (!batch) {
          Fail(batch.error().message());
        }
        Transaction work(*db_);
        for (const Intake intake :
             ledger_->Append(batch->facts, source.id, FromMicros(0), source.late_events)) {
          if (intake != Intake::kNew) {
            ++bad["not new"];
          }
        }
        work.Commit();
        for (const BadRow& row : batch->bad) {
          ++bad[row.reason];
        }
        rows_ += batch->rows;
        cursor = batch->cursor;
        done = batch->done;
      }
      for (const auto& [reason, count] : bad) {
        fmt::print("# {}: {} rows: {}\n", workspace_->id, count, reason);
      }
      fmt::print("# {}: {} rows read\n", workspace_->id, rows_);
    }
  }

  TempDir state_;
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<Database> db_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Columns> columns_;
  std::unique_ptr<Segments> segments_;
  const Model* model_ = nullptr;
  std::int64_t rows_ = 0;
};

TimePoint Date(const std::string& text) {
  return ParseTime(text, Zone()).value();
}

std::string Whole(double value) {
  return fmt::format("{:.0f}", value);
}

void CompareRfmRows(const Bench& bench, const std::string& folder, Comparison& out) {
  const std::string set = "rfm_orders";
  for (const Row& row : ReadTable(folder + "/published_first_rows.csv")) {
    const std::string who = row.at("customer_id");
    const std::optional<CustomerIndex> customer = bench.Find(who);
    if (!customer) {
      Fail("no customer " + who);
    }
    const Membership got = bench.segments().Get(*customer);
    out.Text(set, who + ", recency", row.at("recency_days"), Whole(got.features[0]));
    out.Text(set, who + ", orders", row.at("transaction_count"), Whole(got.features[1]));
    out.Text(set, who + ", revenue", row.at("amount"), Whole(got.features[2] / 100));
    out.Text(set, who + ", recency score", row.at("recency_score"), Whole(got.scores[0]));
    out.Text(set, who + ", frequency score", row.at("frequency_score"), Whole(got.scores[1]));
    out.Text(set, who + ", monetary score", row.at("monetary_score"), Whole(got.scores[2]));
    out.Text(set, who + ", rfm score", row.at("rfm_score"),
             Whole(100 * got.scores[0] + 10 * got.scores[1] + got.scores[2]));
    out.Text(set, who + ", segment", row.at("segment"), bench.SegmentName(*customer));
  }
}

void CompareRfmOrders(const std::string& data, Comparison& out) {
  const std::string set = "rfm_orders";
  const std::string folder = data + "/rfm_orders";
  TempDir inbox;
  std::filesystem::create_directories(inbox / "inbox");
  std::filesystem::copy_file(folder + "/rfm_data_orders.csv", inbox / "inbox/rfm_data_orders.csv");
  Bench bench(set, inbox.path());
  bench.Run("rfm", Date("2006-12-31"));
  const std::map<std::string, std::vector<std::string>> lines = {
      {"r", {"115", "181", "297.4", "482"}},
      {"f", {"4", "5", "6", "8"}},
      {"m", {"255.8", "382", "506.4", "666"}}};
  for (const auto& [score, published] : lines) {
    for (std::size_t i = 0; i < published.size(); ++i) {
      const double line = bench.segments().lines().by_score.at(score)[i];
      out.Number(set, fmt::format("line {} of {}", i + 1, score), published[i],
                 score == "m" ? line / 100 : line, 1e-9);
    }
  }
  CompareRfmRows(bench, folder, out);
  const auto sums = bench.Summary();
  double orders = 0;
  std::int64_t named = 0, customers = 0;
  for (const auto& [name, sum] : sums) {
    orders += sum.frequency;
    customers += sum.customers;
  }
  for (const Row& row : ReadTable(folder + "/published_segment_summary.csv")) {
    const std::string& name = row.at("segment");
    const auto found = sums.find(name);
    const Bench::Sums sum = found == sums.end() ? Bench::Sums{} : found->second;
    named += sum.customers;
    out.Text(set, name + ", customers", row.at("customers"),
             Whole(static_cast<double>(sum.customers)));
    out.Text(set, name + ", orders", row.at("orders"), Whole(sum.frequency));
    out.Text(set, name + ", revenue", row.at("revenue"), Whole(sum.monetary));
    // Rounded to two decimals by the package, and then to three digits where it was printed.
    const std::string& printed = row.at("aov_as_printed");
    out.Number(set, name + ", average order", printed, sum.monetary / sum.frequency,
               (printed.ends_with('.') ? 0.5 : 0.05) + 0.005);
  }
  const auto others = sums.find("Others");
  out.Text(set, "all orders", "4906", Whole(orders));
  out.Text(set, "all customers", "995", Whole(static_cast<double>(customers)));
  out.Text(set, "Others, customers", Whole(static_cast<double>(995 - named)),
           Whole(others == sums.end() ? 0 : static_cast<double>(others->second.customers)));
  bench.Run("rfm_tests", Date("2006-12-31"));
  const Bench::Sums champions = bench.Summary().at("Champions");
  out.Text(set, "test rules: Champions, customers", "158",
           Whole(static_cast<double>(champions.customers)));
  out.Text(set, "test rules: Champions, orders", "1234", Whole(champions.frequency));
  out.Text(set, "test rules: Champions, revenue", "120178", Whole(champions.monetary));
}

// The file has no id of a line, and equal lines of one invoice are to be counted: a column says
// which line it is.
void NumberLines(const std::string& folder, const std::string& name, const std::string& to) {
  const auto files = MakeDiskReader(folder);
  std::ofstream out(to, std::ios::binary);
  std::uint64_t offset = 0;
  std::int64_t line = 0;
  std::string rest;
  while (true) {
    Result<std::string> part = files->Read(name, offset, std::size_t{1} << 20);
    if (!part) {
      Fail(part.error().message());
    }
    if (part->empty()) {
      break;
    }
    offset += part->size();
    rest += *part;
    std::size_t begin = 0;
    for (std::size_t end = rest.find('\n'); end != std::string::npos;
         end = rest.find('\n', begin)) {
      out << std::string_view(rest).substr(begin, end - begin);
      out << (line == 0 ? std::string(",line") : "," + std::to_string(line)) << '\n';
      ++line;
      begin = end + 1;
    }
    rest.erase(0, begin);
  }
}

void CompareQcut(const Bench& bench, const std::string& folder, Comparison& out) {
  const std::string set = "online_retail";
  const auto sums = bench.Summary();
  for (const Row& row : ReadTable(folder + "/published_segments_qcut.csv")) {
    const std::string name = "qcut " + row.at("segment");
    const Bench::Sums sum = sums.at(row.at("segment"));
    const auto customers = static_cast<double>(sum.customers);
    out.Text(set, name + ", customers", row.at("customers"), Whole(customers));
    out.Number(set, name + ", mean recency", row.at("mean_recency_days"), sum.recency / customers,
               1e-5);
    out.Number(set, name + ", mean frequency", row.at("mean_frequency"), sum.frequency / customers,
               1e-5);
    if (row.at("segment") == "champions") {
      // The publication read the "Online Retail II" sheet, which has one line more: invoice 581587,
      // POST, 18.00, of customer 12680.
      out.Number(set, name + ", mean monetary", row.at("mean_monetary_gbp"),
                 (sum.monetary + 18) / customers, 1e-5,
                 fmt::format("  (known: this file lacks a line of 18.00 that the publication read; "
                             "without it {:.6f})",
                             sum.monetary / customers));
    } else {
      out.Number(set, name + ", mean monetary", row.at("mean_monetary_gbp"),
                 sum.monetary / customers, 1e-5);
    }
  }
}

void CompareRankBins(const Bench& bench, const std::string& folder, Comparison& out) {
  const std::string set = "online_retail";
  const auto sums = bench.Summary();
  double customers = 0, revenue = 0;
  for (const auto& [name, sum] : sums) {
    customers += static_cast<double>(sum.customers);
    revenue += sum.monetary;
  }
  for (const Row& row : ReadTable(folder + "/published_segments_rank_bins.csv")) {
    const std::string name = "rank_bins " + row.at("Segment");
    const Bench::Sums sum = sums.at(row.at("Segment"));
    const auto people = static_cast<double>(sum.customers);
    out.Text(set, name + ", customers", row.at("CustomerCount"), Whole(people));
    out.Number(set, name + ", share of customers", row.at("CustomerPercentage"),
               100 * people / customers, 0.00501);
    out.Number(set, name + ", revenue", row.at("Revenue"), sum.monetary, 0.01);
    out.Number(set, name + ", share of revenue", row.at("RevenuePercentage"),
               100 * sum.monetary / revenue, 0.00501);
  }
  out.Text(set, "rank_bins, all customers", "4338", Whole(customers));
}

void CompareCdnowFigures(const std::string& data, Comparison& out) {
  for (const PublishedFigure& figure : CompareCdnow(data + "/cdnow")) {
    out.Number("cdnow", fmt::format("{} {}, {}", figure.model, figure.quantity, figure.inputs),
               figure.published, figure.computed, figure.tolerance, "  " + figure.source);
  }
}

void CompareOnlineRetail(const std::string& data, Comparison& out) {
  const std::string folder = data + "/online_retail";
  TempDir inbox;
  std::filesystem::create_directories(inbox / "inbox");
  NumberLines(folder, "online_retail_2010_2011.csv.gz",
              inbox / "inbox/online_retail_2010_2011.csv");
  Bench bench("online_retail", inbox.path());
  bench.Run("rank_bins", Date("2011-12-10"));
  CompareRankBins(bench, folder, out);
  bench.Run("qcut", Date("2011-12-11"));
  CompareQcut(bench, folder, out);
}

int Main(const std::string& data) {
  if (!std::filesystem::exists(data + "/rfm_orders") ||
      !std::filesystem::exists(data + "/online_retail") ||
      !std::filesystem::exists(data + "/cdnow")) {
    fmt::print(
        stderr,
        "published: {} lacks rfm_orders/, online_retail/ or cdnow/: say where the data are\n",
        data);
    return 2;
  }
  Comparison comparison;
  fmt::print("{:<14} {:<52} {:>18} {:>18}\n", "data set", "quantity", "published", "computed");
  CompareRfmOrders(data, comparison);
  CompareOnlineRetail(data, comparison);
  CompareCdnowFigures(data, comparison);
  fmt::print("{} figures, {} differ\n", comparison.all(), comparison.differ());
  return comparison.differ() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace segue

int main(int argc, char** argv) {
  try {
    return segue::Main(argc > 1 ? argv[1] : std::string(SEGUE_SOURCE_DIR) + "/../shared/data");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "published: %s\n", error.what());
    return 2;
  }
}
