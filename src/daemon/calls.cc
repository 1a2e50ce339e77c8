#include "daemon/calls.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

// More than one call may not come at once: a batch of Segment's has at most 500 KB.
constexpr std::size_t kCallsMax = 10'000;
// Of a batch's sentAt, which goes into each of its calls: no time is longer.
constexpr std::size_t kTimeBytesMax = 64;

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Requires: `text` is JSON.  Behind the string that begins at `at`.
std::size_t BehindString(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    at += text[at] == '\\' ? 1 : 0;
  }
  return at + 1;
}

// Requires: `text` is JSON.  Behind the value that begins at `at`.
std::size_t BehindValue(std::string_view text, std::size_t at) {
  int depth = 0;
  do {
    const char c = text[at];
    if (c == '"') {
      at = BehindString(text, at);
      continue;
    }
    depth += c == '{' || c == '[' ? 1 : 0;
    depth -= c == '}' || c == ']' ? 1 : 0;
    ++at;
  } while (at < text.size() &&
           (depth > 0 || (!IsSpace(text[at]) &&
                          std::string_view(",]}").find(text[at]) == std::string_view::npos)));
  return std::min(at, text.size());
}

std::size_t BehindSpace(std::string_view text, std::size_t at) {
  while (at < text.size() && (IsSpace(text[at]) || text[at] == ',' || text[at] == ':')) {
    ++at;
  }
  return at;
}

// Requires: `list` is a list of JSON.
std::vector<std::string_view> EntriesAsText(std::string_view list) {
  std::vector<std::string_view> entries;
  for (std::size_t at = BehindSpace(list, 1); at + 1 < list.size(); at = BehindSpace(list, at)) {
    const std::size_t end = BehindValue(list, at);
    entries.push_back(list.substr(at, end - at));
    at = end;
  }
  return entries;
}

// Requires: `object` is an object of JSON.  Empty: it has no such key, or one written in escapes.
std::string_view ValueAsText(std::string_view object, std::string_view key) {
  for (std::size_t at = BehindSpace(object, 1); at + 1 < object.size();
       at = BehindSpace(object, at)) {
    const std::size_t name_end = BehindString(object, at);
    const std::string_view name = object.substr(at + 1, name_end - at - 2);
    at = BehindSpace(object, name_end);
    const std::size_t end = BehindValue(object, at);
    if (name == key) {
      return object.substr(at, end - at);
    }
    at = end;
  }
  return {};
}

struct Additions {
  std::string_view type;  // Empty: the call says it.
  std::string_view sent;  // As it stands in the batch, with its quotes; may be empty.
  std::string received;
};

std::string OneLine(std::string_view object, const Additions& more) {
  std::string line = "{";
  const auto add = [&](std::string_view key, std::string_view text) {
    line += fmt::format("{}\"{}\":{}", line.size() > 1 ? "," : "", key, text);
  };
  if (!more.type.empty() && ValueAsText(object, "type").empty()) {
    add("type", fmt::format("\"{}\"", more.type));
  }
  if (!more.sent.empty() && ValueAsText(object, "sentAt").empty()) {
    add("sentAt", more.sent);
  }
  if (!more.received.empty() && ValueAsText(object, "receivedAt").empty()) {
    add("receivedAt", fmt::format("\"{}\"", more.received));
  }
  const std::string_view rest = Trim(object).substr(1);
  if (line.size() > 1 && Trim(rest) != "}") {
    line += ",";
  }
  line += rest;
  // Between values only: within texts JSON has no line ends.
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return line;
}

Result<boost::json::value> Parsed(std::string_view body) {
  if (!IsUtf8(body)) {
    return Error("the body is not UTF-8");
  }
  boost::json::error_code problem;
  boost::json::value root = boost::json::parse(body, problem);
  if (problem) {
    return Error("the body is not JSON: " + problem.message());
  }
  return root;
}

}  // namespace

Result<std::vector<std::string>> LinesOfCalls(std::string_view type, std::string_view body,
                                              TimePoint received) {
  const Result<boost::json::value> root = Parsed(body);
  if (!root) {
    return root.error();
  }
  body = Trim(body);
  if (!root->is_object()) {
    return Error("a call is one object of JSON");
  }
  Additions more{.type = type, .sent = {}, .received = FormatTime(received)};
  if (type != "batch") {
    const boost::json::value* said = root->get_object().if_contains("type");
    if (said != nullptr && *said != boost::json::value(boost::json::string(type))) {
      return Error(fmt::format("the call's type is not {}, which the address says", type));
    }
    return std::vector{OneLine(body, more)};
  }
  const boost::json::value* calls = root->get_object().if_contains("batch");
  const std::string_view text = ValueAsText(body, "batch");
  if (calls == nullptr || !calls->is_array() || text.empty() ||
      calls->get_array().size() > kCallsMax) {
    return Error(fmt::format("`batch` is a list of at most {} calls", kCallsMax));
  }
  const std::vector<std::string_view> entries = EntriesAsText(text);
  if (entries.size() != calls->get_array().size()) {
    return Error("`batch` stands there more than once");
  }
  more.type = {};
  const std::string_view sent = ValueAsText(body, "sentAt");
  more.sent = sent.starts_with('"') && sent.size() <= kTimeBytesMax ? sent : std::string_view();
  std::vector<std::string> lines;
  for (const std::string_view call : entries) {
    if (!call.starts_with('{')) {
      return Error(fmt::format("call {} of the batch is no object", lines.size() + 1));
    }
    lines.push_back(OneLine(call, more));
  }
  return lines;
}

Result<std::vector<std::string>> LinesOfRows(std::string_view body) {
  const Result<boost::json::value> root = Parsed(body);
  if (!root) {
    return root.error();
  }
  body = Trim(body);
  std::vector<std::string_view> rows = {body};
  if (root->is_array()) {
    rows = EntriesAsText(body);
  }
  std::vector<std::string> lines;
  for (const std::string_view row : rows) {
    if (!row.starts_with('{')) {
      return Error(fmt::format("row {} is no object of JSON", lines.size() + 1));
    }
    lines.push_back(OneLine(row, {}));
  }
  return lines;
}

}  // namespace segue
