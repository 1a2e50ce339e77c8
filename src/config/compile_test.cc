// Tests: their people, history and expectations are checked against the schema.  trials.cc makes
// structs of them, pipeline/trial.cc lives through them.

#include "config/compile.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "config/rule_text.h"

namespace segue {
namespace {

// The form in which a test writes a value of that type.
bool FitsType(const FieldSpec& field, const std::string& text, std::string_view currency) {
  switch (field.type) {
    case Type::kText:
      return true;
    case Type::kChoice:
      return std::find(field.choices.begin(), field.choices.end(), text) != field.choices.end();
    case Type::kNumber:
      return ParseNumber(text).has_value();
    case Type::kMoney:
      return CanonicalForm(Form::kMoney, text).has_value() && text.ends_with(currency);
    case Type::kTime:
      return CanonicalForm(Form::kMoment, text).has_value() || ParseTime(text, Zone()).has_value();
    case Type::kDuration:
      return ParsePlainDuration(text).has_value();
    case Type::kYesNo:
      return text == "yes" || text == "no";
  }
  return false;
}

std::string Wanted(const FieldSpec& field, std::string_view currency) {
  switch (field.type) {
    case Type::kText:
      return "a text";
    case Type::kChoice:
      return "one of " + Join(field.choices, ", ");
    case Type::kNumber:
      return "a number";
    case Type::kMoney:
      return fmt::format("an amount such as 40 {}", currency);
    case Type::kTime:
      return "a moment such as 400d ago or 2026-03-02";
    case Type::kDuration:
      return std::string(FormExpected(Form::kDuration));
    case Type::kYesNo:
      return "yes or no";
  }
  return "";
}

const FieldSpec* FindSpec(const std::vector<FieldSpec>& fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [name](const FieldSpec& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

std::vector<std::string> KeysOfMap(const Node* map) {
  std::vector<std::string> names;
  for (std::size_t i = 0; map != nullptr && i < map->keys.size(); ++i) {
    names.push_back(map->keys[i].text);
  }
  return names;
}

template <typename Each>
void ForEachText(const Node* node, Each each) {
  if (node == nullptr || node->bad) {
    return;
  }
  if (node->kind == Node::Kind::kScalar) {
    each(*node);
  }
  for (const Node& item : node->items) {
    if (item.kind == Node::Kind::kScalar && !item.bad) {
      each(item);
    }
  }
}

}  // namespace

class TestChecker {
 public:
  TestChecker(const Workspace& workspace, Report& report, const Document& document)
      : workspace_(workspace),
        report_(report),
        document_(document),
        people_(KeysOfMap(document.root.Find("people"))),
        accounts_(KeysOfMap(document.root.Find("accounts"))),
        loads_(document.root.Find("load") != nullptr) {}

  void Run() {
    Start();
    Traits(document_.Find("people"), workspace_.schema.customer_traits);
    Groups(document_.Find("people"));
    Accounts();
    if (const Node* history = document_.Find("history")) {
      for (const Node& entry : history->items) {
        Occurrence(entry, {"who", "event", "at", "every", "from", "to"});
        if (const Node* every = Good(entry, "every");
            every != nullptr && ParsePlainDuration(every->text) == Duration::zero()) {
          report_.Error("SG005", every->place, "`every` wants a duration longer than nothing");
        }
      }
    }
    Loads();
    if (const Node* steps = document_.Find("steps")) {
      int day = 0;
      for (const Node& step : steps->items) {
        StepOf(step);
        const Node* at = Good(step, "day");
        const int then = at == nullptr ? day : ParseCount(at->text).value_or(day);
        if (then < day) {
          report_.Error("SG005", at->place, "a test does not go back in time", {},
                        fmt::format("the step above was on day {}: put the steps in order", day));
        }
        day = std::max(day, then);
      }
    }
    if (const Node* never = document_.Find("never")) {
      Facts(*never, false);
    }
  }

 private:
  // All other moments are counted from it.
  void Start() {
    const Node* start = document_.Find("start");
    if (start != nullptr && (start->text.ends_with(" ago") || start->text.ends_with(" ahead"))) {
      report_.Error("SG005", start->place, "`start` wants a moment of the calendar", {},
                    "write one such as \"2026-03-02T00:00 Europe/Lisbon\"");
    }
  }

  // The files themselves are looked at when the test is run.
  void Loads() {
    const Node* loads = document_.Find("load");
    for (std::size_t i = 0; loads != nullptr && i < loads->items.size(); ++i) {
      const Node* name = Good(loads->items[i], "source");
      const auto source =
          std::find_if(workspace_.sources.begin(), workspace_.sources.end(),
                       [&](const Source& one) { return name != nullptr && one.id == name->text; });
      if (source != workspace_.sources.end() && source->type != SourceType::kCsv &&
          source->type != SourceType::kJsonLines && source->type != SourceType::kSql) {
        report_.Error("SG005", name->place,
                      fmt::format("source {} is of type {}, whose rows stand in no file",
                                  source->id, source->type_name),
                      {}, "name a source of type csv, jsonl, sql, http or webhook");
      }
    }
  }

  void Traits(const Node* map, const std::vector<FieldSpec>& traits) {
    for (std::size_t i = 0; map != nullptr && i < map->items.size(); ++i) {
      Values(map->items[i], traits);
    }
  }

  std::vector<std::string> Arms() const {
    std::vector<std::string> arms = {"treated", "held_out"};
    for (const Playbook& playbook : workspace_.playbooks) {
      for (const auto& [name, share] : playbook.variants) {
        arms.push_back(name);
      }
    }
    return arms;
  }

  // Steps and expectations name accounts as they name people.
  void Accounts() {
    const Node* accounts = document_.Find("accounts");
    Traits(accounts, workspace_.schema.account_traits);
    const std::vector<std::string> arms = Arms();
    for (std::size_t i = 0; accounts != nullptr && i < accounts->items.size(); ++i) {
      const Node& name = accounts->keys[i];
      if (std::find(people_.begin(), people_.end(), name.text) != people_.end()) {
        report_.Error("SG007", name.place,
                      fmt::format("`{}` is a person and an account of this test", name.text), {},
                      "rename one of them");
      }
      const Node* group = Good(accounts->items[i], "group");
      if (group != nullptr && std::find(arms.begin(), arms.end(), group->text) == arms.end()) {
        Unknown(*group, "group or variant", arms);
      }
    }
  }

  // `group` settles the arm; the timezone of a person is one.
  void Groups(const Node* people) {
    const std::vector<std::string> arms = Arms();
    const auto& traits = workspace_.schema.customer_traits;
    for (std::size_t i = 0; people != nullptr && i < people->items.size(); ++i) {
      const Node* group = Good(people->items[i], "group");
      if (group != nullptr && std::find(arms.begin(), arms.end(), group->text) == arms.end()) {
        Unknown(*group, "group or variant", arms);
      }
      const Node* account = Good(people->items[i], "account");
      if (account != nullptr &&
          std::find(accounts_.begin(), accounts_.end(), account->text) == accounts_.end()) {
        Unknown(*account, "account of this test", accounts_);
      }
      const Node* zone =
          workspace_.timezone_trait
              ? Good(people->items[i],
                     traits[static_cast<std::size_t>(*workspace_.timezone_trait)].name)
              : nullptr;
      if (zone != nullptr && !Zone::Find(zone->text)) {
        report_.Error("SG005", zone->place,
                      fmt::format("`{}` is no time zone such as Europe/Lisbon", zone->text));
      }
    }
  }

  void Values(const Node& map, const std::vector<FieldSpec>& specs) {
    const std::string& currency = workspace_.schema.currency;
    for (std::size_t i = 0; i < map.keys.size(); ++i) {
      const FieldSpec* spec = FindSpec(specs, map.keys[i].text);
      const Node& value = map.items[i];
      if (spec != nullptr && !value.bad && !FitsType(*spec, value.text, currency)) {
        report_.Error(
            spec->type == Type::kChoice ? "SG004" : "SG005", value.place,
            fmt::format("`{}` wants {}, not `{}`", spec->name, Wanted(*spec, currency), value.text),
            {}, spec->type == Type::kChoice ? Suggest(value.text, spec->choices) : "");
      }
    }
  }

  void People(const Node* node) {
    ForEachText(node, [&](const Node& who) {
      if (std::find(people_.begin(), people_.end(), who.text) == people_.end()) {
        Unknown(who, "person of this test", people_);
      }
    });
  }

  // People, or accounts.
  void Anybody(const Node* node) {
    std::vector<std::string> all = people_;
    all.insert(all.end(), accounts_.begin(), accounts_.end());
    ForEachText(node, [&](const Node& who) {
      if (std::find(all.begin(), all.end(), who.text) == all.end()) {
        Unknown(who, "person of this test", all);
      }
    });
  }

  // Whom an expectation names may be somebody out of a file, which is not read here.
  void Expected(const Node* node) {
    if (!loads_) {
      Anybody(node);
    }
  }

  void Unknown(const Node& node, std::string_view what, const std::vector<std::string>& known) {
    report_.Error("SG002", node.place, fmt::format("no {} is called `{}`", what, node.text), {},
                  Suggest(node.text, known));
  }

  // An event with its fields beside it.
  void Occurrence(const Node& map, const std::vector<std::string>& own) {
    People(map.Find("who"));
    const auto event = workspace_.schema.FindEvent(TextAt(map, "event"));
    if (!event) {
      return;
    }
    const std::vector<FieldSpec>& fields =
        workspace_.schema.events[static_cast<std::size_t>(*event)].fields;
    std::vector<std::string> known;
    for (const FieldSpec& field : fields) {
      known.push_back(field.name);
    }
    for (const Node& key : map.keys) {
      if (std::find(own.begin(), own.end(), key.text) == own.end() &&
          FindSpec(fields, key.text) == nullptr) {
        Unknown(key, "key or field of this event", known);
      }
    }
    Values(map, fields);
  }

  void StepOf(const Node& step) {
    if (const Node* event = Good(step, "event")) {
      Occurrence(*event, {"who", "event"});
    }
    if (const Node* set = Good(step, "set")) {
      Anybody(set->Find("who"));
      bool account = false;
      ForEachText(set->Find("who"), [&](const Node& who) {
        account |= std::find(accounts_.begin(), accounts_.end(), who.text) != accounts_.end();
      });
      const auto& traits =
          account ? workspace_.schema.account_traits : workspace_.schema.customer_traits;
      for (const Node& key : set->keys) {
        if (key.text != "who" && FindSpec(traits, key.text) == nullptr) {
          Unknown(key, account ? "trait of accounts" : "trait", {});
        }
      }
      Values(*set, traits);
    }
    if (const Node* expect = Good(step, "expect")) {
      Expect(*expect);
    }
  }

  void Expect(const Node& expect) {
    Expected(expect.Find("who"));
    for (std::string_view key : {"segment", "count"}) {
      const Node* map = Good(expect, key);
      for (std::size_t i = 0; map != nullptr && i < map->keys.size(); ++i) {
        if (map->items[i].kind == Node::Kind::kScalar) {
          Segment(map->items[i], map->keys[i].text);
        }
        for (const Node& segment : map->items[i].keys) {
          Segment(segment, map->keys[i].text);
        }
      }
    }
    for (std::string_view key :
         {"sent", "tasks", "audience", "changed", "moved", "started", "skipped", "finished"}) {
      if (const Node* facts = Good(expect, key)) {
        Facts(*facts, key == "moved");
      }
    }
  }

  void Segment(const Node& node, std::string_view model) {
    const auto index = workspace_.FindModel(model);
    if (!index || node.bad || node.text == "none") {
      return;
    }
    const auto& known = workspace_.model_names[static_cast<std::size_t>(*index)].segments;
    if (std::find(known.begin(), known.end(), node.text) == known.end()) {
      Unknown(node, fmt::format("segment of {}", model), known);
    }
  }

  void Facts(const Node& facts, bool moves) {
    for (const Node& fact : facts.items) {
      Expected(fact.Find("who"));
      if (moves) {
        for (std::string_view key : {"from", "to"}) {
          if (const Node* node = Good(fact, key)) {
            Segment(*node, TextAt(fact, "model"));
          }
        }
      } else {
        Expected(fact.Find("to"));
      }
      const Node* time = Good(fact, "local_time");
      const std::size_t dots = time == nullptr ? 0 : time->text.find("..");
      if (time != nullptr &&
          (dots == std::string::npos || !ParseClock(time->text.substr(0, dots)) ||
           !ParseClock(time->text.substr(dots + 2)))) {
        report_.Error("SG005", time->place, "`local_time` wants a range such as \"08:00..21:00\"");
      }
    }
  }

  const Workspace& workspace_;
  Report& report_;
  const Document& document_;
  std::vector<std::string> people_, accounts_;
  bool loads_;
};

// A fit as a test gives it: the parameters of BG/NBD for an event, of Gamma-Gamma for its money.
void Compiler::CheckLearned(const Node& key, const Node& values) {
  const std::size_t dot = key.text.find('.');
  const auto event = workspace_.schema.FindEvent(key.text.substr(0, dot));
  if (!event) {
    Wrong(key, fmt::format("there is no event `{}`", key.text.substr(0, dot)));
    return;
  }
  const EventSpec& spec = workspace_.schema.events[static_cast<std::size_t>(*event)];
  const bool money = dot != std::string::npos;
  if (money) {
    const auto field = spec.FindField(key.text.substr(dot + 1));
    if (!field || spec.fields[static_cast<std::size_t>(*field)].type != Type::kMoney) {
      Wrong(key, fmt::format("`{}` has no money field `{}`", spec.name, key.text.substr(dot + 1)));
      return;
    }
  }
  const bool positive = std::all_of(values.items.begin(), values.items.end(), [](const Node& item) {
    return ParseNumber(item.text).value_or(0) > 0;
  });
  if (values.items.size() != (money ? 3 : 4) || !positive) {
    Wrong(values, fmt::format("`{}` wants {}", key.text,
                              money ? "three numbers above 0: p, q, v of Gamma-Gamma"
                                    : "four numbers above 0: r, alpha, a, b of BG/NBD"));
  }
}

void Compiler::TestOf(const Document& document) {
  if (const Node* cuts = document.Find("cuts")) {
    for (std::size_t i = 0; i < cuts->keys.size(); ++i) {
      const std::string& name = cuts->keys[i].text;
      const auto index =
          cuts->items[i].bad ? std::nullopt : workspace_.FindModel(name.substr(0, name.find('.')));
      if (!index) {
        continue;
      }
      for (const Score& score : workspace_.models[static_cast<std::size_t>(*index)].scores) {
        if (score.name == name.substr(name.find('.') + 1) && score.from) {
          for (const Node& line : cuts->items[i].items) {
            Expression(&line, BaseScope(), score.from->expr.type.type);
          }
        }
      }
    }
  }
  if (const Node* fits = document.Find("learned")) {
    for (std::size_t i = 0; i < fits->keys.size(); ++i) {
      if (!fits->items[i].bad) {
        CheckLearned(fits->keys[i], fits->items[i]);
      }
    }
  }
  if (const Node* rules = document.Find("in_force")) {
    for (std::size_t i = 0; i < rules->keys.size(); ++i) {
      for (const Insight& insight : workspace_.insights) {
        if (insight.id == rules->keys[i].text && !rules->items[i].bad &&
            !ParseRule(insight, workspace_.schema, rules->items[i].text)) {
          Wrong(rules->items[i],
                fmt::format("this is no rule that `{}` can find: an action, a number and one of "
                            "`look_at.within`",
                            insight.id),
                "such as `order 2 within 3d`, or `order 2 and visit 1 within 3d`");
        }
      }
    }
  }
  TestChecker(workspace_, report_, document).Run();
}

}  // namespace segue
