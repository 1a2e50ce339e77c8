// The pipeline joins the stages.  It is the only folder that knows them all.
//
//   State     everything that stands behind one state file: database, ledger, columns, segments,
//   playbooks, outbox Cycle     pull → facts → columns → segments → moves → runs → decisions and
//   deliveries, with one stored `now` Dispatcher  claims due deliveries, says which requests to
//   perform, records each outcome
//
// Both loops take `now` as an argument and return when they want to be called next.  After an
// exception the State is thrown away and opened again: the file is always whole, what is in memory
// may not be.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/load.h"
#include "connectors/connector.h"
#include "domain/exchange.h"
#include "ledger/columns.h"
#include "ledger/ledger.h"
#include "outbox/outbox.h"
#include "playbooks/playbooks.h"
#include "segments/segments.h"
#include "sources/source.h"
#include "store/database.h"
#include "templates/template.h"

namespace segue {

// Everything wrong with a set of files: LoadWorkspace, then the templates, then the lint of every
// model.
struct Checked {
  std::shared_ptr<const Workspace> workspace;  // Null when something is an error.
  std::unique_ptr<Templates> templates;
  Diagnostics diagnostics;
  std::vector<SourceFile> files;
};

// `earlier`: see LoadWorkspace.
Checked CheckWorkspace(std::vector<SourceFile> files, bool tolerate_unbuilt = false,
                       std::vector<PlaybookVersion> earlier = {});

class Moments;     // pipeline/moments.h
class HttpReader;  // sources/exports.h
class SqlReader;   // sources/sql.h
class Processes;   // pipeline/processes.h

// Told how far a long piece of work is; the command line draws it.
using Progress = std::function<void(std::string_view what, std::int64_t done, std::int64_t all)>;

// A brake was pulled: the cycle is held, nothing that it decided is kept, and it is tried again
// until a person lets it pass or changes the files.  The State is thrown away, as after any
// exception.
class BrakePulled : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct CycleReport {
  TimePoint now;
  std::map<std::string, std::int64_t>
      intake;  // Word of Intake to count, plus rows, bad, anonymous.
  std::vector<Move> moves;
  std::vector<std::string> baselines;  // Models whose first slot this was.
  std::vector<std::string> warnings;
  std::map<std::string, std::int64_t> missed;  // "model rfm" to the slots that went by unused.
  PlaybookSummary playbooks;
  std::string brake;  // Why the cycle is more than `safety` allows; empty: it is not.
  TimePoint next;     // When the next cycle has something to do.
};

struct StateOptions {
  std::string links_key;  // Signs unsubscribe links: the first line behind `serve.sign`.
  std::vector<std::string> old_links_keys = {};  // The others: what they signed still opens.
  Secrets secrets = {};  // All others that the files name, beside those of connectors: never shown.
};

// How far the facts were known, and when it was, at a model's last slot or a playbook's last cycle.
struct ModelPosition {
  Sequence sequence = 0;
  TimePoint time;
};

class State {
 public:
  // Opens the state file for these files.  Requires: workspace and templates outlive it.
  State(Database& db, const Workspace& workspace, const Templates& templates, TimePoint now,
        StateOptions options = {});
  ~State();

  Database& db();
  const Workspace& workspace() const;
  const Templates& templates() const;
  const StateOptions& options() const;
  Ledger& ledger();
  Columns& columns();
  // As of the columns' edge.
  Processes& processes();
  // Keeps columns, traits and purchase sums for the next start.
  void Snapshot();
  // For a process that stays: reads and prepares now what the first events and slots would else
  // wait for.
  void WarmUp(TimePoint now);
  const Inputs& inputs()
      const;  // Every leaf of every expression but those of a run and of an event.
  Playbooks& playbooks();
  Outbox& outbox();
  Moments& moments();
  // Null for a draft: it stores nothing.
  Segments* segments(int model);
  // What a model's settling sees of the people now.
  std::unique_ptr<Population> PopulationOf(int model, TimePoint now);
  // What an expression reads as it would be without what models and processes learned in this cycle
  // and without the edits that their slots met; null where that is nothing.
  std::unique_ptr<Inputs> BeforeLearning(const Expr& expr, TimePoint now) const;
  // Whom the facts behind an expression touched: those it names since then, and those that the
  // models look at which had a slot in this cycle, since their last one.  For CauseSince.
  std::vector<std::unique_ptr<Population>> FactsBehind(const Expr& expr, Subject of,
                                                       const ModelPosition& since,
                                                       TimePoint now) const;

  // A condition for one customer at `now`, as a playbook would see it.
  double Evaluate(const Expr& expr, CustomerIndex customer, TimePoint now,
                  std::optional<TimePoint> run_started, Trace* trace) const;
  Zone ZoneOf(CustomerIndex customer) const;
  // What {{ }} may name in a message to this customer: links, sender.
  RenderContext ContextOf(CustomerIndex customer, TimePoint now) const;
  // Where the customer of a mail can be reached now, if that is not where it was promised to;
  // empty: nowhere.
  std::optional<std::string> NewAddress(const Delivery& delivery) const;
  // Why this delivery may not go out at this moment (no_consent, suppressed, no_code …); empty
  // when it may.
  std::string MayNotSend(const Delivery& delivery, TimePoint now) const;
  // Stops every message to this address or customer key, whatever the purpose.
  void Suppress(std::string_view address_or_key, std::string_view reason, TimePoint now);
  // A person who was merged into another stays suppressed.  In the transaction of the merge.
  void CarrySuppressions();

 private:
  friend class Cycle;
  struct Inner;

  // What consent says to it: a word as above, or nothing.
  std::string WithoutConsent(const Delivery& delivery) const;

  std::unique_ptr<Inner> inner_;
};

std::string CodesInWords(const CodesTaken& taken);

// What becomes of a delivery decides what becomes of the code that it prints.
// Requires: `offers` outlives `outbox`'s work.
void WatchOffers(Outbox& outbox, Offers& offers);

class Cycle {
 public:
  // Either reader may be null: then its sources cannot be read.  Without both Pull does nothing.
  Cycle(State& state, FileReader* files, SqlReader* databases = nullptr, HttpReader* web = nullptr);

  // Reads every source that is due (or all) to its end: each batch in one transaction with its
  // cursor.
  void Pull(TimePoint now, bool all, const Progress& progress, CycleReport& report);
  // What people said to us themselves: taken in at every Pull, and at any other time, since no
  // brake and no cycle that was cut off may hold it.  True: all of it was read.
  bool TakeAnswers(TimePoint now, CycleReport& report);
  // Takes in facts that did not come through a source's own cursor, in one transaction.
  void Ingest(std::span<const Fact> facts, std::string_view source, Duration late_limit,
              TimePoint now, CycleReport& report);
  // Erases a customer from every stage, in one transaction and without a cycle: what a brake holds
  // does not keep anybody from being forgotten.
  void EraseAtOnce(const std::string& key, TimePoint now);
  // Says that every source was read up to now without error: for a replay, whose facts come through
  // Ingest.
  void MarkRead(TimePoint now);
  // Everything after the facts, in one transaction.  Models run in the slots that are due.
  // A cycle that a crash cut off is finished first, with its own stored now.
  void Decide(TimePoint now, CycleReport& report);

  // When the next cycle has something to do.
  TimePoint Next(TimePoint now) const;

  // A brake is named in the report and holds nothing: for a plan, which is rolled back anyway.
  void OnlyNameBrakes() { brakes_hold_ = false; }

 private:
  void PullPools(CycleReport& report);
  void PullSource(const Source& source, TimePoint now, const Progress& progress,
                  CycleReport& report);
  void DecideOnce(TimePoint now, CycleReport& report);
  bool Decided(TimePoint now, CycleReport& report);
  void CountMissed(const std::string& what, const Schedule& every, const Zone& zone,
                   std::optional<TimePoint> last, TimePoint slot, CycleReport& report);
  void Depart(TimePoint now);
  std::vector<Move> RunModels(TimePoint now, CycleReport& report);
  void SearchMoments(TimePoint now);
  void DropOldTouches();
  std::string Brake(const std::vector<Move>& moves, std::int64_t messages) const;

  State& state_;
  FileReader* files_;
  SqlReader* databases_;
  HttpReader* web_;
  bool brakes_hold_ = true;
};

// Lets the cycle that a brake holds pass.  False when none is held.
bool ReleaseBrake(Database& db);

// Every quarantined row of a source as a CSV text; empty when there is none.
std::string QuarantineText(State& state, std::string_view source);

// One request that the dispatcher wants performed.
struct Call {
  std::int64_t id = 0;  // To give back with the reply.
  std::string connector;
  Request request;
};

// How a connector stands at this moment.
struct ConnectorHealth {
  std::string id;
  int in_flight = 0;                // Attempts that are under way.
  int failures = 0;                 // In a row.
  std::optional<TimePoint> paused;  // Until then nothing goes to it: its breaker is open.
  std::string words;                // Of the last failure, or why it cannot be used at all.
};

class Dispatcher {
 public:
  // `secrets` gives a connector's resolved secrets.
  // Requires: this process holds the state's lock.  What another had claimed before it died is
  // claimed anew, or unknown.
  Dispatcher(State& state, std::function<Result<Secrets>(const ConnectorSettings&)> secrets);
  ~Dispatcher();

  // Rescues, claims within the limits, asks consent again, and returns what to perform now.  Each
  // connector has a queue of its own: what one cannot take delays no other.
  // The caller may hold a Transaction open over Start and several Finish, and then must commit it
  // before it performs a call.
  std::vector<Call> Start(TimePoint now);
  // The reply to one call; may return the next call of the same attempt.
  std::vector<Call> Finish(std::int64_t call, const Reply& reply, TimePoint now);
  // When Start has something to do again, unless a reply comes first.
  std::optional<TimePoint> Next(TimePoint now) const;
  // In the order of the files.
  std::vector<ConnectorHealth> Health() const;
  // What nobody will send: see Outbox::DropStale.
  std::vector<std::string> Alarms() const;

 private:
  struct Inner;
  std::unique_ptr<Inner> inner_;
};

}  // namespace segue
