// Playbooks: trigger, steps, goal and limits.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "config/compile.h"
#include "config/connector_types.h"

namespace segue {
namespace {

struct Verb {
  std::string_view key;
  Step::Kind kind;
  std::string_view companions;  // Keys that may stand beside it.
};

constexpr std::array kVerbs = {
    Verb{"send", Step::Kind::kSend, "to"},       Verb{"task", Step::Kind::kTask, ""},
    Verb{"audience", Step::Kind::kAudience, ""}, Verb{"set", Step::Kind::kSet, ""},
    Verb{"track", Step::Kind::kTrack, ""},       Verb{"wait", Step::Kind::kWait, "until met unmet"},
    Verb{"if", Step::Kind::kIf, "then else"},    Verb{"stop", Step::Kind::kStop, ""},
};

template <typename T>
T IndexIn(std::string_view text, std::initializer_list<std::string_view> words, T other) {
  const auto found = std::find(words.begin(), words.end(), text);
  return found == words.end() ? other : static_cast<T>(found - words.begin());
}

}  // namespace

class PlaybookCompiler {
 public:
  PlaybookCompiler(Compiler& compiler, const Document& document)
      : compiler_(compiler), document_(document), workspace_(compiler.workspace_) {}

  void Run() {
    const Node& root = document_.root;
    playbook_.id = document_.id;
    playbook_.place = document_.place;
    playbook_.title = TextAt(root, "title");
    playbook_.purpose =
        IndexIn(TextAt(root, "purpose"), {"marketing", "product", "success", "service"},
                Purpose::kMarketing);
    playbook_.status =
        IndexIn(TextAt(root, "status"), {"draft", "shadow", "live", "paused"}, Status::kLive);
    playbook_.topic = TextAt(root, "topic");
    playbook_.priority = ParseCount(TextAt(root, "priority")).value_or(playbook_.priority);
    playbook_.lane = TextAt(root, "lane").empty() ? document_.id : TextAt(root, "lane");
    playbook_.takes_over = IsYes(root, "takes_over");
    playbook_.offer = TextAt(root, "offer");
    if (const Node* on = document_.Find("on")) {
      TriggerOf(*on);
    } else {
      compiler_.Missing(root, "on", "it says what starts the playbook");
    }
    playbook_.when = compiler_.Conditions(document_.Find("when"), compiler_.BaseScope());
    if (const Node* steps = document_.Find("do")) {
      playbook_.steps = Steps(*steps, "");
    }
    playbook_.exit =
        compiler_.Expression(document_.Find("exit"), compiler_.RunScope(), Type::kYesNo);
    if (const Node* goal = document_.Find("goal")) {
      GoalOf(*goal);
    }
    Limits();
    Experiment();
    playbook_.hash = Sha256Hex(NormaliseDocument(document_, {"title", "tags"})).substr(0, 16);
    workspace_.playbooks.push_back(std::move(playbook_));
  }

 private:
  void TriggerOf(const Node& on) {
    struct Way {
      std::string_view key;
      Trigger::Kind kind;
      std::string_view companions;
    };

    constexpr std::array kWays = {
        Way{"model", Trigger::Kind::kMove, "from to for"}, Way{"flag", Trigger::Kind::kFlag, "for"},
        Way{"event", Trigger::Kind::kEvent, "where"}, Way{"every", Trigger::Kind::kEvery, "while"}};
    const Way* way = nullptr;
    for (const Way& one : kWays) {
      if (on.Find(one.key) != nullptr && way != nullptr) {
        compiler_.Wrong(
            *on.Find(one.key),
            fmt::format("a playbook starts on one thing: `{}` and `{}` exclude each other",
                        way->key, one.key));
        return;
      }
      way = on.Find(one.key) != nullptr ? &one : way;
    }
    if (way == nullptr) {
      if (on.kind == Node::Kind::kMap) {
        compiler_.report_.Error("SG006", on.place, "`on` says nothing that starts the playbook", {},
                                "write one of model, flag, event, every");
      }
      return;
    }
    for (std::size_t i = 0; i < on.keys.size(); ++i) {
      if (on.keys[i].text != way->key && !HasWord(way->companions, on.keys[i].text) &&
          !on.items[i].bad) {
        compiler_.Wrong(on.keys[i],
                        fmt::format("`{}` does not go with `{}`", on.keys[i].text, way->key));
      }
    }
    Trigger& trigger = playbook_.on;
    trigger.kind = way->kind;
    trigger.place = on.place;
    trigger.stay = ParseDuration(TextAt(on, "for")).value_or(Duration::zero());
    if (const Node* key = Good(on, way->key)) {
      Start(on, *key, trigger);
    }
  }

  void Start(const Node& on, const Node& key, Trigger& trigger) {
    switch (trigger.kind) {
      case Trigger::Kind::kMove:
        if (const auto model = workspace_.FindModel(key.text)) {
          trigger.model = *model;
          About(trigger.model);
          trigger.from = SegmentsAt(Good(on, "from"), trigger.model);
          trigger.to = SegmentsAt(Good(on, "to"), trigger.model);
        }
        break;
      case Trigger::Kind::kFlag:
        FlagAt(key, trigger);
        break;
      case Trigger::Kind::kEvent: {
        const auto event = workspace_.schema.FindEvent(key.text);
        trigger.event = event.value_or(-1);
        trigger.where = compiler_.Expression(Good(on, "where"), EventScope(event), Type::kYesNo);
        break;
      }
      case Trigger::Kind::kEvery:
        trigger.every = ParseDuration(key.text).value_or(Duration::zero());
        compiler_.Missing(on, "while", "it says for whom the playbook starts again");
        trigger.while_holds =
            compiler_.Expression(Good(on, "while"), compiler_.BaseScope(), Type::kYesNo);
        if (trigger.while_holds) {
          About(*trigger.while_holds);
        }
        if (trigger.every <= Duration::zero()) {
          compiler_.Wrong(key, "`every` must be longer than nothing");
        }
        break;
    }
  }

  void About(int model) {
    if (workspace_.model_names[static_cast<std::size_t>(model)].of_account) {
      playbook_.of = Subject::kAccount;
    }
  }

  // Of an account when all that it asks about is one; what could be about either is of customers.
  void About(const Condition& condition) {
    bool account = false, customer = false;
    ForEachLeaf(condition.expr, [&](const Expr& leaf) {
      const bool of_account = workspace_.IsOfAccount(leaf.leaf);
      account |= of_account;
      customer |= !of_account && leaf.leaf.kind != Leaf::Kind::kNow;
    });
    if (account && !customer) {
      playbook_.of = Subject::kAccount;
    }
  }

  Scope EventScope(std::optional<int> event) const {
    Scope scope = compiler_.BaseScope();
    scope.event = event;
    scope.where_traits = true;
    return scope;
  }

  std::vector<SegmentIndex> SegmentsAt(const Node* node, int model) {
    std::vector<SegmentIndex> found;
    if (node == nullptr) {
      return found;
    }
    const auto& known = workspace_.model_names[static_cast<std::size_t>(model)].segments;
    const auto add = [&](const Node& one) {
      const auto at = std::find(known.begin(), known.end(), one.text);
      if (at != known.end()) {
        found.push_back(static_cast<SegmentIndex>(at - known.begin()));
      } else if (one.text == "none") {
        found.push_back(kNoSegment);
      } else if (!one.bad && compiler_.shaky_.count(
                                 workspace_.models[static_cast<std::size_t>(model)].id) == 0) {
        compiler_.Unknown(
            one,
            fmt::format("segment of {}", workspace_.models[static_cast<std::size_t>(model)].id),
            one.text, known);
      }
    };
    if (node->kind == Node::Kind::kList) {
      std::for_each(node->items.begin(), node->items.end(), add);
    } else {
      add(*node);
    }
    return found;
  }

  void FlagAt(const Node& key, Trigger& trigger) {
    const std::size_t dot = key.text.find('.');
    const std::string id = key.text.substr(0, dot);
    const auto model = workspace_.FindModel(id);
    if (!model) {
      if (!compiler_.names_.IsBroken("model", id)) {
        compiler_.Unknown(key, "model", id, compiler_.names_.All("model"));
      }
      return;
    }
    std::vector<std::string> known;
    for (const NamedType& flag : workspace_.model_names[static_cast<std::size_t>(*model)].flags) {
      known.push_back(flag.name);
    }
    const std::string name = dot == std::string::npos ? "" : key.text.substr(dot + 1);
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      compiler_.Unknown(key, "flag of " + id, name, known);
      return;
    }
    trigger.model = *model;
    trigger.flag = static_cast<int>(found - known.begin());
    About(*model);
  }

  std::vector<Step> Steps(const Node& list, const std::string& prefix) {
    std::vector<Step> steps;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (list.items[i].kind == Node::Kind::kMap && !list.items[i].bad) {
        steps.push_back(StepOf(list.items[i], prefix + std::to_string(i)));
      }
    }
    if (list.kind == Node::Kind::kList && list.items.empty()) {
      compiler_.Wrong(list, "there are no steps in this list");
    }
    return steps;
  }

  Step StepOf(const Node& node, const std::string& place_id) {
    Step step;
    step.place = node.keys.front().place;
    step.id = TextAt(node, "id").empty() ? place_id : TextAt(node, "id");
    if (!ids_.insert(step.id).second) {
      compiler_.report_.Error("SG007", step.place, fmt::format("a second step `{}`", step.id), {},
                              "give each step an id of its own");
    }
    const Verb* verb = nullptr;
    for (const Node& key : node.keys) {
      const auto found = std::find_if(kVerbs.begin(), kVerbs.end(),
                                      [&](const Verb& one) { return one.key == key.text; });
      if (found != kVerbs.end() && verb != nullptr) {
        compiler_.Wrong(
            key, fmt::format("one step is one thing: `{}` and `{}` are two", verb->key, key.text),
            "begin a second step with a dash");
        return step;
      }
      verb = found != kVerbs.end() ? &*found : verb;
    }
    if (verb == nullptr) {
      // A key that is not known is reported already, and was perhaps the verb.
      if (std::none_of(node.items.begin(), node.items.end(),
                       [](const Node& item) { return item.bad; })) {
        compiler_.report_.Error("SG006", step.place, "this step does nothing", {},
                                "write one of send, task, audience, set, track, wait, if, stop");
      }
      return step;
    }
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      const std::string& key = node.keys[i].text;
      if (key != verb->key && key != "id" && !HasWord(verb->companions, key) &&
          !node.items[i].bad) {
        compiler_.Wrong(node.keys[i], fmt::format("`{}` does not go with `{}`", key, verb->key));
      }
    }
    step.kind = verb->kind;
    const Node& value = *node.Find(verb->key);
    if (!value.bad) {
      Act(node, value, place_id, step);
    }
    return step;
  }

  void Act(const Node& node, const Node& value, const std::string& place_id, Step& step) {
    switch (step.kind) {
      case Step::Kind::kSend:
        step.send = value.text;
        step.to_everyone = TextAt(node, "to") == "everyone";
        if (playbook_.of == Subject::kAccount && !workspace_.account_contact_trait &&
            !step.to_everyone) {
          compiler_.report_.Error("SG035", value.place,
                                  "this goes to the contact, and no account has one", {},
                                  "say `to: everyone`, or by `keys.account_contact` who the "
                                  "contact is");
        }
        if (const Node* to = Good(node, "to"); to != nullptr && playbook_.of != Subject::kAccount) {
          compiler_.Wrong(*to,
                          "`to` says who of an account gets it, and this playbook is about one "
                          "customer",
                          "take it out, or start the playbook on a model of accounts");
        }
        break;
      case Step::Kind::kTask:
        Task(value, step);
        break;
      case Step::Kind::kAudience:
        Audience(value, step);
        break;
      case Step::Kind::kSet:
        Set(value, step);
        break;
      case Step::Kind::kTrack:
        step.track = value.text;
        NeedChannel(value, "analytics");
        NeedSomebody(value, step.kind, "analytics");
        break;
      case Step::Kind::kWait:
        Wait(node, value, step);
        break;
      case Step::Kind::kIf:
        step.condition = compiler_.Expression(&value, compiler_.RunScope(), Type::kYesNo);
        compiler_.Missing(node, "then", "it says what is done when the condition holds");
        if (const Node* then = Good(node, "then")) {
          step.then_steps = Steps(*then, place_id + ".then.");
        }
        if (const Node* otherwise = Good(node, "else")) {
          step.else_steps = Steps(*otherwise, place_id + ".else.");
        }
        break;
      case Step::Kind::kStop:
        step.stop_reason = value.text;
        break;
    }
  }

  void NeedChannel(const Node& value, const std::string& channel) {
    if (workspace_.channels.count(channel) == 0) {
      compiler_.report_.Error(
          "SG002", value.place,
          fmt::format("no connector carries this: the workspace has no channel `{}`", channel), {},
          fmt::format("add `channels: {{{}: CONNECTOR}}` to the workspace", channel));
    }
  }

  // Of an account that has no contact only its fields can be told, and not to every tool.
  void NeedSomebody(const Node& value, Step::Kind kind, const std::string& channel) {
    const auto found = workspace_.channels.find(channel);
    if (playbook_.of != Subject::kAccount || workspace_.account_contact_trait ||
        found == workspace_.channels.end()) {
      return;
    }
    for (const std::string& id : found->second) {
      const ConnectorSettings* connector = workspace_.FindConnector(id);
      const bool fields = kind == Step::Kind::kSet;
      if (connector == nullptr || (fields && connector->tells_accounts()) ||
          (kind != Step::Kind::kAudience && connector->takes_anything())) {
        continue;
      }
      const bool could = fields && AccountFieldOf(connector->type);
      compiler_.report_.Error(
          "SG035", value.place,
          fmt::format("{} is told of customers only, and no account has a contact", id), {},
          could ? fmt::format("say by `match: {{account: …}}` how {} finds accounts, or by "
                              "`keys.account_contact` who the contact is",
                              id)
                : "say by `keys.account_contact` who the contact is");
    }
  }

  void Task(const Node& task, Step& step) {
    step.title = compiler_.Text(Good(task, "title"));
    step.note = compiler_.Text(Good(task, "note"));
    step.due = ParseDuration(TextAt(task, "due")).value_or(Duration::zero());
    step.priority = TextAt(task, "priority").empty() ? "normal" : TextAt(task, "priority");
    step.via = TextAt(task, "via");
    step.unless_open = IsYes(task, "unless_open");
    if (step.via.empty() && task.Find("via") == nullptr) {
      NeedChannel(task, "task");
    }
    const Node* who = Good(task, "for");
    if (who == nullptr) {
      return;
    }
    if (const auto found = workspace_.assignees.find(who->text);
        found != workspace_.assignees.end()) {
      step.assignee = found->second;
    } else if (who->text.starts_with("customer.") || who->text.starts_with("account.")) {
      if (auto trait = compiler_.Expression(who, compiler_.BaseScope(), Type::kText)) {
        step.assignee_trait = std::move(trait->expr);
      }
    } else {
      compiler_.Unknown(*who, "assignee", who->text, compiler_.names_.All("assignee"));
    }
  }

  void Audience(const Node& value, Step& step) {
    step.audience_add = TextAt(value, "add");
    step.audience_remove = TextAt(value, "remove");
    NeedChannel(value, "audience");
    NeedSomebody(value, step.kind, "audience");
    if (step.audience_add.empty() == step.audience_remove.empty() && !value.keys.empty() &&
        std::none_of(value.items.begin(), value.items.end(),
                     [](const Node& item) { return item.bad; })) {
      compiler_.Wrong(value, "an audience step either adds or removes");
    }
  }

  void Set(const Node& value, Step& step) {
    NeedChannel(value, "profile");
    NeedSomebody(value, step.kind, "profile");
    const auto channel = workspace_.channels.find("profile");
    for (std::size_t i = 0; i < value.keys.size(); ++i) {
      const Node& field = value.keys[i];
      step.set.emplace_back(field.text, compiler_.Text(&value.items[i]));
      for (const std::string& id :
           channel == workspace_.channels.end() ? std::vector<std::string>() : channel->second) {
        const ConnectorSettings* connector = workspace_.FindConnector(id);
        const bool any_field =
            connector == nullptr || (connector->writes.empty() && connector->takes_anything());
        if (!any_field && std::find(connector->writes.begin(), connector->writes.end(),
                                    field.text) == connector->writes.end()) {
          compiler_.report_.Error("SG002", field.place,
                                  fmt::format("connector {} may not write `{}`", id, field.text),
                                  {}, Suggest(field.text, connector->writes));
        }
      }
    }
  }

  void Wait(const Node& node, const Node& value, Step& step) {
    if (value.kind == Node::Kind::kMap) {
      compiler_.Missing(value, "until_local", "it says until which hour");
      step.until_local_minute = ParseClock(TextAt(value, "until_local"));
      if (const Node* days = Good(value, "on")) {
        step.wait_weekdays = ParseWeekdays(days->text).value_or(days->items.empty() ? 0x7f : 0);
        for (const Node& day : days->items) {
          step.wait_weekdays |= ParseWeekdays(day.text).value_or(0);
        }
      }
    } else {
      step.wait = ParseDuration(value.text).value_or(Duration::zero());
    }
    step.until = compiler_.Expression(Good(node, "until"), compiler_.RunScope(), Type::kYesNo);
    step.met_stops = TextAt(node, "met") == "stop";
    step.unmet_stops = TextAt(node, "unmet") == "stop";
    for (std::string_view key : {"met", "unmet"}) {
      if (const Node* found = Good(node, key); found != nullptr && node.Find("until") == nullptr) {
        compiler_.Wrong(*found,
                        fmt::format("`{}` is about `until`, which this wait does not have", key));
      }
    }
  }

  void GoalOf(const Node& node) {
    Goal goal;
    goal.place = node.place;
    goal.within = ParseDuration(TextAt(node, "within")).value_or(Duration::zero());
    goal.expect = ParsePercentRange(TextAt(node, "expect"));
    goal.ends_run = TextAt(node, "ends_run") != "no";
    if ((node.Find("event") != nullptr) == (node.Find("when") != nullptr)) {
      compiler_.report_.Error("SG006", node.keys.empty() ? node.place : node.keys.front().place,
                              "a goal has either `event` or `when`");
    }
    goal.event = workspace_.schema.FindEvent(TextAt(node, "event"));
    goal.when = compiler_.Expression(Good(node, "when"), compiler_.RunScope(), Type::kYesNo);
    const Node* event = node.Find("event");
    for (std::string_view key : {"where", "value"}) {
      if (const Node* found = Good(node, key); found != nullptr && event == nullptr) {
        compiler_.Wrong(*found, fmt::format("`{}` is about the event of the goal", key));
        return;
      }
    }
    if (goal.event) {
      Scope scope = EventScope(goal.event);
      scope.in_run = true;
      goal.where = compiler_.Expression(Good(node, "where"), scope, Type::kYesNo);
      const EventSpec& spec = workspace_.schema.events[static_cast<std::size_t>(*goal.event)];
      if (const Node* value = Good(node, "value")) {
        goal.value_field = compiler_.FieldOf(*value, spec);
        if (goal.value_field &&
            spec.fields[static_cast<std::size_t>(*goal.value_field)].type != Type::kMoney) {
          compiler_.report_.Error("SG003", value->place,
                                  fmt::format("`{}` is not money", value->text));
        }
      }
    }
    playbook_.goal = std::move(goal);
  }

  void Limits() {
    const Node* limits = document_.Find("limits");
    playbook_.on_cap_wait = 7 * kDay;
    const auto place_of = [&](std::string_view key) {
      const Node* value = limits == nullptr ? nullptr : limits->Find(key);
      return value == nullptr ? playbook_.place : value->place;
    };
    playbook_.reenter_place = place_of("reenter");
    playbook_.per_day_place = place_of("per_day");
    if (limits == nullptr) {
      return;
    }
    playbook_.reenter = ParseReenter(TextAt(*limits, "reenter")).value_or(playbook_.reenter);
    playbook_.per_day = ParseCount(TextAt(*limits, "per_day"));
    playbook_.on_cap_wait = ParseOnCap(TextAt(*limits, "on_cap")).value_or(playbook_.on_cap_wait);
  }

  void Experiment() {
    playbook_.salt = document_.id;
    const Node* experiment = document_.Find("experiment");
    if (experiment == nullptr) {
      return;
    }
    playbook_.holdout_percent = ParsePercent(TextAt(*experiment, "holdout")).value_or(0);
    if (const std::string salt = TextAt(*experiment, "salt"); !salt.empty()) {
      playbook_.salt = salt;
    }
    if (const Node* variants = Good(*experiment, "variants")) {
      for (std::size_t i = 0; i < variants->keys.size(); ++i) {
        playbook_.variants.emplace_back(variants->keys[i].text,
                                        ParsePercent(variants->items[i].text).value_or(0));
      }
    }
  }

  Compiler& compiler_;
  const Document& document_;
  Workspace& workspace_;
  Playbook playbook_;
  std::set<std::string> ids_;
};

void CompilePlaybook(Compiler& compiler, const Document& document) {
  PlaybookCompiler(compiler, document).Run();
}

}  // namespace segue
