// Which column of a file's header fills what: the part of RowReader that runs once per file.

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "domain/dedupe.h"
#include "sources/csv_row.h"

namespace segue {

Result<RowReader> RowReader::Make(const Source& source, const Workspace& workspace,
                                  std::span<const std::string_view> header) {
  RowReader reader(source, workspace);
  for (const std::string_view name : header) {
    reader.header_.emplace_back(Trim(name));
  }
  if (std::optional<Error> error = reader.FindColumns()) {
    return *error;
  }
  return reader;
}

std::optional<Error> RowReader::FindColumns() {
  if (!source_.emits_event && !source_.emits_customer && !source_.emits_account) {
    return Error("a source of rows gives events, or the traits of customers or accounts");
  }
  const EventSpec* event = nullptr;
  if (source_.emits_event) {
    event = &workspace_.schema.events[static_cast<std::size_t>(*source_.emits_event)];
  }
  const std::vector<FieldSpec>& fields = event ? event->fields
                                         : source_.emits_customer
                                             ? workspace_.schema.customer_traits
                                             : workspace_.schema.account_traits;

  subject_ = event                    ? std::string_view(event->name)
             : source_.emits_customer ? std::string_view("customer")
                                      : std::string_view("account");
  const std::string& key_name =
      source_.emits_account ? workspace_.account_key : workspace_.customer_key;
  const ColumnMap* key = FindMap(key_name);
  const Result<std::size_t> customer =
      FindColumn(key ? std::string_view(Trim(key->expression)) : key_name,
                 key                     ? "map: " + key_name
                 : source_.emits_account ? "the account's key"
                                         : "the customer's key");
  if (!customer) {
    return customer.error();
  }
  customer_ = *customer;
  const Result<std::size_t> time = FindColumn(source_.time_column, "time");
  if (!time) {
    return time.error();
  }
  time_ = *time;
  if (event && !source_.version_column.empty()) {
    const Result<std::size_t> version = FindColumn(source_.version_column, "version");
    if (!version) {
      return version.error();
    }
    version_ = *version;
  }
  std::optional<Error> error = CheckMapTargets(fields);
  if (!error) {
    error = FindInputs(fields);
  }
  if (!error) {
    error = FindCurrency();
  }
  return !error && event ? FindDedupe(*event) : error;
}

std::optional<Error> RowReader::CheckMapTargets(const std::vector<FieldSpec>& fields) const {
  std::vector<std::string> targets = {workspace_.customer_key, workspace_.account_key};
  for (const FieldSpec& field : fields) {
    targets.push_back(field.name);
  }
  for (const ColumnMap& map : source_.map) {
    if (std::find(targets.begin(), targets.end(), map.target) == targets.end()) {
      const std::optional<std::string> near = Nearest(map.target, targets);
      return Error(fmt::format("map fills {:?}, which is not declared{}", map.target,
                               near ? fmt::format("; did you mean {:?}?", *near) : ""));
    }
  }
  return std::nullopt;
}

std::optional<Error> RowReader::FindInputs(const std::vector<FieldSpec>& fields) {
  bool any = false;
  const auto allows = [&](const std::map<std::string, int>& asked) {
    return source_.emits_customer && std::any_of(asked.begin(), asked.end(), [&](const auto& one) {
             return one.second == static_cast<int>(inputs_.size());
           });
  };
  for (const FieldSpec& field : fields) {
    Input input;
    if (const ColumnMap* map = FindMap(field.name)) {
      Result<Input> found = FindInput(*map, field);
      if (!found) {
        return found.error();
      }
      input = std::move(*found);
    } else if (FindHeader(field.name)) {
      const Result<std::size_t> column = FindColumn(field.name, "a field");
      if (!column) {
        return column.error();
      }
      input.column = *column;
      input.text = field.name;
    }
    input.field = &field;
    input.index = static_cast<int>(inputs_.size());
    input.is_consent = allows(workspace_.consent) || allows(workspace_.topic_consent);
    any = any || input.column || input.formula;
    inputs_.push_back(std::move(input));
  }
  if (!any && !source_.emits_event) {
    return Error(fmt::format("{} names no trait of {}, and map fills none", Header(),
                             source_.emits_account ? "accounts" : "customers"));
  }
  return std::nullopt;
}

Result<RowReader::Input> RowReader::FindInput(const ColumnMap& map, const FieldSpec& field) const {
  Input input;
  input.text = Trim(map.expression);
  // The whole text may be the name of a column that is not a word, such as "Order Date".
  const Result<Formula> formula = Formula::Parse(input.text);
  if (FindHeader(input.text) || (formula && formula->is_column())) {
    const Result<std::size_t> column = FindColumn(input.text, "map: " + map.target);
    if (!column) {
      return column.error();
    }
    input.column = *column;
    return input;
  }
  if (!formula) {
    return Error(fmt::format("map: {}: {}", map.target, formula.error().message()));
  }
  if (field.type != Type::kNumber && field.type != Type::kMoney) {
    return Error(
        fmt::format("map: {}: arithmetic gives a number, and {} is declared as another type",
                    map.target, map.target));
  }
  for (const std::string& name : formula->columns()) {
    const Result<std::size_t> column = FindColumn(name, "map: " + map.target);
    if (!column) {
      return column.error();
    }
    input.formula_columns.push_back(*column);
  }
  input.formula = *formula;
  return input;
}

std::optional<Error> RowReader::FindCurrency() {
  const bool has_money = std::any_of(inputs_.begin(), inputs_.end(), [](const Input& input) {
    return input.field->type == Type::kMoney && (input.column || input.formula);
  });
  if (!has_money) {
    return std::nullopt;
  }
  if (source_.currency_column.empty()) {
    return source_.currency.empty()
               ? std::optional(
                     Error("amounts are read: `currency` must name a currency or its column"))
               : std::nullopt;
  }
  const Result<std::size_t> column = FindColumn(source_.currency_column, "currency");
  if (!column) {
    return column.error();
  }
  currency_ = *column;
  return std::nullopt;
}

std::optional<Error> RowReader::FindDedupe(const EventSpec& event) {
  for (const std::string& name : source_.dedupe) {
    const std::optional<int> field = event.FindField(name);
    const bool is_time = name == source_.time_column || name == "time";
    if (field) {
      const Input& input = inputs_[static_cast<std::size_t>(*field)];
      if (!input.column && !input.formula) {
        return FindColumn(name, "dedupe").error();
      }
      dedupe_.push_back(*field);
      dedupe_column_ = dedupe_column_.empty() ? input.text : dedupe_column_;
    } else if (name == workspace_.customer_key || is_time) {
      dedupe_.push_back(is_time ? kDedupeTime : kDedupeCustomer);
    } else {
      return Error(fmt::format("dedupe names {:?}, which is no field of {}", name, event.name));
    }
  }
  return std::nullopt;
}

std::vector<std::string> RowReader::Lacks() const {
  std::vector<std::string> unused;
  for (std::size_t column = 0; column < header_.size(); ++column) {
    const bool is_used =
        column == customer_ || column == time_ || column == currency_ || column == version_ ||
        std::any_of(inputs_.begin(), inputs_.end(), [&](const Input& input) {
          return input.column == column ||
                 std::count(input.formula_columns.begin(), input.formula_columns.end(), column) > 0;
        });
    if (!is_used) {
      unused.push_back(header_[column]);
    }
  }
  std::vector<std::string> lacks;
  for (const Input& input : inputs_) {
    if (input.column || input.formula) {
      continue;
    }
    const std::optional<std::string> near = Nearest(input.field->name, unused);
    if (source_.emits_event || input.is_consent || near) {
      lacks.push_back(fmt::format("{} has no column {:?}: nothing says {}.{}{}{}", Header(),
                                  input.field->name, subject_, input.field->name,
                                  input.is_consent ? ", which consent asks" : "",
                                  near ? fmt::format("; did you mean {:?}?", *near) : ""));
    }
  }
  return lacks;
}

// What names the columns, for people.
std::string_view RowReader::Header() const {
  return source_.type == SourceType::kSql ? "the query" : "the header";
}

Result<std::size_t> RowReader::FindColumn(std::string_view name, std::string_view wanted_by) const {
  const std::optional<std::size_t> column = FindHeader(name);
  if (column) {
    if (std::count(header_.begin(), header_.end(), name) > 1) {
      return Error(fmt::format("{} has two columns {:?} ({})", Header(), name, wanted_by));
    }
    return *column;
  }
  std::string message = fmt::format("{} has no column {:?} ({})", Header(), name, wanted_by);
  if (const std::optional<std::string> near = Nearest(name, header_)) {
    message += fmt::format("; did you mean {:?}?", *near);
  } else if (header_.size() == 1 && header_[0].find_first_of(";\t|") != std::string::npos) {
    message += "; columns are separated by commas";
  }
  return Error(message);
}

std::optional<std::size_t> RowReader::FindHeader(std::string_view name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  return found == header_.end() ? std::nullopt
                                : std::optional(static_cast<std::size_t>(found - header_.begin()));
}

const ColumnMap* RowReader::FindMap(std::string_view target) const {
  for (const ColumnMap& map : source_.map) {
    if (map.target == target) {
      return &map;
    }
  }
  return nullptr;
}

}  // namespace segue
