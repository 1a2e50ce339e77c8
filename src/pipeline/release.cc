#include "pipeline/release.h"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/json.hpp>

#include "base/hash.h"

namespace segue {
namespace {

constexpr std::string_view kReleaseTables = R"(
CREATE TABLE release(
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  hash TEXT NOT NULL,
  applied INTEGER NOT NULL
) STRICT;
CREATE TABLE release_file(
  release INTEGER NOT NULL REFERENCES release(id),
  path TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY(release, path)
) STRICT, WITHOUT ROWID;
)";

constexpr std::int64_t kPlanFormat = 1;

void Ensure(Database& db) {
  db.Ensure("release", kReleaseTables);
}

bool MeansWhatItSays(std::string_view path) {
  return path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".md");
}

std::string HashOf(const std::map<std::string, std::string>& files) {
  std::string all;
  for (const auto& [path, hash] : files) {
    all += path + ' ' + hash + '\n';
  }
  return Sha256Hex(all);
}

}  // namespace

std::map<std::string, std::string> FileHashes(const std::vector<SourceFile>& files) {
  std::map<std::string, std::string> hashes;
  for (const SourceFile& file : files) {
    hashes[file.path] = Sha256Hex(MeansWhatItSays(file.path) ? NormalisedText({file}) : file.text);
  }
  return hashes;
}

std::string FilesHash(const std::vector<SourceFile>& files) {
  return HashOf(FileHashes(files));
}

std::optional<Release> RunningRelease(Database& db) {
  Ensure(db);
  Statement find = db.Prepare("SELECT id, at, hash, applied FROM release ORDER BY id DESC LIMIT 1");
  if (!find.Step()) {
    return std::nullopt;
  }
  Release release{find.Int(0), FromMicros(find.Int(1)), find.Text(2), find.Int(3) != 0, {}};
  Statement files =
      db.Prepare("SELECT path, text FROM release_file WHERE release = ? ORDER BY path");
  files.Bind(1, release.id);
  while (files.Step()) {
    release.files.push_back({files.Text(0), files.Text(1)});
  }
  return release;
}

std::optional<Release> AppliedRelease(Database& db) {
  std::optional<Release> running = RunningRelease(db);
  return running && running->applied ? std::move(running) : std::nullopt;
}

void NoteRelease(Database& db, const std::vector<SourceFile>& files, bool applied, TimePoint now) {
  Ensure(db);
  const std::string hash = FilesHash(files);
  Transaction work(db);
  Statement last = db.Prepare("SELECT hash, applied FROM release ORDER BY id DESC LIMIT 1");
  if (last.Step() && last.Text(0) == hash && (last.Int(1) != 0) == applied) {
    return;
  }
  last.Reset();
  Statement insert = db.Prepare("INSERT INTO release(at, hash, applied) VALUES (?, ?, ?)");
  insert.Bind(1, ToMicros(now)).Bind(2, hash).Bind(3, std::int64_t{applied}).Run();
  const std::int64_t id = db.LastRowId();
  for (const SourceFile& file : files) {
    Statement add = db.Prepare("INSERT INTO release_file(release, path, text) VALUES (?, ?, ?)");
    add.Bind(1, id).Bind(2, file.path).Bind(3, file.text).Run();
  }
  work.Commit();
}

void FollowFolder(Database& db) {
  Ensure(db);
  Transaction work(db);
  db.Execute("UPDATE release SET applied = 0 WHERE id = (SELECT max(id) FROM release)");
  work.Commit();
}

WhoGets WhoGetsWhat(const Foreseen& plan, const Workspace& workspace) {
  WhoGets all;
  for (const ForeseenPlaybook& one : plan.playbooks) {
    const std::string& playbook = workspace.playbooks[static_cast<std::size_t>(one.playbook)].id;
    for (const ForeseenStep& step : one.steps) {
      if (step.reason == "sent") {
        Gets& gets = all[step.customer_key];
        // Of several promises the mail address tells a person most.
        if (gets.person.empty() || step.person.find('@') != std::string::npos) {
          gets.person = step.person;
        }
        gets.what[playbook + ": " + step.what] += step.words;
      }
    }
  }
  for (const ForeseenLeaving& one : plan.leaving) {
    Gets& gets = all[one.customer_key];
    gets.person = gets.person.empty() ? one.person : gets.person;
    gets.what[one.playbook + ": leaves " + one.list] = "";
  }
  return all;
}

Difference Compare(const WhoGets& before, const WhoGets& after) {
  Difference difference;
  for (const auto& [customer, gets] : after) {
    const auto found = before.find(customer);
    if (found == before.end()) {
      difference.newly.push_back(customer);
    } else if (found->second.what != gets.what) {
      difference.otherwise.push_back(customer);
    }
  }
  for (const auto& [customer, gets] : before) {
    if (!after.contains(customer)) {
      difference.no_longer.push_back(customer);
    }
  }
  return difference;
}

std::string PlanFileText(const PlanFile& plan) {
  boost::json::object files, gets;
  for (const auto& [path, hash] : plan.files) {
    files[path] = hash;
  }
  for (const auto& [customer, one] : plan.gets) {
    boost::json::object what;
    for (const auto& [step, words] : one.what) {
      what[step] = words;
    }
    gets[customer] = {{"person", one.person}, {"what", std::move(what)}};
  }
  boost::json::array backfill;
  for (const std::string& playbook : plan.asked.backfill) {
    backfill.emplace_back(playbook);
  }
  const boost::json::object out{{"segue_plan", kPlanFormat},
                                {"workspace", plan.workspace},
                                {"author", plan.author},
                                {"made", ToMicros(plan.made)},
                                {"at", ToMicros(plan.at)},
                                {"running", plan.running},
                                {"running_runs", plan.asked.running},
                                {"backfill", std::move(backfill)},
                                {"files", std::move(files)},
                                {"gets", std::move(gets)}};
  return boost::json::serialize(out) + "\n";
}

Result<PlanFile> ParsePlanFile(std::string_view text) {
  const Error broken("this is no plan: write one with `segue plan -o FILE`");
  boost::system::error_code wrong;
  const boost::json::value parsed = boost::json::parse(text, wrong);
  if (wrong || !parsed.is_object()) {
    return broken;
  }
  const boost::json::object& in = parsed.get_object();
  const auto string_at = [](const boost::json::object& map, std::string_view key) {
    const boost::json::value* found = map.if_contains(key);
    return found != nullptr && found->is_string() ? std::string(found->get_string())
                                                  : std::string();
  };
  const auto number_at = [&](std::string_view key) {
    const boost::json::value* found = in.if_contains(key);
    return found != nullptr && found->is_int64() ? found->get_int64() : std::int64_t{0};
  };
  const boost::json::value* files = in.if_contains("files");
  const boost::json::value* gets = in.if_contains("gets");
  if (number_at("segue_plan") != kPlanFormat || files == nullptr || !files->is_object() ||
      gets == nullptr || !gets->is_object()) {
    return broken;
  }
  PlanFile plan;
  plan.workspace = string_at(in, "workspace");
  plan.running = string_at(in, "running");
  plan.author = string_at(in, "author");
  plan.asked.running = string_at(in, "running_runs");
  if (const boost::json::value* backfill = in.if_contains("backfill");
      backfill != nullptr && backfill->is_array()) {
    for (const boost::json::value& playbook : backfill->get_array()) {
      plan.asked.backfill.emplace_back(playbook.is_string() ? playbook.get_string() : "");
    }
  }
  plan.made = FromMicros(number_at("made"));
  plan.at = FromMicros(number_at("at"));
  for (const auto& [path, hash] : files->get_object()) {
    plan.files[std::string(path)] = string_at(files->get_object(), path);
  }
  for (const auto& [customer, one] : gets->get_object()) {
    const boost::json::object* map = one.if_object();
    const boost::json::value* what = map == nullptr ? nullptr : map->if_contains("what");
    if (what == nullptr || !what->is_object()) {
      return broken;
    }
    Gets& person = plan.gets[std::string(customer)];
    person.person = string_at(*map, "person");
    for (const auto& [step, words] : what->get_object()) {
      person.what[std::string(step)] = string_at(what->get_object(), step);
    }
  }
  return plan;
}

std::string Stale(const PlanFile& plan, const std::vector<SourceFile>& files,
                  const std::optional<Release>& running, std::optional<TimePoint> last_cycle) {
  const std::map<std::string, std::string> now = FileHashes(files);
  std::set<std::string> changed;
  for (const auto& [path, hash] : now) {
    const auto found = plan.files.find(path);
    if (found == plan.files.end() || found->second != hash) {
      changed.insert(path);
    }
  }
  for (const auto& [path, hash] : plan.files) {
    if (!now.contains(path)) {
      changed.insert(path);
    }
  }
  if (!changed.empty()) {
    std::string names;
    for (const std::string& path : changed) {
      names += (names.empty() ? "" : ", ") + path;
    }
    return "the files changed since the plan was made: " + names;
  }
  if ((running ? running->hash : "") != plan.running) {
    return "other files went live since the plan was made";
  }
  if (last_cycle && *last_cycle >= plan.at) {
    return "the moment that the plan was made for, " + FormatTime(plan.at) + ", has passed";
  }
  return "";
}

}  // namespace segue
