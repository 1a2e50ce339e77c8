// Templates and layouts, offers, policies, funnels and insights.

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "config/compile.h"

namespace segue {

void Compiler::BodyOf(const Node& map, TemplateBody& body) {
  const auto take = [&](std::string_view key, TextWithValues& text) {
    if (map.Find(key) != nullptr) {
      text = Text(map.Find(key));
    }
  };
  take("subject", body.subject);
  take("preheader", body.preheader);
  take("title", body.title);
  take("body", body.body);
  take("button", body.button);
  if (const std::string link = TextAt(map, "link"); !link.empty()) {
    body.link = link;
  }
  if (const Node* use = map.Find("use")) {
    body.use.clear();
    for (std::size_t i = 0; i < use->keys.size(); ++i) {
      body.use[use->keys[i].text] = use->items[i].text;
    }
  }
}

void Compiler::TemplateOf(const Document& document) {
  const Node& root = document.root;
  Template made;
  made.id = document.id;
  made.place = document.place;
  made.channel = TextAt(root, "channel");
  made.via = TextAt(root, "via");
  made.reply_to = Text(root.Find("reply_to"));
  BodyOf(root, made.body);
  if (const Node* values = document.Find("values")) {
    for (std::size_t i = 0; i < values->keys.size(); ++i) {
      made.values[values->keys[i].text] = Text(&values->items[i]);
    }
  }
  const auto has = [&](const Node* variant, std::string_view key) {
    return root.Find(key) != nullptr || (variant != nullptr && variant->Find(key) != nullptr);
  };
  bool any_body = false;
  const auto check = [&](const Node* variant, const Node& at) {
    any_body |= has(variant, "body");
    if (!has(variant, "body") && !has(variant, "use")) {
      Missing(at, "body", "there is nothing to send");
    } else if (made.channel == "email" && !has(variant, "use") && !has(variant, "subject")) {
      Missing(at, "subject", "every email has one");
    }
  };
  const Node* variants = document.Find("variants");
  for (std::size_t i = 0; variants != nullptr && i < variants->keys.size(); ++i) {
    TemplateBody body = made.body;
    BodyOf(variants->items[i], body);
    made.variants.emplace_back(variants->keys[i].text, std::move(body));
    check(&variants->items[i], variants->items[i]);
  }
  if (variants == nullptr) {
    check(nullptr, root);
  }
  if (made.channel == "email" && any_body) {
    made.layout = TextAt(root, "layout");
    if (made.layout.empty() && root.Find("layout") == nullptr) {
      made.layout = "default";
      if (!names_.Has("layout", "default") && !names_.IsBroken("layout", "default")) {
        report_.Error("SG002", document.place, "no layout is called `default`", {},
                      "write a layout of that name, or name another with `layout:`");
      }
    }
  }
  workspace_.templates.push_back(std::move(made));
}

void Compiler::LayoutOf(const Document& document) {
  Layout layout;
  layout.id = document.id;
  layout.place = document.place;
  layout.html = Text(document.Find("html"));
  layout.text = Text(document.Find("text"));
  workspace_.layouts.push_back(std::move(layout));
}

void Compiler::OfferOf(const Document& document) {
  const Node& root = document.root;
  int kinds = 0;
  for (std::string_view key : {"percent", "amount", "free", "perk"}) {
    kinds += root.Find(key) != nullptr ? 1 : 0;
  }
  if (kinds != 1) {
    report_.Error("SG006", document.place,
                  "an offer is exactly one of percent, amount, free and perk", {},
                  kinds == 0 ? "add one of them" : "take the others away");
  }
  if (const Node* pool = document.Find("pool");
      pool != nullptr && (pool->Find("file") != nullptr) == (pool->Find("generate") != nullptr)) {
    report_.Error("SG006", pool->place, "a pool has either `file` or `generate`");
  }
  if (const auto share = ParseNumber(TextAt(root, "percent"));
      share && (*share <= 0 || *share > 100)) {
    Wrong(*root.Find("percent"), "`percent` lies above 0 and is at most 100");
  }
  Offer offer;
  offer.id = document.id;
  offer.place = document.place;
  for (std::string_view key : {"percent", "amount", "free", "perk"}) {
    if (const Node* terms = root.Find(key)) {
      offer.terms = terms->text + (key == "percent" ? "%" : "");
    }
  }
  if (const Node* pool = document.Find("pool")) {
    offer.pool_file = TextAt(*pool, "file");
    offer.pool_pattern = TextAt(*pool, "generate");
    offer.low_stock = ParseCount(TextAt(*pool, "low_stock"));
  }
  offer.valid = ParseValidity(TextAt(root, "valid")).value_or(offer.valid);
  if (const auto limit = ParseLimit(TextAt(root, "per_customer"))) {
    std::tie(offer.per_customer, offer.per_customer_within) = *limit;
  }
  if (const Node* budget = document.Find("budget")) {
    BudgetOf(*budget, offer);
  }
  if (const Node* redeemed = document.Find("redeemed")) {
    offer.redeemed = workspace_.schema.FindEvent(redeemed->text);
    const auto event = workspace_.schema.FindEvent(redeemed->text);
    if (event && !workspace_.schema.events[static_cast<std::size_t>(*event)].FindField("code")) {
      Unknown(*redeemed, fmt::format("field of {}", redeemed->text), "code", {});
    }
  }
  workspace_.offers.push_back(std::move(offer));
}

void Compiler::BudgetOf(const Node& budget, Offer& offer) {
  offer.cost = Expression(Good(budget, "cost"), BaseScope(), Type::kMoney);
  const std::string text = TextAt(budget, "max");
  const auto max = ParseMoney(std::string_view(text).substr(0, text.find(" per ")));
  if (!max) {
    return;  // Reported already.
  }
  if (max->second != workspace_.schema.currency) {
    Wrong(*budget.Find("max"),
          fmt::format("a budget is in the workspace's currency, {}", workspace_.schema.currency));
  }
  offer.budget = max->first;
}

void Compiler::PolicyOf(const Document& document) {
  const auto texts = [&](std::string_view key) {
    std::vector<std::string> all;
    if (const Node* list = document.Find(key)) {
      for (const Node& one : list->items) {
        all.push_back(one.text);
      }
    }
    return all;
  };
  Policy policy;
  policy.id = document.id;
  policy.place = document.place;
  policy.why = TextAt(document.root, "why");
  policy.when = Conditions(document.Find("when"), BaseScope());
  policy.deny = texts("deny");
  policy.except = texts("except");
  workspace_.policies.push_back(std::move(policy));
}

void Compiler::FunnelOf(const Document& document) {
  FunnelDocument funnel;
  funnel.id = document.id;
  funnel.title = TextAt(document.root, "title");
  funnel.place = document.place;
  const bool accounts = TextAt(document.root, "of") == "account";
  funnel.of = accounts ? Subject::kAccount : Subject::kCustomer;
  ModelNames own;  // It has no names of its own; whom it is about decides what it may look at.
  own.of_account = accounts;
  Scope scope = BaseScope();
  scope.own = accounts ? &own : nullptr;
  std::set<std::string> ids;
  const Node* stages = document.Find("stages");
  for (std::size_t i = 0; stages != nullptr && i < stages->items.size(); ++i) {
    const Node& stage = stages->items[i];
    const Node* id = Good(stage, "id");
    if (id != nullptr && !ids.insert(id->text).second) {
      report_.Error("SG007", id->place, fmt::format("a second stage `{}`", id->text), {},
                    "rename it");
    }
    auto when = Expression(Good(stage, "when"), scope, Type::kYesNo);
    if (id != nullptr && when) {
      const std::string name = TextAt(stage, "name");
      funnel.stages.push_back({id->text, name.empty() ? id->text : name, std::move(*when)});
    }
  }
  workspace_.funnels.push_back(std::move(funnel));
}

void Compiler::InsightOf(const Document& document) {
  Insight insight;
  insight.id = document.id;
  insight.title = TextAt(document.root, "title");
  insight.place = document.place;
  insight.every = ParseSchedule(TextAt(document.root, "every"))
                      .value_or(Schedule{.kind = Schedule::Kind::kMonthly, .minute_of_day = 360});
  insight.hash = Sha256Hex(NormaliseDocument(document, {"title", "tags", "every"})).substr(0, 16);
  if (const Node* cohort = document.Find("cohort")) {
    insight.who = Expression(Good(*cohort, "who"), BaseScope(), Type::kYesNo);
    insight.joined = ParseDuration(TextAt(*cohort, "joined")).value_or(Duration::zero());
    insight.at_least = ParseCount(TextAt(*cohort, "at_least")).value_or(400);
  }
  if (const Node* look_at = document.Find("look_at")) {
    LookAt(*look_at, insight);
  }
  if (insight.actions.empty()) {
    Missing(document.root, "look_at", "it says which actions are looked at");
  }
  if (const Node* outcome = document.Find("outcome")) {
    Outcome(*outcome, insight);
  }
  const std::string rank_by = TextAt(document.root, "rank_by");
  insight.rank_by = rank_by.empty() ? insight.rank_by : rank_by;
  if (const Node* honest = document.Find("honest")) {
    insight.check_percent = ParsePercent(TextAt(*honest, "check_on")).value_or(30);
    insight.correct_for_many = TextAt(*honest, "correct_for_many") != "no";
    if (insight.check_percent <= 0 || insight.check_percent >= 100) {
      Wrong(*honest->Find("check_on"), "some people find the moment and others confirm it",
            "a share between 0% and 100%, such as 30%");
    }
  }
  if (const Node* publish = document.Find("publish")) {
    insight.publish_as = TextAt(*publish, "as");
    insight.needs_approval = TextAt(*publish, "needs_approval") != "no";
    if (!insight.publish_as.empty() && workspace_.FindModel(insight.publish_as)) {
      report_.Error("SG007", publish->Find("as")->place,
                    fmt::format("`{}` is a model already", insight.publish_as), {}, "rename it");
    }
    if (std::any_of(workspace_.insights.begin(), workspace_.insights.end(), [&](const auto& one) {
          return !one.publish_as.empty() && one.publish_as == insight.publish_as;
        })) {
      report_.Error("SG007", publish->Find("as")->place,
                    fmt::format("another insight publishes `{}` already", insight.publish_as), {},
                    "rename it");
    }
  }
  workspace_.insights.push_back(std::move(insight));
}

void Compiler::LookAt(const Node& node, Insight& insight) {
  const Node* actions = node.Find("actions");
  for (std::size_t i = 0; actions != nullptr && i < actions->keys.size(); ++i) {
    if (const auto event = workspace_.schema.FindEvent(actions->keys[i].text)) {
      insight.actions.push_back({*event, actions->items[i].text});
    }
  }
  if (const auto times = ParseRange(TextAt(node, "times"))) {
    insight.times_min = static_cast<int>(times->first);
    insight.times_max = static_cast<int>(times->second);
    if (times->first < 1 || times->second > 100) {
      Wrong(*node.Find("times"), "an action is counted from once to a hundred times",
            "such as 1..6");
    }
  }
  if (const Node* within = node.Find("within")) {
    for (const Node& one : within->items) {
      insight.within.push_back(ParseDuration(one.text).value_or(Duration::zero()));
    }
  }
  if (insight.within.empty()) {
    insight.within = {kDay, 3 * kDay, 7 * kDay};
  }
  std::sort(insight.within.begin(), insight.within.end());
  insight.pairs = TextAt(node, "pairs") == "yes";
}

void Compiler::Outcome(const Node& node, Insight& insight) {
  insight.outcome_event = workspace_.schema.FindEvent(TextAt(node, "event")).value_or(0);
  const auto from = ParseDuration(TextAt(node, "from"));
  const auto to = ParseDuration(TextAt(node, "to"));
  if (!from || !to) {
    return;
  }
  insight.outcome_from = *from;
  insight.outcome_to = *to;
  if (*from >= *to) {
    Wrong(*node.Find("to"), "`to` lies after `from`");
  } else if (insight.joined != Duration::zero() && *to >= insight.joined) {
    Wrong(*node.Find("to"), "of nobody who joined within `cohort.joined` the outcome is known",
          "give `joined` more time than `to`");
  } else if (!insight.within.empty() && insight.within.back() > *from) {
    Wrong(*node.Find("from"), "an action counts until after the outcome has begun",
          "let `from` be no earlier than the longest of `look_at.within`");
  }
}

}  // namespace segue
