// Stored numbers of kinds, fields and traits; recipes of dedupe texts.

#include "ledger/names.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "domain/dedupe.h"
#include "ledger/bytes.h"

namespace segue {
namespace {

constexpr char kSeparator = '\x1F';
// A source has one recipe per kind and a kind has few sources; more would be texts that match by
// chance.
constexpr std::size_t kRecipesMax = 32;

}  // namespace

StoredNames::StoredNames(Database& db, const Schema& schema) : db_(db), schema_(schema) {
  Load();
  kind_by_schema_.assign(schema.events.size(), -1);
  for (std::size_t event = 0; event < schema.events.size(); ++event) {
    AddKind(static_cast<int>(event));
  }
  AddTraits();
  FindRelations();
}

void StoredNames::Load() {
  Statement kinds = db_.Prepare("SELECT id, name FROM ledger_kind ORDER BY id");
  while (kinds.Step()) {
    kinds_.emplace_back().name = kinds.Text(1);
  }
  Statement fields = db_.Prepare("SELECT kind, name, type FROM ledger_field ORDER BY kind, id");
  while (fields.Step()) {
    kinds_.at(static_cast<std::size_t>(fields.Int(0)))
        .fields.push_back({fields.Text(1), static_cast<Type>(fields.Int(2)), -1});
  }
  Statement recipes = db_.Prepare("SELECT kind, parts FROM ledger_recipe ORDER BY kind, id");
  while (recipes.Step()) {
    ByteReader in(recipes.BlobView(1));
    std::vector<int> parts;
    while (in.left() > 0 && !in.failed()) {
      parts.push_back(static_cast<int>(in.Signed()));
    }
    kinds_.at(static_cast<std::size_t>(recipes.Int(0))).recipes.push_back(std::move(parts));
  }
  Statement traits = db_.Prepare("SELECT name, type FROM ledger_trait_name ORDER BY id");
  while (traits.Step()) {
    traits_.push_back({traits.Text(0), static_cast<Type>(traits.Int(1)), {}});
  }
}

void StoredNames::AddKind(int schema_event) {
  const EventSpec& spec = schema_.events[static_cast<std::size_t>(schema_event)];
  auto found = std::find_if(kinds_.begin(), kinds_.end(),
                            [&](const KindNames& kind) { return kind.name == spec.name; });
  const auto id = found - kinds_.begin();
  if (found == kinds_.end()) {
    db_.Prepare("INSERT INTO ledger_kind(id, name) VALUES (?, ?)")
        .Bind(1, id)
        .Bind(2, spec.name)
        .Run();
    found = kinds_.emplace(kinds_.end());
    found->name = spec.name;
  }
  KindNames& kind = *found;
  kind.schema = schema_event;
  kind_by_schema_[static_cast<std::size_t>(schema_event)] = static_cast<int>(id);
  for (std::size_t i = 0; i < spec.fields.size(); ++i) {
    // A field of another type is another field.
    auto field =
        std::find_if(kind.fields.begin(), kind.fields.end(), [&](const KindNames::Field& known) {
          return known.name == spec.fields[i].name && known.type == spec.fields[i].type;
        });
    if (field == kind.fields.end()) {
      db_.Prepare("INSERT INTO ledger_field(kind, id, name, type) VALUES (?, ?, ?, ?)")
          .Bind(1, id)
          .Bind(2, static_cast<std::int64_t>(kind.fields.size()))
          .Bind(3, spec.fields[i].name)
          .Bind(4, static_cast<std::int64_t>(spec.fields[i].type))
          .Run();
      field = kind.fields.insert(kind.fields.end(), {spec.fields[i].name, spec.fields[i].type, -1});
    }
    field->schema = static_cast<int>(i);
    kind.by_schema.push_back(static_cast<int>(field - kind.fields.begin()));
  }
}

void StoredNames::AddTraits() {
  std::vector<FieldSpec> all = schema_.customer_traits;
  for (FieldSpec spec : schema_.account_traits) {
    spec.name.insert(0, "account.");  // No customer's trait has a point in its name.
    all.push_back(std::move(spec));
  }
  for (const FieldSpec& spec : all) {
    auto found = std::find_if(traits_.begin(), traits_.end(), [&](const FieldSpec& known) {
      return known.name == spec.name && known.type == spec.type;
    });
    const auto id = found - traits_.begin();
    if (found == traits_.end()) {
      db_.Prepare("INSERT INTO ledger_trait_name(id, name, type) VALUES (?, ?, ?)")
          .Bind(1, id)
          .Bind(2, spec.name)
          .Bind(3, static_cast<std::int64_t>(spec.type))
          .Run();
      traits_.push_back({spec.name, spec.type, {}});
    }
    trait_by_schema_.push_back(static_cast<int>(id));
  }
}

void StoredNames::FindRelations() {
  for (std::size_t event = 0; event < schema_.events.size(); ++event) {
    const EventSpec& spec = schema_.events[event];
    if (!spec.reverses || spec.by_field < 0 || spec.by_original_field < 0) {
      continue;
    }
    const EventSpec& original = schema_.events[static_cast<std::size_t>(*spec.reverses)];
    Relation relation;
    relation.refund = KindOf(static_cast<int>(event));
    relation.original = KindOf(*spec.reverses);
    const KindNames& refund_kind = Kind(relation.refund);
    const KindNames& original_kind = Kind(relation.original);
    relation.by = refund_kind.by_schema[static_cast<std::size_t>(spec.by_field)];
    relation.of = original_kind.by_schema[static_cast<std::size_t>(spec.by_original_field)];
    for (std::size_t i = 0; i < spec.fields.size(); ++i) {
      const std::optional<int> same = original.FindField(spec.fields[i].name);
      if (same && spec.fields[i].type == Type::kMoney &&
          original.fields[static_cast<std::size_t>(*same)].type == Type::kMoney) {
        relation.shared.emplace_back(original_kind.by_schema[static_cast<std::size_t>(*same)],
                                     refund_kind.by_schema[i]);
      }
    }
    std::sort(relation.shared.begin(), relation.shared.end());
    relations_.push_back(std::move(relation));
  }
}

int StoredNames::SchemaTrait(int trait) const {
  const auto found = std::find(trait_by_schema_.begin(), trait_by_schema_.end(), trait);
  return found == trait_by_schema_.end() ? -1 : static_cast<int>(found - trait_by_schema_.begin());
}

std::string StoredNames::RelationsText() const {
  std::vector<std::string> lines;
  for (const Relation& relation : relations_) {
    std::string line = std::to_string(relation.refund) + ">" + std::to_string(relation.original) +
                       ":" + std::to_string(relation.by) + "=" + std::to_string(relation.of);
    for (const auto& [original, refund] : relation.shared) {
      line += "," + std::to_string(original) + "-" + std::to_string(refund);
    }
    lines.push_back(std::move(line));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) {
    text += line + ";";
  }
  return text;
}

std::string StoredNames::FieldsText() const {
  // The first of a name is what it always meant: only what came later is worth a word, so that new
  // kinds and fields change nothing.
  std::vector<std::string> lines;
  for (const KindNames& kind : kinds_) {
    for (const KindNames::Field& field : kind.fields) {
      const bool first =
          &field == &*std::find_if(kind.fields.begin(), kind.fields.end(),
                                   [&](const auto& other) { return other.name == field.name; });
      if (!first && field.schema >= 0) {
        lines.push_back(kind.name + "." + field.name + ":" +
                        std::to_string(static_cast<int>(field.type)));
      }
    }
  }
  return Join(lines, ";");
}

std::vector<Value> StoredNames::ToStored(int kind, const std::vector<Value>& fields) const {
  const KindNames& names = Kind(kind);
  SEGUE_CHECK(fields.size() == names.by_schema.size());
  std::vector<Value> stored(names.fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto to = static_cast<std::size_t>(names.by_schema[i]);
    const Type type = names.fields[to].type;
    const bool is_text = type == Type::kText || type == Type::kChoice;
    SEGUE_CHECK(fields[i].index() == 0 || fields[i].index() == (is_text ? 2U : 1U));
    stored[to] = fields[i];
  }
  return stored;
}

std::vector<Value> StoredNames::ToSchema(int kind, const std::vector<Value>& fields) const {
  std::vector<Value> result;
  ToSchema(kind, fields, result);
  return result;
}

void StoredNames::ToSchema(int kind, const std::vector<Value>& fields,
                           std::vector<Value>& result) const {
  const KindNames& names = Kind(kind);
  result.resize(names.by_schema.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const auto from = static_cast<std::size_t>(names.by_schema[i]);
    if (from < fields.size()) {
      result[i] = fields[from];
    } else {
      result[i] = Value();
    }
  }
}

// The parts of the text, matched from left to right: the whole content, or else the first field
// that fits each part.
std::vector<int> StoredNames::Parts(const Record& record, std::string_view customer_key) const {
  const KindNames& names = Kind(record.kind);
  std::vector<int> whole = {kPartCustomer, kPartTime};
  whole.insert(whole.end(), names.by_schema.begin(), names.by_schema.end());
  std::vector<int> parts;
  std::string_view rest = record.dedupe;
  while (true) {
    const std::size_t end = rest.find(kSeparator);
    const std::string_view part = rest.substr(0, end);
    int match = kPartTime - 1;
    for (std::size_t field = 0; field < names.fields.size() && match < kPartTime; ++field) {
      const Value& value = record.Field(static_cast<int>(field));
      // An empty text fits every missing field: only the whole content may use one.
      if (!part.empty() && FieldText(value) == part) {
        match = static_cast<int>(field);
      }
    }
    if (match < kPartTime && part == customer_key) {
      match = kPartCustomer;
    } else if (match < kPartTime && part == std::to_string(record.time)) {
      match = kPartTime;
    }
    if (match < kPartTime) {
      return whole;
    }
    parts.push_back(match);
    if (end == std::string_view::npos) {
      return parts;
    }
    rest.remove_prefix(end + 1);
  }
}

std::size_t StoredNames::RecipeFor(const Record& record, std::string_view customer_key) {
  KindNames& names = kinds_[static_cast<std::size_t>(record.kind)];
  for (std::size_t i = 0; i < names.recipes.size(); ++i) {
    // One field, which is a text: by far the most frequent.
    const std::vector<int>& parts = names.recipes[i];
    const auto* text = parts.size() == 1 && parts[0] >= 0
                           ? std::get_if<std::string>(&record.Field(parts[0]))
                           : nullptr;
    if (text != nullptr && *text == record.dedupe) {
      return i + 1;
    }
    if (text == nullptr && Compose(record, i + 1, customer_key) == record.dedupe) {
      return i + 1;
    }
  }
  if (names.recipes.size() >= kRecipesMax) {
    return 0;
  }
  std::vector<int> parts = Parts(record, customer_key);
  names.recipes.push_back(parts);
  if (Compose(record, names.recipes.size(), customer_key) != record.dedupe) {
    names.recipes.pop_back();
    return 0;
  }
  names.recipes.pop_back();
  AddRecipe(record.kind, parts);
  return names.recipes.size();
}

void StoredNames::AddRecipe(int kind, const std::vector<int>& parts) {
  std::vector<std::vector<int>>& recipes = kinds_[static_cast<std::size_t>(kind)].recipes;
  recipes.push_back(parts);
  ByteWriter bytes;
  for (const int part : parts) {
    bytes.Signed(part);
  }
  db_.Prepare("INSERT INTO ledger_recipe(kind, id, parts) VALUES (?, ?, ?)")
      .Bind(1, static_cast<std::int64_t>(kind))
      .Bind(2, static_cast<std::int64_t>(recipes.size()))
      .BindBlob(3, bytes.bytes())
      .Run();
}

std::size_t StoredNames::RecipeOf(int kind, const std::vector<int>& dedupe) {
  std::vector<int> parts;
  for (const int part : dedupe) {
    parts.push_back(part == kDedupeCustomer ? kPartCustomer
                    : part == kDedupeTime   ? kPartTime
                                            : Kind(kind).by_schema[static_cast<std::size_t>(part)]);
  }
  const std::vector<std::vector<int>>& recipes = Kind(kind).recipes;
  const auto found = std::find(recipes.begin(), recipes.end(), parts);
  if (found == recipes.end()) {
    if (recipes.size() >= kRecipesMax) {
      return 0;
    }
    AddRecipe(kind, parts);
    return recipes.size();
  }
  return static_cast<std::size_t>(found - recipes.begin()) + 1;
}

std::string StoredNames::Compose(const Record& record, std::size_t recipe,
                                 std::string_view customer_key) const {
  std::string text;
  bool first = true;
  for (const int part : Kind(record.kind).recipes[recipe - 1]) {
    if (!first) {
      text += kSeparator;
    }
    first = false;
    if (part == kPartCustomer) {
      text += customer_key;
    } else if (part == kPartTime) {
      text += std::to_string(record.time);
    } else {
      text += FieldText(record.Field(part));
    }
  }
  return text;
}

}  // namespace segue
