// Payloads to JSON and back.  The fields are listed once; both directions walk the list.

#include "outbox/payload.h"

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/text.h"

namespace segue {
namespace {

namespace json = boost::json;

using TextField = std::pair<const char*, std::string Payload::*>;
using MapField = std::pair<const char*, std::map<std::string, std::string> Payload::*>;

constexpr std::array<TextField, 17> kTexts = {{
    {"channel", &Payload::channel},
    {"template", &Payload::template_id},
    {"topic", &Payload::topic},
    {"from", &Payload::from},
    {"reply_to", &Payload::reply_to},
    {"to", &Payload::to},
    {"subject", &Payload::subject},
    {"html", &Payload::html},
    {"text", &Payload::text},
    {"title", &Payload::title},
    {"button", &Payload::button},
    {"link", &Payload::link},
    {"note", &Payload::note},
    {"assignee", &Payload::assignee},
    {"priority", &Payload::priority},
    {"account", &Payload::account},
    {"name", &Payload::name},
}};
constexpr std::array<MapField, 2> kMaps = {{
    {"headers", &Payload::headers},
    {"values", &Payload::values},
}};

}  // namespace

std::string PayloadToJson(const Payload& payload) {
  json::object object;
  for (const auto& [name, field] : kTexts) {
    if (!(payload.*field).empty()) {
      object[name] = payload.*field;
    }
  }
  for (const auto& [name, field] : kMaps) {
    if (!(payload.*field).empty()) {
      json::object map;
      for (const auto& [key, value] : payload.*field) {
        map[key] = value;
      }
      object[name] = std::move(map);
    }
  }
  if (payload.due != TimePoint{}) {
    object["due"] = ToMicros(payload.due);
  }
  return json::serialize(object);
}

Payload PayloadFromJson(std::string_view text) {
  json::parse_options options;
  options.allow_invalid_utf8 = true;  // What a template printed is stored as it is.
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error, {}, options);
  SEGUE_CHECK(!error && parsed.is_object());
  const json::object& object = parsed.get_object();
  Payload payload;
  for (const auto& [name, field] : kTexts) {
    if (const json::value* found = object.if_contains(name)) {
      payload.*field = std::string(found->as_string());
    }
  }
  for (const auto& [name, field] : kMaps) {
    if (const json::value* found = object.if_contains(name)) {
      for (const auto& entry : found->as_object()) {
        (payload.*field)[std::string(entry.key())] = std::string(entry.value().as_string());
      }
    }
  }
  if (const json::value* due = object.if_contains("due")) {
    payload.due = FromMicros(due->as_int64());
  }
  return payload;
}

std::string AddressKey(std::string_view header) {
  const std::size_t open = header.rfind('<');
  if (open != std::string_view::npos) {
    const std::size_t close = header.find('>', open);
    header = header.substr(open + 1, close == std::string_view::npos ? close : close - open - 1);
  }
  return ToLower(Trim(header));
}

}  // namespace segue
