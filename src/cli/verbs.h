// The verbs, one function each; every one returns its exit code or throws Failure.

#pragma once

#include <string>
#include <vector>

#include "cli/workbench.h"

namespace segue {

struct InitOptions {
  std::string folder;
  std::string from;  // shop or saas: that half of the library; empty: all of it.
};

int RunInit(const InitOptions& options);

struct CheckOptions {
  bool verbose = false;    // Show what is only information, too.
  std::string format;      // text, json or sarif; empty: text, or JSON with --json.
  bool with_data = false;  // Also what only the state's data can tell.
};

int RunCheck(const Common& common, const CheckOptions& options);

struct PlanOptions {
  std::string file;       // What an earlier plan wrote: shown with who approved it; else empty.
  std::string people;     // A playbook: list everybody it would start.
  std::string out;        // A file: the plan, for `apply`.
  bool markdown = false;  // For a pull request.
  // As apply would be asked.
  std::vector<std::string> backfill;
  std::string running;
};

int RunPlan(const Common& common, const PlanOptions& options);

struct ApplyOptions {
  std::string plan;            // A file that `plan -o` wrote; empty: none.
  std::int64_t drift = 0;      // So many may receive who are not in the plan.
  bool follow_folder = false;  // From here on the folder's files run as they are.
  // Playbooks that also start whoever is in their segment already.
  std::vector<std::string> backfill;
  std::string running;  // What becomes of running runs: finish (or empty), move, stop.
};

int RunApply(const Common& common, const ApplyOptions& options);

struct ApproveOptions {
  std::string plan;  // A file that `plan -o` wrote.
  std::string note;
};

int RunApprove(const Common& common, const ApproveOptions& options);

struct BacktestVerb {
  std::vector<std::string> playbooks;  // Empty: all.
  std::string from, to, every;
  bool people = false;  // One line for each send.
};

int RunBacktestVerb(const Common& common, const BacktestVerb& options);

struct PauseOptions {
  std::string what;  // A playbook, a connector, or `all`; pause: empty lists what is paused.
  std::string note;
  bool send = false, drop = false;  // resume: what becomes of promises that wait.
};

int RunPause(const Common& common, const PauseOptions& options);
int RunResume(const Common& common, const PauseOptions& options);

struct SendTestOptions {
  std::string template_id, as, to, variant;
};

int RunSendTest(const Common& common, const SendTestOptions& options);

// Whether the state is sound.
int RunDoctor(const Common& common);

// `ahead`: --at may lie ahead of the machine's clock.
int RunOnce(const Common& common, bool past_brake, bool ahead);

// Runs until it is told to end.
int RunServe(const Common& common);

struct AdoptOptions {
  std::string note;
  bool original_stopped = false;  // Nothing was sent elsewhere since the copy was made.
};

int RunAdopt(const Common& common, const AdoptOptions& options);

struct ReplayOptions {
  std::string from, to;  // Moments; empty: the first and the day after the last fact.
  bool by_arrival =
      false;  // A file is seen from its modification time on; else each row from its own time on.
  std::string every;  // Cycles exactly this far apart; else whenever there is something to do.
  std::string trace;  // A file: who is in another segment than the day before, day by day.
  bool quiet = false;
};

int RunReplay(const Common& common, const ReplayOptions& options);

struct ExplainOptions {
  std::string customer, playbook;
};

int RunExplain(const Common& common, const ExplainOptions& options);

struct SegmentsOptions {
  std::string model;
  bool people = false;  // One line per customer.
};

int RunSegments(const Common& common, const SegmentsOptions& options);

struct RenderOptions {
  std::string template_id, customer, part = "text";
};

int RunRender(const Common& common, const RenderOptions& options);

struct OutboxOptions {
  std::string action = "list";
  std::int64_t id = 0;
  std::string note, state_name, connector, playbook, customer;
  int limit = 50;
};

int RunOutbox(const Common& common, const OutboxOptions& options);

struct OffersOptions {
  std::string action = "list";
  std::string offer, file;  // load
};

// The stock of codes and the money that is left; or takes in codes.
int RunOffers(const Common& common, const OffersOptions& options);

struct FmtOptions {
  bool check = false;              // Say which files would change, and change none.
  std::vector<std::string> files;  // Empty: all of the workspace.
};

int RunFmt(const Common& common, const FmtOptions& options);

struct TestOptions {
  std::vector<std::string> files;  // Empty: all.
  std::string only;                // One test.
};

int RunTest(const Common& common, const TestOptions& options);

struct WhyMovedOptions {
  std::string customer, model;
};

int RunWhyMoved(const Common& common, const WhyMovedOptions& options);

struct ValueVerb {
  bool markdown = false;
  int days = 365;       // How far ahead.
  double discount = 0;  // Percent that a year takes off money to come.
};

// What customers are worth, and how that is known.
int RunValue(const Common& common, const ValueVerb& options);

struct CustomerOptions {
  std::string action, customer, note;
};

int RunCustomer(const Common& common, const CustomerOptions& options);

// How the verbs about insights print, beside --json.
struct ReportOptions {
  std::string playbook;
  std::string from, to;  // Moments: people who came in then.
  std::string by;        // A model: the same for each of its segments.
  bool final_look = false;
  bool markdown = false;
};

int RunReport(const Common& common, const ReportOptions& options);

struct MigrateOptions {
  std::string model, from, to;
  std::string value;  // A feature of the model that says what people are worth.
  bool markdown = false;
};

int RunMigrate(const Common& common, const MigrateOptions& options);

struct FunnelOptions {
  std::string funnel;  // May be empty where there is one.
  std::string by;      // A model.
  bool markdown = false;
};

int RunFunnel(const Common& common, const FunnelOptions& options);

struct AhaOptions {
  std::string insight;   // May be empty where there is one.
  bool publish = false;  // What is found takes force.
  int limit = 10;
  bool markdown = false;
};

int RunAha(const Common& common, const AhaOptions& options);

struct SchemaOptions {
  std::string kind;    // Empty: any document.
  std::string type;    // Of a connector; empty: any.
  std::string folder;  // Writes all of them there.
};

int RunSchema(const SchemaOptions& options);

// What a state holds now: customers per segment, moves by cause, who was sent what, who was not and
// why.
std::string Summary(State& state);

}  // namespace segue
