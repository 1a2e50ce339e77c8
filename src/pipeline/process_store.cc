#include "pipeline/process_store.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"

namespace segue {
namespace {

constexpr std::string_view kFitTables = R"(
CREATE TABLE IF NOT EXISTS purchase_fit (
  id INTEGER PRIMARY KEY,
  process TEXT NOT NULL,
  slot INTEGER NOT NULL,
  now INTEGER NOT NULL,
  first_day INTEGER NOT NULL,   -- days since 1970 on the workspace's wall
  last_day INTEGER NOT NULL,
  people INTEGER NOT NULL,
  repeaters INTEGER NOT NULL,
  refusal TEXT NOT NULL,        -- empty: the fit is used
  reason TEXT NOT NULL,
  rhythm TEXT NOT NULL,         -- people, index, deviations, usual gap, same gap
  split_day INTEGER,            -- of the check; null where none was made
  told_apart REAL,
  bins TEXT NOT NULL,           -- of the check: people, expected, bought of each
  parameters TEXT NOT NULL,     -- r, alpha, a, b; empty without a fit
  covariance TEXT NOT NULL,
  log_likelihood REAL
) STRICT;
CREATE INDEX IF NOT EXISTS purchase_fit_process ON purchase_fit(process);
CREATE TABLE IF NOT EXISTS spending_fit (
  fit INTEGER NOT NULL REFERENCES purchase_fit(id),
  field TEXT NOT NULL,
  reason TEXT NOT NULL,
  correlation REAL,
  people INTEGER NOT NULL,
  parameters TEXT NOT NULL,     -- p, q, v
  covariance TEXT NOT NULL,
  log_likelihood REAL,
  PRIMARY KEY (fit, field)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS model_purchase_fit (
  model TEXT NOT NULL,
  process TEXT NOT NULL,
  fit INTEGER NOT NULL,
  PRIMARY KEY (model, process)
) STRICT, WITHOUT ROWID;
)";

constexpr std::string_view kFitColumns =
    "id, process, slot, now, first_day, last_day, people, repeaters, refusal, reason, rhythm, "
    "split_day, told_apart, bins, parameters, covariance, log_likelihood";

constexpr std::array<std::pair<Refusal, std::string_view>, 8> kRefusals = {{
    {Refusal::kNone, ""},
    {Refusal::kTooFew, "too_few"},
    {Refusal::kTooShort, "too_short"},
    {Refusal::kOneCohort, "one_cohort"},
    {Refusal::kContract, "contract"},
    {Refusal::kTooRegular, "too_regular"},
    {Refusal::kNoFit, "no_fit"},
    {Refusal::kMisfit, "misfit"},
}};

// Shortest texts that read back as the same doubles.
std::string JoinNumbers(const std::vector<double>& values) {
  return fmt::format("{}", fmt::join(values, " "));
}

std::vector<double> Split(std::string_view text) {
  std::vector<double> values;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    double value = 0;
    const auto read = std::from_chars(at, end, value);
    SEGUE_CHECK(read.ec == std::errc());
    values.push_back(value);
    at = read.ptr == end ? end : read.ptr + 1;
  }
  return values;
}

void BindReal(Statement& statement, int index, double value) {
  if (std::isfinite(value)) {
    statement.Bind(index, value);
  } else {
    statement.BindNull(index);
  }
}

double RealAt(const Statement& statement, int column) {
  return statement.IsNull(column) ? std::nan("") : statement.Real(column);
}

template <std::size_t N>
std::string JoinParameters(const Estimate<N>& estimate) {
  return JoinNumbers({estimate.at.begin(), estimate.at.end()});
}

template <std::size_t N>
std::string JoinCovariance(const Estimate<N>& estimate) {
  std::vector<double> all;
  for (const auto& row : estimate.covariance) {
    all.insert(all.end(), row.begin(), row.end());
  }
  return JoinNumbers(all);
}

template <std::size_t N>
Estimate<N> ReadEstimate(std::string_view parameters, std::string_view covariance,
                         double log_likelihood, double people) {
  Estimate<N> estimate;
  const std::vector<double> at = Split(parameters), all = Split(covariance);
  SEGUE_CHECK(at.size() == N && all.size() == N * N);
  estimate.determined = true;
  for (std::size_t i = 0; i < N; ++i) {
    estimate.at[i] = at[i];
    for (std::size_t j = 0; j < N; ++j) {
      estimate.covariance[i][j] = all[i * N + j];
    }
    estimate.standard_error[i] = std::sqrt(estimate.covariance[i][i]);
    estimate.determined = estimate.determined && std::isfinite(estimate.standard_error[i]);
  }
  estimate.converged = true;
  estimate.log_likelihood = log_likelihood;
  estimate.people = people;
  return estimate;
}

std::string JoinBins(const std::optional<HoldoutCheck>& holdout) {
  std::vector<double> all;
  for (std::size_t i = 0; holdout && i < holdout->bins.size(); ++i) {
    const HoldoutCheck::Bin& bin = holdout->bins[i];
    all.insert(all.end(), {bin.people, bin.expected, bin.bought});
  }
  return JoinNumbers(all);
}

HoldoutCheck ReadHoldout(std::int32_t split, double told_apart, std::string_view bins) {
  HoldoutCheck holdout;
  holdout.split = split;
  holdout.told_apart = told_apart;
  const std::vector<double> all = Split(bins);
  for (std::size_t i = 0; i + 2 < all.size(); i += 3) {
    holdout.bins.push_back({static_cast<int>(i / 3), all[i], all[i + 1], all[i + 2]});
    holdout.people += all[i];
    holdout.expected += all[i + 1];
    holdout.bought += all[i + 2];
  }
  return holdout;
}

Refusal RefusalOf(std::string_view name) {
  for (const auto& [refusal, word] : kRefusals) {
    if (word == name) {
      return refusal;
    }
  }
  return Refusal::kNoFit;  // A word of another version refuses too.
}

std::vector<SpendingFit> LoadSpending(Database& db, std::int64_t fit) {
  std::vector<SpendingFit> all;
  Statement find = db.Prepare(
      "SELECT field, reason, correlation, people, parameters, covariance, log_likelihood "
      "FROM spending_fit WHERE fit = ? ORDER BY field");
  find.Bind(1, fit);
  while (find.Step()) {
    SpendingFit one;
    one.field = find.Text(0);
    one.reason = find.Text(1);
    one.correlation = RealAt(find, 2);
    if (one.reason.empty()) {
      GammaGammaFit& spending = one.fit.emplace();
      spending.estimate = ReadEstimate<3>(find.Text(4), find.Text(5), RealAt(find, 6),
                                          static_cast<double>(find.Int(3)));
      const auto& at = spending.estimate.at;
      spending.model = {.p = at[0], .q = at[1], .v = at[2]};
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace

std::string_view RefusalName(Refusal refusal) {
  for (const auto& [each, word] : kRefusals) {
    if (each == refusal) {
      return word;
    }
  }
  return "";
}

const GammaGammaFit* ProcessFit::FindSpending(std::string_view field) const {
  for (const SpendingFit& one : spending) {
    if (one.field == field) {
      return one.fit ? &*one.fit : nullptr;
    }
  }
  return nullptr;
}

std::string_view ProcessFit::WhyNoSpending(std::string_view field) const {
  for (const SpendingFit& one : spending) {
    if (one.field == field) {
      return one.reason;
    }
  }
  return "no file asked for it when this was learned";
}

ProcessStore::ProcessStore(Database& db) : db_(db) {
  db.Ensure("purchase_fit", kFitTables);
}

void ProcessStore::Add(ProcessFit& fit) {
  const PurchaseFit& p = fit.purchases;
  Statement insert = db_.Prepare(
      fmt::format("INSERT INTO purchase_fit({}) VALUES (NULL, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                  "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
                  kFitColumns));
  insert.Bind(2, fit.process).Bind(3, ToMicros(fit.slot)).Bind(4, ToMicros(fit.now));
  insert.Bind(5, std::int64_t{p.first_day}).Bind(6, std::int64_t{p.end});
  insert.Bind(7, static_cast<std::int64_t>(p.people));
  insert.Bind(8, static_cast<std::int64_t>(p.repeaters));
  insert.Bind(9, RefusalName(p.refusal)).Bind(10, p.reason);
  insert.Bind(11, JoinNumbers({p.rhythm.people, p.rhythm.index, p.rhythm.deviations,
                               p.rhythm.usual_gap, p.rhythm.same_gap}));
  if (p.holdout) {
    insert.Bind(12, std::int64_t{p.holdout->split});
    BindReal(insert, 13, p.holdout->told_apart);
  } else {
    insert.BindNull(12).BindNull(13);
  }
  insert.Bind(14, JoinBins(p.holdout));
  insert.Bind(15, p.fit ? JoinParameters(p.fit->estimate) : std::string());
  insert.Bind(16, p.fit ? JoinCovariance(p.fit->estimate) : std::string());
  BindReal(insert, 17, p.fit ? p.fit->estimate.log_likelihood : std::nan(""));
  insert.Run();
  fit.id = db_.LastRowId();
  for (const SpendingFit& one : fit.spending) {
    Statement add = db_.Prepare(
        "INSERT INTO spending_fit(fit, field, reason, correlation, people, parameters, covariance, "
        "log_likelihood) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    add.Bind(1, fit.id).Bind(2, one.field).Bind(3, one.reason);
    BindReal(add, 4, one.correlation);
    add.Bind(5, one.fit ? static_cast<std::int64_t>(one.fit->estimate.people) : 0);
    add.Bind(6, one.fit ? JoinParameters(one.fit->estimate) : std::string());
    add.Bind(7, one.fit ? JoinCovariance(one.fit->estimate) : std::string());
    BindReal(add, 8, one.fit ? one.fit->estimate.log_likelihood : std::nan(""));
    add.Run();
  }
}

std::shared_ptr<const ProcessFit> ProcessStore::Load(Statement& find) const {
  if (!find.Step()) {
    return nullptr;
  }
  auto fit = std::make_shared<ProcessFit>();
  fit->id = find.Int(0);
  fit->process = find.Text(1);
  fit->slot = FromMicros(find.Int(2));
  fit->now = FromMicros(find.Int(3));
  PurchaseFit& p = fit->purchases;
  p.first_day = static_cast<std::int32_t>(find.Int(4));
  p.end = static_cast<std::int32_t>(find.Int(5));
  p.people = static_cast<double>(find.Int(6));
  p.repeaters = static_cast<double>(find.Int(7));
  p.refusal = RefusalOf(find.Text(8));
  p.reason = find.Text(9);
  const std::vector<double> rhythm = Split(find.Text(10));
  SEGUE_CHECK(rhythm.size() == 5);
  p.rhythm = {rhythm[0], rhythm[1], rhythm[2], rhythm[3], rhythm[4]};
  if (!find.IsNull(11)) {
    p.holdout =
        ReadHoldout(static_cast<std::int32_t>(find.Int(11)), RealAt(find, 12), find.Text(13));
  }
  if (const std::string parameters = find.Text(14); !parameters.empty()) {
    BgNbdFit& purchases = p.fit.emplace();
    purchases.estimate = ReadEstimate<4>(parameters, find.Text(15), RealAt(find, 16), p.people);
    const auto& at = purchases.estimate.at;
    purchases.model = {.r = at[0], .alpha = at[1], .a = at[2], .b = at[3]};
  }
  fit->spending = LoadSpending(db_, fit->id);
  return fit;
}

std::shared_ptr<const ProcessFit> ProcessStore::Latest(std::string_view process) const {
  Statement find = db_.Prepare(fmt::format(
      "SELECT {} FROM purchase_fit WHERE process = ? ORDER BY id DESC LIMIT 1", kFitColumns));
  find.Bind(1, process);
  return Load(find);
}

std::shared_ptr<const ProcessFit> ProcessStore::Get(std::int64_t id) const {
  Statement find =
      db_.Prepare(fmt::format("SELECT {} FROM purchase_fit WHERE id = ?", kFitColumns));
  find.Bind(1, id);
  return Load(find);
}

std::optional<std::int64_t> ProcessStore::UsedBy(std::string_view model,
                                                 std::string_view process) const {
  Statement find =
      db_.Prepare("SELECT fit FROM model_purchase_fit WHERE model = ? AND process = ?");
  find.Bind(1, model).Bind(2, process);
  return find.Step() ? std::optional(find.Int(0)) : std::nullopt;
}

void ProcessStore::SetUsedBy(std::string_view model, std::string_view process, std::int64_t fit) {
  Statement set = db_.Prepare(
      "INSERT INTO model_purchase_fit(model, process, fit) VALUES (?1, ?2, ?3) "
      "ON CONFLICT(model, process) DO UPDATE SET fit = ?3");
  set.Bind(1, model).Bind(2, process).Bind(3, fit).Run();
}

}  // namespace segue
