#include "sim/simulation.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "outbox/payload.h"
#include "sim/checks.h"
#include "sim/parts.h"

namespace segue::sim {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(1);
constexpr Duration kSaveEvery = kHour * 7;
// So many turns without anything but the clock's smallest step is a loop that never rests.
constexpr int kSpinsMax = 300;

Result<Secrets> SecretsOf(const ConnectorSettings& connector) {
  return Secrets{{"url", "https://" + connector.id + ".sim.example/in"}};
}

}  // namespace

Simulation::Simulation(const Choices& choices)
    : choices_(choices),
      world_(choices_),
      vendor_(choices_),
      checks_(std::make_unique<Checks>(*this)),
      dice_(Stream(choices_, "operations")),
      now_(choices.start),
      next_cycle_(choices.start),
      next_save_(choices.start + kSaveEvery),
      not_before_(choices.start) {
  world_.edge = [this] { Edge(); };
}

Simulation::~Simulation() {
  parts_.reset();
}

void Simulation::Run() {
  Checked checked = CheckWorkspace(FilesOf(choices_));
  if (checked.workspace == nullptr) {
    throw Violation("the workspace of this seed does not compile:\n" +
                    FormatDiagnostics(checked.diagnostics, checked.files, false));
  }
  parts_ = std::make_unique<Parts>(std::make_shared<const Checked>(std::move(checked)),
                                   choices_.keys_per_block);
  path_ = folder_ / "life-0/segue.db";
  std::filesystem::create_directories(folder_ / "life-0");
  Open();
  Live();
  Settle();
  checks_->AtTheEnd();
  Twin();
}

// --- Lives ---------------------------------------------------------------------------------------

void Simulation::Open() {
  parts_->db.emplace(Database::Open(path_));
  parts_->db->OnCommit([this](bool /*after*/) { Edge(); });
  // What SQLite promises about a crash holds for these settings.
  for (const auto& [pragma, wanted] :
       {std::pair("synchronous", "2"), std::pair("journal_mode", "wal")}) {
    Statement ask = parts_->db->Prepare(std::string("PRAGMA ") + pragma);
    if (!ask.Step() || ask.Text(0) != wanted) {
      throw Violation(fmt::format("PRAGMA {} is not {}", pragma, wanted));
    }
  }
  parts_->Begin(now_, world_);
  parts_->dispatcher = std::make_unique<Dispatcher>(*parts_->state, SecretsOf);
}

// Any of these may be the instant at which the process dies.
void Simulation::Edge() {
  if (std::this_thread::get_id() != thread_) {
    return;  // Large files are read ahead beside the work; a process dies at its work.
  }
  if (edges_to_crash_ > 0 && --edges_to_crash_ == 0) {
    Image();
    throw Crash{};
  }
}

void Simulation::Keep(const std::string& path) const {
  for (const char* part : {"", "-wal"}) {
    if (std::filesystem::exists(path_ + part)) {
      std::filesystem::copy_file(path_ + part, path + part,
                                 std::filesystem::copy_options::overwrite_existing);
    }
  }
}

// The files as a killed process leaves them.
void Simulation::Image() {
  image_ = folder_ / fmt::format("life-{}", lives_ + 1);
  std::filesystem::create_directories(image_);
  image_ += "/segue.db";
  for (const char* part : {"", "-wal"}) {
    if (std::filesystem::exists(path_ + part)) {
      std::filesystem::copy_file(path_ + part, image_ + part,
                                 std::filesystem::copy_options::overwrite_existing);
    }
  }
}

void Simulation::Reboot() {
  while (true) {
    ++tally_.crashes;
    auto next = std::make_unique<Parts>(parts_->checked, choices_.keys_per_block);
    parts_ = std::move(next);
    std::filesystem::remove_all(std::filesystem::path(path_).parent_path());
    path_ = image_;
    ++lives_;
    flying_.clear();
    checks_->Forget();
    if (dice_.Chance(0.1)) {
      // A new process reads its files anew; a service that caught an exception keeps them.
      parts_->checked = std::make_shared<const Checked>(CheckWorkspace(FilesOf(choices_)));
    }
    edges_to_crash_ = !calm_ && dice_.Chance(choices_.crash_share) ? 1 + dice_.Below(8) : 0;
    try {
      Open();
      edges_to_crash_ = 0;
      return;
    } catch (const Crash&) {
    }
  }
}

bool Simulation::Attempt(const std::function<void()>& work) {
  const bool crash = choices_.crashes && !calm_ && dice_.Chance(choices_.crash_share);
  edges_to_crash_ = crash ? 1 + dice_.Below(8) : 0;
  try {
    work();
    edges_to_crash_ = 0;
    return true;
  } catch (const Crash&) {
    Reboot();
    return false;
  }
}

// --- Time ----------------------------------------------------------------------------------------

void Simulation::Live() {
  const TimePoint end = choices_.start + kDay * choices_.days;
  int spins = 0;
  while (now_ < end) {
    Turn();
    checks_->AfterTick();
    ++tally_.ticks;
    const TimePoint next = NextMoment();
    spins = next <= now_ + kTick ? spins + 1 : 0;
    if (spins > kSpinsMax) {
      throw Violation("the dispatcher wants to be called again and again, and does nothing");
    }
    now_ = std::max(next, now_ + kTick);
  }
}

TimePoint Simulation::NextMoment() {
  TimePoint next = std::min(next_cycle_, next_save_);
  next = std::min(next, parts_->dispatcher->Next(now_).value_or(next));
  if (!flying_.empty()) {
    next = std::min(next, flying_.begin()->first);
  }
  if (next_action_ < world_.actions().size()) {
    next = std::min(next, world_.actions()[next_action_].at);
  }
  return std::max(next, not_before_);
}

void Simulation::Turn() {
  world_.SetNow(now_);
  while (next_action_ < world_.actions().size() && world_.actions()[next_action_].at <= now_) {
    Act(world_.actions()[next_action_++]);
  }
  if (now_ >= next_cycle_ && now_ >= not_before_) {
    RunCycle();
  }
  if (now_ >= not_before_) {
    Dispatch();
  }
  if (now_ >= next_save_ && now_ >= not_before_) {
    Attempt([&] {
      parts_->state->ledger().Seal();
      parts_->state->Snapshot();
    });
    next_save_ = now_ + kSaveEvery;
  }
}

void Simulation::Act(const Action& action) {
  using Kind = Operation::Kind;
  CycleReport report;
  const auto take_in = [&](const Fact& fact) {
    // Said again after a crash: what was taken in already changes nothing.
    while (!Attempt([&] {
      parts_->cycle->Ingest(std::vector<Fact>{fact}, "by_hand", kDay * 3, now_, report);
    })) {
    }
  };
  switch (action.kind) {
    case Action::Kind::kMerge:
      take_in(Merge{action.customer, action.other, now_});
      operations_.push_back({Kind::kMerge, now_, action.customer, action.other, {}});
      world_.Merged(action.customer, action.other);
      break;
    case Action::Kind::kErase:
      take_in(Erase{action.customer, now_});
      operations_.push_back({Kind::kErase, now_, action.customer, "", {}});
      world_.Erased(action.customer);
      break;
    case Action::Kind::kSuppress:
      while (!Attempt([&] {
        Transaction work(*parts_->db);
        parts_->state->Suppress(action.customer, "by_hand", now_);
        work.Commit();
      })) {
      }
      operations_.insert(WhereDecided(), {Kind::kSuppress, now_, action.customer, "", {}});
      world_.Suppressed(action.customer);
      break;
    case Action::Kind::kStall:
      now_ += action.length;
      world_.SetNow(now_);
      start_first_ = true;
      break;
  }
  if (dice_.Chance(0.5)) {
    next_cycle_ = now_;
  }
}

// --- Cycle ---------------------------------------------------------------------------------------

void Simulation::RunCycle() {
  using Kind = Operation::Kind;
  CycleReport report;
  while (!Attempt([&] { parts_->cycle->Pull(now_, false, {}, report); })) {
  }
  world_.TookIn();
  operations_.push_back({Kind::kPull, now_, "", "", {}});
  const bool done = Attempt([&] { parts_->cycle->Decide(now_, report); });
  if (done) {
    operations_.push_back({Kind::kDecide, now_, "", "", {}});
    tally_.moves += std::ssize(report.moves);
    next_cycle_ = report.next;
    checks_->AfterCycle(report);
    if (dice_.Chance(0.01)) {
      checks_->NothingNew();
    }
    return;
  }
  if (CycleBegan()) {
    // It will be finished with this now, whenever that is.
    operations_.push_back({Kind::kDecide, now_, "", "", {}});
  }
  const std::vector<Duration> delays = {Duration::zero(), std::chrono::seconds(5), kMinute * 20,
                                        kHour * 5};
  not_before_ = now_ + delays[static_cast<std::size_t>(dice_.Below(4))];
  next_cycle_ = not_before_;
}

// A cycle that was cut off is decided when work goes on, with what was suppressed until then:
// before it, else at the end.
std::vector<Operation>::iterator Simulation::WhereDecided() {
  Statement find = parts_->db->Prepare("SELECT 1 FROM cycle WHERE finished = 0");
  if (!find.Step()) {
    return operations_.end();
  }
  const auto last =
      std::find_if(operations_.rbegin(), operations_.rend(),
                   [](const Operation& one) { return one.kind == Operation::Kind::kDecide; });
  return last == operations_.rend() ? operations_.begin() : std::prev(last.base());
}

bool Simulation::CycleBegan() {
  Statement find = parts_->db->Prepare("SELECT 1 FROM cycle WHERE now = ?");
  find.Bind(1, ToMicros(now_));
  return find.Step();
}

// --- Dispatch ------------------------------------------------------------------------------------

std::vector<Simulation::Flying> Simulation::Landed() {
  std::vector<Flying> landed;
  while (!flying_.empty() && flying_.begin()->first <= now_) {
    landed.push_back(std::move(flying_.begin()->second));
    flying_.erase(flying_.begin());
  }
  return landed;
}

void Simulation::Dispatch() {
  choices_.grouped ? DispatchGrouped() : DispatchOneByOne();
}

void Simulation::DispatchGrouped() {
  const int life = lives_;
  if (start_first_) {
    DispatchGroup({});  // The answers are still on their way to the service.
  }
  start_first_ = false;
  if (lives_ == life) {
    DispatchGroup(Landed());
  }
}

// As the service does it: what came back, then what is due, in one transaction; then the calls.
void Simulation::DispatchGroup(const std::vector<Flying>& landed) {
  std::vector<Call> calls;
  const auto add = [&](std::vector<Call> more) {
    std::move(more.begin(), more.end(), std::back_inserter(calls));
  };
  const bool done = Attempt([&] {
    Transaction work(*parts_->db);
    for (const Flying& one : landed) {
      add(parts_->dispatcher->Finish(one.call, one.answered.reply, now_));
    }
    add(parts_->dispatcher->Start(now_));
    work.Commit();
  });
  checks_->Told(landed, done);
  if (done) {
    Perform(std::move(calls));
  }
}

void Simulation::DispatchOneByOne() {
  std::vector<Call> calls;
  const auto start = [&] {
    if (Attempt([&] { calls = parts_->dispatcher->Start(now_); })) {
      Perform(std::move(calls));
      return true;
    }
    return false;
  };
  if (start_first_ && !start()) {
    return;
  }
  for (const Flying& one : Landed()) {
    const int life = lives_;
    const bool done =
        Attempt([&] { calls = parts_->dispatcher->Finish(one.call, one.answered.reply, now_); });
    checks_->Told({one}, done);
    if (done) {
      Perform(std::move(calls));
    }
    if (lives_ != life) {
      start_first_ = false;
      return;  // The rest was said to a process that is gone.
    }
  }
  if (!start_first_) {
    start();
  }
  start_first_ = false;
}

// The process may die between any two of the calls.
void Simulation::Perform(std::vector<Call> calls) {
  const bool dies = choices_.crashes && !calm_ && dice_.Chance(choices_.crash_share);
  const int last = dies ? dice_.Below(static_cast<int>(calls.size()) + 1) : -1;
  int performed = 0;
  for (const Call& call : calls) {
    if (performed++ == last) {
      break;
    }
    const std::string key = checks_->BeforeCall(call);
    const ConnectorSettings& connector = *parts_->workspace().FindConnector(call.connector);
    const Answered answered = vendor_.Perform(connector, key, now_);
    ++tally_.calls;
    flying_.emplace(now_ + answered.after, Flying{call.id, call.connector, key, answered});
  }
  if (dies) {
    Image();
    Reboot();
  }
}

// --- The end -------------------------------------------------------------------------------------

// Faults stop, people look after what was left to them, and everything must come to an end.
void Simulation::Settle() {
  calm_ = true;
  vendor_.Heal();
  now_ = std::max(now_, not_before_);
  world_.SetNow(now_);
  RunCycle();
  const TimePoint patience = now_ + kDay * 30;
  for (int round = 0; round < 3; ++round) {
    int spins = 0;
    while (true) {
      Dispatch();
      checks_->AfterTick();
      std::optional<TimePoint> next = parts_->dispatcher->Next(now_);
      if (!flying_.empty()) {
        next = std::min(next.value_or(TimePoint::max()), flying_.begin()->first);
      }
      if (!next) {
        break;
      }
      spins = *next <= now_ + kTick ? spins + 1 : 0;
      now_ = std::max(*next, now_ + kTick);
      world_.SetNow(now_);
      if (spins > kSpinsMax || now_ > patience) {
        throw Violation("deliveries wait and nothing comes of it");
      }
    }
    ByHand();
  }
}

// A person looks at the vendor and says what to do.
void Simulation::ByHand() {
  Outbox& outbox = parts_->state->outbox();
  for (const DeliveryState state : {DeliveryState::kUnknown, DeliveryState::kDead}) {
    for (const Delivery& delivery : outbox.List({.state = state, .limit = 1'000'000})) {
      Entry& entry = vendor_.At(delivery.key);
      const Result<void> done =
          entry.effects > 0   ? outbox.MarkSent(delivery.id, "it is there", now_)
          : dice_.Chance(0.5) ? outbox.RetryByHand(delivery.id, "it is not there", now_)
                              : outbox.DropByHand(delivery.id, "too late now", now_);
      if (!done) {
        throw Violation(done.error().message());
      }
      entry.open = false;
    }
  }
}

// The same operations at the same times, in a process that never dies: it must have decided the
// same.
void Simulation::Twin() {
  using Kind = Operation::Kind;
  // A process that begins moves its windows to its own now; what is compared stands at the end.
  parts_->state->columns().Advance(now_);
  const auto here = Decided(*parts_);
  const auto count = parts_->state->outbox().Count();
  tally_.ends = {{"accepted", count.accepted},
                 {"refused", count.refused},
                 {"suppressed", count.suppressed},
                 {"dropped", count.dropped}};
  tally_.promised = count.accepted + count.refused + count.suppressed + count.dropped;
  world_.edge = nullptr;
  Parts twin(std::make_shared<const Checked>(CheckWorkspace(FilesOf(choices_))),
             choices_.keys_per_block);
  std::filesystem::create_directories(folder_ / "twin");
  twin.db.emplace(Database::Open(folder_ / "twin/segue.db"));
  twin.db->Execute("PRAGMA synchronous = OFF");
  twin.Begin(choices_.start, world_);
  CycleReport report;
  for (const Operation& one : operations_) {
    world_.SetNow(one.at);
    switch (one.kind) {
      case Kind::kPull:
        twin.cycle->Pull(one.at, false, {}, report);
        break;
      case Kind::kDecide:
        twin.cycle->Decide(one.at, report);
        break;
      case Kind::kMerge:
        twin.cycle->Ingest(std::vector<Fact>{Merge{one.a, one.b, one.at}}, "by_hand", kDay * 3,
                           one.at, report);
        break;
      case Kind::kErase:
        twin.cycle->Ingest(std::vector<Fact>{Erase{one.a, one.at}}, "by_hand", kDay * 3, one.at,
                           report);
        break;
      case Kind::kSuppress:
        twin.state->Suppress(one.a, "by_hand", one.at);
        break;
      case Kind::kOutcome: {
        Statement tell = twin.db->Prepare("UPDATE outbox SET state = ?, changed = ? WHERE key = ?");
        tell.Bind(1, static_cast<std::int64_t>(one.state))
            .Bind(2, ToMicros(one.at))
            .Bind(3, one.a)
            .Run();
        break;
      }
      case Kind::kReaddress: {
        const std::string address = AddressKey(PayloadFromJson(one.b).to);
        Statement move =
            twin.db->Prepare("UPDATE outbox SET payload = ?, address = ? WHERE key = ?");
        move.Bind(1, one.b).Bind(2, address).Bind(3, one.a).Run();
        break;
      }
    }
  }
  twin.state->columns().Advance(now_);
  if (const std::string other = Difference(here, Decided(twin)); !other.empty()) {
    throw Violation("with crashes something was decided otherwise: " + other);
  }
}

}  // namespace segue::sim
