#include "config/schema.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "config/connector_types.h"
#include "config/unbuilt.h"

namespace segue {
namespace {

namespace json = boost::json;

constexpr std::string_view kDraft = "http://json-schema.org/draft-07/schema#";
constexpr std::string_view kIdPattern = "^[A-Za-z_][A-Za-z0-9_]{0,63}$";

struct FormPattern {
  Form form;
  std::string_view pattern;
};

// What a regular expression can say of a form: at most what config/forms.cc takes, and never less.
// Whether there is such a zone, currency or day is asked by `segue check`.
constexpr std::array kPatterns = {
    FormPattern{Form::kId, kIdPattern},
    FormPattern{Form::kWord, R"(^[^ \n]+$)"},
    FormPattern{Form::kPercent, R"(^[0-9]+(\.[0-9]{1,2}0*)?%$)"},
    FormPattern{Form::kPercentRange,
                R"(^[0-9]+(\.[0-9]{1,2}0*)?% *\.\. *[0-9]+(\.[0-9]{1,2}0*)?%$)"},
    FormPattern{Form::kRange, R"(^[+-]?[0-9.]+ *\.\. *[+-]?[0-9]*\.?[0-9]+$)"},
    FormPattern{Form::kMoney, R"(^ *[+-]?[0-9.]+ +[A-Z]{3} *$)"},
    FormPattern{Form::kDuration, R"(^[0-9]+[mhdw]$)"},
    FormPattern{Form::kShortDuration, R"(^[0-9]+[smhdw]$)"},
    FormPattern{Form::kLongDuration, R"(^([0-9]+[mhdw]| *[0-9]+ +months? *)$)"},
    FormPattern{
        Form::kSchedule,
        R"(^([0-9]+[mhd]| *(day|week +on +[a-z]{3}|month +on +[0-9]{1,2}) +at +[0-9]{2}:[0-9]{2} *)$)"},
    FormPattern{Form::kClock, R"(^([01][0-9]|2[0-3]):[0-5][0-9]$)"},
    FormPattern{Form::kCurrency, R"(^[A-Z]{3}$)"},
    FormPattern{Form::kLimit, R"(^ *[0-9]+ +per +[0-9]+[mhdw] *$)"},
    FormPattern{Form::kRate, R"(^ *[0-9]+ +per +[0-9]+[smhdw] *$)"},
    FormPattern{Form::kOverlap, R"(^[0-9]+[mhdw]?$)"},
    FormPattern{Form::kBudget, R"(^ *[+-]?[0-9.]+ +[A-Z]{3} per month$)"},
    FormPattern{Form::kValid, R"(^([0-9]+[mhdw]| *[0-9]+ +months? *|end of month)$)"},
    FormPattern{Form::kReenter, R"(^(never|always|after +[0-9]+[mhdw] *)$)"},
    FormPattern{Form::kOnCap, R"(^(drop|wait +[0-9]+[mhdw] *)$)"},
    FormPattern{Form::kHold, R"(^([0-9]+[mhdw]| *[0-9]+ +runs? *)$)"},
    FormPattern{Form::kMoment,
                R"(^ *([0-9]+[mhdw] +(ago|ahead)|[0-9]{4}-[0-9]{2}-[0-9]{2}[^ ]* +[^ ]+) *$)"},
    FormPattern{Form::kSecret, R"(^(env|cred):[A-Za-z0-9_-][A-Za-z0-9_.-]*$)"},
    FormPattern{
        Form::kVendorThing,
        R"(^ *((segment|automation|email|event|workflow|flow) +[^ ]+|journey +[^ ]+/[^ ]*) *$)"},
    FormPattern{Form::kCodePattern, R"(\{\{ *[0-9]+ *\}\})"},
    FormPattern{Form::kFile, R"(^[^/\\][^\\]*$)"},
    FormPattern{Form::kUrl, R"(^https?://[^ "'<>]+$)"},
    FormPattern{Form::kServer, R"(^[^ /]+:[0-9]{1,5}$)"},
    FormPattern{Form::kAddress, R"(.@.)"},
    FormPattern{Form::kWeekdays,
                R"(^ *(mon|tue|wed|thu|fri|sat|sun)( *\.\. *(mon|tue|wed|thu|fri|sat|sun))? *$)"},
};

json::array WordsJson(std::string_view words) {
  json::array all;
  for (const std::string_view word : Split(words, ' ')) {
    all.emplace_back(word);
  }
  return all;
}

json::object OfPattern(std::string_view pattern) {
  return {{"type", "string"}, {"pattern", std::string(pattern)}};
}

json::object OneOf(json::object a, json::object b) {
  return {{"anyOf", json::array{std::move(a), std::move(b)}}};
}

json::object Reference(DocumentKind kind) {
  return {{"$ref", fmt::format("#/definitions/{}", KindName(kind))}};
}

json::object ListOf(json::object entry) {
  return {{"type", "array"}, {"items", std::move(entry)}};
}

// One value that is no map and no list.  Unquoted numbers are numbers to YAML and text to us.
json::object OfScalar(const KeySpec& spec) {
  switch (spec.form) {
    case Form::kChoice:
      return {{"enum", WordsJson(spec.values)}};
    case Form::kYesNo:
      return {{"enum", {"yes", "no"}}};
    case Form::kYes:
      return {{"enum", {"yes"}}};
    case Form::kRefit:
      return {{"enum", {"every run", "monthly", "quarterly", "never"}}};
    case Form::kCount:
      return OneOf({{"type", "integer"}, {"minimum", 0}}, OfPattern("^[0-9]+$"));
    case Form::kNumber:
      return OneOf({{"type", "number"}}, OfPattern(R"(^[+-]?[0-9.]+$)"));
    case Form::kOverlap:
      return OneOf({{"type", "integer"}, {"minimum", 0}}, OfPattern("^[0-9]+[mhdw]?$"));
    case Form::kType:
      return OneOf({{"enum", {"text", "number", "money", "time", "duration", "yes_no"}}},
                   ListOf({{"type", json::array{"string", "number"}}}));
    case Form::kSteps:
      return ListOf(Reference(DocumentKind::kStep));
    case Form::kFacts:
      return ListOf(Reference(DocumentKind::kFact));
    default:
      break;
  }
  const auto found = std::find_if(kPatterns.begin(), kPatterns.end(),
                                  [&](const FormPattern& one) { return one.form == spec.form; });
  if (found == kPatterns.end()) {
    return {{"type", json::array{"string", "number", "boolean"}}};
  }
  json::object one = OfPattern(found->pattern);
  if (spec.form == Form::kWord) {
    one["type"] = json::array{"string", "number"};  // `version: 3`
  }
  return one;
}

json::object WithMany(json::object one, const KeySpec& spec) {
  if (spec.many == Many::kOne) {
    return one;
  }
  json::object list = ListOf(one);
  if (spec.many == Many::kOneOrList || spec.standard == "required") {
    list["minItems"] = 1;
  }
  return spec.many == Many::kList ? list : OneOf(std::move(one), std::move(list));
}

std::string Described(DocumentKind kind, const KeySpec& spec) {
  std::string text(spec.meaning);
  if (spec.form != Form::kChoice && spec.form != Form::kName && spec.form != Form::kSteps) {
    text += fmt::format(" ({})", FormExpected(spec.form));
  }
  if (spec.form == Form::kName) {
    text += fmt::format(" ({})", spec.values.substr(0, spec.values.find('|')));
  }
  if (spec.standard != "-" && spec.standard != "required" && spec.standard != "conditional") {
    text += fmt::format(". Default: {}", spec.standard);
  }
  if (const auto what = UnbuiltKey(KindName(kind), spec.path, ""); !what.empty()) {
    text += ". Not built yet";
  }
  return text;
}

json::object OfNode(DocumentKind kind, const KeyNode& node);

json::object OfMap(DocumentKind kind, const KeyNode& node) {
  json::object properties;
  json::array required;
  for (const KeyNode& child : node.children) {
    properties[child.name] = OfNode(kind, child);
    if (child.spec != nullptr && child.spec->standard == "required") {
      required.emplace_back(child.name);
    }
  }
  json::object map{{"type", "object"}};
  if (!properties.empty()) {
    map["properties"] = std::move(properties);
  }
  if (!required.empty()) {
    map["required"] = std::move(required);
  }
  if (node.any == nullptr) {
    map["additionalProperties"] = false;
  } else {
    map["additionalProperties"] = OfNode(kind, *node.any);
    if (node.any->star_names == "new name") {
      map["propertyNames"] = {{"pattern", kIdPattern}};
    }
  }
  return map;
}

json::object OfNode(DocumentKind kind, const KeyNode& node) {
  json::object schema;
  if (node.item != nullptr) {
    schema = ListOf(OfMap(kind, *node.item));
  } else if (node.spec == nullptr) {
    schema = OfMap(kind, node);
  } else if (node.takes_map()) {
    schema = OneOf(WithMany(OfScalar(*node.spec), *node.spec), OfMap(kind, node));
  } else {
    schema = WithMany(OfScalar(*node.spec), *node.spec);
  }
  if (node.spec != nullptr) {
    schema["description"] = Described(kind, *node.spec);
  }
  return schema;
}

json::object OfDocument(DocumentKind kind) {
  json::object map = OfMap(kind, KeyTree(kind));
  map["title"] = fmt::format("Segue: {}", KindName(kind));
  return map;
}

json::object Definitions(const std::vector<DocumentKind>& kinds) {
  json::object all;
  for (const DocumentKind kind : kinds) {
    all[KindName(kind)] = OfDocument(kind);
  }
  return all;
}

}  // namespace

std::string DocumentSchema(DocumentKind kind) {
  json::object schema{{"$schema", kDraft}};
  for (auto& [key, value] : OfDocument(kind)) {
    schema[key] = value;
  }
  std::vector<DocumentKind> parts;
  if (kind == DocumentKind::kPlaybook) {
    parts = {DocumentKind::kStep};
  } else if (kind == DocumentKind::kTest) {
    parts = {DocumentKind::kSource, DocumentKind::kFact};
  }
  if (!parts.empty()) {
    schema["definitions"] = Definitions(parts);
  }
  return json::serialize(schema);
}

std::optional<std::string> ConnectorSchema(std::string_view type) {
  const auto keys = ConnectorKeys();
  const auto types =
      std::find_if(keys.begin(), keys.end(), [](const KeySpec& key) { return key.path == "type"; });
  const std::vector<std::string_view> known = Split(types->values, ' ');
  if (std::find(known.begin(), known.end(), type) == known.end() ||
      !UnbuiltKey("connector", "type", type).empty()) {
    return std::nullopt;
  }
  json::object secrets;
  json::array required;
  for (const AuthKey& key : AuthKeys()) {
    if (key.type == type) {
      json::object one = OfScalar(KeySpec{"auth", Form::kSecret, "-", ""});
      one["description"] = fmt::format("It {}", key.meaning);
      secrets[key.name] = std::move(one);
      if (key.required) {
        required.emplace_back(key.name);
      }
    }
  }
  json::object auth{
      {"type", "object"}, {"properties", std::move(secrets)}, {"additionalProperties", false}};
  json::object schema{{"$schema", kDraft}};
  for (auto& [key, value] : OfDocument(DocumentKind::kConnector)) {
    schema[key] = value;
  }
  schema["title"] = fmt::format("Segue: connector of type {}", type);
  if (!required.empty()) {
    auth["required"] = std::move(required);
    schema["required"].as_array().emplace_back("auth");
  }
  json::object& properties = schema["properties"].as_object();
  properties["type"] = {{"const", std::string(type)}};
  properties["auth"] = std::move(auth);
  json::object& match = properties["match"].as_object()["properties"].as_object();
  if (const std::optional<std::string_view> field = AccountFieldOf(type); !field) {
    match.erase("account");
  } else if (!field->empty()) {
    match["account"].as_object()["enum"] = json::array{*field};
  }
  return json::serialize(schema);
}

std::string AnyDocumentSchema() {
  std::vector<DocumentKind> kinds;
  json::array choices;
  for (int i = 0; i < kDocumentKinds; ++i) {
    kinds.push_back(static_cast<DocumentKind>(i));
    choices.emplace_back(Reference(kinds.back()));
  }
  kinds.push_back(DocumentKind::kStep);
  kinds.push_back(DocumentKind::kFact);
  // A kind's own first key is required by it and unknown to most others; the layout of a template
  // is the one word that is both, and `template` is unknown to a layout.
  return json::serialize(json::object{{"$schema", kDraft},
                                      {"title", "Segue: a document"},
                                      {"oneOf", std::move(choices)},
                                      {"definitions", Definitions(kinds)}});
}

}  // namespace segue
