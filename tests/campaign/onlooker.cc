#include "campaign/onlooker.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/zone.h"

namespace segue::campaign {

Onlooker::Onlooker(const Workspace& workspace) : workspace_(workspace) {
  slot_.assign(workspace.schema.customer_traits.size(), -1);
  int slots = 0;
  const auto keep = [&](int trait) {
    int& slot = slot_[static_cast<std::size_t>(trait)];
    slot = slot < 0 ? slots++ : slot;
    return slot;
  };
  for (const auto& [channel, trait] : workspace.consent) {
    consents_.insert(keep(trait));
  }
  for (const auto& [topic, trait] : workspace.topic_consent) {
    consents_.insert(keep(trait));
  }
  keep(*workspace.timezone_trait);
  keep(*workspace.schema.FindCustomerTrait("legal_hold"));
}

int Onlooker::Root(int person) const {
  while (known_[static_cast<std::size_t>(person)].into >= 0) {
    person = known_[static_cast<std::size_t>(person)].into;
  }
  return person;
}

int Onlooker::Find(const std::string& key) {
  const auto [found, fresh] = by_key_.emplace(key, static_cast<int>(known_.size()));
  if (fresh) {
    known_.emplace_back().traits.resize(slot_.size());
  }
  return Root(found->second);
}

std::optional<int> Onlooker::PersonOf(std::string_view key) const {
  const auto found = by_key_.find(std::string(key));
  return found == by_key_.end() ? std::nullopt : std::optional(Root(found->second));
}

bool Onlooker::IsErased(std::string_view key) const {
  const std::optional<int> person = PersonOf(key);
  return person && known_[static_cast<std::size_t>(*person)].erased;
}

std::optional<int> Onlooker::AccountOf(std::string_view key) const {
  const auto found = accounts_.find(std::string(key));
  return found == accounts_.end() ? std::nullopt : std::optional(found->second);
}

void Onlooker::Heard(const Fact& fact) {
  const auto account = [&](const std::string& key) {
    accounts_.emplace(key, -1 - static_cast<int>(accounts_.size()));
  };
  if (const auto* event = std::get_if<Event>(&fact)) {
    if (!IsErased(event->customer)) {
      Find(event->customer);
    }
  } else if (const auto* change = std::get_if<TraitChange>(&fact)) {
    if (change->of_account) {
      account(change->customer);
      return;
    }
    if (IsErased(change->customer)) {
      return;
    }
    if (change->trait == workspace_.account_trait && !IsMissing(change->value)) {
      account(std::get<std::string>(change->value));
    }
    Known& known = known_[static_cast<std::size_t>(Find(change->customer))];
    const int slot = slot_[static_cast<std::size_t>(change->trait)];
    if (slot >= 0 && change->time >= known.traits[static_cast<std::size_t>(slot)].since) {
      known.traits[static_cast<std::size_t>(slot)] = {change->value, change->time};
    }
  } else if (const auto* merge = std::get_if<Merge>(&fact)) {
    if (!IsErased(merge->customer) && !IsErased(merge->other)) {
      const int a = Find(merge->customer), b = Find(merge->other);
      if (a != b) {
        Join(a, b);
      }
    }
  } else if (const auto* erase = std::get_if<Erase>(&fact)) {
    if (const std::optional<int> person = PersonOf(erase->customer)) {
      known_[static_cast<std::size_t>(*person)].erased = true;
    }
  }
}

// The newer value stays; of consent a no, then a yes.
void Onlooker::Join(int into, int gone) {
  Known& a = known_[static_cast<std::size_t>(into)];
  Known& b = known_[static_cast<std::size_t>(gone)];
  for (std::size_t slot = 0; slot < a.traits.size(); ++slot) {
    Trait& mine = a.traits[slot];
    const Trait& theirs = b.traits[slot];
    Trait joined = theirs.since > mine.since ? theirs : mine;
    if (consents_.contains(static_cast<int>(slot))) {
      const auto either = [&](std::int64_t answer) {
        return mine.value == Value(answer) || theirs.value == Value(answer);
      };
      joined.value = either(0)   ? Value(std::int64_t{0})
                     : either(1) ? Value(std::int64_t{1})
                                 : Value();
    }
    mine = std::move(joined);
  }
  a.suppressed |= b.suppressed;
  a.merged = b.merged = true;
  b.into = into;
  if (on_merge) {
    on_merge(into, gone);
  }
}

void Onlooker::Suppressed(std::string_view who) {
  if (who.find('@') != std::string_view::npos) {
    addresses_.insert(ToLower(who));
  } else if (const std::optional<int> person = PersonOf(who)) {
    known_[static_cast<std::size_t>(*person)].suppressed = true;
  }
}

std::optional<bool> Onlooker::YesNo(int person, int trait) const {
  const int slot = slot_[static_cast<std::size_t>(trait)];
  const Value& value =
      known_[static_cast<std::size_t>(person)].traits[static_cast<std::size_t>(slot)].value;
  const auto* answer = std::get_if<std::int64_t>(&value);
  return answer == nullptr ? std::nullopt : std::optional(*answer == 1);
}

std::string Onlooker::MayNotWrite(int person, std::string_view address, const Playbook& playbook,
                                  std::string_view channel) const {
  if (known_[static_cast<std::size_t>(person)].erased) {
    return "they were erased";
  }
  if (known_[static_cast<std::size_t>(person)].suppressed ||
      addresses_.contains(ToLower(address))) {
    return "they are suppressed";
  }
  if (playbook.purpose == Purpose::kService) {
    return "";
  }
  const auto topic = workspace_.topic_consent.find(playbook.topic);
  if (topic != workspace_.topic_consent.end() && YesNo(person, topic->second) == false) {
    return "they do not want this topic";
  }
  const auto consent = workspace_.consent.find(std::string(channel));
  if (consent != workspace_.consent.end() && YesNo(person, consent->second) != true) {
    return "they did not consent";
  }
  return "";
}

bool Onlooker::OnLegalHold(int person) const {
  return YesNo(person, *workspace_.schema.FindCustomerTrait("legal_hold")) == true;
}

bool Onlooker::InQuietHours(int person, std::string_view channel, TimePoint now) const {
  const QuietHours& quiet = *workspace_.quiet_hours;
  if (std::find(quiet.channels.begin(), quiet.channels.end(), channel) == quiet.channels.end()) {
    return false;
  }
  const int slot = slot_[static_cast<std::size_t>(*workspace_.timezone_trait)];
  const Value& value =
      known_[static_cast<std::size_t>(person)].traits[static_cast<std::size_t>(slot)].value;
  Zone zone = workspace_.schema.timezone;
  if (const auto* name = std::get_if<std::string>(&value)) {
    const Result<Zone> own = Zone::Find(*name);
    zone = own ? *own : zone;
  }
  const std::int64_t minute = zone.ToLocal(now).micros_of_day() / kMinute.count();
  return minute >= quiet.from_minute || minute < quiet.to_minute;
}

}  // namespace segue::campaign
