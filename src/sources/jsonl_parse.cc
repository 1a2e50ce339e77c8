// From one line of text to its fields: a handler for Boost's JSON parser that keeps texts.

#include <charconv>
#include <memory>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include "sources/jsonl.h"

namespace segue {
namespace {

namespace json = boost::json;

// 1.5e3 as 1500, -25e-1 as -2.5; as it is written where that would take too many digits.
std::string PlainNumber(std::string text) {
  const std::size_t mark = text.find_first_of("eE");
  if (mark == std::string::npos) {
    return text;
  }
  const std::size_t sign = text.at(mark + 1) == '+' ? 1 : 0;
  int exponent = 0;
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data() + mark + 1 + sign, end, exponent);
  if (problem != std::errc() || stop != end || exponent > kJsonExponentMax ||
      exponent < -kJsonExponentMax || mark > kJsonPathBytesMax) {
    return text;
  }
  const bool minus = text.front() == '-';
  std::string digits = text.substr(minus ? 1 : 0, mark - (minus ? 1 : 0));
  std::size_t point = digits.find('.');
  if (point == std::string::npos) {
    point = digits.size();
  } else {
    digits.erase(point, 1);
  }
  // The point moves right by `exponent`, over zeros where the digits end.
  for (; exponent > 0; --exponent) {
    ++point;
    if (point > digits.size()) {
      digits += '0';
    }
  }
  for (; exponent < 0; ++exponent) {
    if (point == 0) {
      digits.insert(0, 1, '0');
    } else {
      --point;
    }
  }
  if (point < digits.size()) {
    digits.insert(point, 1, '.');
  }
  if (digits.front() == '.') {
    digits.insert(0, 1, '0');
  }
  return minus ? "-" + digits : digits;
}

// What Boost's parser calls.  Returning false ends the parse; problem_ then says why.
class Handler {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  bool on_document_begin(json::error_code& /*ec*/) { return true; }

  bool on_document_end(json::error_code& /*ec*/) { return true; }

  bool on_object_begin(json::error_code& ec) {
    if (lists_ > 0) {
      return true;
    }
    if (!prefixes_.empty() && !Keep(JsonField::Kind::kNested, {}, ec)) {
      return false;
    }
    prefixes_.push_back(path_.size());
    return true;
  }

  bool on_object_end(std::size_t /*size*/, json::error_code& /*ec*/) {
    if (lists_ == 0) {
      path_.resize(prefixes_.back());
      prefixes_.pop_back();
    }
    return true;
  }

  bool on_array_begin(json::error_code& ec) {
    if (lists_ == 0 && !Keep(JsonField::Kind::kNested, {}, ec)) {
      return false;
    }
    ++lists_;
    return true;
  }

  bool on_array_end(std::size_t /*size*/, json::error_code& /*ec*/) {
    --lists_;
    return true;
  }

  bool on_key_part(json::string_view part, std::size_t /*size*/, json::error_code& /*ec*/) {
    text_.append(part.data(), part.size());
    return true;
  }

  bool on_key(json::string_view part, std::size_t /*size*/, json::error_code& /*ec*/) {
    text_.append(part.data(), part.size());
    if (lists_ == 0) {
      path_.resize(prefixes_.back());
      path_ += path_.empty() ? "" : ".";
      path_ += text_;
    }
    text_.clear();
    return true;
  }

  bool on_string_part(json::string_view part, std::size_t /*size*/, json::error_code& /*ec*/) {
    text_.append(part.data(), part.size());
    return true;
  }

  bool on_string(json::string_view part, std::size_t /*size*/, json::error_code& ec) {
    text_.append(part.data(), part.size());
    return Value(JsonField::Kind::kText, std::exchange(text_, {}), ec);
  }

  bool on_number_part(json::string_view part, json::error_code& /*ec*/) {
    text_.append(part.data(), part.size());
    return true;
  }

  bool on_int64(std::int64_t /*value*/, json::string_view part, json::error_code& ec) {
    return Number(part, ec);
  }

  bool on_uint64(std::uint64_t /*value*/, json::string_view part, json::error_code& ec) {
    return Number(part, ec);
  }

  bool on_double(double /*value*/, json::string_view part, json::error_code& ec) {
    return Number(part, ec);
  }

  bool on_bool(bool value, json::error_code& ec) {
    return Value(JsonField::Kind::kYesNo, value ? "true" : "false", ec);
  }

  bool on_null(json::error_code& ec) { return Value(JsonField::Kind::kNull, {}, ec); }

  bool on_comment_part(json::string_view /*part*/, json::error_code& /*ec*/) { return true; }

  bool on_comment(json::string_view /*part*/, json::error_code& /*ec*/) { return true; }

  const std::string& problem() const { return problem_; }

  const std::string& path() const { return path_; }

  JsonFields fields;

 private:
  bool Number(json::string_view part, json::error_code& ec) {
    text_.append(part.data(), part.size());
    return Value(JsonField::Kind::kNumber, PlainNumber(std::exchange(text_, {})), ec);
  }

  bool Value(JsonField::Kind kind, std::string text, json::error_code& ec) {
    return lists_ > 0 || Keep(kind, std::move(text), ec);
  }

  bool Keep(JsonField::Kind kind, std::string text, json::error_code& ec) {
    if (prefixes_.empty()) {
      return Refuse("the line is not a JSON object", ec);
    }
    if (text.find('\0') != std::string::npos) {
      return Refuse("the field has a zero byte", ec);
    }
    if (path_.size() > kJsonPathBytesMax) {
      return true;
    }
    if (fields.size() >= kJsonFieldsMax) {
      return Refuse(fmt::format("the line has more than {} fields", kJsonFieldsMax), ec);
    }
    const bool fresh = fields.try_emplace(path_, JsonField{kind, std::move(text)}).second;
    return fresh || Refuse("the field stands twice", ec);
  }

  bool Refuse(std::string problem, json::error_code& ec) {
    problem_ = std::move(problem);
    ec = json::error::syntax;  // Only to end the parse: problem_ is what is said.
    return false;
  }

  std::string path_;                   // Of the value that comes next.
  std::vector<std::size_t> prefixes_;  // For each open object, the size of its own path.
  int lists_ = 0;                      // Open lists; objects within them are not followed.
  std::string text_;
  std::string problem_;
};

}  // namespace

RowResult<JsonFields> ParseJsonLine(std::string_view line) {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::basic_parser<Handler> parser(options);
  json::error_code problem;
  const std::size_t read = parser.write_some(false, line.data(), line.size(), problem);
  Handler& handler = parser.handler();
  if (!handler.problem().empty()) {
    return RowProblem(handler.path().substr(0, kJsonPathBytesMax), handler.problem());
  }
  if (!problem && read < line.size()) {
    problem = json::error::extra_data;
  }
  if (problem == json::error::too_deep) {
    return RowProblem("", fmt::format("the line nests deeper than {} levels", kJsonDepthMax));
  }
  if (problem) {
    return RowProblem(
        "", fmt::format("the line is not JSON: {} at byte {}", problem.message(), read + 1));
  }
  return std::move(handler.fields);
}

}  // namespace segue
