// Puts what the vendors say of an event where the Segment shape has it.

#include "sources/export_lines.h"

#include <charconv>
#include <utility>

#include "base/time.h"
#include "base/zone.h"

namespace segue {
namespace {

constexpr std::string_view kDevice = "$device:";  // Before the ids of those who did not log in.
// Seconds up to the year 5138; what is larger counts milliseconds.
constexpr std::int64_t kSecondsMax = 100'000'000'000;

void Say(JsonFields& fields, std::string_view name, std::string text) {
  JsonField& field = fields[std::string(name)];
  field.kind = JsonField::Kind::kText;
  field.text = std::move(text);
}

std::string TextIn(const JsonFields& fields, std::string_view name) {
  const auto found = fields.find(name);
  const bool plain = found != fields.end() && found->second.kind != JsonField::Kind::kNested;
  return plain ? found->second.text : std::string();
}

// Microseconds since 1970; nothing for what is no such number.
std::optional<std::int64_t> MicrosOf(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size() || number < 0 ||
      number > kSecondsMax * 1000) {
    return std::nullopt;
  }
  return number * (number < kSecondsMax ? 1'000'000 : 1000);
}

RowResult<bool> MixpanelCall(JsonFields& fields, const Source& source) {
  const std::string time = TextIn(fields, "properties.time");
  const std::optional<std::int64_t> micros = MicrosOf(time);
  if (!micros) {
    return RowProblem("properties.time", "it is not the time in seconds since 1970");
  }
  std::string user = TextIn(fields, "properties.$user_id");
  user = user.empty() ? TextIn(fields, "properties.distinct_id") : user;
  Say(fields, "type", "track");
  Say(fields, "userId", user.starts_with(kDevice) ? "" : user);
  Say(fields, "messageId", TextIn(fields, "properties.$insert_id"));
  Say(fields, "timestamp", FormatTime(source.timezone.ToUtc(LocalTime{*micros})));
  return true;
}

RowResult<bool> AmplitudeCall(JsonFields& fields, const Source& /*source*/) {
  const std::string time = TextIn(fields, "event_time");
  const std::string id = TextIn(fields, "$insert_id");
  if (time.empty()) {
    return RowProblem("event_time", "the line does not say when it happened");
  }
  Say(fields, "type", "track");
  Say(fields, "event", TextIn(fields, "event_type"));
  Say(fields, "userId", TextIn(fields, "user_id"));
  Say(fields, "messageId", id.empty() ? TextIn(fields, "uuid") : id);
  Say(fields, "timestamp", time + "Z");  // It is UTC, and does not say so.
  return true;
}

}  // namespace

const CallShape kMixpanelCalls = {"properties.", MixpanelCall};
const CallShape kAmplitudeCalls = {"event_properties.", AmplitudeCall};

}  // namespace segue
