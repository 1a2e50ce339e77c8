#include "pipeline/trial_load.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "sources/reading.h"

namespace segue {
namespace {

constexpr std::int64_t kLoadRowsAtOnce = 20'000;
// Of the rows of one file that cannot be read: a hundred are mostly one mistake.
constexpr std::size_t kBadRowsNamed = 10;

Diagnostic TrialFailure(const Trial& trial, const Place& place, std::string message,
                        std::string help = {}) {
  return {Severity::kError, trial.id, place, std::move(message), {}, std::move(help)};
}

// What the source says, but for where its rows come from.
std::optional<Source> SourceFor(const Workspace& workspace, const TrialLoad& load) {
  const auto found = std::find_if(workspace.sources.begin(), workspace.sources.end(),
                                  [&](const Source& one) { return one.id == load.source; });
  if (found == workspace.sources.end()) {
    return std::nullopt;
  }
  Source source = *found;
  source.path = load.path;
  source.push_secret.clear();  // Calls that were pushed in stand one on each line.
  // The columns of a query stand in the first line of a file.
  source.type = source.type == SourceType::kSql ? SourceType::kCsv : source.type;
  return source;
}

class LoadReader {
 public:
  LoadReader(const Workspace& workspace, const Trial& trial, FileReader& files,
             Diagnostics& failures)
      : workspace_(workspace), trial_(trial), files_(files), failures_(failures) {}

  void Read(const TrialLoad& load) {
    const std::optional<Source> source = SourceFor(workspace_, load);
    if (!source || files_.List(load.path).empty()) {
      failures_.push_back(TrialFailure(trial_, load.place,
                                       fmt::format("there is no file {}", load.path),
                                       "the path begins at the folder of the test's file"));
      return;
    }
    std::size_t bad = 0;
    Reading reading(*source, workspace_, &files_, nullptr, true);
    std::string cursor;
    for (bool done = false; !done;) {
      Result<Batch> batch = reading.Next(cursor, kLoadRowsAtOnce);
      if (!batch) {
        failures_.push_back(TrialFailure(trial_, load.place, batch.error().message()));
        return;
      }
      for (const BadRow& row : batch->bad) {
        Bad(load, row, bad++);
      }
      for (std::size_t i = 0; i < batch->facts.size(); ++i) {
        Fact& fact = batch->facts[i];
        const TimePoint time = std::visit([](const auto& one) { return one.time; }, fact);
        const std::int64_t line = i < batch->lines.size() ? batch->lines[i] : 0;
        facts_.push_back(
            {time, std::move(fact), fmt::format("{}:{}", batch->file, line), load.place});
      }
      cursor = batch->cursor;
      done = batch->done;
    }
    if (bad > kBadRowsNamed) {
      failures_.push_back(
          TrialFailure(trial_, load.place,
                       fmt::format("and {} more rows that cannot be read", bad - kBadRowsNamed)));
    }
  }

  std::vector<LoadedFact> Take() { return std::move(facts_); }

 private:
  void Bad(const TrialLoad& load, const BadRow& row, std::size_t before) {
    if (before < kBadRowsNamed) {
      failures_.push_back(
          TrialFailure(trial_, load.place,
                       fmt::format("{}:{}: {}{}", row.file, row.line,
                                   row.column.empty() ? "" : row.column + ": ", row.reason),
                       "a real run would set this row aside: mend it, or take it out"));
    }
  }

  const Workspace& workspace_;
  const Trial& trial_;
  FileReader& files_;
  Diagnostics& failures_;
  std::vector<LoadedFact> facts_;
};

// Whom a fact names: customers, and accounts.
struct LoadedNames {
  std::set<std::string> customers, accounts;

  void Add(const Fact& fact) {
    if (const auto* change = std::get_if<TraitChange>(&fact)) {
      (change->of_account ? accounts : customers).insert(change->customer);
    } else if (const auto* event = std::get_if<Event>(&fact)) {
      customers.insert(event->customer);
    } else if (const auto* merge = std::get_if<Merge>(&fact)) {
      customers.insert({merge->customer, merge->other});
    }
  }
};

}  // namespace

std::vector<LoadedFact> ReadLoads(const Workspace& workspace, const Trial& trial, FileReader* files,
                                  Diagnostics& failures) {
  if (trial.loads.empty()) {
    return {};
  }
  if (files == nullptr) {
    failures.push_back(TrialFailure(trial, trial.loads.front().place, "files cannot be read here"));
    return {};
  }
  LoadReader reader(workspace, trial, *files, failures);
  for (const TrialLoad& load : trial.loads) {
    reader.Read(load);
  }
  return reader.Take();
}

Trial WithLoaded(const Trial& trial, const std::vector<LoadedFact>& facts, Diagnostics& failures) {
  Trial whole = trial;
  if (trial.loads.empty()) {
    return whole;
  }
  LoadedNames loaded;
  std::for_each(facts.begin(), facts.end(), [&](const LoadedFact& one) { loaded.Add(one.fact); });
  std::set<std::string> known;
  for (const TrialAccount& account : trial.accounts) {
    known.insert(account.name);
  }
  for (const TrialPerson& person : trial.people) {
    known.insert(person.name);
  }
  for (const std::string& name : loaded.customers) {
    if (known.insert(name).second) {
      whole.people.push_back({name, {}, "", "", trial.loads.front().place});
    }
  }
  for (const std::string& name : loaded.accounts) {
    if (known.insert(name).second) {
      whole.accounts.push_back({name, {}, "", trial.loads.front().place});
    }
  }
  const std::vector<std::string> all(known.begin(), known.end());
  const auto check = [&](const std::vector<std::string>& who, const Place& place) {
    for (const std::string& name : who) {
      if (!known.contains(name)) {
        const std::optional<std::string> near = Nearest(name, all);
        failures.push_back(TrialFailure(
            trial, place, fmt::format("neither the test nor its files name anybody `{}`", name),
            near ? fmt::format("did you mean `{}`?", *near) : ""));
      }
    }
  };
  const auto check_facts = [&](const std::vector<TrialFact>& list) {
    for (const TrialFact& fact : list) {
      check(fact.who, fact.place);
    }
  };
  for (const TrialStep& step : trial.steps) {
    if (step.expect) {
      check(step.expect->who, step.expect->place);
      for (const auto& [kind, list] : step.expect->facts) {
        check_facts(list);
      }
    }
  }
  check_facts(trial.never);
  return whole;
}

}  // namespace segue
