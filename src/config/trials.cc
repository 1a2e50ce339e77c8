#include "config/trials.h"

#include <algorithm>

#include "base/check.h"
#include "base/money.h"
#include "base/text.h"
#include "config/document.h"
#include "config/forms.h"
#include "config/report.h"

namespace segue {
namespace {

std::string Written(const Node& node) {
  if (node.kind == Node::Kind::kScalar) {
    return node.text;
  }
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    parts.push_back((node.keys.empty() ? "" : node.keys[i].text + ": ") + Written(node.items[i]));
  }
  const bool map = node.kind == Node::Kind::kMap;
  return (map ? "{" : "[") + Join(parts, ", ") + (map ? "}" : "]");
}

class TrialReader {
 public:
  TrialReader(const Workspace& workspace, const Document& document)
      : workspace_(workspace), root_(document.root) {
    trial_.id = document.id;
    trial_.place = document.place;
  }

  Trial Read() {
    const std::string start = TextAt(root_, "start");
    const std::size_t space = start.find(' ');
    if (const Result<Zone> zone = Zone::Find(Trim(std::string_view(start).substr(space + 1)))) {
      trial_.zone = *zone;
    }
    trial_.start = Moment(start).value_or(TimePoint{});
    trial_.only = TextsOf(root_.Find("only"));
    Accounts();
    People();
    Cuts();
    Learned();
    InForce();
    ForEntries(root_, "history", [&](const Node& entry) { History(entry); });
    ForEntries(root_, "load", [&](const Node& entry) { Load(entry); });
    ForEntries(root_, "steps", [&](const Node& entry) { Step(entry); });
    trial_.never = Facts(root_.Find("never"), false);
    return std::move(trial_);
  }

 private:
  template <typename Each>
  static void ForEntries(const Node& map, std::string_view key, Each each) {
    if (const Node* list = map.Find(key)) {
      std::for_each(list->items.begin(), list->items.end(), each);
    }
  }

  std::optional<TimePoint> Moment(std::string_view text) const {
    const std::size_t space = text.find(' ');
    const std::string_view first = text.substr(0, space);
    const std::string_view second =
        space == std::string_view::npos ? std::string_view() : Trim(text.substr(space + 1));
    if (second == "ago" || second == "ahead") {
      const Duration time = ParsePlainDuration(first).value_or(Duration::zero());
      return second == "ago" ? trial_.start - time : trial_.start + time;
    }
    if (const Result<Zone> zone = Zone::Find(second); zone && !second.empty()) {
      const Result<TimePoint> time = ParseTime(first, *zone);
      return time ? std::optional(*time) : std::nullopt;
    }
    const Result<TimePoint> time = ParseTime(text, workspace_.schema.timezone);
    return time ? std::optional(*time) : std::nullopt;
  }

  Value ValueOf(const FieldSpec& field, const std::string& text) const {
    switch (field.type) {
      case Type::kText:
      case Type::kChoice:
        return text;
      case Type::kNumber:
        return ParseDecimal(text, kNumberDecimals)->units;
      case Type::kMoney:
        return ParseDecimal(text.substr(0, text.find(' ')), workspace_.schema.currency_decimals)
            ->units;
      case Type::kTime:
        return ToMicros(Moment(text).value_or(trial_.start));
      case Type::kDuration:
        return ParsePlainDuration(text).value_or(Duration::zero()).count();
      case Type::kYesNo:
        return std::int64_t{text == "yes" ? 1 : 0};
    }
    return {};
  }

  std::vector<std::pair<int, Value>> Traits(const Node& map, bool of_account) const {
    std::vector<std::pair<int, Value>> traits;
    const struct Schema& schema = workspace_.schema;
    for (std::size_t i = 0; i < map.keys.size(); ++i) {
      const auto trait = of_account ? schema.FindAccountTrait(map.keys[i].text)
                                    : schema.FindCustomerTrait(map.keys[i].text);
      if (trait) {
        const FieldSpec& field =
            (of_account ? schema.account_traits
                        : schema.customer_traits)[static_cast<std::size_t>(*trait)];
        traits.emplace_back(*trait, ValueOf(field, map.items[i].text));
      }
    }
    return traits;
  }

  void Accounts() {
    const Node* accounts = root_.Find("accounts");
    for (std::size_t i = 0; accounts != nullptr && i < accounts->keys.size(); ++i) {
      trial_.accounts.push_back({accounts->keys[i].text, Traits(accounts->items[i], true),
                                 TextAt(accounts->items[i], "group"), accounts->keys[i].place});
    }
  }

  bool IsAnAccount(const std::string& name) const {
    return std::any_of(trial_.accounts.begin(), trial_.accounts.end(),
                       [&](const TrialAccount& one) { return one.name == name; });
  }

  void People() {
    const Node* people = root_.Find("people");
    for (std::size_t i = 0; people != nullptr && i < people->keys.size(); ++i) {
      TrialPerson person{people->keys[i].text, Traits(people->items[i], false),
                         TextAt(people->items[i], "group"), TextAt(people->items[i], "account"),
                         people->keys[i].place};
      const std::optional<int> email = workspace_.email_trait;
      const bool told = std::any_of(person.traits.begin(), person.traits.end(),
                                    [&](const auto& one) { return one.first == email; });
      if (email && !told) {
        person.traits.emplace_back(*email, person.name + "@test.example");
      }
      // `email: none`: has no address.
      std::erase_if(person.traits, [&](const auto& one) {
        const auto* text = std::get_if<std::string>(&one.second);
        return one.first == email && text != nullptr && *text == "none";
      });
      trial_.people.push_back(std::move(person));
    }
  }

  void Cuts() {
    const Node* cuts = root_.Find("cuts");
    for (std::size_t i = 0; cuts != nullptr && i < cuts->keys.size(); ++i) {
      const std::string& name = cuts->keys[i].text;
      const std::size_t dot = name.find('.');
      std::vector<double>& lines = trial_.cuts[name.substr(0, dot)][name.substr(dot + 1)];
      Scope scope;
      scope.schema = &workspace_.schema;
      scope.pool = workspace_.pool.get();
      scope.models = &workspace_.model_names;
      for (const Node& item : cuts->items[i].items) {
        std::vector<ExpressionError> errors;
        if (const auto expr = CompileExpression(item.text, scope, std::nullopt, errors)) {
          const bool minus = expr->op == Op::kNegate;
          lines.push_back(minus ? -expr->args.front().literal : expr->literal);
        }
      }
    }
  }

  void Learned() {
    const Node* fits = root_.Find("learned");
    for (std::size_t i = 0; fits != nullptr && i < fits->keys.size(); ++i) {
      for (const Node& item : fits->items[i].items) {
        trial_.learned[fits->keys[i].text].push_back(ParseNumber(item.text).value_or(1));
      }
    }
  }

  void InForce() {
    const Node* rules = root_.Find("in_force");
    for (std::size_t i = 0; rules != nullptr && i < rules->keys.size(); ++i) {
      trial_.in_force[rules->keys[i].text] = rules->items[i].text;
    }
  }

  TrialEvent Event(const Node& map) const {
    TrialEvent event;
    event.who = TextsOf(map.Find("who"));
    event.event = workspace_.schema.FindEvent(TextAt(map, "event")).value_or(0);
    for (const FieldSpec& field :
         workspace_.schema.events[static_cast<std::size_t>(event.event)].fields) {
      const Node* value = Good(map, field.name);
      event.fields.push_back(value == nullptr ? Value() : ValueOf(field, value->text));
    }
    return event;
  }

  void History(const Node& entry) {
    TrialHistory history;
    history.what = Event(entry);
    history.minute = ParseClock(TextAt(entry, "at")).value_or(720);
    history.every = ParsePlainDuration(TextAt(entry, "every"));
    const auto day = [&](std::string_view key) {
      const std::string text = TextAt(entry, key);
      return trial_.zone.ToLocal(Moment(text).value_or(trial_.start)).day();
    };
    history.first_day = day("from");
    history.last_day =
        Good(entry, "to") != nullptr || history.every ? day("to") : history.first_day;
    trial_.history.push_back(std::move(history));
  }

  void Load(const Node& entry) {
    const std::string& test = workspace_.files[static_cast<std::size_t>(trial_.place.file)].path;
    const Node* path = Good(entry, "path");
    trial_.loads.push_back({TextAt(entry, "source"),
                            test.substr(0, test.rfind('/') + 1) + TextAt(entry, "path"),
                            path == nullptr ? entry.place : path->place});
  }

  void Step(const Node& entry) {
    TrialStep step;
    step.place = entry.place;
    if (const auto day = ParseCount(TextAt(entry, "day"))) {
      step.day = *day;
    }
    step.minute = ParseClock(TextAt(entry, "at"));
    step.run = ParsePlainDuration(TextAt(entry, "run")).value_or(Duration::zero());
    const std::string restart = TextAt(entry, "restart");
    step.restarts = restart == "twice" ? 2 : restart == "once" ? 1 : 0;
    if (const Node* event = Good(entry, "event")) {
      step.event = Event(*event);
    }
    if (const Node* set = Good(entry, "set")) {
      step.set_who = TextsOf(set->Find("who"));
      step.sets_account = !step.set_who.empty() && IsAnAccount(step.set_who.front());
      step.set = Traits(*set, step.sets_account);
    }
    if (const Node* answer = Good(entry, "answer")) {
      for (std::size_t i = 0; i < answer->keys.size(); ++i) {
        step.answers[answer->keys[i].text] = answer->items[i].text;
      }
    }
    if (const Node* expect = Good(entry, "expect")) {
      step.expect = Expect(*expect);
    }
    trial_.steps.push_back(std::move(step));
  }

  TrialExpect Expect(const Node& map) const {
    TrialExpect expect;
    expect.place = map.place;
    expect.who = TextsOf(map.Find("who"));
    if (const Node* segments = Good(map, "segment")) {
      for (std::size_t i = 0; i < segments->keys.size(); ++i) {
        const Node& item = segments->items[i];
        expect.segments.push_back({item.place, segments->keys[i].text, item.text, {}});
      }
    }
    if (const Node* models = Good(map, "count")) {
      for (std::size_t i = 0; i < models->keys.size(); ++i) {
        const Node& counts = models->items[i];
        for (std::size_t k = 0; k < counts.keys.size(); ++k) {
          expect.segments.push_back({counts.items[k].place, models->keys[i].text,
                                     counts.keys[k].text, ParseCount(counts.items[k].text)});
        }
      }
    }
    for (const std::string key :
         {"sent", "tasks", "audience", "changed", "moved", "started", "skipped", "finished"}) {
      if (const Node* facts = Good(map, key)) {
        expect.facts[key] = Facts(facts, key == "moved");
      }
    }
    return expect;
  }

  static std::vector<TrialFact> Facts(const Node* list, bool moves) {
    std::vector<TrialFact> facts;
    for (std::size_t i = 0; list != nullptr && i < list->items.size(); ++i) {
      const Node& map = list->items[i];
      TrialFact fact;
      fact.place = map.place;
      fact.text = Written(map);
      fact.who = TextsOf(map.Find("who"));
      fact.to = TextAt(map, "to");
      // Of a move, `to` is a segment; of all else it is whom it went to.
      if (!moves && TextAt(map, "model").empty() && !fact.to.empty()) {
        fact.who.push_back(std::exchange(fact.to, {}));
      }
      fact.playbook = TextAt(map, "playbook");
      fact.template_id = TextAt(map, "template");
      fact.name = TextAt(map, "name");
      fact.model = TextAt(map, "model");
      fact.from = TextAt(map, "from");
      fact.because = TextAt(map, "because");
      fact.cause = TextAt(map, "cause");
      fact.purpose = TextAt(map, "purpose");
      fact.channel = TextAt(map, "channel");
      fact.sent = TextAt(map, "sent");
      fact.started = TextAt(map, "started");
      fact.more_than = ParseCount(TextAt(map, "more_than")).value_or(0);
      const std::string wall = TextAt(map, "local_time");
      if (const std::size_t dots = wall.find(".."); dots != std::string::npos) {
        fact.local_time = std::pair(ParseClock(wall.substr(0, dots)).value_or(0),
                                    ParseClock(wall.substr(dots + 2)).value_or(1439));
      }
      facts.push_back(std::move(fact));
    }
    return facts;
  }

  const Workspace& workspace_;
  const Node& root_;
  Trial trial_;
};

}  // namespace

std::vector<Trial> ReadTrials(const Workspace& workspace) {
  Diagnostics ignored;
  Report report(ignored);
  Names names;
  std::vector<Trial> trials;
  for (const Document& document : ReadDocuments(workspace.files, report, names)) {
    if (document.kind == DocumentKind::kTest) {
      trials.push_back(TrialReader(workspace, document).Read());
    }
  }
  return trials;
}

}  // namespace segue
