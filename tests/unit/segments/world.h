// A small world for tests of segments: one model built from texts, and people whose traits are set
// by hand.

#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "config/definitions.h"
#include "segments/segments.h"

namespace segue {

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

inline TimePoint Day(int day) {
  return FromMicros(1'767'225'600'000'000) + kDay * day;
}  // From 2026-01-01.

// A workspace with one model, built piece by piece.
class World {
 public:
  World() {
    workspace.id = "test";
    workspace.pool = std::make_shared<TextPool>();
    Schema& schema = workspace.schema;
    schema.currency = "EUR";
    schema.events = {{"order_placed", {{"amount", Type::kMoney, {}}}, {}, -1, -1},
                     {"visited", {}, {}, -1, -1}};
    schema.customer_traits = {
        {"silence", Type::kDuration, {}}, {"spent", Type::kMoney, {}},
        {"visits", Type::kNumber, {}},    {"status", Type::kChoice, {"trial", "active", "churned"}},
        {"member", Type::kYesNo, {}},     {"plan", Type::kText, {}}};
    names.id = "m";
    workspace.models.emplace_back();
    model().id = "m";
    model().hash = "one";
  }

  Model& model() { return workspace.models[0]; }

  Condition Compile(const std::string& text, std::optional<Type> want = std::nullopt) {
    Scope scope;
    scope.schema = &workspace.schema;
    scope.aggregates = &workspace.aggregates;
    scope.pool = workspace.pool.get();
    scope.models = &workspace.model_names;
    scope.insights = &insights;
    scope.own = &names;
    std::vector<ExpressionError> errors;
    const std::optional<Expr> expr = CompileExpression(text, scope, want, errors);
    INFO("expression: " << text << (errors.empty() ? "" : ": " + errors[0].message));
    REQUIRE(expr.has_value());
    return {*expr, text, {}};
  }

  World& Who(const std::string& text) {
    model().who = Compile(text, Type::kYesNo);
    return *this;
  }

  World& AddFeature(const std::string& name, const std::string& text) {
    model().features.push_back({name, Compile(text)});
    names.features.push_back({name, model().features.back().value.expr.type});
    return *this;
  }

  Score& AddScore(const std::string& name, const std::string& from, bool best_low = false,
                  std::vector<double> cuts = {}) {
    Score score;
    score.name = name;
    if (!from.empty()) {
      score.from = Compile(from);
      const ExprType& type = score.from->expr.type;
      score.margin_applies = type.type != Type::kNumber || !type.whole;
    }
    score.best_low = best_low;
    score.cuts = std::move(cuts);
    model().scores.push_back(std::move(score));
    names.scores.push_back({name, {Type::kNumber, true, {}}});
    return model().scores.back();
  }

  Score& AddFifths(const std::string& name, const std::string& from, bool best_low, Fifths fifths,
                   Refit refit = Refit::kMonthly) {
    Score& score = AddScore(name, from, best_low);
    score.fifths = fifths;
    score.refit = refit;
    return score;
  }

  World& AddPoints(const std::string& name,
                   const std::vector<std::pair<std::string, double>>& lines,
                   std::optional<std::pair<double, double>> range = std::nullopt) {
    std::vector<Points> points;
    for (const auto& [when, add] : lines) {
      points.push_back({Compile(when, Type::kYesNo), add});
    }
    Score& score = AddScore(name, "");
    score.points = std::move(points);
    score.range = range;
    return *this;
  }

  World& AddSegment(const std::string& id, const std::string& when) {
    Segment segment;
    segment.id = segment.name = id;
    segment.otherwise = when == "otherwise";
    if (!segment.otherwise) {
      segment.when = Compile(when, Type::kYesNo);
    }
    model().segments.push_back(std::move(segment));
    return *this;
  }

  World& AddCells(const std::string& id, std::vector<std::vector<int>> cells) {
    Segment segment;
    segment.id = segment.name = id;
    segment.cells = std::move(cells);
    model().segments.push_back(std::move(segment));
    return *this;
  }

  World& AddFlag(const std::string& name, const std::string& on, const std::string& off = "") {
    Flag flag{name, Compile(on, Type::kYesNo), std::nullopt};
    if (!off.empty()) {
      flag.off = Compile(off, Type::kYesNo);
    }
    model().flags.push_back(std::move(flag));
    return *this;
  }

  // Somebody else reads the model's features, so that they are stored.
  World& Watched() {
    Expr leaf;
    leaf.op = Op::kLeaf;
    leaf.leaf.kind = Leaf::Kind::kFeature;
    leaf.leaf.model = 0;
    leaf.leaf.index = 0;
    workspace.playbooks.emplace_back();
    workspace.playbooks.back().when.push_back({leaf, "m.feature > 0", {}});
    return *this;
  }

  Workspace workspace;
  ModelNames names;
  std::vector<std::string> insights;
};

// People by hand: a value per trait, and what the ledger would say about them.
class People final : public Population, public Inputs {
 public:
  explicit People(const World& world) : world_(world) {}

  struct Person {
    std::string key;
    std::map<std::string, double> traits;
    std::optional<Cause> cause;  // Since the last slot.
    bool late = false;
    bool alive = true;
  };

  Person& Add(const std::string& key, std::map<std::string, double> traits = {}) {
    all.push_back({key, std::move(traits), std::nullopt, false, true});
    return all.back();
  }

  Person& operator[](std::size_t index) { return all[index]; }

  CustomerIndex count() const override { return static_cast<CustomerIndex>(all.size()); }

  bool IsAlive(CustomerIndex customer) const override { return all[customer].alive; }

  const std::string& Key(CustomerIndex customer) const override { return all[customer].key; }

  const Inputs& inputs() const override { return *this; }

  std::optional<Cause> CauseSince(CustomerIndex customer) const override {
    return all[customer].cause;
  }

  bool FirstFactWasLate(CustomerIndex customer) const override { return all[customer].late; }

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override {
    REQUIRE(leaf.kind == Leaf::Kind::kTrait);
    const std::string& name =
        world_.workspace.schema.customer_traits[static_cast<std::size_t>(leaf.index)].name;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto& traits = all[first + i].traits;
      const auto found = traits.find(name);
      out[i] = found == traits.end() ? kNoValue : found->second;
    }
  }

  std::vector<Person> all;

 private:
  const World& world_;
};

// Days as a duration trait holds them.
constexpr double Days(double days) {
  return days * 86'400'000'000.0;
}

}  // namespace segue
