// What becomes of runs when their playbook is edited, and who is started late because a person asks
// for it.

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "base/hash.h"
#include "config/load.h"
#include "playbooks/engine.h"

namespace segue {
namespace {

constexpr std::string_view kVersionTables = R"(
CREATE TABLE playbook_version(
  playbook TEXT NOT NULL,
  hash TEXT NOT NULL,
  path TEXT NOT NULL,
  text TEXT NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY(playbook, hash)
) STRICT, WITHOUT ROWID;
)";

constexpr std::string_view kWordLeft = "playbooks.word";

// A service that still works with other files must not take the word that was left for these.
std::string HashOfPlaybooks(const Workspace& workspace) {
  std::string all;
  for (const Playbook& playbook : workspace.playbooks) {
    all += playbook.id + ' ' + playbook.hash + '\n';
  }
  return Sha256Hex(all);
}

bool ListsSegment(const std::vector<SegmentIndex>& segments, SegmentIndex segment) {
  return segments.empty() || std::find(segments.begin(), segments.end(), segment) != segments.end();
}

}  // namespace

void LeaveWord(Database& db, const Workspace& workspace, const Applying& applying) {
  const boost::json::object word{{"for", HashOfPlaybooks(workspace)},
                                 {"running", applying.running},
                                 {"backfill", boost::json::value_from(applying.backfill)}};
  db.SetSetting(kWordLeft, boost::json::serialize(word));
}

std::vector<PlaybookVersion> VersionsInUse(Database& db) {
  db.Ensure("playbook_version", kVersionTables);
  std::vector<PlaybookVersion> versions;
  Statement known = db.Prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'run'");
  if (!known.Step()) {
    return versions;  // Nothing ever ran here.
  }
  known.Reset();
  Statement promised =
      db.Prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'outbox'");
  const bool outbox = promised.Step();
  promised.Reset();
  // A run that is done is asked for its goal and exit as long as a message of it waits.
  Statement select = db.Prepare(
      std::string("SELECT playbook, hash, path, text, since FROM playbook_version v WHERE EXISTS "
                  "(SELECT 1 FROM run r WHERE r.ended IS NULL AND r.playbook = v.playbook AND "
                  "r.hash = v.hash)") +
      (outbox ? " OR EXISTS (SELECT 1 FROM outbox o JOIN run r ON r.id = o.run WHERE o.state < 2 "
                "AND o.kind = 0 AND r.playbook = v.playbook AND r.hash = v.hash)"
              : "") +
      " ORDER BY 1, 2");
  while (select.Step()) {
    versions.push_back({.playbook = select.Text(0),
                        .hash = select.Text(1),
                        .file = {select.Text(2), select.Text(3)},
                        .since = FromMicros(select.Int(4))});
  }
  return versions;
}

int PlaybookEngine::FindEarlier(int index, std::string_view hash) const {
  const Playbook* found = workspace_.FindEarlier(playbook(index).id, hash);
  return found == nullptr ? -1 : static_cast<int>(found - workspace_.earlier.data());
}

void PlaybookEngine::KeepVersions(TimePoint now) {
  Statement keep = db_.Prepare(
      "INSERT OR IGNORE INTO playbook_version(playbook, hash, path, text, since) VALUES (?, ?, ?, "
      "?, ?)");
  for (const PlaybookProgram& program : programs_) {
    const Playbook& playbook = *program.playbook;
    const auto file = static_cast<std::size_t>(playbook.place.file);
    if (playbook.place.file < 0 || file >= workspace_.files.size()) {
      continue;  // Made up by a test.
    }
    keep.Bind(1, playbook.id)
        .Bind(2, playbook.hash)
        .Bind(3, workspace_.files[file].path)
        .Bind(4, DocumentAt(workspace_.files[file].text, playbook.place.line))
        .Bind(5, ToMicros(now))
        .Run();
  }
}

std::optional<Applying> PlaybookEngine::TakeWord() {
  const std::string text = db_.GetSetting(kWordLeft).value_or("");
  if (text.empty()) {
    return std::nullopt;
  }
  const boost::json::object word = boost::json::parse(text).as_object();
  if (word.at("for").as_string() != HashOfPlaybooks(workspace_)) {
    return std::nullopt;
  }
  db_.SetSetting(kWordLeft, "");
  return Applying{.running = std::string(word.at("running").as_string()),
                  .backfill = boost::json::value_to<std::vector<std::string>>(word.at("backfill"))};
}

void PlaybookEngine::FollowEdit(ActiveRun& run, std::string_view choice, TimePoint now) {
  if (choice == "stop") {
    End(run, "stopped", program(run).where, "the playbook was edited: apply --running stop", now);
    SaveRun(run, now);
    summary_.edited.push_back({playbook(run.playbook).id, run.customer, "stop"});
    return;
  }
  if (choice != "move" && run.earlier >= 0) {
    return;  // It goes on with the version that it began with.
  }
  // The new version, at the same step.
  const std::string step =
      run.step == StepNode::kEnd ? std::string() : node(run, run.step).step->id;
  run.earlier = -1;
  const auto found = program(run).by_id.find(step);
  run.step = found == program(run).by_id.end() ? StepNode::kEnd : found->second;
  if (run.step == StepNode::kEnd || node(run, run.step).step->kind != Step::Kind::kWait) {
    End(run, "stopped", program(run).where,
        "the playbook was edited, and the step it waited at is gone", now);
  } else {
    run.hash = playbook(run.playbook).hash;
  }
  summary_.edited.push_back(
      {playbook(run.playbook).id, run.customer, run.end_reason.empty() ? "move" : "gone"});
  SaveRun(run, now);
}

std::vector<std::pair<CustomerIndex, PendingStart>> PlaybookEngine::WhoStand(int index,
                                                                             TimePoint now) {
  const Trigger& on = playbook(index).on;
  std::vector<std::pair<CustomerIndex, PendingStart>> all;
  switch (on.kind) {
    case Trigger::Kind::kMove:
      for (const Standing& one : host_.StandingIn(on.model)) {
        if (ListsSegment(on.to, one.segment) &&
            (on.from.empty() || ListsSegment(on.from, one.from))) {
          all.emplace_back(one.customer, PendingStart{.from = one.from,
                                                      .to = one.segment,
                                                      .at = one.since,
                                                      .due = std::max(now, one.since + on.stay)});
        }
      }
      break;
    case Trigger::Kind::kFlag: {
      const std::vector<bool> flag = host_.FlagColumn(on.model, on.flag);
      for (std::size_t i = 0; i < flag.size(); ++i) {
        if (flag[i]) {
          all.emplace_back(FirstOf(on.model) + static_cast<CustomerIndex>(i),
                           PendingStart{.at = now, .due = now});
        }
      }
      break;
    }
    case Trigger::Kind::kEvery:
      for (const CustomerIndex customer : HoldingWhile(index, now)) {
        all.emplace_back(customer, PendingStart{.at = now, .due = now});
      }
      break;
    case Trigger::Kind::kEvent:
      break;  // Nobody is in an event.
  }
  return all;
}

void PlaybookEngine::Backfill(int index, TimePoint now) {
  if (playbook(index).on.kind == Trigger::Kind::kEvery) {
    // Those who hold it at the first look would have to wait for a whole round.
    first_look_.erase(index);
  }
  auto& pending = pending_[static_cast<std::size_t>(index)];
  for (auto& [customer, start] : WhoStand(index, now)) {
    pending.try_emplace(customer, start);
  }
}

std::vector<CustomerIndex> PlaybookEngine::Standers(int index, TimePoint now) {
  std::vector<CustomerIndex> all;
  for (const auto& [customer, start] : WhoStand(index, now)) {
    all.push_back(customer);
  }
  return all;
}

}  // namespace segue
