#include "pipeline/trial.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"
#include "pipeline/moments.h"
#include "pipeline/processes.h"
#include "pipeline/trial_check.h"
#include "pipeline/trial_load.h"
#include "pipeline/trial_stage.h"

namespace segue {
namespace {

// People knew what they say about themselves long before.
constexpr Duration kLongBefore = kDay * 3650;
// Nothing of a test arrives late; a late event would start nobody.
constexpr Duration kNeverLate = kDay * 36500;

// Of the 10 000 buckets that arms are drawn by.
int Buckets(double percent) {
  return static_cast<int>(std::lround(percent * 100));
}

// Whether this playbook would draw that arm for somebody with this key.
bool Draws(const Playbook& playbook, const std::string& group, const std::string& key) {
  const int bucket = Bucket(playbook.salt, playbook.id, key);
  int end = Buckets(playbook.holdout_percent);
  if (group == "held_out") {
    return end == 0 || bucket < end;
  }
  const bool has = std::any_of(playbook.variants.begin(), playbook.variants.end(),
                               [&](const auto& variant) { return variant.first == group; });
  for (const auto& [name, share] : playbook.variants) {
    const int begin = end;
    end += Buckets(share);
    if (has && name == group) {
      return bucket >= begin && bucket < end;
    }
  }
  return bucket >= Buckets(playbook.holdout_percent);
}

constexpr int kKeysTried = 100'000;

// Somebody of a test whose key decides about arms.
struct Named {
  std::string name, group;
  Subject is = Subject::kCustomer;
};

// A key for everybody, such that chance puts them where the test wants them: `lara`, or `lara-17`.
// Empty where there is none.
std::string KeyFor(const Named& named, const Workspace& workspace) {
  const auto holds_out = [&](const Playbook& playbook) {
    return playbook.of == named.is && playbook.holdout_percent > 0;
  };
  // Who is held out by no experiment can only be held out by all of them.
  const bool by_all =
      named.group == "held_out" &&
      std::none_of(workspace.playbooks.begin(), workspace.playbooks.end(), holds_out);
  for (int i = 0; i < (named.group.empty() ? 1 : kKeysTried); ++i) {
    std::string key = named.name + (i == 0 ? "" : "-" + std::to_string(i));
    const bool global = workspace.holdout && Bucket(workspace.holdout->salt, "", key) <
                                                 Buckets(workspace.holdout->share_percent);
    if (named.group.empty() ||
        (global == by_all && std::all_of(workspace.playbooks.begin(), workspace.playbooks.end(),
                                         [&](const Playbook& one) {
                                           return one.of != named.is ||
                                                  Draws(one, named.group, key);
                                         }))) {
      return key;
    }
  }
  return {};
}

// What an account's arm is when the test does not say: that of the people in it.
std::string GroupOf(const TrialAccount& account, const Trial& trial) {
  for (const TrialPerson& person : trial.people) {
    if (account.group.empty() && person.account == account.name && !person.group.empty()) {
      return person.group;
    }
  }
  return account.group;
}

// A fact that has not happened yet.
struct Held {
  TimePoint time;
  Fact fact;
  const LoadedFact* row = nullptr;  // The row that it came from, if any.
};

// What a test is lived with, the same each time.
struct Cast {
  const Workspace& workspace;
  const Templates& templates;
  const Trial& trial;
  const std::map<std::string, std::string>& keys;  // By person and account.
  const std::vector<LoadedFact>& rows;
};

// One life of a test.
class Life {
 public:
  Life(const Cast& cast, std::optional<std::int64_t> restart_at)
      : workspace_(cast.workspace),
        templates_(cast.templates),
        trial_(cast.trial),
        keys_(cast.keys),
        rows_(cast.rows),
        restart_at_(restart_at),
        db_(Database::Open(":memory:")),
        now_(cast.trial.start) {
    // When anything goes wrong, the test is over: there is nothing to roll back to.
    db_.Execute("PRAGMA journal_mode = OFF");
  }

  void Live() {
    for (const auto& [insight, rule] : trial_.in_force) {
      PutInForce(db_, insight, rule, now_);
    }
    Open();
    Prepare();
    Tick();
    for (const TrialStep& step : trial_.steps) {
      if (restart_at_) {
        Restart();
      }
      StepOf(step);
    }
    checker_.Finish(*state_);
  }

  std::int64_t cycles() const { return cycles_; }

  TrialChecker& checker() { return checker_; }

 private:
  void Open() {
    StateOptions options;
    options.links_key = "test";
    state_ = std::make_unique<State>(db_, workspace_, templates_, now_, options);
    for (const auto& [model, scores] : trial_.cuts) {
      Segments* segments = state_->segments(workspace_.FindModel(model).value_or(0));
      if (segments != nullptr) {
        Lines lines;
        lines.by_score = scores;
        segments->PinLines(std::move(lines));
      }
    }
    state_->processes().Pin(trial_.learned, trial_.start);
    cycle_ = std::make_unique<Cycle>(*state_, nullptr);
    dispatcher_ = std::make_unique<Dispatcher>(*state_, [](const ConnectorSettings&) {
      return Result<Secrets>(Secrets{{"url", "https://tool.test.example/"}});
    });
  }

  void Restart() {
    dispatcher_.reset();
    cycle_.reset();
    state_.reset();
    Open();
  }

  TimePoint Wall(std::int64_t day, int minute, const Zone& zone) const {
    return zone.ToUtc({day * kDay.count() + minute * kMinute.count()});
  }

  // The zone that a person's traits name at the start.
  Zone ZoneOf(const std::string& name) const {
    for (const TrialPerson& person : trial_.people) {
      for (const auto& [trait, value] : person.traits) {
        const auto* text = std::get_if<std::string>(&value);
        if (person.name == name && workspace_.timezone_trait == trait && text != nullptr) {
          if (const Result<Zone> zone = Zone::Find(*text)) {
            return *zone;
          }
        }
      }
    }
    return workspace_.schema.timezone;
  }

  void Hold(const TrialEvent& what, const std::string& who, TimePoint time) {
    Event event;
    event.kind = what.event;
    event.customer = keys_.at(who);
    event.time = time;
    event.fields = what.fields;
    // Each is another event, however much they look alike.
    event.dedupe = fmt::format("{}/{}/{}", trial_.id, who, ++events_);
    held_.push_back({time, std::move(event), nullptr});
  }

  void Prepare() {
    for (const TrialPerson& person : trial_.people) {
      for (const auto& [trait, value] : person.traits) {
        held_.push_back(
            {trial_.start - kLongBefore,
             TraitChange{keys_.at(person.name), trait, value, trial_.start - kLongBefore},
             nullptr});
      }
    }
    Belong();
    for (const TrialHistory& history : trial_.history) {
      for (const std::string& who : history.what.who) {
        Occurrences(history, who);
      }
    }
    for (const LoadedFact& row : rows_) {
      held_.push_back({row.time, Played(row.fact), &row});
    }
    Sort();
  }

  // A row about one of the test's people is about the customer who plays them.
  Fact Played(Fact fact) const {
    const auto play = [&](std::string& name) {
      const auto key = keys_.find(name);
      name = key == keys_.end() ? name : key->second;
    };
    if (auto* event = std::get_if<Event>(&fact)) {
      play(event->customer);
    } else if (auto* merge = std::get_if<Merge>(&fact)) {
      play(merge->customer);
      play(merge->other);
    } else if (auto* change = std::get_if<TraitChange>(&fact)) {
      play(change->customer);
      auto* text = std::get_if<std::string>(&change->value);
      const std::optional<int> names_one =
          change->of_account ? workspace_.account_contact_trait : workspace_.account_trait;
      if (text != nullptr && change->trait == names_one) {
        play(*text);
      }
    }
    return fact;
  }

  void Belong() {
    const TimePoint then = trial_.start - kLongBefore;
    for (const TrialAccount& account : trial_.accounts) {
      for (const auto& [trait, value] : account.traits) {
        held_.push_back({then, AccountTrait(account.name, trait, value, then), nullptr});
      }
    }
    for (const TrialPerson& person : trial_.people) {
      if (!person.account.empty() && workspace_.account_trait) {
        held_.push_back({then,
                         TraitChange{keys_.at(person.name), *workspace_.account_trait,
                                     keys_.at(person.account), then},
                         nullptr});
      }
    }
  }

  // Who is an account's contact is named as all people of a test are.
  TraitChange AccountTrait(const std::string& account, int trait, Value value,
                           TimePoint time) const {
    const auto* name = std::get_if<std::string>(&value);
    if (name != nullptr && workspace_.account_contact_trait == trait) {
      if (const auto person = keys_.find(*name); person != keys_.end()) {
        value = person->second;
      }
    }
    return {keys_.at(account), trait, std::move(value), time, true};
  }

  void Occurrences(const TrialHistory& history, const std::string& who) {
    const Zone zone = ZoneOf(who);
    const TimePoint first = Wall(history.first_day, history.minute, zone);
    const TimePoint end = Wall(history.last_day + 1, 0, zone);
    if (!history.every) {
      Hold(history.what, who, first);
    } else if (*history.every % kDay == Duration::zero()) {
      const std::int64_t days = *history.every / kDay;
      for (std::int64_t day = history.first_day; day <= history.last_day; day += days) {
        Hold(history.what, who, Wall(day, history.minute, zone));
      }
    } else {
      for (TimePoint at = first; at < end; at += *history.every) {
        Hold(history.what, who, at);
      }
    }
  }

  void Sort() {
    std::stable_sort(held_.begin() + static_cast<std::ptrdiff_t>(next_), held_.end(),
                     [](const Held& a, const Held& b) { return a.time < b.time; });
  }

  // One cycle and all that the dispatcher has to do.
  void Tick() {
    if (restart_at_ && cycles_ == *restart_at_) {
      Restart();
    }
    ++cycles_;
    std::vector<Fact> facts;
    const std::size_t first = next_;
    while (next_ < held_.size() && held_[next_].time <= now_) {
      facts.push_back(std::move(held_[next_++].fact));
    }
    CycleReport report;
    if (!facts.empty()) {
      cycle_->Ingest(facts, "test", kNeverLate, now_, report);
      Contradictions(first);
    }
    cycle_->Decide(now_, report);
    Dispatch();
  }

  // `first`: of what was taken in last.
  void Contradictions(std::size_t first) {
    for (const Ledger::Conflict& conflict : state_->ledger().conflicts()) {
      if (const LoadedFact* row = held_[first + conflict.at].row) {
        checker_.Fail(row->place,
                      row->where + ": the row contradicts one that says it is the same event",
                      "what was first stays: mend `dedupe` or the row, or name a `version`");
      }
    }
  }

  void Dispatch() {
    Transaction work(db_);
    for (std::vector<Call> calls; !(calls = dispatcher_->Start(now_)).empty();) {
      while (!calls.empty()) {
        const Call call = std::move(calls.back());
        calls.pop_back();
        for (Call& next : dispatcher_->Finish(call.id, Answer(call.connector), now_)) {
          calls.push_back(std::move(next));
        }
      }
    }
    work.Commit();
  }

  Reply Answer(const std::string& connector) const {
    const auto found = answers_.find(connector);
    const std::string word = found == answers_.end() ? "accepted" : found->second;
    Reply reply;
    reply.kind = word == "unknown" ? Reply::Kind::kLost : Reply::Kind::kAnswered;
    reply.status = word == "refused" ? 422 : word == "retry" ? 503 : 200;
    reply.error = word == "unknown" ? "the answer was lost" : "";
    reply.body = "as the test says";
    return reply;
  }

  // Lets time pass, from one moment at which something is due to the next.
  void AdvanceTo(TimePoint until) {
    while (true) {
      TimePoint next = cycle_->Next(now_);
      if (const auto due = dispatcher_->Next(now_)) {
        next = std::min(next, *due);
      }
      next = std::max(next, now_ + std::chrono::seconds(1));
      if (next_ < held_.size()) {
        next = std::min(next, std::max(held_[next_].time, now_ + Duration(1)));
      }
      if (next > until) {
        break;
      }
      now_ = next;
      Tick();
    }
    now_ = std::max(now_, until);
  }

  std::int64_t FirstDay() const { return trial_.zone.ToLocal(trial_.start).day(); }

  void StepOf(const TrialStep& step) {
    if (step.event) {
      for (const std::string& who : step.event->who) {
        Hold(*step.event, who, MomentOf(step, who));
      }
    }
    for (const std::string& who : step.set_who) {
      const TimePoint at = MomentOf(step, who);
      for (const auto& [trait, value] : step.set) {
        held_.push_back({at,
                         step.sets_account ? AccountTrait(who, trait, value, at)
                                           : TraitChange{keys_.at(who), trait, value, at},
                         nullptr});
      }
    }
    Sort();
    if (!step.answers.empty()) {
      if (step.day) {
        AdvanceTo(Wall(FirstDay() + *step.day, step.minute.value_or(720), trial_.zone));
      }
      for (const auto& [connector, word] : step.answers) {
        answers_[connector] = word;
      }
    }
    for (int i = 0; i < step.restarts; ++i) {
      Restart();
    }
    if (step.day) {
      AdvanceTo(Wall(FirstDay() + *step.day + 1, 0, trial_.zone) - std::chrono::seconds(1));
    } else {
      AdvanceTo(now_ + step.run);
    }
    if (next_ < held_.size() && held_[next_].time <= now_) {
      Tick();
    }
    if (step.expect) {
      checker_.Check(*state_, *step.expect, now_);
    }
  }

  // Of what a step does: on its day at its hour, else now.
  TimePoint MomentOf(const TrialStep& step, const std::string& who) const {
    return step.day ? std::max(now_,
                               Wall(FirstDay() + *step.day, step.minute.value_or(720), ZoneOf(who)))
                    : now_;
  }

  const Workspace& workspace_;
  const Templates& templates_;
  const Trial& trial_;
  const std::map<std::string, std::string>& keys_;  // By person.
  const std::vector<LoadedFact>& rows_;
  std::optional<std::int64_t> restart_at_;  // Before this cycle, and before each step.
  Database db_;
  TimePoint now_;
  std::unique_ptr<State> state_;
  std::unique_ptr<Cycle> cycle_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::vector<Held> held_;  // From next_ on in order of time.
  std::size_t next_ = 0;
  std::int64_t events_ = 0;
  std::int64_t cycles_ = 0;
  std::map<std::string, std::string> answers_;
  TrialChecker checker_{trial_, keys_};
};

}  // namespace

TrialResult RunTrial(const Workspace& workspace, const Templates& templates, const Trial& written,
                     FileReader* files) {
  const Workspace staged = Staged(workspace, written);
  TrialResult result;
  const std::vector<LoadedFact> rows = ReadLoads(workspace, written, files, result.failures);
  const Trial trial = WithLoaded(written, rows, result.failures);
  std::map<std::string, std::string> keys;
  const auto give_key = [&](const Named& named, const Place& place) {
    keys[named.name] = KeyFor(named, staged);
    if (keys[named.name].empty()) {
      result.failures.push_back(
          {Severity::kError,
           trial.id,
           place,
           fmt::format("nobody can be `{}` in all of these playbooks at once", named.group),
           {},
           "name fewer playbooks under `only`"});
    }
  };
  for (const TrialPerson& person : trial.people) {
    give_key({person.name, person.group}, person.place);
  }
  for (const TrialAccount& account : trial.accounts) {
    give_key({account.name, GroupOf(account, trial), Subject::kAccount}, account.place);
  }
  if (!result.failures.empty()) {
    return result;
  }
  const Cast cast{staged, templates, trial, keys, rows};
  Life once(cast, {});
  once.Live();
  result = {once.checker().failures(), once.cycles()};
  if (result.failures.empty()) {
    Life again(cast, once.cycles() / 2);
    again.Live();
    result.cycles += again.cycles();
    const std::vector<std::string> a = once.checker().Told();
    const std::vector<std::string> b = again.checker().Told();
    const auto [mine, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (mine != a.end() || other != b.end()) {
      result.failures.push_back(
          {Severity::kError,
           trial.id,
           trial.place,
           "a restart changes what happens",
           {},
           fmt::format("without: {}; with restarts: {}", mine == a.end() ? "nothing more" : *mine,
                       other == b.end() ? "nothing more" : *other)});
    }
  }
  return result;
}

}  // namespace segue
