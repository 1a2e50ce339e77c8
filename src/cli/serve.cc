// serve and adopt: the service, and the word of a person that a copied state may go on.

#include <filesystem>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "daemon/home.h"
#include "daemon/service.h"
#include "pipeline/release.h"

namespace segue {

int RunServe(const Common& common) {
  // The journal writes times of its own; a terminal does not.
  spdlog::set_default_logger(spdlog::stderr_color_mt("segue"));
  spdlog::set_pattern(ErrorHasColour() ? "%Y-%m-%dT%H:%M:%S %^%l%$ %v" : "%l %v");
  RequireNotLost(common);
  if (!std::filesystem::exists(StateFile(common))) {
    // No state is made for files that are wrong, nor where a secret is missing.
    OptionsFor(*OpenWorkspace(common).workspace, true);
  }
  const StateLock lock(common.state);
  Database db = Database::Open(StateFile(common));
  const std::unique_ptr<Home> home = RequireHome(db, common);
  Checked checked = OpenToRun(db, common);
  // What `segue apply` made live is noted already; it may have done so since these were read.
  const auto note = [&db](const Checked& running) {
    if (!AppliedRelease(db)) {
      NoteRelease(db, running.files, false, SystemClock().Now());
    }
  };
  note(checked);
  ServiceParts parts;
  parts.home = home.get();
  parts.state_folder = common.state;
  parts.in_force = note;
  parts.load = [&common, &db] {
    std::vector<std::string> notes;
    Checked again = LoadToRun(db, common, notes);
    for (const std::string& word : notes) {
      spdlog::info("{}", word);
    }
    return again;
  };
  parts.options = [](const Workspace& workspace) { return OptionsFor(workspace, true); };
  Service service(db, std::move(checked), std::move(parts));
  if (const Result<void> ran = service.Run(); !ran) {
    throw Failure{kCannotReach, ran.error().message() + "\n"};
  }
  return kFine;
}

namespace {

// What protects each delivery of the connector from a second effect; nothing that is known of does
// where no file names the connector any more.
Outbox::DedupeOf ProtectionOf(const ConnectorSettings* settings) {
  const Result<Secrets> secrets =
      settings == nullptr ? Result<Secrets>(Error("")) : ResolveSecrets(*settings);
  if (!secrets) {
    return [](const Delivery& /*delivery*/) { return Dedupe::kNone; };
  }
  const std::shared_ptr<const Connector> connector =
      FindConnectorSpec(settings->type)->make(*settings, *secrets);
  return [connector, said = settings->dedupe](const Delivery& delivery) {
    return connector->Protects(delivery, said);
  };
}

}  // namespace

int RunAdopt(const Common& common, const AdoptOptions& options) {
  RequireState(common);
  if (options.note.empty()) {
    throw Failure{kUsage, "say why with --note; it is kept with every delivery in doubt\n"};
  }
  const StateLock lock(common.state);
  Database db = Database::Open(StateFile(common));
  const Checked checked = OpenRunning(db, common);
  const TimePoint now = SystemClock().Now();
  Home home(db, StateFile(common));
  // One commit: after a crash in the middle the state is in doubt as before.
  Transaction work(db);
  if (!home.Take(now)) {
    fmt::print("This state file is at home here already: nothing was changed.\n");
    return kFine;
  }
  Outbox outbox(db);
  Offers offers(db, *checked.workspace);
  WatchOffers(outbox, offers);
  std::int64_t doubtful = 0;
  if (!options.original_stopped) {
    for (const std::string& connector : outbox.ConnectorsAtWork()) {
      const ConnectorSettings* settings = checked.workspace->FindConnector(connector);
      doubtful += outbox.Doubt(connector, ProtectionOf(settings), options.note, now);
    }
  }
  work.Commit();
  fmt::print("This state file is at home here now.\n");
  if (doubtful > 0) {
    fmt::print(
        "{} waiting deliveries are unknown now: the original may have sent them after the copy was "
        "made.\n  segue outbox --in unknown     lists them\n",
        Grouped(doubtful));
  }
  return kFine;
}

}  // namespace segue
