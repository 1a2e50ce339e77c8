// StoredNames: numbers for kinds, fields and traits that are stored and never change, whatever
// happens to the files; and recipes, which say how a dedupe text can be put together again from the
// fields of its event, so that it need not be stored.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/schema.h"
#include "ledger/record.h"
#include "store/database.h"

namespace segue {

// A part of a recipe that is no field.
constexpr int kPartCustomer = -1;
constexpr int kPartTime = -2;

// How refunds of one kind find and reduce events of another; all numbers as stored.
struct Relation {
  int refund = 0;                           // The kind that reverses …
  int original = 0;                         // … this one.
  int by = 0;                               // Field of the refund that names the original …
  int of = 0;                               // … and the original's field that holds that name.
  std::vector<std::pair<int, int>> shared;  // Money fields: (original's, refund's).
};

struct KindNames {
  std::string name;
  int schema = -1;  // Index into Schema::events; -1: not in the files any more.

  struct Field {
    std::string name;
    Type type = Type::kText;
    int schema = -1;
  };

  std::vector<Field> fields;
  std::vector<int> by_schema;  // Stored field of each field of the schema.
  std::vector<std::vector<int>> recipes;
};

// Not `Names`, which the loader of documents has.
class StoredNames {
 public:
  // Requires: both outlive it.  Gives numbers to what is new in the schema.
  StoredNames(Database& db, const Schema& schema);

  int KindCount() const { return static_cast<int>(kinds_.size()); }

  const KindNames& Kind(int kind) const { return kinds_[static_cast<std::size_t>(kind)]; }

  int KindOf(int schema_event) const {
    return kind_by_schema_[static_cast<std::size_t>(schema_event)];
  }

  // Of customers and accounts, numbered as Schema::TraitAt.
  int TraitOf(int schema_trait) const {
    return trait_by_schema_[static_cast<std::size_t>(schema_trait)];
  }

  // -1: not in the files any more.
  int SchemaTrait(int trait) const;

  Type TraitType(int trait) const { return traits_[static_cast<std::size_t>(trait)].type; }

  const std::vector<Relation>& relations() const { return relations_; }

  // A text that changes when the relations do.
  std::string RelationsText() const;
  // A text that changes when a name of the files comes to mean another stored field.
  std::string FieldsText() const;

  // Stored order from schema order, and back.
  std::vector<Value> ToStored(int kind, const std::vector<Value>& fields) const;
  std::vector<Value> ToSchema(int kind, const std::vector<Value>& fields) const;
  // Into a list that is used again and again.
  void ToSchema(int kind, const std::vector<Value>& fields, std::vector<Value>& result) const;

  // Index + 1 of a recipe that makes this record's dedupe text, added if it is new; 0 when there is
  // none.
  std::size_t RecipeFor(const Record& record, std::string_view customer_key);
  // Of a source's dedupe fields as in DedupeText; 0 when there are too many recipes already.
  std::size_t RecipeOf(int kind, const std::vector<int>& dedupe);
  // Requires: the recipe exists.
  std::string Compose(const Record& record, std::size_t recipe,
                      std::string_view customer_key) const;

 private:
  void Load();
  void AddKind(int schema_event);
  void AddTraits();
  void FindRelations();
  void AddRecipe(int kind, const std::vector<int>& parts);
  std::vector<int> Parts(const Record& record, std::string_view customer_key) const;

  Database& db_;
  const Schema& schema_;
  std::vector<KindNames> kinds_;
  std::vector<int> kind_by_schema_;
  std::vector<FieldSpec> traits_;
  std::vector<int> trait_by_schema_;
  std::vector<Relation> relations_;
};

}  // namespace segue
