#include "sim/world.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sources/csv.h"
#include "support/dice.h"

namespace segue::sim {
namespace {

constexpr Duration kHistory = kDay * 12;  // Orders from before the first cycle.

const std::vector<std::string>& TraitNames() {
  static const std::vector<std::string> kAll = {"email",         "first_name",   "timezone",  "csm",
                                                "email_consent", "push_consent", "wants_news"};
  return kAll;
}

bool IsConsent(const std::string& trait) {
  return trait == "email_consent" || trait == "push_consent" || trait == "wants_news";
}

std::string Word(Dice& dice, std::initializer_list<const char*> words) {
  return words.begin()[dice.Below(static_cast<int>(words.size()))];
}

}  // namespace

World::World(const Choices& choices)
    : start_(choices.start), end_(choices.start + kDay * choices.days), now_(choices.start) {
  for (int i = 0; i < choices.customers; ++i) {
    MakeCustomer(choices, i);
  }
  for (const char* source : {"orders", "refunds", "customers"}) {
    Dice dice(Stream(choices, std::string("unreadable ") + source));
    if (choices.unreadable && dice.Chance(0.5)) {
      const TimePoint from = start_ + kHour * dice.Below(24 * 6);
      unreadable_[source] = {from, from + kHour * (1 + dice.Below(30))};
    }
  }
  for (int i = 0; choices.stalls && i < choices.days / 2; ++i) {
    Dice dice(Stream(choices, "stall", static_cast<std::uint64_t>(i)));
    actions_.push_back({start_ + kDay * 2 * i + kMinute * dice.Below(2800), Action::Kind::kStall,
                        "", "", kMinute * (1 + dice.Below(400))});
  }
  std::stable_sort(actions_.begin(), actions_.end(),
                   [](const Action& a, const Action& b) { return a.at < b.at; });
  MakeFiles();
}

void World::MakeCustomer(const Choices& choices, int index) {
  Dice dice(Stream(choices, "customer", static_cast<std::uint64_t>(index)));
  const std::string key = fmt::format("c{:03}", index);
  const bool old = dice.Chance(0.5);
  const TimePoint joined = old ? start_ - kHour * (1 + dice.Below(24 * 12))
                               : start_ + kMinute * dice.Below(choices.days * 1440);
  std::map<std::string, std::string> traits;
  traits["email"] =
      dice.Chance(0.9) ? fmt::format("{}@sim.example", dice.Chance(0.9) ? key : "shared") : "";
  traits["first_name"] =
      dice.Chance(0.8)
          ? Word(dice, {"Ann", "O'Neil, \"Bo\"", "Zoë", "{{ x }}", "<b>", "two\nlines"})
          : "";
  traits["timezone"] = Word(dice, {"Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo",
                                   "Australia/Lord_Howe", "", "Nowhere/Else"});
  traits["csm"] = dice.Chance(0.5) ? "csm@sim.example" : "";
  for (const char* consent : {"email_consent", "push_consent", "wants_news"}) {
    traits[consent] = dice.Chance(0.75) ? "yes" : dice.Chance(0.5) ? "no" : "";
  }
  AddTraits(key, joined, kMinute * dice.Below(200), traits);
  // They change their minds, and move.
  TimePoint at = joined;
  while ((at += kMinute * static_cast<int>(1 + dice.Exponential(4 * 1440))) < end_) {
    for (const char* consent : {"email_consent", "push_consent", "wants_news"}) {
      if (dice.Chance(0.4)) {
        traits[consent] = dice.Chance(0.5) ? "no" : dice.Chance(0.9) ? "yes" : "";
      }
    }
    if (dice.Chance(0.2)) {
      traits["timezone"] = Word(dice, {"Asia/Tokyo", "Europe/London", ""});
    }
    AddTraits(key, at, kMinute * dice.Below(choices.late ? 3000 : 90), traits);
  }
  int orders = 0;
  const double gap = dice.LogBetween(500, 8000);
  at = joined;
  while (at < end_) {
    AddOrder(choices, index, orders++, at);
    at += kMinute * static_cast<int>(1 + dice.Exponential(gap));
  }
  if (choices.merges && index > 0 && dice.Chance(0.15)) {
    actions_.push_back({start_ + kMinute * dice.Below(choices.days * 1440),
                        Action::Kind::kMerge,
                        key,
                        fmt::format("c{:03}", dice.Below(index)),
                        {}});
  }
  if (choices.erasures && dice.Chance(0.1)) {
    actions_.push_back(
        {start_ + kMinute * dice.Below(choices.days * 1440), Action::Kind::kErase, key, "", {}});
  }
  if (choices.suppressions && dice.Chance(0.1)) {
    actions_.push_back({start_ + kMinute * dice.Below(choices.days * 1440),
                        Action::Kind::kSuppress,
                        dice.Chance(0.5) ? key : key + "@sim.example",
                        "",
                        {}});
  }
}

void World::AddTraits(const std::string& key, TimePoint time, Duration delay,
                      std::map<std::string, std::string> traits) {
  Row row;
  row.customer = key;
  row.time = time;
  row.arrival = time + delay;
  row.text = key + "," + FormatTime(time);
  for (const std::string& name : TraitNames()) {
    row.text += "," + CsvField(traits[name]);
  }
  row.traits = std::move(traits);
  Put("customers", std::move(row));
}

void World::AddOrder(const Choices& choices, int index, int order, TimePoint time) {
  Dice dice(Stream(choices, fmt::format("order {}", index), static_cast<std::uint64_t>(order)));
  const std::string key = fmt::format("c{:03}", index);
  const auto delayed = [&](TimePoint at) {
    const bool late = choices.late && dice.Chance(0.1);
    // A few come before they happen: a clock that is ahead.
    return at + (late                ? kHour * dice.Below(24 * 6)
                 : dice.Chance(0.03) ? -kMinute * dice.Below(300)
                                     : kMinute * dice.Below(90));
  };
  Row row;
  row.customer = key;
  row.time = time;
  row.event_id = fmt::format("o{}-{}", index, order);
  const int cents = 100 + dice.Below(20000);
  const auto line = [&](int amount, int version) {
    return fmt::format("{},{},{},{}.{:02},{},{}", key, FormatTime(time), row.event_id, amount / 100,
                       amount % 100, Word(dice, {"DE", "FR"}), version);
  };
  row.text = line(cents, 1);
  row.arrival = delayed(time);
  Put("orders", row);
  if (choices.duplicates && dice.Chance(0.15)) {
    Row again = row;
    if (dice.Chance(0.5)) {
      again.text = line(cents + dice.Below(3) * 100, 1 + dice.Below(3));
    }
    again.arrival = row.arrival + kMinute * dice.Below(4000);
    Put("orders", again);
  }
  if (choices.refunds && dice.Chance(0.15)) {
    Row refund;
    refund.customer = key;
    refund.time = time + kMinute * (dice.Below(5000) - 100);
    refund.event_id = fmt::format("r{}-{}", index, order);
    const int back = dice.Chance(0.5) ? cents : dice.Below(cents);
    refund.text = fmt::format("{},{},{},{},{}.{:02}", key, FormatTime(refund.time), refund.event_id,
                              row.event_id, back / 100, back % 100);
    refund.arrival = delayed(refund.time);
    Put("refunds", refund);
    if (choices.duplicates && dice.Chance(0.2)) {
      refund.arrival += kHour * 5;
      Put("refunds", refund);
    }
  }
}

void World::Put(const std::string& source, Row row) {
  // What was there before Segue came stands in one file of history.
  row.arrival = std::max(row.arrival, start_);
  if (row.arrival >= end_ || row.time < start_ - kHistory) {
    return;
  }
  row.file = row.arrival == start_
                 ? fmt::format("inbox/{}-0.csv", source)
                 : fmt::format("inbox/{}-{}.csv", source, FormatTime(row.arrival).substr(0, 10));
  rows_[source].push_back(std::move(row));
}

void World::MakeFiles() {
  const std::map<std::string, std::string> headers = {
      {"orders", "customer_id,time,order_id,amount,country,version\n"},
      {"refunds", "customer_id,time,refund_id,order_id,amount\n"},
      {"customers",
       "customer_id,time,email,first_name,timezone,csm,email_consent,push_consent,wants_news\n"}};
  for (auto& [source, rows] : rows_) {
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      return std::tie(a.arrival, a.text) < std::tie(b.arrival, b.text);
    });
    for (const Row& row : rows) {
      File& file = files_[row.file];
      if (file.text.empty()) {
        file.text = headers.at(source);
      }
      file.text += row.text + "\n";
      file.ends.emplace_back(row.arrival, file.text.size());
    }
  }
}

std::string World::SourceOf(std::string_view path) {
  const std::size_t slash = path.find('/') + 1;
  return std::string(path.substr(slash, path.find_first_of("-*", slash) - slash));
}

bool World::Unreadable(const std::string& source) const {
  const auto found = unreadable_.find(source);
  return found != unreadable_.end() && found->second.first <= now_ && now_ < found->second.second;
}

void World::SetNow(TimePoint now) {
  now_ = now;
}

std::vector<FileReader::Info> World::List(std::string_view pattern) {
  if (edge) {
    edge();
  }
  const std::string source = SourceOf(pattern);
  listed_.insert(source);
  std::vector<Info> all;
  for (const auto& [path, file] : files_) {
    if (SourceOf(path) != source) {
      continue;
    }
    const auto after =
        std::upper_bound(file.ends.begin(), file.ends.end(), now_,
                         [](TimePoint now, const auto& end) { return now < end.first; });
    if (after != file.ends.begin()) {
      all.push_back({path, std::prev(after)->second, ToMicros(std::prev(after)->first)});
    }
  }
  return all;
}

Result<std::string> World::Read(std::string_view path, std::uint64_t offset, std::size_t most) {
  if (edge) {
    edge();
  }
  if (Unreadable(SourceOf(path))) {
    return Error("the disk is away; look at the cable");
  }
  const File& file = files_.at(std::string(path));
  const auto after =
      std::upper_bound(file.ends.begin(), file.ends.end(), now_,
                       [](TimePoint now, const auto& end) { return now < end.first; });
  const std::size_t bytes = after == file.ends.begin() ? 0 : std::prev(after)->second;
  return offset >= bytes ? std::string() : file.text.substr(offset, std::min(most, bytes - offset));
}

void World::TookIn() {
  for (const std::string& source : std::exchange(listed_, {})) {
    if (Unreadable(source)) {
      continue;
    }
    const std::vector<Row>& rows = rows_[source];
    for (std::size_t& at = taken_[source]; at < rows.size() && rows[at].arrival <= now_; ++at) {
      Apply(rows[at]);
    }
  }
}

void World::Apply(const Row& row) {
  if (erased_.contains(row.customer)) {
    return;
  }
  seen_.insert(row.customer);
  const std::string root = Root(row.customer);
  if (!row.event_id.empty()) {
    events_[row.event_id[0] == 'o' ? "orders" : "refunds"][root].insert(row.event_id);
    return;
  }
  Traits& traits = known_[root];
  for (const auto& [name, value] : row.traits) {
    const auto found = traits.find(name);
    if (found == traits.end() || row.time >= found->second.since) {
      traits[name] = {value, row.time, false};
    }
  }
}

void World::Merged(const std::string& customer, const std::string& other) {
  const std::string a = Root(customer), b = Root(other);
  if (a == b || erased_.contains(customer) || erased_.contains(other)) {
    return;
  }
  seen_.insert({customer, other});
  for (const auto& [name, known] : std::exchange(known_[b], {})) {
    Traits& mine = known_[a];
    const auto found = mine.find(name);
    if (found == mine.end()) {
      mine[name] = known;
      continue;
    }
    Known& own = found->second;
    Known joined = known.since > own.since ? known : own;
    if (IsConsent(name)) {
      const bool no = known.value == "no" || own.value == "no";
      const bool yes = known.value == "yes" || own.value == "yes";
      joined.value = no ? "no" : yes ? "yes" : "";
    } else {
      // Which of the two was taken in later decides, and the onlooker did not write that down.
      joined.unsure = known.unsure || own.unsure || known.since == own.since;
    }
    own = joined;
  }
  for (auto& [source, people] : events_) {
    people[a].merge(people[b]);
    people.erase(b);
  }
  merged_into_[b] = a;
}

void World::Erased(const std::string& customer) {
  if (!seen_.contains(customer)) {
    return;
  }
  const std::string root = Root(customer);
  std::set<std::string> gone = {root, customer};
  for (const auto& [key, into] : merged_into_) {
    if (Root(key) == root) {
      gone.insert(key);
    }
  }
  erased_.insert(gone.begin(), gone.end());
  known_.erase(root);
  for (auto& [source, people] : events_) {
    people.erase(root);
  }
}

std::string World::Root(const std::string& customer) const {
  std::string key = customer;
  while (true) {
    const auto found = merged_into_.find(key);
    if (found == merged_into_.end()) {
      return key;
    }
    key = found->second;
  }
}

bool World::IsErased(const std::string& customer) const {
  return erased_.contains(customer);
}

bool World::IsSuppressed(const std::string& customer, const std::string& address) const {
  const std::string root = Root(customer);
  return std::any_of(suppressed_.begin(), suppressed_.end(),
                     [&](const std::string& who) { return who == address || Root(who) == root; });
}

const World::Known* World::Trait(const std::string& customer, const std::string& trait) const {
  const auto traits = known_.find(Root(customer));
  if (traits == known_.end()) {
    return nullptr;
  }
  const auto found = traits->second.find(trait);
  return found == traits->second.end() ? nullptr : &found->second;
}

bool World::MayWrite(const std::string& customer, const std::string& channel,
                     const std::string& purpose, const std::string& topic) const {
  if (purpose == "service") {
    return true;
  }
  const Known* asked = Trait(customer, channel + "_consent");
  const Known* about = topic == "news" ? Trait(customer, "wants_news") : nullptr;
  const bool yes = asked != nullptr && asked->value == "yes";
  const bool no = about != nullptr && about->value == "no";
  return yes && !no;
}

std::optional<std::string> World::ZoneName(const std::string& customer) const {
  const Known* zone = Trait(customer, "timezone");
  if (zone == nullptr) {
    return "";
  }
  return zone->unsure ? std::nullopt : std::optional(zone->value);
}

std::map<std::string, std::set<std::string>> World::Events(const std::string& source) const {
  const auto found = events_.find(source);
  return found == events_.end() ? std::map<std::string, std::set<std::string>>() : found->second;
}

std::vector<std::string> World::ErasedKeys() const {
  return {erased_.begin(), erased_.end()};
}

}  // namespace segue::sim
