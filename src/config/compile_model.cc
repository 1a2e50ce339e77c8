// Models: in dependency order, each with the types of what it gives to others.

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "config/compile.h"
#include "config/model_reads.h"
#include "expression/parse.h"

namespace segue {
namespace {

// Segment 255 means none.
constexpr std::size_t kSegmentsMax = 250;

// Every name that the expressions below `node` mention.
void CollectNames(const Syntax& syntax, std::set<std::string>& names) {
  if (syntax.kind == Syntax::Kind::kName) {
    names.insert(syntax.text.substr(0, syntax.text.find('.')));
  }
  for (const Syntax& arg : syntax.args) {
    CollectNames(arg, names);
  }
}

void CollectNames(const Node& node, std::set<std::string>& names) {
  if (node.kind == Node::Kind::kScalar) {
    const auto parsed = ParseExpression(node.text);
    if (const Syntax* syntax = boost::variant2::get_if<0>(&parsed)) {
      CollectNames(*syntax, names);
    }
  }
  for (const Node& item : node.items) {
    CollectNames(item, names);
  }
}

// Documents of models, each behind those that it reads.
class ModelOrder {
 public:
  ModelOrder(const std::vector<Document>& documents, const Names& names) {
    for (const Document& document : documents) {
      if (document.kind == DocumentKind::kModel && !document.root.bad) {
        models_.push_back(&document);
      }
    }
    for (const Document* model : models_) {
      std::set<std::string> mentioned;
      for (std::string_view key : {"who", "features", "scores", "segments", "flags"}) {
        if (const Node* node = model->Find(key)) {
          CollectNames(*node, mentioned);
        }
      }
      std::vector<const Document*>& reads = reads_[model];
      for (const Document* other : models_) {
        if (other != model && mentioned.count(other->id) != 0 && !names.Has("event", other->id)) {
          reads.push_back(other);
        }
      }
    }
    for (const Document* model : models_) {
      Visit(model);
    }
  }

  std::vector<const Document*> order;
  std::vector<const Document*> circle;  // Models that read each other.

 private:
  void Visit(const Document* model) {
    if (done_.count(model) != 0) {
      return;
    }
    const auto open = std::find(open_.begin(), open_.end(), model);
    if (open != open_.end()) {
      circle.insert(circle.end(), open, open_.end());
      return;
    }
    open_.push_back(model);
    for (const Document* other : reads_[model]) {
      Visit(other);
    }
    open_.pop_back();
    if (done_.insert(model).second) {
      order.push_back(model);
    }
  }

  std::vector<const Document*> models_;
  std::map<const Document*, std::vector<const Document*>> reads_;
  std::vector<const Document*> open_;
  std::set<const Document*> done_;
};

bool IsOrdered(const ExprType& type) {
  return type.type == Type::kNumber || type.type == Type::kMoney || type.type == Type::kDuration;
}

const ExprType kWholeNumber{Type::kNumber, true, {}};

// What a literal stands for, with its sign.
std::optional<double> LiteralOf(const Expr& expr) {
  if (expr.op == Op::kLiteral) {
    return expr.literal;
  }
  return expr.op == Op::kNegate && expr.args[0].op == Op::kLiteral
             ? std::optional(-expr.args[0].literal)
             : std::nullopt;
}

}  // namespace

void Compiler::Models(std::vector<Document>& documents) {
  const ModelOrder models(documents, names_);
  for (const Document* model : models.circle) {
    std::vector<std::string> ids;
    for (const Document* other : models.circle) {
      ids.push_back(other->id);
    }
    report_.Error("SG008", model->place,
                  "models that read each other in a circle: " + Join(ids, ", "), {},
                  "let one of them use events and traits instead");
    names_.AddBroken("model", model->id);
  }
  for (const Document* model : models.order) {
    if (!names_.IsBroken("model", model->id)) {
      ModelOf(*model);
    }
  }
}

void Compiler::ModelOf(const Document& document) {
  const std::size_t errors = report_.errors();
  const Node& root = document.root;
  Model model;
  model.id = document.id;
  model.place = document.place;
  model.title = TextAt(root, "title");
  model.draft = TextAt(root, "status") == "draft";
  model.of = TextAt(root, "of") == "account" ? Subject::kAccount : Subject::kCustomer;
  model.every = ParseSchedule(TextAt(root, "every")).value_or(model.every);
  const Node* zone = document.Find("timezone");
  model.timezone = zone != nullptr ? *Zone::Find(zone->text) : workspace_.schema.timezone;
  model.refit = ParseRefit(TextAt(root, "refit")).value_or(model.refit);
  if (const Node* settle = document.Find("settle")) {
    model.hold = ParseHold(TextAt(*settle, "hold")).value_or(model.hold);
    model.margin_percent = ParsePercent(TextAt(*settle, "margin")).value_or(0);
  }
  ModelNames names;
  names.id = model.id;
  names.of_account = model.of == Subject::kAccount;
  Scope scope = BaseScope();
  scope.own = &names;
  model.who = Expression(document.Find("who"), scope, Type::kYesNo);
  const Node* features = document.Find("features");
  for (std::size_t i = 0; features != nullptr && i < features->keys.size(); ++i) {
    Feature(features->keys[i], features->items[i], model, names);
    if (report_.errors() != errors) {
      shaky_.insert(model.id);
    }
  }
  const Node* scores = document.Find("scores");
  for (std::size_t i = 0; scores != nullptr && i < scores->keys.size(); ++i) {
    ScoreOf(scores->keys[i], scores->items[i], model, names);
    if (report_.errors() != errors) {
      shaky_.insert(model.id);
    }
  }
  Segments(document, scope, model, names);
  Flags(document, scope, model, names);
  Rank(document, model);
  model.hash =
      Sha256Hex(NormaliseDocument(document, {"title", "tags", "status", "segments[].name"}))
          .substr(0, 16) +
      "." + Sha256Hex(PlanRead(workspace_, model)).substr(0, 8);
  if (report_.errors() != errors) {
    shaky_.insert(model.id);
  }
  workspace_.models.push_back(std::move(model));
  workspace_.model_names.push_back(std::move(names));
}

void Compiler::Feature(const Node& key, const Node& value, Model& model, ModelNames& names) {
  Scope scope = BaseScope();
  scope.own = &names;
  auto condition = Expression(&value, scope, std::nullopt);
  // A feature that failed keeps its name, so that its uses are no second error.
  if (!condition) {
    shaky_.insert(model.id);
    condition = Condition{};
  }
  names.features.push_back({key.text, condition->expr.type});
  model.features.push_back({key.text, std::move(*condition)});
}

void Compiler::ScoreOf(const Node& key, const Node& value, Model& model, ModelNames& names) {
  Score score;
  score.name = key.text;
  score.place = key.place;
  score.refit = ParseRefit(TextAt(value, "refit")).value_or(model.refit);
  score.range = ParseRange(TextAt(value, "range"));
  score.best_low = TextAt(value, "best") == "low";
  Scope scope = BaseScope();
  scope.own = &names;
  const auto is_taken = [&](const NamedType& other) { return other.name == key.text; };
  if (std::any_of(names.features.begin(), names.features.end(), is_taken)) {
    report_.Error("SG007", key.place, fmt::format("`{}` is a feature already", key.text), {},
                  "give the score another name");
  }
  ExprType type = kWholeNumber;
  const Node* from = value.Find("from");
  const Node* points = value.Find("points");
  const Node* lines = value.Find("cuts") != nullptr ? value.Find("cuts") : value.Find("fifths");
  if (value.kind == Node::Kind::kMap && (from != nullptr) == (points != nullptr) && !value.bad) {
    Wrong(key, fmt::format("score `{}` needs either `from` or `points`", key.text),
          "from: a value, perhaps with cuts or fifths; points: lines that each add something");
  } else if (points != nullptr && lines != nullptr) {
    Wrong(*lines, "a score of points has no lines", "use `range` to keep it inside");
  } else if (value.Find("cuts") != nullptr && value.Find("fifths") != nullptr) {
    Wrong(*value.Find("fifths"), "a score has either `cuts` or `fifths`", "take one of them away");
  }
  score.from = Expression(Good(value, "from"), scope, std::nullopt);
  if (score.from && !IsOrdered(score.from->expr.type)) {
    report_.Error("SG003", score.from->place,
                  fmt::format("a score comes from a number, money or a duration, not from {}",
                              DescribeType(score.from->expr.type)));
  } else if (score.from) {
    ScoreLines(value, score.from->expr, scope, score);
    type = score.steps() > 0 ? type : score.from->expr.type;
  }
  if (points != nullptr && !points->bad) {
    ScorePoints(*points, scope, score, type.whole);
  }
  if (lines != nullptr) {
    Missing(value, "best", "it says which end of the lines is good");
  }
  names.scores.push_back({key.text, type});
  model.scores.push_back(std::move(score));
}

void Compiler::ScoreLines(const Node& map, const Expr& from, const Scope& scope, Score& score) {
  const Node* cuts = Good(map, "cuts");
  for (std::size_t i = 0; cuts != nullptr && i < cuts->items.size(); ++i) {
    const Node& item = cuts->items[i];
    const auto line = Expression(&item, scope, from.type.type);
    const auto value = line ? LiteralOf(line->expr) : std::nullopt;
    if (line && !value) {
      Wrong(item, "a cut is one value such as 14d, 3 or 50 EUR");
    } else if (value && !score.cuts.empty() && *value <= score.cuts.back()) {
      Wrong(item, "cuts stand in ascending order");
    } else if (value) {
      score.cuts.push_back(*value);
    }
  }
  if (cuts != nullptr && cuts->items.empty()) {
    Wrong(*cuts, "`cuts` wants at least one line");
  }
  if (const Node* fifths = Good(map, "fifths")) {
    FifthsOf(*fifths, from, scope, score);
  }
  if (const Node* range = Good(map, "range"); range != nullptr && score.steps() > 0) {
    Wrong(*range, "cuts and fifths give 1 to the number of lines + 1, so a range does nothing",
          "take it out");
  }
  const bool fine = from.type.type != Type::kNumber || !from.type.whole;
  score.margin_applies = score.steps() > 0 && fine;
}

void Compiler::FifthsOf(const Node& node, const Expr& from, const Scope& scope, Score& score) {
  Fifths fifths;
  fifths.of_rank = TextAt(node, "of") == "rank";
  fifths.ties_by_key = TextAt(node, "ties") == "by_key";
  fifths.equal_width = TextAt(node, "lines") == "equal_width";
  const std::string closed = TextAt(node, "closed");
  fifths.closed_left = closed.empty() ? !score.best_low : closed == "left";
  if (const Node* add = Good(node, "add")) {
    const auto value = Expression(add, scope, fifths.of_rank ? Type::kNumber : from.type.type);
    const auto literal = value ? LiteralOf(value->expr) : std::nullopt;
    if (value && !literal) {
      Wrong(*add, "`add` is one value such as 1 or 1 EUR");
    }
    fifths.add = literal.value_or(0);
  }
  if (const Node* ties = Good(node, "ties"); ties != nullptr && !fifths.of_rank) {
    Wrong(*ties, "`ties` is about ranks", "write `of: rank` beside it, or take it out");
  }
  score.fifths = fifths;
}

void Compiler::ScorePoints(const Node& points, const Scope& scope, Score& score, bool& whole) {
  for (const Node& entry : points.items) {
    auto when = Expression(Good(entry, "when"), scope, Type::kYesNo);
    const auto add = ParseNumber(TextAt(entry, "add"));
    if (when && add) {
      whole &= *add == static_cast<double>(static_cast<std::int64_t>(*add));
      score.points.push_back({std::move(*when), *add});
    }
  }
}

void Compiler::Segments(const Document& document, const Scope& scope, Model& model,
                        ModelNames& names) {
  const Node* grid = document.Find("grid");
  for (std::size_t i = 0; grid != nullptr && i < grid->items.size(); ++i) {
    const std::string& name = grid->items[i].text;
    const auto found = std::find_if(model.scores.begin(), model.scores.end(),
                                    [&](const Score& score) { return score.name == name; });
    if (found == model.scores.end()) {
      std::vector<std::string> known;
      for (const Score& score : model.scores) {
        known.push_back(score.name);
      }
      Unknown(grid->items[i], "score", name, known);
    } else if (found->steps() < 1 || found->steps() > 9) {
      Wrong(grid->items[i], fmt::format("score `{}` has no steps from 1 to at most 9", name),
            "a grid is made of scores with cuts or fifths");
    } else {
      model.grid.push_back(static_cast<int>(found - model.scores.begin()));
    }
  }
  const Node* segments = document.Find("segments");
  if (segments == nullptr || segments->items.empty()) {
    Missing(document.root, "segments", "a model places people in segments");
    return;
  }
  for (std::size_t i = 0; i < segments->items.size(); ++i) {
    SegmentOf(segments->items[i], i + 1 == segments->items.size(), scope, model);
  }
  if (model.segments.size() > kSegmentsMax) {
    Wrong(*segments, fmt::format("more than {} segments", kSegmentsMax), "split the model");
  }
  for (const Segment& segment : model.segments) {
    names.segments.push_back(segment.id);
  }
}

void Compiler::SegmentOf(const Node& entry, bool last, const Scope& scope, Model& model) {
  Segment segment;
  segment.id = TextAt(entry, "id");
  segment.name = TextAt(entry, "name").empty() ? segment.id : TextAt(entry, "name");
  const Node* id = Good(entry, "id");
  segment.place = id != nullptr ? id->place : entry.place;
  const auto same = std::find_if(model.segments.begin(), model.segments.end(),
                                 [&](const Segment& other) { return other.id == segment.id; });
  if (id != nullptr && (same != model.segments.end() || segment.id == "none")) {
    report_.Error("SG007", id->place,
                  segment.id == "none" ? "`none` means people who are not in the model"
                                       : fmt::format("a second segment `{}`", segment.id),
                  {}, "rename it");
  }
  const Node* when = entry.Find("when");
  const Node* cells = entry.Find("cells");
  if ((when != nullptr) == (cells != nullptr) && !entry.bad) {
    report_.Error("SG006", segment.place, "a segment has either `when` or `cells`", {},
                  "when: an expression, or otherwise on the last line");
  }
  if (when != nullptr && when->text == "otherwise" && when->plain()) {
    segment.otherwise = true;
    if (!last) {
      Wrong(*when, "`otherwise` stands on the last segment only", "move this segment to the end");
    }
  } else {
    segment.when = Expression(when, scope, Type::kYesNo);
  }
  if (cells != nullptr && !cells->bad) {
    Cells(*cells, model, segment);
  }
  if (id != nullptr) {
    model.segments.push_back(std::move(segment));
  } else {
    shaky_.insert(model.id);
  }
}

void Compiler::Cells(const Node& list, const Model& model, Segment& segment) {
  if (model.grid.empty()) {
    Wrong(list, "`cells` needs a `grid` that names the scores", "add `grid: [r, f, m]`");
    return;
  }
  for (const Node& item : list.items) {
    std::vector<int> cell;
    for (std::size_t i = 0; i < item.text.size() && i < model.grid.size(); ++i) {
      const int digit = item.text[i] - '0';
      if (digit >= 1 && digit <= model.scores[static_cast<std::size_t>(model.grid[i])].steps()) {
        cell.push_back(digit);
      }
    }
    if (item.bad) {
      continue;
    }
    if (cell.size() != model.grid.size() || item.text.size() != cell.size()) {
      Wrong(item, fmt::format("`{}` is no cell: one digit for each of the {} scores of the grid",
                              item.text, model.grid.size()));
    } else if (std::find(segment.cells.begin(), segment.cells.end(), cell) != segment.cells.end()) {
      Wrong(item, fmt::format("cell {} stands twice in this segment", item.text), "take one away");
    } else {
      segment.cells.push_back(std::move(cell));
    }
  }
}

void Compiler::Flags(const Document& document, const Scope& scope, Model& model,
                     ModelNames& names) {
  const Node* flags = document.Find("flags");
  for (std::size_t i = 0; flags != nullptr && i < flags->keys.size(); ++i) {
    const Node& value = flags->items[i];
    Flag flag;
    flag.name = flags->keys[i].text;
    const auto is_taken = [&](const NamedType& other) { return other.name == flag.name; };
    if (std::any_of(names.features.begin(), names.features.end(), is_taken) ||
        std::any_of(names.scores.begin(), names.scores.end(), is_taken)) {
      report_.Error("SG007", flags->keys[i].place,
                    fmt::format("`{}` is a feature or score already", flag.name), {},
                    "give the flag another name");
    }
    if (auto on = Expression(Good(value, "on"), scope, Type::kYesNo)) {
      flag.on = std::move(*on);
    }
    flag.off = Expression(Good(value, "off"), scope, Type::kYesNo);
    names.flags.push_back({flag.name, ExprType{Type::kYesNo, false, {}}});
    model.flags.push_back(std::move(flag));
  }
}

void Compiler::Rank(const Document& document, Model& model) {
  const Node* rank = document.Find("rank");
  std::vector<std::string> known;
  for (const Segment& segment : model.segments) {
    known.push_back(segment.id);
  }
  for (std::size_t i = 0; rank != nullptr && i < rank->items.size(); ++i) {
    const Node& item = rank->items[i];
    const auto found = std::find(known.begin(), known.end(), item.text);
    const int index = static_cast<int>(found - known.begin());
    if (found == known.end()) {
      Unknown(item, "segment", item.text, known);
    } else if (std::find(model.rank.begin(), model.rank.end(), index) != model.rank.end()) {
      Wrong(item, fmt::format("`{}` stands twice in the rank", item.text), "take one away");
    } else {
      model.rank.push_back(index);
    }
  }
  if (rank != nullptr && rank->items.size() < known.size()) {
    Wrong(*rank, fmt::format("`rank` names {} of {} segments", rank->items.size(), known.size()),
          "name every segment, the worst first");
  }
}

}  // namespace segue
