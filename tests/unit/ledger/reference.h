// A second, naive implementation of docs/meaning.md, "Aggregates" to "Traits", for the streams
// test: it keeps the plain list of events and computes everything again from it each time.  It
// shares no code with src/ledger.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "expression/expr.h"
#include "ledger/ledger.h"
#include "unit/ledger/small_world.h"

namespace segue {

// What an aggregate asks, in the test's own words.
struct Question {
  AggregateOp op = AggregateOp::kCount;
  int kind = 0;
  int field = -1;
  Duration window = Duration(0);
  Duration before = Duration(0);
  bool (*where)(const std::vector<Value>& fields) = nullptr;
};

// One event, as it counts.
struct Counting {
  int kind = 0;
  std::size_t customer = 0;
  std::int64_t time = 0;
  std::vector<Value> fields;
  std::uint64_t hash = 0;
  bool orphan = false;
};

struct Answered {
  std::string exact;  // As Columns::Fingerprint writes it.
  double value = std::numeric_limits<double>::quiet_NaN();
  std::optional<std::string> text;  // Instead of the value.
};

class Reference {
 public:
  Intake Take(const Fact& fact, std::int64_t now) {
    return std::visit([&](const auto& each) { return TakeOne(each, now); }, fact);
  }

  // What waited until now takes effect.
  void AdvanceTo(std::int64_t now) {
    now_ = std::max(now_, now);
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const Waiting& a, const Waiting& b) { return a.time < b.time; });
    while (!waiting_.empty() && waiting_.front().time <= now_) {
      const Waiting next = waiting_.front();
      waiting_.erase(waiting_.begin());
      Set(Person(next.customer), next.trait, next.value, next.time, next.order);
    }
  }

  std::size_t customer_count() const { return people_.size(); }

  Value Trait(std::size_t customer, int trait) const {
    const auto found = traits_.find({customer, trait});
    return found == traits_.end() ? Value() : found->second.value;
  }

  std::vector<Counting> AllCounting() const {
    std::vector<Counting> all;
    for (const Stored& stored : events_) {
      if (std::optional<Counting> event = AsItCounts(stored)) {
        all.push_back(std::move(*event));
      }
      if (stored.event.kind == kRefund && InEffect(stored) && OriginalOf(stored) == nullptr) {
        all.push_back(AsOrphan(stored));
      }
    }
    return all;
  }

  Answered Answer(const Question& question, const std::vector<Counting>& counting,
                  std::size_t customer, std::int64_t now) const {
    std::vector<const Counting*> seen;
    for (const Counting& event : counting) {
      const std::int64_t until = now - question.before.count();
      const bool inside = event.time <= until && (question.window == Duration(0) ||
                                                  event.time > until - question.window.count());
      if (event.kind == question.kind && event.customer == customer && inside &&
          (question.where == nullptr || question.where(event.fields)) &&
          (!event.orphan || question.op == AggregateOp::kSum)) {
        seen.push_back(&event);
      }
    }
    std::sort(seen.begin(), seen.end(), [](const Counting* a, const Counting* b) {
      return std::pair(a->time, a->hash) < std::pair(b->time, b->hash);
    });
    return Fold(question, seen);
  }

 private:
  struct Person_ {
    std::string key;
    std::size_t is = 0;  // Itself, or who it was merged into.
    bool erased = false;
  };

  struct Stored {
    Event event;
    std::string dedupe;
    std::size_t customer = 0;  // As named.
    std::int64_t arrived = 0;
  };

  struct TraitNow {
    Value value;
    std::int64_t time = 0;
    int order = 0;
  };

  struct Waiting {
    std::int64_t time = 0;
    std::size_t customer = 0;
    int trait = 0;
    Value value;
    int order = 0;
  };

  static std::string Words(const Value& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      return std::to_string(*number);
    }
    const auto* text = std::get_if<std::string>(&value);
    return text == nullptr ? "" : *text;
  }

  static std::string Dedupe(const Event& event) {
    if (!event.dedupe.empty()) {
      return event.dedupe;
    }
    std::string text = event.customer + "\x1F" + std::to_string(ToMicros(event.time));
    for (const Value& value : event.fields) {
      text += "\x1F" + Words(value);
    }
    return text;
  }

  std::optional<std::size_t> Known(const std::string& key) const {
    for (std::size_t i = 0; i < people_.size(); ++i) {
      if (people_[i].key == key && !people_[i].erased) {
        return i;
      }
    }
    return std::nullopt;
  }

  std::size_t Make(const std::string& key) {
    if (const auto known = Known(key)) {
      return *known;
    }
    people_.push_back({key, people_.size(), false});
    return people_.size() - 1;
  }

  std::size_t Person(std::size_t named) const {
    return people_[named].is == named ? named : Person(people_[named].is);
  }

  Intake TakeOne(const Event& event, std::int64_t now) {
    if (gone_.contains(event.customer)) {
      return Intake::kErased;
    }
    const std::string dedupe = Dedupe(event);
    for (Stored& stored : events_) {
      if (stored.event.kind != event.kind || stored.dedupe != dedupe) {
        continue;
      }
      const auto named = Known(event.customer);
      if (named && Person(*named) == Person(stored.customer) &&
          stored.event.fields == event.fields) {
        return Intake::kDuplicate;
      }
      if (!stored.event.version || !event.version) {
        return Intake::kConflict;
      }
      if (*event.version <= *stored.event.version) {
        return Intake::kOlder;
      }
      stored.customer = Make(event.customer);
      stored.event.fields = event.fields;
      stored.event.version = event.version;
      return Intake::kAmended;
    }
    events_.push_back({event, dedupe, Make(event.customer), now});
    return Intake::kNew;
  }

  Intake Set(std::size_t person, int trait, const Value& value, std::int64_t time, int order) {
    const auto found = traits_.find({person, trait});
    if (found != traits_.end() && (time < found->second.time ||
                                   (time == found->second.time && order < found->second.order))) {
      return Intake::kOlder;
    }
    // No yes replaces a no of its own time.
    const Value no = std::int64_t{0};
    if (trait == kConsentTrait && found != traits_.end() && time == found->second.time &&
        found->second.value == no && value != no) {
      return Intake::kOlder;
    }
    const bool same = (found == traits_.end() ? Value() : found->second.value) == value;
    traits_[{person, trait}] = {value, time, order};
    return same ? Intake::kNoChange : Intake::kNew;
  }

  Intake TakeOne(const TraitChange& change, std::int64_t now) {
    if (gone_.contains(change.customer)) {
      return Intake::kErased;
    }
    const std::size_t named = Make(change.customer);
    const std::int64_t time = ToMicros(change.time);
    ++order_;
    if (time <= std::max(now, now_)) {
      return Set(Person(named), change.trait, change.value, time, order_);
    }
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
      if (at->time == time && at->customer == named && at->trait == change.trait) {
        if (at->value == change.value) {
          return Intake::kNoChange;
        }
        waiting_.erase(at);
        break;
      }
    }
    waiting_.push_back({time, named, change.trait, change.value, order_});
    return Intake::kNew;
  }

  Intake TakeOne(const Merge& merge, std::int64_t /*now*/) {
    if (gone_.contains(merge.customer) || gone_.contains(merge.other)) {
      return Intake::kErased;
    }
    if (merge.customer == merge.other) {
      return Intake::kNoChange;
    }
    const std::size_t first = Make(merge.customer);
    const std::size_t second = Make(merge.other);
    const std::size_t stays = std::min(Person(first), Person(second));
    const std::size_t goes = std::max(Person(first), Person(second));
    if (stays == goes) {
      return Intake::kNoChange;
    }
    people_[goes].is = stays;
    for (int trait = 0; trait < 3; ++trait) {
      const auto theirs = traits_.find({goes, trait});
      if (theirs == traits_.end()) {
        continue;
      }
      const TraitNow other = theirs->second;
      traits_.erase(theirs);
      const auto own = traits_.find({stays, trait});
      if (own == traits_.end()) {
        traits_[{stays, trait}] = other;
        continue;
      }
      TraitNow both =
          std::pair(own->second.time, own->second.order) > std::pair(other.time, other.order)
              ? own->second
              : other;
      if (trait == kConsentTrait) {
        const Value no = std::int64_t{0}, yes = std::int64_t{1};
        const auto either = [&](const Value& value) {
          return own->second.value == value || other.value == value;
        };
        both.value = either(no) ? no : either(yes) ? yes : Value();
      }
      own->second = both;
    }
    return Intake::kNew;
  }

  Intake TakeOne(const Erase& erase, std::int64_t /*now*/) {
    if (gone_.contains(erase.customer)) {
      return Intake::kErased;
    }
    const auto named = Known(erase.customer);
    if (!named) {
      return Intake::kNoChange;
    }
    const std::size_t person = Person(*named);
    for (std::size_t i = 0; i < people_.size(); ++i) {
      if (Person(i) != person) {
        continue;
      }
      gone_.insert(people_[i].key);
      std::erase_if(events_, [&](const Stored& stored) { return stored.customer == i; });
      std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.customer == i; });
      for (int trait = 0; trait < 3; ++trait) {
        traits_.erase({i, trait});
      }
    }
    for (Person_& each : people_) {
      each.erased = each.erased || gone_.contains(each.key);
    }
    return Intake::kNew;
  }

  bool InEffect(const Stored& refund) const {
    return ToMicros(refund.event.time) <= std::max(now_, refund.arrived);
  }

  const Stored* OriginalOf(const Stored& refund) const {
    for (const Stored& stored : events_) {
      if (stored.event.kind == kOrder && !IsMissing(refund.event.fields[kRefundOf]) &&
          stored.event.fields[kOrderId] == refund.event.fields[kRefundOf]) {
        return &stored;
      }
    }
    return nullptr;
  }

  static std::int64_t Units(const Value& value) {
    return IsMissing(value) ? 0 : std::get<std::int64_t>(value);
  }

  std::optional<Counting> AsItCounts(const Stored& stored) const {
    Counting event{stored.event.kind,
                   Person(stored.customer),
                   ToMicros(stored.event.time),
                   stored.event.fields,
                   KeyedHash(HashKey{}, stored.dedupe),
                   false};
    if (event.kind != kOrder) {
      return event;
    }
    bool refunded = false;
    std::int64_t amount = 0, tax = 0;
    for (const Stored& refund : events_) {
      if (refund.event.kind == kRefund && InEffect(refund) && OriginalOf(refund) == &stored) {
        refunded = true;
        amount += Units(refund.event.fields[kRefundAmount]);
        tax += Units(refund.event.fields[kRefundTax]);
      }
    }
    if (!refunded) {
      return event;
    }
    for (const auto& [field, taken] : {std::pair(kAmount, amount), std::pair(kTax, tax)}) {
      Value& value = event.fields[static_cast<std::size_t>(field)];
      if (!IsMissing(value)) {
        value = std::max<std::int64_t>(0, Units(value) - taken);
      }
    }
    if (Units(event.fields[kAmount]) == 0 && Units(event.fields[kTax]) == 0) {
      return std::nullopt;
    }
    return event;
  }

  Counting AsOrphan(const Stored& refund) const {
    Counting event{kOrder,
                   Person(refund.customer),
                   ToMicros(refund.event.time),
                   std::vector<Value>(5),
                   KeyedHash(HashKey{}, refund.dedupe),
                   true};
    if (!IsMissing(refund.event.fields[kRefundAmount])) {
      event.fields[kAmount] = -Units(refund.event.fields[kRefundAmount]);
    }
    if (!IsMissing(refund.event.fields[kRefundTax])) {
      event.fields[kTax] = -Units(refund.event.fields[kRefundTax]);
    }
    return event;
  }

  static std::string Exact(const Value& value) {
    if (IsMissing(value)) {
      return "-";
    }
    const auto* text = std::get_if<std::string>(&value);
    return text == nullptr ? Words(value) : std::to_string(text->size()) + ":" + *text;
  }

  static Answered Fold(const Question& question, const std::vector<const Counting*>& seen) {
    const auto field = static_cast<std::size_t>(std::max(0, question.field));
    std::vector<Value> values;
    for (const Counting* event : seen) {
      if (question.field >= 0 && !IsMissing(event->fields[field])) {
        values.push_back(event->fields[field]);
      }
    }
    const double scale = question.kind == kOrder && question.field == kItems ? 1e6 : 1;
    std::int64_t sum = 0;
    for (const Value& value : values) {
      sum += std::holds_alternative<std::int64_t>(value) ? std::get<std::int64_t>(value) : 0;
    }
    switch (question.op) {
      case AggregateOp::kCount:
        return {std::to_string(seen.size()), static_cast<double>(seen.size()), {}};
      case AggregateOp::kSum:
        return {std::to_string(sum), static_cast<double>(sum) / scale, {}};
      case AggregateOp::kAvg:
        return {std::to_string(sum) + "/" + std::to_string(values.size()),
                static_cast<double>(sum) / scale / static_cast<double>(values.size()),
                {}};
      case AggregateOp::kDistinct: {
        std::map<std::string, int> counts;
        for (const Value& value : values) {
          ++counts[Exact(value)];
        }
        std::set<std::string> parts;
        for (const auto& [value, count] : counts) {
          parts.insert(value + "x" + std::to_string(count));
        }
        Answered answer;
        for (const std::string& part : parts) {
          answer.exact += part + ",";
        }
        if (!counts.empty()) {
          answer.value = static_cast<double>(counts.size());
        }
        return answer;
      }
      case AggregateOp::kLast:
      case AggregateOp::kFirst:
      case AggregateOp::kLastOf:
      case AggregateOp::kFirstOf:
        break;
    }
    if (seen.empty()) {
      return {"-", std::numeric_limits<double>::quiet_NaN(), {}};
    }
    const bool last = question.op == AggregateOp::kLast || question.op == AggregateOp::kLastOf;
    const Counting& event = last ? *seen.back() : *seen.front();
    if (question.field < 0) {
      return {std::to_string(event.time), static_cast<double>(event.time), {}};
    }
    const Value& value = event.fields[field];
    Answered answer{
        std::to_string(event.time) + "#" + std::to_string(event.hash) + "=" + Exact(value),
        std::numeric_limits<double>::quiet_NaN(),
        {}};
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      answer.value = static_cast<double>(*number) / scale;
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      answer.text = *text;
    }
    return answer;
  }

  std::vector<Person_> people_;
  std::vector<Stored> events_;  // In the order of arrival.
  std::map<std::pair<std::size_t, int>, TraitNow> traits_;
  std::vector<Waiting> waiting_;
  std::set<std::string> gone_;
  std::int64_t now_ = std::numeric_limits<std::int64_t>::min();
  int order_ = 0;
};

}  // namespace segue
