#include "config/compile.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

// What only one customer has, in words; empty for what an account has too.
std::string_view OfOneCustomer(const Leaf& leaf, const std::vector<ModelNames>& models) {
  switch (leaf.kind) {
    case Leaf::Kind::kTrait:
      return "a trait of customers";
    case Leaf::Kind::kPurchaseProcess:
      return "learned from single customers";
    case Leaf::Kind::kInsight:
      return "about single customers";
    case Leaf::Kind::kSegment:
    case Leaf::Kind::kScore:
    case Leaf::Kind::kFlag:
    case Leaf::Kind::kFeature:
      return models[static_cast<std::size_t>(leaf.model)].of_account ? "" : "a model of customers";
    case Leaf::Kind::kAccountTrait:
    case Leaf::Kind::kNow:
    case Leaf::Kind::kAggregate:
    case Leaf::Kind::kOwnFeature:
    case Leaf::Kind::kOwnScore:
    case Leaf::Kind::kEventField:
      return "";
  }
  return "";
}

bool NamesWord(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    const auto is_name = [&](std::size_t i) {
      return i < text.size() &&
             (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_');
    };
    if (!(at > 0 && is_name(at - 1)) && !is_name(at + word.size())) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool IsYes(const Node& map, std::string_view key) {
  return TextAt(map, key) == "yes";
}

void Compiler::Run(std::vector<Document>& documents) {
  const auto each = [&](DocumentKind kind, auto compile) {
    for (const Document& document : documents) {
      if (document.kind == kind && !document.root.bad && !report_.full()) {
        compile(document);
      }
    }
  };
  each(DocumentKind::kInsight, [&](const Document& document) {
    if (const Node* publish = document.Find("publish")) {
      if (const std::string name = TextAt(*publish, "as"); !name.empty()) {
        insights_.push_back(name);
      }
    }
  });
  each(DocumentKind::kConnector, [&](const Document& document) { ConnectorOf(document); });
  each(DocumentKind::kWorkspace, [&](const Document& document) { WorkspaceOf(document); });
  each(DocumentKind::kSource, [&](const Document& document) { SourceOf(document); });
  Models(documents);
  each(DocumentKind::kLayout, [&](const Document& document) { LayoutOf(document); });
  each(DocumentKind::kTemplate, [&](const Document& document) { TemplateOf(document); });
  each(DocumentKind::kOffer, [&](const Document& document) { OfferOf(document); });
  each(DocumentKind::kPlaybook,
       [&](const Document& document) { CompilePlaybook(*this, document); });
  each(DocumentKind::kPolicy, [&](const Document& document) { PolicyOf(document); });
  each(DocumentKind::kFunnel, [&](const Document& document) { FunnelOf(document); });
  each(DocumentKind::kInsight, [&](const Document& document) { InsightOf(document); });
  each(DocumentKind::kTest, [&](const Document& document) { TestOf(document); });
}

Scope Compiler::BaseScope() const {
  Scope scope;
  scope.schema = &workspace_.schema;
  scope.aggregates = &workspace_.aggregates;
  scope.pool = workspace_.pool.get();
  scope.models = &workspace_.model_names;
  scope.insights = &insights_;
  return scope;
}

Scope Compiler::RunScope() const {
  Scope scope = BaseScope();
  scope.in_run = true;
  return scope;
}

// Whether an error only follows from another that is already reported.
bool Compiler::IsFollowUp(const ExpressionError& error, std::string_view text,
                          const Scope& scope) const {
  if (error.code == "SG002" && error.begin < text.size()) {
    std::string_view name = text.substr(error.begin, error.end - error.begin);
    name = name.substr(0, name.find_first_of(".( "));
    if (names_.IsBroken("model", name) || names_.IsBroken("insight", name)) {
      return true;
    }
  }
  if (error.code != "SG003" && error.code != "SG004") {
    return false;
  }
  if (scope.own != nullptr && shaky_.count(scope.own->id) != 0) {
    return true;
  }
  return std::any_of(shaky_.begin(), shaky_.end(),
                     [text](const std::string& model) { return NamesWord(text, model); });
}

std::optional<Condition> Compiler::Expression(const Node* node, const Scope& scope,
                                              std::optional<Type> want) {
  if (node == nullptr || node->bad || node->kind != Node::Kind::kScalar) {
    return std::nullopt;
  }
  std::vector<ExpressionError> errors;
  std::optional<Expr> expr = CompileExpression(node->text, scope, want, errors);
  for (const ExpressionError& error : errors) {
    if (!IsFollowUp(error, node->text, scope)) {
      report_.Error(error.code, PlaceInText(*node, error.begin, error.end, files_), error.message,
                    error.note, error.help);
    }
  }
  if (!expr) {
    return std::nullopt;
  }
  if (scope.own != nullptr && scope.own->of_account) {
    OfAccountsAlone(*node, *expr);
  }
  return Condition{std::move(*expr), node->text, node->place};
}

std::vector<Condition> Compiler::Conditions(const Node* node, const Scope& scope) {
  std::vector<Condition> all;
  const auto add = [&](const Node& one) {
    if (auto condition = Expression(&one, scope, Type::kYesNo)) {
      all.push_back(std::move(*condition));
    }
  };
  if (node != nullptr && node->kind == Node::Kind::kList) {
    std::for_each(node->items.begin(), node->items.end(), add);
  } else if (node != nullptr) {
    add(*node);
  }
  return all;
}

// An account has no traits of its customers, whoever they are.
void Compiler::OfAccountsAlone(const Node& node, const Expr& expr) {
  ForEachLeaf(expr, [&](const Expr& leaf) {
    if (const auto what = OfOneCustomer(leaf.leaf, workspace_.model_names); !what.empty()) {
      report_.Error("SG005", PlaceInText(node, leaf.begin, leaf.end, files_),
                    fmt::format("{} is {}, and this is about accounts", leaf.leaf.name, what), {},
                    "name traits of the account (account.NAME), or count what all its customers "
                    "do");
    }
  });
}

TextWithValues Compiler::Text(const Node* node) const {
  if (node == nullptr || node->bad || node->kind != Node::Kind::kScalar) {
    return {};
  }
  TextWithValues text{node->text, node->place, node->indent};
  if (node->block) {
    text.place.line += 1;
    text.place.column = node->indent + 1;
    text.place.length = 1;
  } else if (node->quoted) {
    text.place.column += 1;
    text.place.length = std::max(text.place.length - 2, 1);
  }
  return text;
}

void Compiler::Missing(const Node& map, std::string_view key, std::string_view why) {
  if (map.Find(key) != nullptr) {
    return;
  }
  report_.Error("SG006", map.keys.empty() ? map.place : map.keys.front().place,
                fmt::format("`{}` is missing: {}", key, why), {}, fmt::format("add `{}:`", key));
}

void Compiler::Wrong(const Node& node, std::string message, std::string help) {
  report_.Error("SG005", node.place, std::move(message), {}, std::move(help));
}

void Compiler::Unknown(const Node& node, std::string_view kind, std::string_view name,
                       const std::vector<std::string>& known) {
  report_.Error("SG002", node.place, fmt::format("no {} is called `{}`", kind, name), {},
                Suggest(name, known));
}

std::optional<int> Compiler::FieldOf(const Node& node, const EventSpec& event) {
  const auto field = event.FindField(node.text);
  if (!field) {
    std::vector<std::string> known;
    for (const FieldSpec& one : event.fields) {
      known.push_back(one.name);
    }
    Unknown(node, fmt::format("field of {}", event.name), node.text, known);
  }
  return field;
}

}  // namespace segue
