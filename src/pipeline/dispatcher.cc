// Dispatcher: claims due deliveries, says which requests to perform, and records what came of each.

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "pipeline/pipeline.h"

namespace segue {
namespace {

// A lease outlives the slowest honest answer by this much, so that nobody takes over work that is
// still going on.
constexpr Duration kLeaseSlack = std::chrono::seconds(60);

// A vendor that never says "done" must not keep us busy for ever.
constexpr std::size_t kExchangesMax = 20;

}  // namespace

struct Dispatcher::Inner {
  // One delivery that is being performed.
  struct Work {
    Delivery delivery;
    const ConnectorSettings* settings = nullptr;
    const Connector* connector = nullptr;
    std::vector<Exchange> done;
  };

  // A token bucket on the caller's time: `rate: 20 per 1s` gives a token every 50 ms, at most 20 in
  // store.
  struct Bucket {
    double tokens = 0;
    TimePoint filled;
    bool started = false;

    int Take(const ConnectorSettings& settings, TimePoint now, int wanted) {
      if (!settings.rate_calls) {
        return wanted;
      }
      const auto most = static_cast<double>(*settings.rate_calls);
      const double per_token = static_cast<double>(settings.rate_per.count()) / most;
      tokens =
          started ? std::min(most, tokens + static_cast<double>((now - filled).count()) / per_token)
                  : most;
      filled = now;
      started = true;
      const int taken = std::min(wanted, static_cast<int>(tokens));
      tokens -= taken;
      return taken;
    }

    // When there is a token again.
    TimePoint Refilled(const ConnectorSettings& settings) const {
      const double per_token = static_cast<double>(settings.rate_per.count()) /
                               static_cast<double>(*settings.rate_calls);
      return filled +
             Duration(static_cast<std::int64_t>(std::max(0.0, 1.0 - tokens) * per_token) + 1);
    }
  };

  State& state;
  std::function<Result<Secrets>(const ConnectorSettings&)> secrets;
  std::map<std::string, std::unique_ptr<Connector>>
      connectors;  // Made at first use, when the secrets are there.
  std::map<std::string, Bucket> buckets;
  std::map<std::string, int> in_flight;
  std::map<std::int64_t, Work> working;
  std::int64_t last_call = 0;

  void StartConnector(const ConnectorSettings& settings, TimePoint now, std::vector<Call>& calls);
  std::optional<Call> StartDelivery(const ConnectorSettings& settings, const Connector& connector,
                                    Delivery delivery, TimePoint now);
  std::optional<Call> Step(Work work, TimePoint now);
  const Connector* ConnectorFor(const ConnectorSettings& settings, std::string& error);
  bool HeldBack(const Delivery& delivery, TimePoint now);
};

Dispatcher::Dispatcher(State& state,
                       std::function<Result<Secrets>(const ConnectorSettings&)> secrets)
    : inner_(std::make_unique<Inner>(Inner{state, std::move(secrets), {}, {}, {}, {}, 0})) {
  state.outbox().BreakLeases();
}

Dispatcher::~Dispatcher() = default;

std::vector<Call> Dispatcher::Start(TimePoint now) {
  std::vector<Call> calls;
  for (const ConnectorSettings& settings : inner_->state.workspace().connectors) {
    inner_->StartConnector(settings, now, calls);
  }
  return calls;
}

void Dispatcher::Inner::StartConnector(const ConnectorSettings& settings, TimePoint now,
                                       std::vector<Call>& calls) {
  Outbox& outbox = state.outbox();
  outbox.Rescue(settings.id, settings.dedupe, now);
  int room = settings.parallel - in_flight[settings.id];
  if (room <= 0 || outbox.NextDue(settings.id).value_or(TimePoint::max()) > now) {
    return;
  }
  std::string error;
  const Connector* connector = ConnectorFor(settings, error);
  if (connector == nullptr) {
    return;  // Its deliveries wait; `connect test` and the log say why.
  }
  room = buckets[settings.id].Take(settings, now, room);
  if (room <= 0) {
    return;
  }
  for (Delivery& delivery : outbox.Claim(settings.id, now, settings.timeout + kLeaseSlack, room)) {
    if (std::optional<Call> call = StartDelivery(settings, *connector, std::move(delivery), now)) {
      calls.push_back(std::move(*call));
    }
  }
}

const Connector* Dispatcher::Inner::ConnectorFor(const ConnectorSettings& settings,
                                                 std::string& error) {
  if (const auto found = connectors.find(settings.id); found != connectors.end()) {
    return found->second.get();
  }
  const ConnectorSpec* spec = FindConnectorSpec(settings.type);
  SEGUE_CHECK(spec != nullptr);  // The loader refuses types that are not built.
  Result<Secrets> resolved = secrets(settings);
  if (!resolved) {
    error = resolved.error().message();
    return nullptr;
  }
  return connectors.emplace(settings.id, spec->make(settings, *resolved)).first->second.get();
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

std::optional<Call> Dispatcher::Inner::StartDelivery(const ConnectorSettings& settings,
                                                     const Connector& connector, Delivery delivery,
                                                     TimePoint now) {
  const std::string refusal =
      now > delivery.stale_after ? "stale" : state.MayNotSend(delivery, now);
  if (!refusal.empty()) {
    const bool consent = refusal != "stale" && refusal != "not_allowed";
    state.outbox().Drop(delivery.id, consent ? DeliveryState::kSuppressed : DeliveryState::kDropped,
                        refusal, now);
    return std::nullopt;
  }
  if (HeldBack(delivery, now)) {
    return std::nullopt;
  }
  if (settings.dry_run) {
    state.outbox().Drop(delivery.id, DeliveryState::kDropped, "dry_run", now);
    return std::nullopt;
  }
  ++in_flight[settings.id];
  return Step(Work{std::move(delivery), &settings, &connector, {}}, now);
}

std::optional<Call> Dispatcher::Inner::Step(Work work, TimePoint now) {
  NextStep next =
      work.done.size() < kExchangesMax
          ? work.connector->Next(work.delivery, work.done, now)
          : NextStep(Outcome{Outcome::Kind::kUnknown, "gave up after too many exchanges", {}, {}});
  if (auto* request = std::get_if<Request>(&next)) {
    const std::int64_t id = ++last_call;
    Call call{id, work.settings->id, *request};
    work.done.push_back({std::move(*request), {}});
    working.emplace(id, std::move(work));
    return call;
  }
  state.outbox().Record(work.delivery, std::get<Outcome>(next), work.settings->retry,
                        work.settings->dedupe, now);
  --in_flight[work.settings->id];
  return std::nullopt;
}

std::optional<Call> Dispatcher::Finish(std::int64_t call, const Reply& reply, TimePoint now) {
  const auto found = inner_->working.find(call);
  SEGUE_CHECK(found != inner_->working.end());
  Inner::Work work = std::move(found->second);
  inner_->working.erase(found);
  work.done.back().reply = reply;
  return inner_->Step(std::move(work), now);
}

std::optional<TimePoint> Dispatcher::Next(TimePoint now) const {
  std::optional<TimePoint> next;
  for (const ConnectorSettings& settings : inner_->state.workspace().connectors) {
    std::optional<TimePoint> due = inner_->state.outbox().NextDue(settings.id);
    if (!due) {
      continue;
    }
    const auto bucket = inner_->buckets.find(settings.id);
    if (*due <= now && settings.rate_calls && bucket != inner_->buckets.end() &&
        bucket->second.tokens < 1) {
      due = bucket->second.Refilled(settings);
    }
    next = next ? std::min(*next, *due) : *due;
  }
  return next;
}

}  // namespace segue
