// Dispatcher: claims due deliveries, says which requests to perform, and records what came of each.

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "pipeline/host.h"
#include "pipeline/limits.h"
#include "pipeline/pipeline.h"
#include "store/pauses.h"

namespace segue {
namespace {

// A lease outlives the slowest honest attempt by this much, so that nobody takes over work that is
// still going on.
constexpr Duration kLeaseSlack = std::chrono::seconds(60);

// No connector asks for a longer pause before a request.
constexpr Duration kLongestWait = std::chrono::seconds(30);

// A vendor that never says "done" must not keep us busy for ever.
constexpr int kExchangesMax = 20;

// What a paused playbook has promised is looked at again so often.
constexpr Duration kLookAfterPause = std::chrono::minutes(5);

// A change waits as long as an older one of the same is under way.
constexpr Duration kLookAfterOlder = std::chrono::seconds(1);

constexpr Duration kPauseWithoutSecret = std::chrono::minutes(1);

// Claimed at once: more would only be given back when a limit is reached.
constexpr std::size_t kClaimMax = 2000;

}  // namespace

struct Dispatcher::Inner {
  // What is known of one connector.  In memory: a restart begins with a closed breaker.
  struct Line {
    const ConnectorSettings* settings = nullptr;
    std::unique_ptr<Connector> connector;  // Made at first use, when the secrets are there.
    Session session;
    TokenBucket bucket;
    Breaker breaker;
    std::size_t batch_max = kClaimMax;  // Smaller once the vendor found a batch too large.
    int in_flight = 0;
    std::string words;
  };

  // One attempt that is under way.
  struct Work {
    std::vector<Delivery> batch;
    Line* line = nullptr;
    std::vector<Exchange> done;
  };

  State& state;
  std::function<Result<Secrets>(const ConnectorSettings&)> secrets;
  std::vector<std::unique_ptr<Line>> lines;
  std::map<std::int64_t, Work> working;
  std::int64_t last_call = 0;
  Redactor redact;  // Knows the secrets of all: one tool's words may repeat what another was told.
  Pauses pauses;
  // Connectors that no file names, for whom something waits or was under way.
  std::vector<std::string> nameless;

  void StartLine(Line& line, TimePoint now, std::vector<Call>& calls);
  std::vector<std::vector<Delivery>> Claim(Line& line, int attempts, TimePoint now);
  int Room(const Line& line, TimePoint now) const;
  std::int64_t DayOf(TimePoint now) const;
  TimePoint NextDay(TimePoint now) const;
  bool Make(Line& line, TimePoint now);
  bool StillWanted(const Line& line, Delivery& delivery, TimePoint now);
  bool Reaches(Delivery& delivery, TimePoint now);
  bool HeldBack(const Delivery& delivery, TimePoint now);
  bool KeyIsForgotten(const Line& line, const Delivery& delivery, TimePoint now) const;
  void Step(Work work, TimePoint now, std::vector<Call>& calls);
  void Split(const Work& work, TimePoint now);
  void Conclude(const Work& work, const std::vector<Outcome>& outcomes, TimePoint now);
};

Dispatcher::Dispatcher(State& state,
                       std::function<Result<Secrets>(const ConnectorSettings&)> secrets)
    : inner_(std::make_unique<Inner>(
          Inner{state, std::move(secrets), {}, {}, 0, Redactor({}), Pauses(state.db()), {}})) {
  Secrets known = state.options().secrets;
  for (const ConnectorSettings& settings : state.workspace().connectors) {
    inner_->lines.push_back(std::make_unique<Inner::Line>());
    inner_->lines.back()->settings = &settings;
    if (const Result<Secrets> resolved = inner_->secrets(settings)) {
      for (const auto& [name, secret] : *resolved) {
        known[settings.id + "." + name] = secret;
      }
    }
  }
  known["serve.sign"] = state.options().links_key;
  for (const std::string& key : state.options().old_links_keys) {
    known["serve.sign, earlier " + std::to_string(known.size())] = key;
  }
  inner_->redact = Redactor(known);
  state.outbox().BreakLeases();
  for (const std::string& connector : state.outbox().ConnectorsAtWork()) {
    if (state.workspace().FindConnector(connector) == nullptr) {
      inner_->nameless.push_back(connector);
    }
  }
}

Dispatcher::~Dispatcher() = default;

std::vector<Call> Dispatcher::Start(TimePoint now) {
  std::vector<Call> calls;
  inner_->pauses.Refresh();
  for (const std::string& connector : inner_->nameless) {
    // Nobody is left to say what protects a second call.
    inner_->state.outbox().Rescue(
        connector, [](const Delivery& /*delivery*/) { return Dedupe::kNone; }, now);
    inner_->state.outbox().DropStale(connector, now);
  }
  for (const std::unique_ptr<Inner::Line>& line : inner_->lines) {
    inner_->StartLine(*line, now, calls);
  }
  return calls;
}

// How many attempts may begin now.
int Dispatcher::Inner::Room(const Line& line, TimePoint now) const {
  const ConnectorSettings& settings = *line.settings;
  int room = settings.parallel - line.in_flight;
  room = std::min(room, line.breaker.Room(now, line.in_flight));
  room = std::min(room, line.bucket.Room(settings, now));
  if (settings.daily) {
    const std::int64_t left = *settings.daily - state.outbox().CallsOn(settings.id, DayOf(now));
    room = static_cast<int>(std::min<std::int64_t>(room, left));
  }
  return std::max(room, 0);
}

std::int64_t Dispatcher::Inner::DayOf(TimePoint now) const {
  return state.workspace().schema.timezone.ToLocal(now).day();
}

TimePoint Dispatcher::Inner::NextDay(TimePoint now) const {
  return state.workspace().schema.timezone.ToUtc({(DayOf(now) + 1) * kDay.count()});
}

void Dispatcher::Inner::StartLine(Line& line, TimePoint now, std::vector<Call>& calls) {
  const ConnectorSettings& settings = *line.settings;
  Outbox& outbox = state.outbox();
  if (pauses.Of("connector", settings.id) != nullptr ||
      outbox.NextDue(settings.id).value_or(TimePoint::max()) > now || !Make(line, now)) {
    return;
  }
  outbox.Rescue(
      settings.id,
      [&](const Delivery& delivery) { return line.connector->Protects(delivery, settings.dedupe); },
      now);
  // Attempts that end without a call (stale, no consent) leave their room to the next ones.
  while (outbox.NextDue(settings.id).value_or(TimePoint::max()) <= now) {
    const int room = Room(line, now);
    if (room == 0) {
      return;
    }
    std::vector<std::vector<Delivery>> batches = Claim(line, room, now);
    for (std::vector<Delivery>& batch : batches) {
      ++line.in_flight;
      Step(Work{std::move(batch), &line, {}}, now, calls);
    }
  }
}

// At most `attempts` batches of what is due and may go out at this moment.
std::vector<std::vector<Delivery>> Dispatcher::Inner::Claim(Line& line, int attempts,
                                                            TimePoint now) {
  const ConnectorSettings& settings = *line.settings;
  const Connector& connector = *line.connector;
  const Duration lease = (settings.timeout + kLongestWait) * kExchangesMax + kLeaseSlack;
  std::vector<std::vector<Delivery>> batches;
  const auto place = [&](Delivery& delivery) {
    for (std::vector<Delivery>& batch : batches) {
      const std::size_t most = std::min(line.batch_max, connector.BatchMax(batch.front()));
      if (batch.size() < most && connector.Together(batch.front(), delivery)) {
        batch.push_back(std::move(delivery));
        return;
      }
    }
    if (std::cmp_less(batches.size(), attempts)) {
      batches.emplace_back().push_back(std::move(delivery));
    } else {
      state.outbox().Release(delivery.id, delivery.not_before);
    }
  };
  const auto claim = [&](std::size_t limit) {
    std::vector<Delivery> due =
        state.outbox().Claim(settings.id, now, lease, static_cast<int>(limit));
    for (Delivery& delivery : due) {
      if (StillWanted(line, delivery, now)) {
        place(delivery);
      }
    }
  };
  claim(static_cast<std::size_t>(attempts));
  if (!batches.empty()) {
    // Fill up those that can carry more than one.
    std::size_t more = 0;
    for (const std::vector<Delivery>& batch : batches) {
      more += std::min(line.batch_max, connector.BatchMax(batch.front())) - batch.size();
    }
    if (more > 0) {
      claim(std::min(more, kClaimMax));
    }
  }
  return batches;
}

bool Dispatcher::Inner::Make(Line& line, TimePoint now) {
  if (line.connector) {
    return true;
  }
  if (line.breaker.until() > now) {
    return false;
  }
  const ConnectorSpec* spec =
      line.settings->type == kStandIn.name ? &kStandIn : FindConnectorSpec(line.settings->type);
  SEGUE_CHECK(spec != nullptr);  // The loader refuses types that are not built.
  Result<Secrets> resolved = secrets(*line.settings);
  if (!resolved) {
    // Its deliveries wait, and somebody may put it right meanwhile.
    line.words = resolved.error().message();
    line.breaker.Failed(now, kPauseWithoutSecret);
    return false;
  }
  line.connector = spec->make(*line.settings, *resolved);
  return true;
}

// Whoever moved to another mailbox since the promise is reached there.  What was tried already
// stays as it is: that the same key says the same is what lets a tool recognise it.
bool Dispatcher::Inner::Reaches(Delivery& delivery, TimePoint now) {
  const std::optional<std::string> address =
      delivery.attempts > 0 ? std::nullopt : state.NewAddress(delivery);
  if (!address) {
    return true;
  }
  if (!address->empty() && state.outbox().AddressHas(*address, delivery.payload.template_id, now,
                                                     state.workspace().stale_after)) {
    state.outbox().Drop(delivery.id, DeliveryState::kDropped, "same_address", now);
    return false;
  }
  state.outbox().Readdress(delivery.id, *address, now);
  delivery.payload.to = *address;
  return true;
}

// Asked again at the moment of sending; ends or puts back what must not go out now.
bool Dispatcher::Inner::StillWanted(const Line& line, Delivery& delivery, TimePoint now) {
  if (!Reaches(delivery, now)) {
    return false;
  }
  const std::string refusal =
      now > delivery.stale_after ? "stale" : state.MayNotSend(delivery, now);
  if (!refusal.empty()) {
    const bool consent = refusal != "stale" && refusal != "not_allowed" && refusal != "no_code";
    state.outbox().Drop(delivery.id, consent ? DeliveryState::kSuppressed : DeliveryState::kDropped,
                        refusal, now);
    return false;
  }
  if (pauses.Of("playbook", delivery.playbook) != nullptr) {
    state.outbox().Release(delivery.id, now + kLookAfterPause);
    return false;
  }
  if (HeldBack(delivery, now)) {
    return false;
  }
  if (const TimePoint room = CapsHoldUntil(state, delivery, now); room > now) {
    // What went out later than it was promised for can fill a cap that had room.
    if (room > delivery.stale_after) {
      state.outbox().Drop(delivery.id, DeliveryState::kDropped, "cap", now);
    } else {
      state.outbox().Release(delivery.id, room);
    }
    return false;
  }
  if (state.outbox().AwaitsOlder(delivery)) {
    state.outbox().Release(delivery.id, now + kLookAfterOlder);
    return false;
  }
  if (state.outbox().Overtaken(delivery)) {
    state.outbox().Drop(delivery.id, DeliveryState::kDropped, "superseded", now);
    return false;
  }
  if (KeyIsForgotten(line, delivery, now)) {
    state.outbox().LeaveUnknown(
        delivery.id, "an answer was lost, and its tool no longer knows the key by now", now);
    return false;
  }
  if (line.settings->dry_run) {
    state.outbox().Drop(delivery.id, DeliveryState::kDropped, "dry_run", now);
    return false;
  }
  return true;
}

// After a long pause the key of what may have arrived does not protect it from arriving twice.
bool Dispatcher::Inner::KeyIsForgotten(const Line& line, const Delivery& delivery,
                                       TimePoint now) const {
  const Duration known = line.connector->Remembers(delivery);
  if (delivery.attempts == 0 || known == Duration::max() ||
      line.connector->Protects(delivery, line.settings->dedupe) != Dedupe::kKey) {
    return false;
  }
  const std::optional<TimePoint> since = state.outbox().InDoubtSince(delivery.id);
  return since && now - *since > known;
}

bool Dispatcher::Inner::HeldBack(const Delivery& delivery, TimePoint now) {
  const std::optional<QuietHours>& quiet = state.workspace().quiet_hours;
  if (!quiet || delivery.kind != DeliveryKind::kMessage) {
    return false;
  }
  const bool applies =
      quiet->channels.empty() || std::find(quiet->channels.begin(), quiet->channels.end(),
                                           delivery.payload.channel) != quiet->channels.end();
  if (!applies) {
    return false;
  }
  const Zone zone =
      quiet->customer_zone ? state.ZoneOf(delivery.customer) : state.workspace().schema.timezone;
  const TimePoint allowed = AfterQuietHours(*quiet, now, zone);
  if (allowed <= now) {
    return false;
  }
  // Retries and catching up can end in somebody's night.
  state.outbox().Release(delivery.id, allowed);
  return true;
}

void Dispatcher::Inner::Step(Work work, TimePoint now, std::vector<Call>& calls) {
  Line& line = *work.line;
  const auto too_many = [&] {
    return NextStep(std::vector<Outcome>(
        work.batch.size(),
        Outcome{Outcome::Kind::kUnknown, "gave up after too many exchanges", {}, {}}));
  };
  NextStep next = std::cmp_less(work.done.size(), kExchangesMax)
                      ? line.connector->Next(work.batch, work.done, line.session, now)
                      : too_many();
  if (auto* request = std::get_if<Request>(&next)) {
    line.bucket.Spend();
    if (line.settings->daily) {
      state.outbox().CountCall(line.settings->id, DayOf(now));
    }
    const std::int64_t id = ++last_call;
    calls.push_back({id, line.settings->id, *request});
    work.done.push_back({std::move(*request), {}});
    working.emplace(id, std::move(work));
    return;
  }
  const auto& outcomes = std::get<std::vector<Outcome>>(next);
  SEGUE_CHECK(outcomes.size() == work.batch.size());
  if (outcomes.front().kind == Outcome::Kind::kSplit) {
    Split(work, now);
  } else {
    Conclude(work, outcomes, now);
  }
  --line.in_flight;
}

// Nothing was done: all of them wait again, and are claimed in smaller batches as any others are,
// where the limits leave room and under a lease of their own.
void Dispatcher::Inner::Split(const Work& work, TimePoint now) {
  SEGUE_CHECK(work.batch.size() > 1);
  Line& line = *work.line;
  line.batch_max = std::min(line.batch_max, work.batch.size() / 2);
  Transaction all(state.db());
  for (const Delivery& delivery : work.batch) {
    state.outbox().Release(delivery.id, std::min(delivery.not_before, now));
  }
  all.Commit();
}

void Dispatcher::Inner::Conclude(const Work& work, const std::vector<Outcome>& outcomes,
                                 TimePoint now) {
  Line& line = *work.line;
  Transaction all(state.db());
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    // The vendor's words may repeat what another tool was told.
    Outcome outcome = outcomes[i];
    outcome.detail = redact(outcome.detail);
    outcome.vendor_id = redact(outcome.vendor_id);
    state.outbox().Record(work.batch[i], outcome, line.settings->retry,
                          line.connector->Protects(work.batch[i], line.settings->dedupe), now);
  }
  all.Commit();
  // An attempt of which the vendor judged nothing speaks of the vendor, not of a delivery.
  const bool failed = std::all_of(outcomes.begin(), outcomes.end(), [](const Outcome& outcome) {
    return outcome.kind == Outcome::Kind::kRetry || outcome.kind == Outcome::Kind::kUnknown;
  });
  if (!failed && work.done.empty()) {
    return;  // We refused it ourselves: the vendor was not asked.
  }
  if (!failed) {
    line.breaker.Succeeded();
    line.words.clear();
    if (work.batch.size() >= line.batch_max) {
      line.batch_max = std::min(kClaimMax, line.batch_max * 2);  // One bad item may have split it.
    }
    return;
  }
  Duration asked = Duration::zero();
  for (const Outcome& outcome : outcomes) {
    asked = std::max(asked, outcome.retry_after);
  }
  line.breaker.Failed(now, asked);
  line.words = redact(outcomes.front().detail);
}

std::vector<Call> Dispatcher::Finish(std::int64_t call, const Reply& reply, TimePoint now) {
  const auto found = inner_->working.find(call);
  SEGUE_CHECK(found != inner_->working.end());
  Inner::Work work = std::move(found->second);
  inner_->working.erase(found);
  work.done.back().reply = reply;
  std::vector<Call> calls;
  inner_->Step(std::move(work), now, calls);
  return calls;
}

std::optional<TimePoint> Dispatcher::Next(TimePoint now) const {
  std::optional<TimePoint> next;
  for (const std::unique_ptr<Inner::Line>& line : inner_->lines) {
    const ConnectorSettings& settings = *line->settings;
    std::optional<TimePoint> due = inner_->state.outbox().NextDue(settings.id);
    if (inner_->pauses.Of("connector", settings.id) != nullptr) {
      continue;  // Its end is noticed at the next look.
    }
    if (!due || line->in_flight >= settings.parallel) {
      continue;  // A reply makes room.
    }
    due = std::max({*due, line->bucket.Refilled(settings), line->breaker.until()});
    if (line->breaker.Room(*due, line->in_flight) == 0) {
      continue;  // One attempt finds out whether the vendor is back, and its reply makes room.
    }
    if (settings.daily &&
        inner_->state.outbox().CallsOn(settings.id, inner_->DayOf(now)) >= *settings.daily) {
      due = std::max(*due, inner_->NextDay(now));
    }
    next = next ? std::min(*next, *due) : *due;
  }
  return next;
}

std::vector<ConnectorHealth> Dispatcher::Health() const {
  std::vector<ConnectorHealth> all;
  for (const std::unique_ptr<Inner::Line>& line : inner_->lines) {
    ConnectorHealth health{
        line->settings->id, line->in_flight, line->breaker.failures(), {}, line->words};
    if (line->breaker.until() > TimePoint::min()) {
      health.paused = line->breaker.until();
    }
    all.push_back(std::move(health));
  }
  return all;
}

std::vector<std::string> Dispatcher::Alarms() const {
  std::vector<std::string> all;
  if (inner_->nameless.empty()) {
    return all;
  }
  const std::map<std::string, std::int64_t> waiting = inner_->state.outbox().Waiting();
  for (const std::string& connector : inner_->nameless) {
    if (const auto found = waiting.find(connector); found != waiting.end()) {
      all.push_back(fmt::format(
          "{} {} for connector {}, which no file names: give it back its name, or drop them with "
          "`segue outbox drop`; what is late is dropped as stale",
          found->second, found->second == 1 ? "delivery waits" : "deliveries wait", connector));
    }
  }
  return all;
}

}  // namespace segue
