#include "cli/workbench.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <span>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.h"
#include "base/visible.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "daemon/transport.h"
#include "pipeline/release.h"

namespace segue {

namespace {

constexpr std::size_t kKeysNamed = 10;  // Of customers who share an address.

// `where`: whose errors they are, and what to do about them.
Checked RequireGood(Checked checked, const std::string& where) {
  if (checked.workspace == nullptr || HasErrors(checked.diagnostics)) {
    Diagnostics errors;
    std::copy_if(checked.diagnostics.begin(), checked.diagnostics.end(), std::back_inserter(errors),
                 [](const Diagnostic& one) { return one.severity == Severity::kError; });
    throw Failure{kFindings,
                  FormatDiagnostics(errors, checked.files, ErrorHasColour()) +
                      fmt::format("{} in {}\n", Counted(std::ssize(errors), "error"), where)};
  }
  return checked;
}

std::string InFolder(const Common& common) {
  return "the workspace " + common.workspace + ": nothing was run";
}

}  // namespace

Checked LoadFolder(const Common& common) {
  Checked checked;
  std::vector<SourceFile> files = ReadWorkspaceFiles(common.workspace, checked.diagnostics);
  if (files.empty() && checked.diagnostics.empty()) {
    std::error_code ignored;
    const bool there = std::filesystem::is_directory(common.workspace, ignored);
    checked.diagnostics.push_back(
        {Severity::kError,
         "SG000",
         Place{},
         there ? fmt::format("the folder {} holds no workspace: no file in config/, rules/ and "
                             "templates/",
                             common.workspace)
               : fmt::format("there is no folder {}", common.workspace),
         {},
         "name the workspace's folder with --workspace, or begin with `segue init FOLDER`"});
    return checked;
  }
  const Diagnostics found = std::move(checked.diagnostics);
  checked = CheckWorkspace(std::move(files));
  checked.diagnostics.insert(checked.diagnostics.begin(), found.begin(), found.end());
  return checked;
}

Checked OpenWorkspace(const Common& common) {
  return RequireGood(LoadFolder(common), InFolder(common));
}

Checked LoadToRun(Database& db, const Common& common, std::vector<std::string>& notes) {
  const std::optional<Release> applied = AppliedRelease(db);
  if (!applied) {
    Checked checked = LoadFolder(common);
    if (checked.workspace != nullptr && checked.workspace->approvals > 0) {
      checked.diagnostics.push_back(
          {Severity::kError,
           "SG061",
           Place{},
           fmt::format("safety.approvals asks that {} approve what runs, and these files were not "
                       "applied",
                       Counted(checked.workspace->approvals, "other person", "other people")),
           {},
           "segue plan -o plan.json, segue approve plan.json, segue apply plan.json"});
      checked.workspace = nullptr;
    }
    // Also what could not be read is an error, and to check again would forget it.
    return checked.workspace == nullptr || HasErrors(checked.diagnostics)
               ? std::move(checked)
               : WithEarlier(db, std::move(checked));
  }
  Diagnostics ignored;
  if (FilesHash(ReadWorkspaceFiles(common.workspace, ignored)) != applied->hash) {
    notes.push_back("the files of " + common.workspace + " are not those that were applied on " +
                    FormatTime(applied->at) +
                    ": these run; `segue plan` shows what the others would do, `segue apply` makes "
                    "them live");
  }
  return CheckWorkspace(applied->files, false, VersionsInUse(db));
}

Checked OpenToRun(Database& db, const Common& common) {
  std::vector<std::string> notes;
  const std::optional<Release> applied = AppliedRelease(db);
  Checked checked = RequireGood(
      LoadToRun(db, common, notes),
      applied ? "the files that were applied on " + FormatTime(applied->at) +
                    ", as this version of segue reads them: nothing was run. Mend them in the "
                    "folder, then `segue plan` and `segue apply`"
              : InFolder(common));
  for (const std::string& note : notes) {
    fmt::print(stderr, "note: {}\n", note);
  }
  return checked;
}

Checked OpenRunning(Database& db, const Common& common) {
  if (std::optional<Release> running = RunningRelease(db)) {
    Checked checked = CheckWorkspace(std::move(running->files), false, VersionsInUse(db));
    if (checked.workspace != nullptr) {
      return checked;
    }
  }
  return WithEarlier(db, OpenWorkspace(common));
}

TimePoint MomentOf(const Common& common, const Workspace& workspace) {
  if (common.at.empty()) {
    return SystemClock().Now();
  }
  Result<TimePoint> at = ParseTime(common.at, workspace.schema.timezone);
  if (!at) {
    throw Failure{kUsage, fmt::format("--at {}: {}\n", common.at, at.error().message())};
  }
  return *at;
}

TimePoint ParseMoment(const std::string& text, const Zone& zone) {
  Result<TimePoint> time = ParseTime(text, zone);
  if (!time) {
    throw Failure{kUsage, fmt::format("{}: {}\n", text, time.error().message())};
  }
  return *time;
}

std::optional<Duration> StepOf(const std::string& text) {
  if (text.empty()) {
    return std::nullopt;
  }
  const std::optional<Duration> every = ParseDuration(text);
  if (!every || *every <= Duration::zero()) {
    throw Failure{kUsage, fmt::format("--every {}: write a duration such as 6h\n", text)};
  }
  return every;
}

void MakeFolder(const std::string& path) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  if (problem) {
    throw Failure{kCannotReach,
                  fmt::format("cannot make the folder {}: {}\n", path, problem.message())};
  }
}

StateLock::StateLock(const std::string& folder) {
  MakeFolder(folder);
  const std::string path = folder + "/segue.lock";
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (file_ < 0) {
    throw Failure{kCannotReach,
                  fmt::format("cannot open {}: {}\n", path,
                              std::strerror(errno))};  // NOLINT(concurrency-mt-unsafe)
  }
  if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    close(file_);
    throw Failure{
        kCannotReach,
        fmt::format("another segue is at work on {}: wait until it is done, or stop it\n", folder)};
  }
}

StateLock::~StateLock() {
  close(file_);
}

std::string StateFile(const Common& common) {
  return common.state + "/segue.db";
}

void RequireNotLost(const Common& common) {
  const std::string file = StateFile(common);
  std::error_code none;
  if (std::filesystem::exists(file + ".mark", none) &&
      (!std::filesystem::exists(file, none) || std::filesystem::file_size(file, none) == 0)) {
    throw Failure{kCannotReach, LostState(file) + "\n"};
  }
}

void RequireState(const Common& common) {
  RequireNotLost(common);
  if (!std::filesystem::exists(StateFile(common))) {
    throw Failure{kCannotReach,
                  fmt::format("there is no state in {} yet: `segue run` makes one, or name another "
                              "folder with --state\n",
                              common.state)};
  }
}

std::unique_ptr<Home> RequireHome(Database& db, const Common& common) {
  auto home = std::make_unique<Home>(db, StateFile(common));
  const Result<void> here = home->Require(SystemClock().Now());
  if (!here) {
    throw Failure{kCannotReach, here.error().message() + "\n"};
  }
  return home;
}

Checked WithEarlier(Database& db, Checked checked) {
  std::vector<PlaybookVersion> earlier = VersionsInUse(db);
  return earlier.empty() ? std::move(checked)
                         : CheckWorkspace(std::move(checked.files), false, std::move(earlier));
}

Opened::Opened(const Common& common, bool running)
    : checked(running ? Checked() : OpenWorkspace(common)) {
  RequireState(common);
  db = std::make_unique<Database>(Database::Open(StateFile(common)));
  look = std::make_unique<Look>(*db);
  checked = running ? OpenRunning(*db, common) : WithEarlier(*db, std::move(checked));
  now = MomentOf(common, *checked.workspace);
  state = std::make_unique<State>(*db, *checked.workspace, *checked.templates, now,
                                  OptionsFor(*checked.workspace, false));
}

StateOptions OptionsFor(const Workspace& workspace, bool needs_secret) {
  StateOptions options;
  for (const Source& source : workspace.sources) {
    if (source.type == SourceType::kSql) {
      if (const Result<std::string> secret = ResolveSecret(source.sql.url)) {
        options.secrets[source.id] = *secret;
      }
      const Result<std::string> tunnel =
          source.sql.tunnel.empty() ? Result<std::string>("") : ResolveSecret(source.sql.tunnel);
      if (tunnel && !tunnel->empty()) {
        options.secrets[source.id + " tunnel"] = *tunnel;
      }
    } else if (source.pushed()) {
      if (const Result<std::string> secret = ResolveSecret(source.push_secret)) {
        options.secrets[source.id] = *secret;
      }
    }
    for (const auto& [name, reference] : source.exports.auth) {
      if (const Result<std::string> secret = ResolveSecret(reference)) {
        options.secrets[source.id + "." + name] = *secret;
      }
    }
  }
  if (workspace.sign_secret.empty()) {
    return options;
  }
  Result<std::string> key = ResolveSecret(workspace.sign_secret);
  if (key) {
    for (const std::string_view line : Split(*key, '\n')) {
      const std::string_view one = Trim(line);
      if (options.links_key.empty()) {
        options.links_key = one;
      } else if (!one.empty()) {
        options.old_links_keys.emplace_back(one);
        options.secrets[fmt::format("serve.sign.{}", options.old_links_keys.size())] = one;
      }
    }
    if (options.links_key.empty() && needs_secret) {
      throw Failure{kCannotReach,
                    fmt::format("serve.sign: {} is empty: nobody could sign off by the links that "
                                "it signs\n",
                                workspace.sign_secret)};
    }
  } else if (needs_secret) {
    throw Failure{kCannotReach, "serve.sign: " + key.error().message() + "\n"};
  }
  return options;
}

namespace {

// Where the transport's thread leaves replies for this one.
class ReplyQueue {
 public:
  using Replies = std::vector<std::pair<std::int64_t, Reply>>;

  void Put(std::int64_t id, Reply reply) {
    {
      const std::lock_guard lock(mutex_);
      replies_.emplace_back(id, std::move(reply));
    }
    some_.notify_one();
  }

  // What there is, as soon as there is something; nothing when none comes in that time.
  Replies Take(Duration most) {
    std::unique_lock lock(mutex_);
    some_.wait_for(lock, most, [this] { return !replies_.empty(); });
    return std::exchange(replies_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable some_;
  Replies replies_;
};

constexpr Duration kPatience = std::chrono::seconds(2);

}  // namespace

std::int64_t DispatchAll(State& state, Dispatcher& dispatcher, Home& home,
                         const std::string& state_folder, Clock& clock) {
  ReplyQueue queue;
  Transport transport(state_folder,
                      [&](std::int64_t id, Reply reply) { queue.Put(id, std::move(reply)); });
  std::int64_t made = 0;
  std::int64_t in_flight = 0;
  ReplyQueue::Replies replies;
  while (true) {
    const TimePoint now = clock.Now();
    std::vector<Call> calls;
    {
      Transaction work(state.db());
      for (const auto& [id, reply] : replies) {
        for (Call& next : dispatcher.Finish(id, reply, now)) {
          calls.push_back(std::move(next));
        }
      }
      for (Call& call : dispatcher.Start(now)) {
        calls.push_back(std::move(call));
      }
      if (!calls.empty()) {
        home.Advance();
      }
      work.Commit();
    }
    if (!calls.empty()) {
      home.Mark();
    }
    in_flight += std::ssize(calls) - std::ssize(replies);
    made += std::ssize(calls);
    for (Call& call : calls) {
      transport.Start(call.id, std::move(call.request));
    }
    Duration wait = kDay;
    if (in_flight == 0) {
      const std::optional<TimePoint> next = dispatcher.Next(now);
      if (!next || *next > now + kPatience) {
        return made;
      }
      wait = std::max(Duration::zero(), *next - now);
    }
    replies = queue.Take(wait);
  }
}

std::optional<CustomerIndex> WhoIn(State& state, const Model& model, CustomerIndex customer) {
  if ((model.of == Subject::kAccount) == IsAccount(customer)) {
    return customer;
  }
  return IsAccount(customer) ? std::nullopt : state.ledger().AccountOf(customer);
}

CustomerIndex FindAnybody(State& state, const std::string& who) {
  const std::optional<CustomerIndex> account = state.ledger().FindAccount(who);
  return account && !state.ledger().FindCustomer(who) ? *account : FindPerson(state, who);
}

CustomerIndex FindPerson(State& state, const std::string& who) {
  if (const std::optional<CustomerIndex> found = state.ledger().FindCustomer(who)) {
    return *found;
  }
  const std::optional<int> email = state.workspace().email_trait;
  std::vector<CustomerIndex> found;
  if (email && who.find('@') != std::string::npos) {
    for (const auto& [address, customer] :
         state.ledger().CustomersWhoseTextIs(*email, {ToLower(who)})) {
      found.push_back(customer);
    }
  }
  if (found.size() == 1) {
    return found.front();
  }
  if (!found.empty()) {
    std::string keys;
    for (const CustomerIndex customer :
         std::span(found).first(std::min(found.size(), kKeysNamed))) {
      keys += (keys.empty() ? "" : ", ") + Visible(state.ledger().CustomerKey(customer));
    }
    throw Failure{
        kFindings,
        fmt::format("{} customers have the address {}: name one by its key: {}{}\n", found.size(),
                    Visible(who), keys, found.size() > kKeysNamed ? ", …" : "")};
  }
  throw Failure{kFindings,
                fmt::format("no customer has the key or the address {}{}\n", who,
                            state.ledger().FindAccount(who) ? ": it is an account" : "")};
}

}  // namespace segue
