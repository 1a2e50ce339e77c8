// campaign: ten thousand customers, four hundred days, and a table of the gates.
//
//   campaign --customers 10000 --days 400 --seed 1
//   campaign --customers 300 --days 120 --all no
//   campaign --crashes no
//
// With --all no a gate that refused nobody is shown, and is no failure.
//
// Ends with 1 when something that must hold does not, when the twin without crashes decided
// otherwise, or when a gate refused nobody.

#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "campaign/campaign.h"
#include "support/temp_dir.h"

namespace {

using namespace segue;            // NOLINT(google-build-using-namespace): a program of one file.
using namespace segue::campaign;  // NOLINT(google-build-using-namespace)

constexpr int kDaysPerLine = 20;

struct Options {
  Setup setup;
  bool all = true;
};

double ProcessorSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// What has to refuse somebody: where it is asked (of playbooks about accounts apart), the gate, the
// reason.
const std::vector<Refusal>& MustRefuse() {
  static const std::vector<Refusal> kAll = {{"start", "trigger", "left too soon"},
                                            {"start", "status", "draft"},
                                            {"start", "status", "paused"},
                                            {"start", "data age", "data_stale"},
                                            {"start", "when", "when_false"},
                                            {"start", "re-entry", "reenter"},
                                            {"start", "lane", "lane_busy"},
                                            {"start", "per day", "per_day"},
                                            {"start", "global holdout", "held_out"},
                                            {"start", "policy", "excluded"},
                                            {"step", "policy", "policy"},
                                            {"step", "topic consent", "no_topic_consent"},
                                            {"step", "consent", "no_consent"},
                                            {"step", "suppression", "suppressed"},
                                            {"step", "address", "no_address"},
                                            {"step", "address", "not_allowed"},
                                            {"step", "same address", "same_address"},
                                            {"step", "cap", "cap"},
                                            {"step", "cap", "held"},
                                            {"step", "quiet hours", "held"},
                                            {"step", "offer", "no_code"},
                                            {"step", "budget", "over_budget"},
                                            {"step", "render", "render_error"},
                                            {"step", "outbox", "shadow"},
                                            {"step", "outbox", "held_out"},
                                            {"step", "outbox", "stale"},
                                            {"sending", "topic consent", "no_topic_consent"},
                                            {"sending", "consent", "no_consent"},
                                            {"sending", "suppression", "suppressed"},
                                            {"sending", "address", "not_allowed"},
                                            {"sending", "address", "no_address"},
                                            {"sending", "same address", "same_address"},
                                            {"sending", "cap", "cap"},
                                            {"sending", "offer", "no_code"},
                                            {"sending", "goal or exit", "goal"},
                                            {"sending", "outbox", "stale"},
                                            {"sending", "outbox", "dry_run"},
                                            {"sending", "outbox", "superseded"},
                                            {"sending", "outcome", "refused"},
                                            {"sending", "outcome", "unknown"},
                                            {"sending", "outcome", "dead"},
                                            {"end", "end", "done"},
                                            {"end", "end", "goal"},
                                            {"end", "end", "exit"},
                                            {"end", "end", "stopped"},
                                            {"end", "end", "taken_over"},
                                            {"end", "end", "merged"},
                                            {"accounts", "trigger", "left too soon"},
                                            {"accounts", "data age", "data_stale"},
                                            {"accounts", "when", "when_false"},
                                            {"accounts", "re-entry", "reenter"},
                                            {"accounts", "global holdout", "held_out"},
                                            {"accounts", "policy", "excluded"},
                                            {"accounts", "policy", "policy"},
                                            {"accounts", "topic consent", "no_topic_consent"},
                                            {"accounts", "consent", "no_consent"},
                                            {"accounts", "suppression", "suppressed"},
                                            {"accounts", "address", "no_address"},
                                            {"accounts", "address", "not_allowed"},
                                            {"accounts", "same address", "same_address"},
                                            {"accounts", "quiet hours", "held"},
                                            {"accounts", "outbox", "held_out"},
                                            {"accounts", "end", "done"},
                                            {"accounts", "end", "goal"},
                                            {"accounts", "end", "stopped"}};
  return kAll;
}

// Draft, paused and rehearsed ones of the overlay send nothing, and that is right.
bool MaySend(const Playbook& playbook) {
  return playbook.status == Status::kLive;
}

// Prints both tables; the number of lines that are zero and must not be.
int Print(const Totals& totals, const Workspace& workspace) {
  std::map<Refusal, std::int64_t> refused = totals.refused;
  int zeros = 0;
  for (const Refusal& one : MustRefuse()) {
    zeros += refused[one] == 0 ? 1 : 0;
  }
  fmt::print("\n{:<9} {:<15} {:<18} {:>10}\n", "asked at", "gate", "reason", "how often");
  for (const std::string where : {"start", "step", "sending", "end", "accounts"}) {
    for (const auto& [which, count] : refused) {
      const auto& [at, gate, reason] = which;
      if (at == where) {
        fmt::print("{:<9} {:<15} {:<18} {:>10}{}\n", at, gate, reason, count,
                   count == 0 ? "   NEVER" : "");
      }
    }
  }
  fmt::print("\n{:<28} {:>10}\n", "playbook", "taken");
  for (const Playbook& playbook : workspace.playbooks) {
    const std::int64_t taken = totals.taken.at(playbook.id);
    const bool silent = taken == 0 && MaySend(playbook);
    zeros += silent ? 1 : 0;
    fmt::print("{:<28} {:>10}{}\n", playbook.id, taken, silent ? "   NEVER" : "");
  }
  return zeros;
}

std::optional<Options> Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--customers") {
      options.setup.customers = std::stoi(value);
    } else if (name == "--days") {
      options.setup.days = std::stoi(value);
    } else if (name == "--seed") {
      options.setup.seed = std::stoull(value);
    } else if (name == "--crashes") {
      options.setup.crashes = value != "no";
    } else if (name == "--closely") {
      options.setup.closely = value != "no";
    } else if (name == "--all") {
      options.all = value != "no";
    } else {
      return std::nullopt;
    }
  }
  return argc % 2 == 1 ? std::optional(options) : std::nullopt;
}

int Live(const Options& options) {
  const TempDir folder;
  const std::unique_ptr<Rulebook> book = ReadRulebook(options.setup.customers);
  const std::unique_ptr<Rulebook> twins = ReadRulebook(options.setup.customers);
  Wire wire;
  Campaign campaign(options.setup, *book, folder / "campaign.db", wire);
  campaign.told = [&](int day) {
    if (day % kDaysPerLine == kDaysPerLine - 1 || day + 1 == options.setup.days) {
      const Totals& so_far = campaign.totals();
      fmt::print(
          "day {:>3}: {} runs, {} decisions, {} promises, {} calls, {} codes, {} crashes, {:.0f} s "
          "of processor time\n",
          day + 1, so_far.runs, so_far.decisions, so_far.promises, so_far.calls, so_far.codes,
          campaign.crashes(), ProcessorSeconds());
      std::fflush(stdout);
    }
  };
  std::thread twin([&] {
    LiveAsTwin(wire, *twins, folder / "twin.db", folder / "campaign.db", options.setup.start);
  });
  std::string why;
  try {
    campaign.Run();
  } catch (const std::exception& error) {
    why = error.what();
    wire.Close(why);
  }
  twin.join();
  why = wire.why();
  const int zeros = Print(campaign.totals(), book->open);
  fmt::print(
      "\n{} customers, {} days, seed {}: {} crashes, {} cycles finished by a later life, {:.0f} s "
      "of "
      "processor time\n",
      options.setup.customers, options.setup.days, options.setup.seed, campaign.crashes(),
      campaign.late_cycles(), ProcessorSeconds());
  if (!why.empty()) {
    fmt::print("FAILED: {}\n", why);
    return 1;
  }
  fmt::print("everything held, and the twin without crashes decided the same\n");
  if (zeros > 0) {
    fmt::print("{}{} lines say NEVER\n", options.all ? "FAILED: " : "", zeros);
  }
  return zeros > 0 && options.all ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<Options> options = Parse(argc, argv);
  if (!options) {
    fmt::print(stderr,
               "campaign [--customers N] [--days D] [--seed S] [--crashes no] [--all no] "
               "[--closely yes]\n");
    return 2;
  }
  options->setup.start = *ParseTime("2025-01-06T00:00:00Z", Zone());
  return Live(*options);
}
