// What names mean: traits, fields, features, scores, segments, flags and what insights publish.

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "expression/checker.h"

namespace segue {
namespace {

std::optional<int> FindNamed(const std::vector<NamedType>& all, std::string_view name) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == name) {
      return static_cast<int>(i);
    }
  }
  return std::nullopt;
}

const ExprType& TypeAt(const std::vector<NamedType>& all, int index) {
  return all[static_cast<std::size_t>(index)].type;
}

void AddNames(const std::vector<NamedType>& from, std::string_view prefix,
              std::vector<std::string>& to) {
  for (const NamedType& each : from) {
    to.push_back(std::string(prefix) + each.name);
  }
}

void AddNames(const std::vector<FieldSpec>& from, std::string_view prefix,
              std::vector<std::string>& to) {
  for (const FieldSpec& each : from) {
    to.push_back(std::string(prefix) + each.name);
  }
}

}  // namespace

std::optional<Expr> Checker::CheckName(const Syntax& syntax) {
  const std::size_t dot = syntax.text.find('.');
  if (dot == std::string::npos) {
    return scope_.event ? CheckField(syntax) : CheckBareName(syntax);
  }
  const std::string_view head = std::string_view(syntax.text).substr(0, dot);
  const std::string_view tail = std::string_view(syntax.text).substr(dot + 1);
  if (head == "customer" || head == "account") {
    return CheckTrait(syntax, head == "account");
  }
  if (scope_.event) {
    const EventSpec& event = scope_.schema->events[static_cast<std::size_t>(*scope_.event)];
    const bool own = head == event.name && event.FindField(tail).has_value();
    return Fail("SG005", syntax, fmt::format("{} cannot stand inside `where`", syntax.text),
                own ? fmt::format("a field of the event stands alone: {}", tail)
                    : fmt::format("only fields of {} and fixed values can", event.name));
  }
  if (scope_.models != nullptr) {
    for (std::size_t i = 0; i < scope_.models->size(); ++i) {
      if ((*scope_.models)[i].id == head) {
        return CheckModelPart(syntax, static_cast<int>(i), tail);
      }
    }
  }
  if (scope_.insights != nullptr) {
    for (std::size_t i = 0; i < scope_.insights->size(); ++i) {
      if ((*scope_.insights)[i] == head) {
        return CheckInsight(syntax, static_cast<int>(i), tail);
      }
    }
  }
  if (scope_.schema->FindEvent(head)) {
    return Fail("SG005", syntax,
                fmt::format("{} is a field of an event, which happens many times", syntax.text),
                fmt::format("say which: last({0}), sum({0}, 30d), …", syntax.text));
  }
  return UnknownName(syntax);
}

std::optional<Expr> Checker::CheckField(const Syntax& syntax) {
  const EventSpec& event = scope_.schema->events[static_cast<std::size_t>(*scope_.event)];
  const auto field = event.FindField(syntax.text);
  if (!field) {
    std::vector<std::string> names;
    AddNames(event.fields, "", names);
    std::string help = DidYouMean(syntax.text, names);
    if (help.empty()) {
      help = names.empty() ? "this event has no fields" : "its fields are " + Join(names, ", ");
    }
    return Fail("SG002", syntax, fmt::format("{} has no field {}", event.name, syntax.text),
                std::move(help));
  }
  const FieldSpec& spec = event.fields[static_cast<std::size_t>(*field)];
  return MakeLeaf(Leaf::Kind::kEventField, -1, *field, {spec.type, false, spec.choices}, syntax);
}

std::optional<Expr> Checker::CheckTrait(const Syntax& syntax, bool account) {
  if (InCallWhere()) {
    return Fail("SG005", syntax, fmt::format("{} cannot stand inside `where`", syntax.text),
                "only fields of the event and fixed values can; `where` of `on` and `goal` may "
                "look at the customer");
  }
  const std::string_view name = std::string_view(syntax.text).substr(account ? 8 : 9);
  const auto& traits = account ? scope_.schema->account_traits : scope_.schema->customer_traits;
  const auto index =
      account ? scope_.schema->FindAccountTrait(name) : scope_.schema->FindCustomerTrait(name);
  if (!index) {
    std::vector<std::string> names;
    AddNames(traits, account ? "account." : "customer.", names);
    const auto& others = account ? scope_.schema->customer_traits : scope_.schema->account_traits;
    AddNames(others, account ? "customer." : "account.", names);
    std::string help = DidYouMean(syntax.text, names);
    if (help.empty()) {
      help = "traits are declared in the workspace, under `traits`";
    }
    return Fail("SG002", syntax, fmt::format("unknown trait {}", syntax.text), std::move(help));
  }
  const FieldSpec& spec = traits[static_cast<std::size_t>(*index)];
  return MakeLeaf(account ? Leaf::Kind::kAccountTrait : Leaf::Kind::kTrait, -1, *index,
                  {spec.type, false, spec.choices}, syntax);
}

std::optional<Expr> Checker::CheckBareName(const Syntax& syntax) {
  if (scope_.own != nullptr) {
    if (const auto feature = FindNamed(scope_.own->features, syntax.text)) {
      return MakeLeaf(Leaf::Kind::kOwnFeature, -1, *feature, TypeAt(scope_.own->features, *feature),
                      syntax);
    }
    if (const auto score = FindNamed(scope_.own->scores, syntax.text)) {
      return MakeLeaf(Leaf::Kind::kOwnScore, -1, *score, TypeAt(scope_.own->scores, *score),
                      syntax);
    }
    if (scope_.own->id == syntax.text) {
      return Fail("SG005", syntax, "a model cannot look at its own segment", "");
    }
  }
  if (scope_.models != nullptr) {
    for (std::size_t i = 0; i < scope_.models->size(); ++i) {
      const ModelNames& model = (*scope_.models)[i];
      if (model.id == syntax.text) {
        return MakeLeaf(Leaf::Kind::kSegment, static_cast<int>(i), -1,
                        {Type::kChoice, false, model.segments}, syntax);
      }
    }
  }
  return UnknownName(syntax);
}

std::optional<Expr> Checker::CheckModelPart(const Syntax& syntax, int model,
                                            std::string_view part) {
  const ModelNames& names = (*scope_.models)[static_cast<std::size_t>(model)];
  if (scope_.own != nullptr && scope_.own->id == names.id) {
    return Fail("SG005", syntax, fmt::format("{} is of this same model", syntax.text),
                fmt::format("inside its own model it stands alone: {}", part));
  }
  if (const auto score = FindNamed(names.scores, part)) {
    return MakeLeaf(Leaf::Kind::kScore, model, *score, TypeAt(names.scores, *score), syntax);
  }
  if (const auto flag = FindNamed(names.flags, part)) {
    return MakeLeaf(Leaf::Kind::kFlag, model, *flag, TypeAt(names.flags, *flag), syntax);
  }
  if (const auto feature = FindNamed(names.features, part)) {
    return MakeLeaf(Leaf::Kind::kFeature, model, *feature, TypeAt(names.features, *feature),
                    syntax);
  }
  std::vector<std::string> candidates;
  AddNames(names.scores, names.id + ".", candidates);
  AddNames(names.flags, names.id + ".", candidates);
  AddNames(names.features, names.id + ".", candidates);
  std::string help = DidYouMean(syntax.text, candidates);
  for (const std::string& segment : names.segments) {
    if (segment == part) {
      help = fmt::format("write {} is '{}'", names.id, part);
    }
  }
  return Fail("SG002", syntax,
              fmt::format("model {} has no score, flag or feature {}", names.id, part),
              std::move(help));
}

std::optional<Expr> Checker::CheckInsight(const Syntax& syntax, int insight,
                                          std::string_view part) {
  struct Published {
    std::string_view name;
    Type type;
  };

  static constexpr std::array<Published, 3> kPublished = {
      {{"reached", Type::kYesNo}, {"progress", Type::kNumber}, {"missing", Type::kText}}};
  for (std::size_t i = 0; i < kPublished.size(); ++i) {
    if (kPublished[i].name == part) {
      Expr leaf = MakeLeaf(Leaf::Kind::kInsight, insight, static_cast<int>(i),
                           {kPublished[i].type, false, {}}, syntax);
      return leaf;
    }
  }
  const std::string& name = (*scope_.insights)[static_cast<std::size_t>(insight)];
  return Fail("SG002", syntax, fmt::format("insight {} does not publish {}", name, part),
              fmt::format("it publishes {0}.reached, {0}.progress and {0}.missing", name));
}

std::optional<Expr> Checker::UnknownName(const Syntax& syntax) {
  std::vector<std::string> candidates;
  if (scope_.own != nullptr) {
    AddNames(scope_.own->features, "", candidates);
    AddNames(scope_.own->scores, "", candidates);
  }
  if (scope_.models != nullptr) {
    for (const ModelNames& model : *scope_.models) {
      candidates.push_back(model.id);
      const std::string prefix = model.id + ".";
      if (syntax.text.find('.') != std::string::npos) {
        AddNames(model.scores, prefix, candidates);
        AddNames(model.flags, prefix, candidates);
        AddNames(model.features, prefix, candidates);
      }
    }
  }
  AddNames(scope_.schema->customer_traits, "customer.", candidates);
  AddNames(scope_.schema->account_traits, "account.", candidates);
  std::string help = DidYouMean(syntax.text, candidates);
  if (syntax.text == "true" || syntax.text == "false") {
    help = syntax.text == "true" ? "write yes" : "write no";
  } else if (scope_.schema->FindCustomerTrait(syntax.text)) {
    help = fmt::format("did you mean customer.{}?", syntax.text);
  } else if (scope_.schema->FindAccountTrait(syntax.text)) {
    help = fmt::format("did you mean account.{}?", syntax.text);
  } else if (scope_.schema->FindEvent(syntax.text)) {
    help = fmt::format("it is an event: did({0}, 30d), count({0}, 30d), last({0})", syntax.text);
  }
  return Fail("SG002", syntax, fmt::format("unknown name {}", syntax.text), std::move(help));
}

}  // namespace segue
