#include "campaign/campaign.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "pipeline/moments.h"

namespace segue::campaign {
namespace {

using Kind = Operation::Kind;

constexpr Duration kLeast = std::chrono::minutes(15);  // Between two looks at what is due.
constexpr double kCrashesPerDay = 0.4;
constexpr double kDiesWhileCalling = 0.0005;            // Of all rounds of calls.
constexpr Duration kPatience = std::chrono::hours(30);  // Before somebody looks after a delivery.
constexpr int kLookAfterDays = 5;  // So rarely, so that several wait for one person and fill a cap.
constexpr int kSettleDays = 8;
// The hours of a day at which cycles are.
constexpr int kMorning = 1, kNoon = 2;

Result<Secrets> SecretsOf(const ConnectorSettings& connector) {
  return Secrets{{"url", "https://" + connector.id + ".example/in"}};
}

std::string CodeOf(const Call& call, const std::vector<std::string>& prefixes) {
  const std::vector<std::string> codes = CodesIn(call.request.body, prefixes);
  return codes.empty() ? "" : codes.front();
}

}  // namespace

Campaign::Campaign(const Setup& setup, const Rulebook& book, std::string path, Wire& wire)
    : setup_(setup),
      book_(book),
      path_(std::move(path)),
      wire_(wire),
      people_(book.open, setup),
      onlooker_(book.open),
      tools_(setup),
      watch_(book, onlooker_, tools_),
      dice_(StreamOf(setup, "crashes")),
      now_(setup.start) {
  onlooker_.on_merge = [this](int into, int gone) { watch_.Merged(into, gone); };
}

Campaign::~Campaign() = default;

void Campaign::Run() {
  Reboot();
  crashes_ = 0;
  const int ticks = setup_.days * kTicksPerDay;
  for (int tick = 0; tick < ticks; ++tick) {
    Turn(tick);
    if (tick % kTicksPerDay == kTicksPerDay - 1) {
      EndDay(tick / kTicksPerDay);
    }
  }
  Settle(ticks);
}

// --- Lives ---------------------------------------------------------------------------------------

void Campaign::Edge(bool after) {
  ++edges_;
  if (edges_left_ > 0 && --edges_left_ == 0) {
    died_after_ = after;
    if (setup_.closely) {
      fmt::print("dies at {}, {} a commit\n", FormatTime(now_), after ? "after" : "before");
    }
    throw Died{};
  }
}

void Campaign::Begin() {
  life_ = std::make_unique<Life>(path_, book_, guarded_, now_, [this](bool after) { Edge(after); });
  life_->state->outbox().Watch([this](const Delivery& delivery, bool unresolved) {
    life_->state->playbooks().offers().Settled(delivery.key, delivery.state, unresolved);
    changes_.emplace_back(delivery.id, delivery.state, unresolved);
  });
  dispatcher_ = std::make_unique<Dispatcher>(*life_->state, SecretsOf);
}

void Campaign::Reboot() {
  while (true) {
    ++crashes_;
    dispatcher_.reset();
    life_.reset();
    // Now and then it dies while it starts again.
    edges_left_ = setup_.crashes && crashes_ > 1 && dice_.Chance(0.1) ? 1 + dice_.Below(4) : 0;
    try {
      Begin();
      edges_left_ = 0;
      return;
    } catch (const Died&) {
    }
  }
}

bool Campaign::Attempt(const std::function<void()>& work) {
  changes_.clear();
  try {
    work();
  } catch (const Died&) {
    if (!died_after_) {
      changes_.clear();
    }
    kept_.insert(kept_.end(), changes_.begin(), changes_.end());
    changes_.clear();
    Reboot();
    return false;
  }
  kept_.insert(kept_.end(), changes_.begin(), changes_.end());
  changes_.clear();
  return true;
}

void Campaign::Must(Operation operation) {
  operation.at = now_;
  while (!Attempt([&] { Do(*life_, operation); })) {
  }
  kept_.clear();  // The twin comes to that by itself.
  Tell(std::move(operation));
}

// --- One tick ------------------------------------------------------------------------------------

// For two days nothing can be read.
bool Campaign::IsOutage(int tick) const {
  const int from = setup_.days * kTicksPerDay * 3 / 10;
  return tick >= from && tick < from + 2 * kTicksPerDay;
}

void Campaign::Turn(int tick) {
  now_ = setup_.start + kTick * tick;
  FinishCutOff();
  if (tick % kTicksPerDay == 0) {
    people_.Live(tick / kTicksPerDay);
  }
  if (!IsOutage(tick)) {
    TakeIn(tick);
    Must({.kind = Kind::kRead});
    watch_.SourcesRead(now_);
  }
  Decide();
  if (cut_off_) {
    return;  // Nobody is at work until the next hour.
  }
  ByHand(tick);
  Send(now_ + kTick, tick);
}

void Campaign::TakeIn(int tick) {
  std::map<std::string, std::vector<Fact>> by_source;
  for (Fact& fact : people_.Take(tick)) {
    if (auto* merge = std::get_if<Merge>(&fact)) {
      merge->time = now_;
    } else if (auto* erase = std::get_if<Erase>(&fact)) {
      erase->time = now_;
    }
    const bool event = std::holds_alternative<Event>(fact);
    by_source[event ? "activity" : "customers"].push_back(std::move(fact));
  }
  for (auto& [source, facts] : by_source) {
    for (const Fact& fact : facts) {
      onlooker_.Heard(fact);
    }
    Must({.kind = Kind::kIngest, .a = source, .facts = std::move(facts)});
  }
}

void Campaign::Decide() {
  const Operation operation{.kind = Kind::kDecide, .at = now_};
  while (!Attempt([&] { Do(*life_, operation); })) {
    Statement find = db().Prepare("SELECT finished FROM cycle WHERE now = ?");
    find.Bind(1, ToMicros(now_));
    const bool began = find.Step();
    if (began && find.Int(0) != 0) {
      break;
    }
    if (began && dice_.Chance(0.3)) {
      cut_off_ = now_;
      ++late_cycles_;
      kept_.clear();
      return;
    }
  }
  kept_.clear();
  Tell(operation);
  watch_.AfterCycle(*life_->state, now_);
}

// Whatever comes next, the cycle that was cut off is finished first, with its own now.
void Campaign::FinishCutOff() {
  if (!cut_off_) {
    return;
  }
  const Operation operation{.kind = Kind::kDecide, .at = *cut_off_};
  while (!Attempt([&] { Do(*life_, operation); })) {
    Statement open = db().Prepare("SELECT 1 FROM cycle WHERE finished = 0");
    if (!open.Step()) {
      break;
    }
  }
  kept_.clear();
  Tell(operation);
  watch_.AfterCycle(*life_->state, *cut_off_);
  cut_off_.reset();
}

// --- What people do by hand ----------------------------------------------------------------------

void Campaign::ByHand(int tick) {
  const int day = tick / kTicksPerDay, hour = tick % kTicksPerDay;
  if (hour == kNoon && day % kLookAfterDays == 0) {
    LookAfter();
  }
  if (hour != kMorning) {
    return;
  }
  const auto guard = [&](bool guarded) {
    guarded_ = guarded;
    dispatcher_.reset();
    life_.reset();
    Reboot();
    --crashes_;  // That was no crash.
    Tell({.kind = guarded ? Kind::kGuard : Kind::kOpen, .at = now_});
  };
  if (day == 4 || day == setup_.days * 6 / 10 + 1) {
    guard(false);
  } else if (day == setup_.days * 6 / 10) {
    guard(true);
  }
  if (day % 30 == 0) {
    std::string codes;
    for (int i = 0; i < (day == 90 ? 400 : 60); ++i) {
      codes += fmt::format("PARCEL-{:04}{:04}\n", day, i);
    }
    Must({.kind = Kind::kCodes, .a = "parcel_code", .b = codes});
  }
  for (const char* playbook : {"new_onboarding", "parcel_news", "store_recent"}) {
    if (day % 40 == 7) {
      Must({.kind = Kind::kPause, .a = "playbook", .b = playbook});
      watch_.Paused(playbook);
    } else if (day % 40 == 10) {
      Must({.kind = Kind::kLetGo, .a = "playbook", .b = playbook});
      watch_.LetGo(playbook);
    }
  }
  for (const char* connector : {"app", "mailbox"}) {
    if (day % 40 == 20) {
      Must({.kind = Kind::kPause, .a = "connector", .b = connector});
    } else if (day % 40 == 22) {
      Must({.kind = Kind::kLetGo, .a = "connector", .b = connector});
    }
  }
  // Long enough for a second move of somebody.
  if (day % 40 == 12 || day % 40 == 19) {
    Must({.kind = day % 40 == 12 ? Kind::kPause : Kind::kLetGo, .a = "connector", .b = "changes"});
  }
  for (const Insight& insight : book_.open.insights) {
    const std::optional<StoredMoment> found = LoadMoment(db(), insight.id);
    if (found && !found->found.empty() && found->in_force.empty()) {
      Must({.kind = Kind::kPublish, .a = insight.id});
    }
  }
  Interfere(tick);
}

void Campaign::Ask(const std::string& customer, const Fact& fact) {
  if (!onlooker_.IsErased(customer)) {
    onlooker_.Heard(fact);
    Must({.kind = Kind::kIngest, .a = "by_hand", .facts = {fact}});
  }
}

// People whose message waits for its hour take back their consent, complain, or leave for good.
void Campaign::Interfere(int tick) {
  Dice dice(StreamOf(setup_, "interfere", static_cast<std::uint64_t>(tick)));
  const std::vector<std::int64_t> waiting = watch_.waiting();
  if (waiting.empty()) {
    return;
  }
  const auto somebody = [&]() -> const Promise& {
    return watch_.At(
        waiting[static_cast<std::size_t>(dice.Below(static_cast<int>(waiting.size())))]);
  };
  const Value no = std::int64_t{0};
  if (dice.Chance(0.3)) {
    const std::string who = somebody().customer;
    Ask(who, people_.Says(who, "email_consent", no, now_));
  }
  for (const std::int64_t id : waiting) {
    const Promise& one = watch_.At(id);
    const std::string topic = book_.open.playbooks[static_cast<std::size_t>(one.playbook)].topic;
    if (!topic.empty() && dice.Chance(0.02)) {
      Ask(one.customer, people_.Says(one.customer, "wants_" + topic, no, now_));
    }
  }
  if (dice.Chance(0.2)) {
    const std::string who = somebody().customer;
    Ask(who, people_.Says(who, "email", Value(), now_));
  }
  if (dice.Chance(0.4)) {
    // They move in with somebody for whom the same message waits.
    const Promise& one = somebody();
    const Promise& other = somebody();
    if (one.playbook == other.playbook && other.address.find('@') != std::string::npos) {
      const std::string who = one.customer;
      Ask(who, people_.Says(who, "email", other.address, now_));
    }
  }
  if (dice.Chance(0.2)) {
    const Promise& one = somebody();
    const std::string who = dice.Chance(0.5) ? one.customer : one.address;
    onlooker_.Suppressed(who);
    Must({.kind = Kind::kSuppress, .a = who});
  }
  if (dice.Chance(0.1)) {
    const std::string who = somebody().customer;
    Ask(who, Erase{who, now_});
  }
}

// A person asks the tools about what is unknown or was given up.
void Campaign::LookAfter() {
  std::vector<std::int64_t> open(watch_.open().begin(), watch_.open().end());
  const bool done = Attempt([&] {
    Transaction work(db());
    Outbox& outbox = life_->state->outbox();
    for (const std::int64_t id : open) {
      const Promise& one = watch_.At(id);
      Dice dice(StreamOf(setup_, "by hand " + one.key, static_cast<std::uint64_t>(ToMicros(now_))));
      const std::optional<Delivery> delivery = outbox.Get(id);
      if (now_ - delivery->created < kPatience) {
        continue;
      }
      const Result<void> said = tools_.At(one.key).effects > 0
                                    ? outbox.MarkSent(id, "it is there", now_)
                                : dice.Chance(0.7) ? outbox.RetryByHand(id, "it is not there", now_)
                                                   : outbox.DropByHand(id, "too late now", now_);
      if (!said && delivery->detail != "erased") {
        throw Broken(said.error().message());
      }
    }
    work.Commit();
  });
  watch_.AfterAnswers(*life_->state);
  SayAnswers();
  if (!done) {
    LookAfter();
  }
}

// --- Sending -------------------------------------------------------------------------------------

void Campaign::Send(TimePoint until, int tick) {
  Dispatch(tick);
  while (const std::optional<TimePoint> next = dispatcher_->Next(now_)) {
    const TimePoint due = std::max(*next, now_ + kLeast);
    if (due >= until) {
      return;
    }
    now_ = due;
    Dispatch(tick);
  }
}

void Campaign::Dispatch(int tick) {
  std::vector<Flying> answers;
  while (true) {
    std::vector<Call> calls;
    const auto add = [&](std::vector<Call> more) {
      std::move(more.begin(), more.end(), std::back_inserter(calls));
    };
    const bool lived = Attempt([&] {
      Transaction work(db());
      for (const Flying& one : answers) {
        add(dispatcher_->Finish(one.call, one.reply, now_));
      }
      add(dispatcher_->Start(now_));
      work.Commit();
    });
    watch_.AfterAnswers(*life_->state);
    answers.clear();
    if (!lived) {
      continue;  // What was called meanwhile is not known to the process that begins now.
    }
    if (calls.empty()) {
      break;
    }
    answers = Perform(calls, tick);
  }
  SayAnswers();
}

std::vector<Campaign::Flying> Campaign::Perform(const std::vector<Call>& calls, int tick) {
  const bool dies = setup_.crashes && dice_.Chance(kDiesWhileCalling);
  const int last = dies ? dice_.Below(static_cast<int>(calls.size()) + 1) : -1;
  std::vector<Flying> answers;
  for (const Call& call : calls) {
    if (static_cast<int>(answers.size()) == last) {
      break;
    }
    const Promise& one = watch_.BeforeCall(*life_->state, call, now_);
    const int before = tools_.At(one.key).effects;
    answers.push_back(
        {call.id, tools_.Perform(*book_.open.FindConnector(call.connector), one.key, now_)});
    watch_.AfterCall(one, call);
    if (tools_.At(one.key).effects > before && one.playbook >= 0) {
      const std::string& playbook = book_.open.playbooks[static_cast<std::size_t>(one.playbook)].id;
      const bool task = one.kind == DeliveryKind::kTask;
      people_.React(one.customer, playbook, one.key,
                    task ? one.key : CodeOf(call, book_.code_prefixes), tick);
    }
  }
  if (dies) {
    Reboot();
    answers.clear();
  }
  return answers;
}

void Campaign::SayAnswers() {
  if (kept_.empty()) {
    return;
  }
  std::map<std::int64_t, Answer> by_id;
  for (const auto& [id, state, unresolved] : kept_) {
    Answer& answer = by_id[id];
    if (state != DeliveryState::kWaiting && state != DeliveryState::kRunning) {
      answer.heard.emplace_back(state, unresolved);
    }
  }
  kept_.clear();
  Operation operation{.kind = Kind::kAnswers, .at = now_};
  Statement find = db().Prepare(
      "SELECT key, state, changed, not_before, stale_after, unresolved, address, payload FROM "
      "outbox "
      "WHERE id = ?");
  for (auto& [id, answer] : by_id) {
    find.Bind(1, id);
    if (find.Step()) {
      answer.key = find.Text(0);
      answer.state = find.Int(1);
      answer.changed = find.Int(2);
      answer.not_before = find.Int(3);
      answer.stale_after = find.Int(4);
      answer.unresolved = find.Int(5);
      answer.address = find.Text(6);
      if (answer.address != watch_.At(id).promised_to) {
        answer.payload = find.Text(7);
      }
      operation.answers.push_back(std::move(answer));
    }
    find.Reset();
  }
  Tell(std::move(operation));
}

// --- Days ----------------------------------------------------------------------------------------

void Campaign::EndDay(int day) {
  while (!Attempt([&] {
    life_->state->ledger().Seal();
    life_->state->Snapshot();
  })) {
  }
  kept_.clear();
  if (!cut_off_) {
    decided_.Follow(db());
    Operation compare{.kind = Kind::kCompare, .at = now_, .decided = decided_};
    if (setup_.closely) {
      compare.standing = Standing(*life_->state, now_);
    }
    Tell(std::move(compare));
  }
  edges_before_ = std::exchange(edges_, 0);
  if (setup_.crashes && dice_.Chance(kCrashesPerDay)) {
    edges_left_ = 1 + dice_.Below(static_cast<int>(std::max<std::int64_t>(edges_before_, 1)));
  }
  if (told) {
    told(day);
  }
}

// Faults stop, people look after what was left to them, and everything must come to an end.
void Campaign::Settle(int tick) {
  edges_left_ = 0;
  FinishCutOff();
  tools_.Heal();
  for (int day = 0; day < kSettleDays; ++day) {
    now_ = setup_.start + kTick * tick + kDay * day;
    LookAfter();
    Send(now_ + kDay, tick);
  }
  now_ = setup_.start + kTick * tick + kDay * kSettleDays;
  LookAfter();
  watch_.AtTheEnd(*life_->state);
  Operation end{.kind = Kind::kEnd, .at = now_};
  end.standing = Standing(*life_->state, now_);
  Tell(std::move(end));
}

}  // namespace segue::campaign
