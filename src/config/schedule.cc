// Slots of schedules on the wall clock of a zone, and the small lookups of definitions.h.

#include <algorithm>

#include "base/check.h"
#include "config/definitions.h"

namespace segue {
namespace {

constexpr std::int64_t kMicrosOfMinute = 60'000'000;
constexpr std::int64_t kMicrosOfDay = 1440 * kMicrosOfMinute;
// The longest stretch without a slot is a month; a zone that skips a day adds one.
constexpr int kDaysSearched = 34;

TimePoint At(std::int64_t day, int minute, const Zone& zone) {
  return zone.ToUtc(LocalTime{day * kMicrosOfDay + minute * kMicrosOfMinute});
}

bool HasSlot(const Schedule& schedule, std::int64_t day) {
  switch (schedule.kind) {
    case Schedule::Kind::kInterval:
    case Schedule::Kind::kDaily:
      return true;
    case Schedule::Kind::kWeekly:
      return Weekday(day) == schedule.weekday;
    case Schedule::Kind::kMonthly:
      return ToCivil(day).day == schedule.month_day;
  }
  return false;
}

// Slots of one local day are first, first + interval, … and lie before `end`.
struct DaySlots {
  TimePoint first;
  TimePoint end;
};

DaySlots SlotsOf(const Schedule& schedule, std::int64_t day, const Zone& zone) {
  const TimePoint first = At(day, schedule.minute_of_day, zone);
  if (schedule.kind == Schedule::Kind::kInterval) {
    return {first, At(day + 1, 0, zone)};
  }
  return {first, first + Duration(1)};
}

template <typename Named>
const Named* FindById(const std::vector<Named>& all, std::string_view id) {
  const auto found =
      std::find_if(all.begin(), all.end(), [id](const Named& one) { return one.id == id; });
  return found == all.end() ? nullptr : &*found;
}

template <typename Named>
std::optional<int> IndexById(const std::vector<Named>& all, std::string_view id) {
  const Named* found = FindById(all, id);
  return found == nullptr ? std::nullopt : std::optional(static_cast<int>(found - all.data()));
}

}  // namespace

TimePoint Schedule::SlotAtOrBefore(TimePoint now, const Zone& zone) const {
  const std::int64_t today = zone.ToLocal(now).day();
  const Duration step = kind == Kind::kInterval ? interval : kDay;
  for (std::int64_t day = today + 1; day >= today - kDaysSearched; --day) {
    const DaySlots slots =
        HasSlot(*this, day) ? SlotsOf(*this, day, zone) : DaySlots{now + step, now};
    if (slots.first <= now && slots.first < slots.end) {
      const TimePoint last = std::min(now, slots.end - Duration(1));
      return slots.first + (last - slots.first) / step * step;
    }
  }
  SEGUE_CHECK(false);
  return now;
}

TimePoint Schedule::SlotAfter(TimePoint now, const Zone& zone) const {
  const std::int64_t today = zone.ToLocal(now).day();
  const Duration step = kind == Kind::kInterval ? interval : kDay;
  for (std::int64_t day = today - 1; day <= today + kDaysSearched; ++day) {
    if (!HasSlot(*this, day)) {
      continue;
    }
    const DaySlots slots = SlotsOf(*this, day, zone);
    const TimePoint next =
        slots.first > now ? slots.first : slots.first + ((now - slots.first) / step + 1) * step;
    if (next < slots.end) {
      return next;
    }
  }
  SEGUE_CHECK(false);
  return now;
}

int Schedule::CountSlots(TimePoint after, TimePoint until, const Zone& zone) const {
  int count = 0;
  for (TimePoint slot = SlotAfter(after, zone); slot <= until; slot = SlotAfter(slot, zone)) {
    ++count;
  }
  return count;
}

std::string_view PurposeName(Purpose purpose) {
  switch (purpose) {
    case Purpose::kMarketing:
      return "marketing";
    case Purpose::kProduct:
      return "product";
    case Purpose::kSuccess:
      return "success";
    case Purpose::kService:
      return "service";
  }
  return "";
}

std::string_view StatusName(Status status) {
  switch (status) {
    case Status::kDraft:
      return "draft";
    case Status::kShadow:
      return "shadow";
    case Status::kLive:
      return "live";
    case Status::kPaused:
      return "paused";
  }
  return "";
}

const Template* Workspace::FindTemplate(std::string_view name) const {
  return FindById(templates, name);
}

const Layout* Workspace::FindLayout(std::string_view name) const {
  return FindById(layouts, name);
}

const ConnectorSettings* Workspace::FindConnector(std::string_view name) const {
  return FindById(connectors, name);
}

const Offer* Workspace::FindOffer(std::string_view name) const {
  return FindById(offers, name);
}

bool Policy::Denies(std::string_view what) const {
  return std::find(deny.begin(), deny.end(), what) != deny.end();
}

std::optional<int> Workspace::FindModel(std::string_view name) const {
  return IndexById(models, name);
}

std::optional<int> Workspace::FindPlaybook(std::string_view name) const {
  return IndexById(playbooks, name);
}

const Playbook* Workspace::FindEarlier(std::string_view name, std::string_view hash) const {
  const auto found = std::find_if(earlier.begin(), earlier.end(), [&](const Playbook& one) {
    return one.id == name && one.hash == hash;
  });
  return found == earlier.end() ? nullptr : &*found;
}

bool Workspace::IsOfAccount(const Leaf& leaf) const {
  switch (leaf.kind) {
    case Leaf::Kind::kAccountTrait:
      return true;
    case Leaf::Kind::kSegment:
    case Leaf::Kind::kScore:
    case Leaf::Kind::kFlag:
    case Leaf::Kind::kFeature:
      return model_names[static_cast<std::size_t>(leaf.model)].of_account;
    case Leaf::Kind::kNow:
    case Leaf::Kind::kAggregate:
    case Leaf::Kind::kTrait:
    case Leaf::Kind::kOwnFeature:
    case Leaf::Kind::kOwnScore:
    case Leaf::Kind::kEventField:
    case Leaf::Kind::kPurchaseProcess:
    case Leaf::Kind::kInsight:
      return false;
  }
  return false;
}

const Insight* Workspace::Published(int index) const {
  for (const Insight& insight : insights) {
    if (!insight.publish_as.empty() && index-- == 0) {
      return &insight;
    }
  }
  return nullptr;
}

}  // namespace segue
