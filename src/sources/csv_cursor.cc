// The cursor as JSON.

#include "sources/csv_cursor.h"

#include <charconv>
#include <exception>
#include <map>
#include <stdexcept>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace segue {
namespace {

namespace json = boost::json;

// Thrown and caught in this file: json::value::at throws too, and one way out is enough.
FileState ReadState(const json::object& object) {
  FileState state;
  state.path = json::value_to<std::string>(object.at("path"));
  state.bytes = object.at("bytes").to_number<std::uint64_t>();
  state.changed = object.at("changed").to_number<std::int64_t>();
  state.position.at = object.at("at").to_number<std::uint64_t>();
  state.position.line = object.at("line").to_number<std::int64_t>();
  const json::string& hex = object.at("fingerprint").as_string();
  const auto [end, problem] =
      std::from_chars(hex.data(), hex.data() + hex.size(), state.position.fingerprint, 16);
  if (problem != std::errc() || end != hex.data() + hex.size()) {
    throw std::invalid_argument("fingerprint");
  }
  state.done = object.contains("done");
  state.waits = object.contains("waits");
  state.checked = object.contains("checked");
  if (const json::value* header = object.if_contains("header")) {
    state.header = json::value_to<std::string>(*header);
  }
  return state;
}

json::object WriteState(const FileState& state) {
  json::object object;
  object["path"] = state.path;
  object["bytes"] = state.bytes;
  object["changed"] = state.changed;
  object["at"] = state.position.at;
  object["line"] = state.position.line;
  object["fingerprint"] = fmt::format("{:x}", state.position.fingerprint);
  if (state.done) {
    object["done"] = true;
  }
  if (state.waits) {
    object["waits"] = true;
  }
  if (state.checked) {
    object["checked"] = true;
  }
  if (!state.header.empty()) {
    object["header"] = state.header;
  }
  return object;
}

}  // namespace

Result<CsvCursor> CsvCursor::FromText(std::string_view text) {
  CsvCursor cursor;
  if (text.empty()) {
    return cursor;
  }
  try {
    const json::value root = json::parse(json::string_view(text.data(), text.size()));
    for (const json::value& file : root.as_object().at("files").as_array()) {
      cursor.files_.push_back(ReadState(file.as_object()));
    }
    cursor.lacks_ = LacksIn(text);
  } catch (const std::exception&) {
    return Error(
        "the stored position of this source cannot be read; forget it to read its files anew");
  }
  return cursor;
}

std::string CsvCursor::ToText() const {
  json::array files;
  for (const FileState& state : files_) {
    // A file that nothing was read of needs no memory of it.
    if (state.done || state.waits || state.position != CsvPosition()) {
      files.push_back(WriteState(state));
    }
  }
  json::object root{{"files", std::move(files)}};
  if (!lacks_.empty()) {
    root["lacks"] = json::value_from(lacks_);
  }
  return json::serialize(root);
}

std::vector<std::string> LacksIn(std::string_view cursor) {
  json::error_code problem;
  const json::value root = json::parse(json::string_view(cursor.data(), cursor.size()), problem);
  const json::object* object = problem ? nullptr : root.if_object();
  const json::value* lacks = object == nullptr ? nullptr : object->if_contains("lacks");
  std::vector<std::string> words;
  if (lacks != nullptr && lacks->is_array()) {
    for (const json::value& one : lacks->get_array()) {
      words.emplace_back(one.is_string() ? one.get_string().c_str() : "");
    }
  }
  return words;
}

void CsvCursor::Follow(std::span<const FileReader::Info> listing) {
  std::map<std::string_view, FileState*> known;
  for (FileState& state : files_) {
    known[state.path] = &state;
  }
  std::vector<FileState> followed;
  followed.reserve(listing.size());
  for (const FileReader::Info& info : listing) {
    const auto found = known.find(info.path);
    if (found == known.end()) {
      FileState& state = followed.emplace_back();
      state.path = info.path;
      state.bytes = info.bytes;
      state.changed = info.changed;
    } else {
      followed.push_back(std::move(*found->second));
      known.erase(found);
    }
  }
  files_ = std::move(followed);
}

}  // namespace segue
