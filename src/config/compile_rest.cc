// Templates and layouts; and the kinds whose expressions are checked although nothing runs them
// yet.

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

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
  std::set<std::string> ids;
  const Node* stages = document.Find("stages");
  for (std::size_t i = 0; stages != nullptr && i < stages->items.size(); ++i) {
    const Node& stage = stages->items[i];
    if (const Node* id = Good(stage, "id"); id != nullptr && !ids.insert(id->text).second) {
      report_.Error("SG007", id->place, fmt::format("a second stage `{}`", id->text), {},
                    "rename it");
    }
    Expression(Good(stage, "when"), BaseScope(), Type::kYesNo);
  }
}

void Compiler::InsightOf(const Document& document) {
  if (const Node* cohort = document.Find("cohort")) {
    Expression(Good(*cohort, "who"), BaseScope(), Type::kYesNo);
  }
  if (const Node* outcome = document.Find("outcome")) {
    const auto from = ParseDuration(TextAt(*outcome, "from"));
    const auto to = ParseDuration(TextAt(*outcome, "to"));
    if (from && to && *from >= *to) {
      Wrong(*outcome->Find("to"), "`to` lies after `from`");
    }
  }
}

}  // namespace segue
