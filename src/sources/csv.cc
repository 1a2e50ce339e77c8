// A scanner over cells; nothing is copied but fields with doubled quotes.

#include "sources/csv.h"

#include <algorithm>

namespace segue {
namespace {

constexpr std::string_view kNotClosed = "a quote is not closed";
constexpr std::string_view kTooLong = "the row is longer than 1 MB";
constexpr std::string_view kAfterQuote = "text follows a closing quote";

std::int64_t CountLineEnds(std::string_view text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace

bool CsvParser::Next(std::string_view text, bool last) {
  row_.fields.clear();
  row_.lines = 0;
  row_.ended = false;
  row_.cut = false;
  row_.problem = {};
  cells_.clear();

  if (mode_ == Mode::kLines) {
    return NextLine(text, last);
  }
  const std::string_view window = text.substr(0, kCsvRowBytesMax);
  const bool whole = last && window.size() == text.size();
  std::size_t at = 0;
  for (;;) {
    const bool quoted = at < window.size() && window[at] == '"';
    switch (quoted ? ReadQuoted(window, whole, at) : ReadCell(window, whole, at)) {
      case After::kField:
        break;
      case After::kRow:
        SetFields(window);
        return true;
      case After::kMore:
        // Up to the limit the row may still end well.
        return (last || text.size() >= kCsvRowBytesMax) &&
               FirstLineOnly(text, last, quoted ? kNotClosed : kTooLong);
      case After::kBadQuote:
        return FirstLineOnly(text, last, kAfterQuote);
    }
  }
}

bool CsvParser::NextLine(std::string_view text, bool last) {
  if (!FirstLineOnly(text, last, {})) {
    return false;
  }
  if (row_.raw.find_first_not_of(" \t") != std::string_view::npos && row_.problem.empty()) {
    row_.fields.push_back(row_.raw);
  }
  return true;
}

// A cell without quotes, from `at` to the next comma or line end.
CsvParser::After CsvParser::ReadCell(std::string_view text, bool last, std::size_t& at) {
  std::size_t end = at;
  while (end < text.size() && text[end] != ',' && text[end] != '\n') {
    ++end;
  }
  if (end == text.size() && !last) {
    return After::kMore;
  }
  const bool more = end < text.size() && text[end] == ',';
  const bool carriage_return = !more && end > at && text[end - 1] == '\r';
  cells_.push_back({.begin = at, .end = carriage_return ? end - 1 : end});
  if (more) {
    at = end + 1;
    return After::kField;
  }
  row_.raw = text.substr(0, cells_.back().end);
  row_.ended = end < text.size();
  row_.bytes = row_.ended ? end + 1 : end;
  return After::kRow;
}

// A cell in quotes that opens at `at`, and the comma or line end behind it.
CsvParser::After CsvParser::ReadQuoted(std::string_view text, bool last, std::size_t& at) {
  Cell cell{.begin = at + 1, .end = at + 1, .quoted = true};
  for (;; cell.end += 2) {
    cell.end = text.find('"', cell.end);
    if (cell.end == std::string_view::npos) {
      return After::kMore;
    }
    if (cell.end + 1 == text.size() || text[cell.end + 1] != '"') {
      break;
    }
    cell.doubled = true;
  }
  row_.lines += CountLineEnds(text.substr(cell.begin, cell.end - cell.begin));
  cells_.push_back(cell);
  at = cell.end + 1;

  const std::string_view rest = text.substr(at, 2);
  if (rest.empty() || rest == "\r") {
    if (!last) {
      return After::kMore;
    }
    row_.raw = text.substr(0, at);
    row_.bytes = text.size();
    return After::kRow;
  }
  if (rest.front() == ',') {
    ++at;
    return After::kField;
  }
  if (rest.front() != '\n' && rest != "\r\n") {
    return After::kBadQuote;
  }
  row_.raw = text.substr(0, at);
  row_.ended = true;
  row_.bytes = at + (rest.front() == '\n' ? 1 : 2);
  return After::kRow;
}

// The row's quotes are wrong or it is too long: it ends with its first line.  False: that line has
// not ended yet.
bool CsvParser::FirstLineOnly(std::string_view text, bool last, std::string_view problem) {
  const std::string_view window = text.substr(0, kCsvRowBytesMax);
  const std::size_t end = window.find('\n');
  row_.ended = end != std::string_view::npos;
  if (!row_.ended && !last && text.size() < kCsvRowBytesMax) {
    return false;
  }
  row_.bytes = row_.ended ? end + 1 : window.size();
  row_.lines = row_.ended ? 1 : 0;
  row_.cut = !row_.ended && !(last && window.size() == text.size());
  row_.raw = window.substr(0, end);
  if (!row_.raw.empty() && row_.raw.back() == '\r') {
    row_.raw.remove_suffix(1);
  }
  row_.problem = row_.cut ? kTooLong : problem;
  return true;
}

void CsvParser::SetFields(std::string_view text) {
  row_.lines += row_.ended ? 1 : 0;
  if (row_.raw.empty()) {
    return;  // An empty line has no fields, not one empty field.
  }
  unquoted_.clear();
  for (const Cell& cell : cells_) {
    const std::string_view field = text.substr(cell.begin, cell.end - cell.begin);
    if (!cell.doubled) {
      row_.fields.push_back(field);
      continue;
    }
    // Reserved before the first is appended, so that the views stay where they point.
    unquoted_.reserve(row_.bytes);
    const std::size_t begin = unquoted_.size();
    for (std::size_t i = 0; i < field.size(); ++i) {
      unquoted_ += field[i];
      i += field[i] == '"' ? 1 : 0;
    }
    row_.fields.push_back(std::string_view(unquoted_).substr(begin));
  }
}

std::string CsvField(std::string_view text) {
  const bool plain = text.find_first_of(",\"\r\n") == std::string_view::npos;
  const bool edges = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  if (plain && !edges) {
    return std::string(text);
  }
  std::string field = "\"";
  for (const char c : text) {
    field += c;
    if (c == '"') {
      field += '"';
    }
  }
  return field + "\"";
}

}  // namespace segue
