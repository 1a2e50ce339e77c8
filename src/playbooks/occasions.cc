// What else than a move starts a run: a flag that turns on, an event, and every so often.

#include <algorithm>
#include <utility>

#include "config/model_reads.h"
#include "playbooks/engine.h"

namespace segue {
namespace {

// "SEQUENCE MICROSECONDS": how far events were looked at.
constexpr std::string_view kEventsSeen = "playbooks.events_seen";
// The same of `while`.
constexpr std::string_view kWhileSeen = "playbooks.while_seen";

struct SeenUntil {
  Sequence sequence = 0;
  TimePoint now;
};

std::optional<SeenUntil> ParseSeen(const std::string& text) {
  const std::size_t space = text.find(' ');
  if (space == std::string::npos) {
    return std::nullopt;
  }
  return SeenUntil{static_cast<Sequence>(std::stoull(text)),
                   FromMicros(std::stoll(text.substr(space + 1)))};
}

}  // namespace

std::string PlaybookEngine::FlagName(int model, int flag) const {
  const Model& found = workspace_.models[static_cast<std::size_t>(model)];
  return found.id + "." + found.flags[static_cast<std::size_t>(flag)].name;
}

CustomerIndex PlaybookEngine::FirstOf(int model) const {
  const Model& found = workspace_.models[static_cast<std::size_t>(model)];
  return found.of == segue::Subject::kAccount ? kFirstAccount : 0;
}

void PlaybookEngine::LoadWatches() {
  for (const PlaybookProgram& program : programs_) {
    const Trigger& on = program.playbook->on;
    const bool known = std::any_of(watches_.begin(), watches_.end(), [&](const FlagWatch& watch) {
      return watch.model == on.model && watch.flag == on.flag;
    });
    if (on.kind == Trigger::Kind::kFlag && !known) {
      FlagWatch watch;
      watch.model = on.model;
      watch.flag = on.flag;
      watches_.push_back(std::move(watch));
    }
  }
  for (FlagWatch& watch : watches_) {
    Statement select = db_.Prepare("SELECT model_hash, slot FROM flag_watch WHERE flag = ?");
    select.Bind(1, FlagName(watch.model, watch.flag));
    if (!select.Step()) {
      continue;
    }
    watch.known = true;
    watch.model_hash = select.Text(0);
    watch.slot = FromMicros(select.Int(1));
    Statement on = db_.Prepare("SELECT customer FROM flag_on WHERE flag = ?");
    on.Bind(1, FlagName(watch.model, watch.flag));
    while (on.Step()) {
      const std::size_t customer = static_cast<CustomerIndex>(on.Int(0)) - FirstOf(watch.model);
      watch.on.resize(std::max(watch.on.size(), customer + 1));
      watch.on[customer] = true;
    }
  }
}

void PlaybookEngine::LoadEvery() {
  every_.resize(programs_.size());
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    const Playbook& one = playbook(static_cast<int>(i));
    if (one.on.kind != Trigger::Kind::kEvery) {
      continue;
    }
    Statement select = db_.Prepare("SELECT customer, at FROM every_last WHERE playbook = ?");
    select.Bind(1, one.id);
    while (select.Step()) {
      const TimePoint at = FromMicros(select.Int(1));
      every_[i].emplace(static_cast<CustomerIndex>(select.Int(0)), at);
      const TimePoint due = at + one.on.every;
      next_every_ = std::min(next_every_.value_or(due), due);
    }
  }
}

void PlaybookEngine::TakeFlags(TimePoint now) {
  for (FlagWatch& watch : watches_) {
    TakeFlag(watch, now);
  }
}

void PlaybookEngine::TakeFlag(FlagWatch& watch, TimePoint now) {
  const std::optional<TimePoint> slot = host_.LastSlot(watch.model);
  if (!slot) {
    return;  // Before the baseline nobody has it.
  }
  const std::string name = FlagName(watch.model, watch.flag);
  const std::string& hash = workspace_.models[static_cast<std::size_t>(watch.model)].hash;
  // What turns at the first slot after an edit turns because of the edit, and starts nobody.
  const bool edited = watch.known && !SameModel(watch.model_hash, hash) && *slot > watch.slot;
  const bool silent = !watch.known || edited;
  const std::vector<CustomerIndex> quiet = host_.QuietlyFlagged(watch.model, watch.flag);
  std::vector<bool> on = host_.FlagColumn(watch.model, watch.flag);
  watch.on.resize(std::max(watch.on.size(), on.size()));
  on.resize(watch.on.size());
  Statement add = db_.Prepare("INSERT OR IGNORE INTO flag_on(flag, customer) VALUES (?, ?)");
  Statement take = db_.Prepare("DELETE FROM flag_on WHERE flag = ? AND customer = ?");
  for (std::size_t i = 0; i < on.size(); ++i) {
    if (on[i] == watch.on[i]) {
      continue;
    }
    const CustomerIndex customer = FirstOf(watch.model) + static_cast<CustomerIndex>(i);
    (on[i] ? add : take).Bind(1, name).Bind(2, Number(customer)).Run();
    const bool hushed = silent || std::binary_search(quiet.begin(), quiet.end(), customer);
    if (!hushed || !on[i]) {
      FlagTurned(watch, customer, on[i], now);
    }
  }
  watch.on = std::move(on);
  // Until the first slot after an edit the hash stays the old one.
  const bool takes_hash = !watch.known || edited;
  if (takes_hash || *slot != watch.slot) {
    watch.model_hash = takes_hash ? hash : watch.model_hash;
    watch.slot = *slot;
    watch.known = true;
    Statement keep =
        db_.Prepare("INSERT OR REPLACE INTO flag_watch(flag, model_hash, slot) VALUES (?, ?, ?)");
    keep.Bind(1, name).Bind(2, watch.model_hash).Bind(3, ToMicros(watch.slot)).Run();
  }
}

void PlaybookEngine::FlagTurned(const FlagWatch& watch, CustomerIndex customer, bool on,
                                TimePoint now) {
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    const Trigger& trigger = programs_[i].playbook->on;
    if (trigger.kind != Trigger::Kind::kFlag || trigger.model != watch.model ||
        trigger.flag != watch.flag) {
      continue;
    }
    const int index = static_cast<int>(i);
    if (on) {
      pending_[i].try_emplace(customer, PendingStart{.at = now, .due = now + trigger.stay});
      continue;
    }
    const auto found = pending_[i].find(customer);
    if (found != pending_[i].end()) {
      Say(now,
          {.playbook = index,
           .customer = customer,
           .run = 0,
           .step = "",
           .where = programs_[i].where_trigger},
          Gate::kTrigger, false, "",
          FlagName(watch.model, watch.flag) + " turned off after " +
              FormatDurationLong(now - found->second.at));
      DropPending(index, customer);
    }
  }
}

void PlaybookEngine::TakeEvents(TimePoint now) {
  const bool any = std::any_of(programs_.begin(), programs_.end(), [](const auto& program) {
    return program.playbook->on.kind == Trigger::Kind::kEvent;
  });
  const std::string before = db_.GetSetting(kEventsSeen).value_or("");
  const std::string seen =
      any ? std::to_string(host_.LastSequence()) + " " + std::to_string(ToMicros(now))
          : std::string();
  if (seen != before) {
    db_.SetSetting(kEventsSeen, seen);
  }
  if (!any || before.empty()) {
    return;  // The first look: what happened before starts nobody.
  }
  const SeenUntil seen_before = *ParseSeen(before);
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    const Trigger& on = programs_[i].playbook->on;
    if (on.kind != Trigger::Kind::kEvent) {
      continue;
    }
    for (const Happening& one :
         host_.Fresh(on.event, on.where, seen_before.sequence, seen_before.now, now)) {
      // Those of one cycle are one start: of the first of them.
      const auto [found, fresh] =
          pending_[i].try_emplace(one.customer, PendingStart{.at = one.time, .due = now});
      if (!fresh && !found->second.stored) {
        found->second.at = std::min(found->second.at, one.time);
      }
    }
  }
}

std::vector<CustomerIndex> PlaybookEngine::HoldingWhile(int index, TimePoint now) {
  const Condition& holds = *playbook(index).on.while_holds;
  return playbook(index).of == segue::Subject::kAccount ? host_.AccountsHolding(holds, now)
                                                        : host_.Holding(holds, now);
}

void PlaybookEngine::TakeEvery(TimePoint now) {
  next_every_.reset();
  const std::string before = db_.GetSetting(kWhileSeen).value_or("");
  bool any = false;
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    const Trigger& on = programs_[i].playbook->on;
    if (on.kind != Trigger::Kind::kEvery || !on.while_holds) {
      continue;
    }
    any = true;
    const int index = static_cast<int>(i);
    const bool first_look = first_look_.contains(index);
    std::vector<CustomerIndex> starting;
    for (const CustomerIndex customer : HoldingWhile(index, now)) {
      const auto last = every_[i].find(customer);
      if (first_look && last == every_[i].end()) {
        SetEvery(index, customer, now);
        continue;
      }
      const TimePoint due = last == every_[i].end() ? now : last->second + on.every;
      if (due > now) {
        next_every_ = std::min(next_every_.value_or(due), due);
      } else if (!pending_[i].contains(customer)) {
        starting.push_back(customer);
      }
    }
    const std::set<CustomerIndex> quiet = ComeQuietly(index, starting, before, now);
    for (const CustomerIndex customer : starting) {
      const auto last = every_[i].find(customer);
      if (quiet.contains(customer)) {
        SetEvery(index, customer, now);
      } else {
        const TimePoint due = last == every_[i].end() ? now : last->second + on.every;
        pending_[i].emplace(customer, PendingStart{.at = due, .due = now});
      }
    }
  }
  first_look_.clear();
  const std::string seen =
      any ? std::to_string(host_.LastSequence()) + " " + std::to_string(ToMicros(now)) : "";
  if (seen != before) {
    db_.SetSetting(kWhileSeen, seen);
  }
}

std::set<CustomerIndex> PlaybookEngine::ComeQuietly(int index,
                                                    std::span<const CustomerIndex> starting,
                                                    const std::string& seen, TimePoint now) {
  if (starting.empty()) {
    return {};
  }
  const Condition& holds = *playbook(index).on.while_holds;
  const std::vector<CustomerIndex> learned = host_.HoldingByLearning(holds, starting, now);
  std::set<CustomerIndex> quiet(learned.begin(), learned.end());
  const std::optional<SeenUntil> before = ParseSeen(seen);
  if (!before) {
    return quiet;
  }
  // Whoever held at the last cycle and was due by then has started: the others have just come.
  const auto& every = every_[static_cast<std::size_t>(index)];
  std::vector<CustomerIndex> come;
  for (const CustomerIndex customer : starting) {
    const auto last = every.find(customer);
    if (last == every.end() || last->second + playbook(index).on.every <= before->now) {
      come.push_back(customer);
    }
  }
  const std::vector<CustomerIndex> disturbed =
      host_.Disturbed(holds, come, before->sequence, before->now, now);
  quiet.insert(disturbed.begin(), disturbed.end());
  return quiet;
}

void PlaybookEngine::SetEvery(int index, CustomerIndex customer, TimePoint at) {
  every_[static_cast<std::size_t>(index)][customer] = at;
  Statement keep =
      db_.Prepare("INSERT OR REPLACE INTO every_last(playbook, customer, at) VALUES (?, ?, ?)");
  keep.Bind(1, playbook(index).id).Bind(2, Number(customer)).Bind(3, ToMicros(at)).Run();
  const TimePoint due = at + playbook(index).on.every;
  next_every_ = std::min(next_every_.value_or(due), due);
}

void PlaybookEngine::ForgetOccasions(CustomerIndex gone, std::optional<CustomerIndex> survivor) {
  for (FlagWatch& watch : watches_) {
    if (!IsAccount(FirstOf(watch.model)) && gone < watch.on.size()) {
      watch.on[gone] = false;
    }
  }
  for (std::size_t i = 0; i < every_.size(); ++i) {
    const auto of_gone = every_[i].find(gone);
    if (of_gone == every_[i].end()) {
      continue;
    }
    const TimePoint at = of_gone->second;
    every_[i].erase(of_gone);
    if (!survivor) {
      continue;
    }
    const auto other = every_[i].find(*survivor);
    if (other == every_[i].end() || other->second < at) {
      SetEvery(static_cast<int>(i), *survivor, at);
    }
  }
  for (const char* sql :
       {"DELETE FROM flag_on WHERE customer = ?", "DELETE FROM every_last WHERE customer = ?"}) {
    db_.Prepare(sql).Bind(1, Number(gone)).Run();
  }
}

std::string PlaybookEngine::Occasion(int index, CustomerIndex customer, const PendingStart& start,
                                     TimePoint now) {
  const Trigger& on = playbook(index).on;
  const std::string at = " at " + FormatTime(start.at);
  std::string detail;
  switch (on.kind) {
    case Trigger::Kind::kMove:
      detail = start.move == 0
                   ? "was in " + SegmentName(index, start.to) + " already since " +
                         FormatTime(start.at) + ", and a person asked for these too (backfill)"
                   : "moved " + SegmentName(index, start.from) + " to " +
                         SegmentName(index, start.to) + at;
      break;
    case Trigger::Kind::kFlag:
      detail = FlagName(on.model, on.flag) + " turned on" + at;
      break;
    case Trigger::Kind::kEvent:
      return workspace_.schema.events[static_cast<std::size_t>(on.event)].name + at;
    case Trigger::Kind::kEvery: {
      const auto& last = every_[static_cast<std::size_t>(index)];
      const auto found = last.find(customer);
      return "every " + FormatDuration(on.every) + " while " +
             Looked(*on.while_holds, customer, now, std::nullopt) +
             (found == last.end() ? ", for the first time"
                                  : ", last asked " + FormatTime(found->second));
    }
  }
  if (on.stay > Duration::zero()) {
    detail += ", stayed " + FormatDurationLong(now - start.at);
  }
  return detail;
}

bool PlaybookEngine::StillThere(int index, CustomerIndex customer, const PendingStart& start,
                                TimePoint now) {
  const Trigger& on = playbook(index).on;
  switch (on.kind) {
    case Trigger::Kind::kMove:
      // A latest answer that differs waits: the next slot may agree again, or move the customer
      // away.
      return host_.RawAnswer(on.model, customer) == start.to;
    case Trigger::Kind::kEvery:
      return Holds(*on.while_holds, customer, now, std::nullopt);
    case Trigger::Kind::kFlag:  // One that turned off is not pending any more.
    case Trigger::Kind::kEvent:
      return true;
  }
  return true;
}

}  // namespace segue
