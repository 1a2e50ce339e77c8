#include "cli/terminal.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <unistd.h>

#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"
#include "base/visible.h"

namespace segue {
namespace {

bool WantsColour(int file) {
  return isatty(file) == 1 && std::getenv("NO_COLOR") == nullptr;  // NOLINT(concurrency-mt-unsafe)
}

std::string Padded(const std::string& text, std::size_t width, bool right) {
  const std::size_t has = DisplayWidth(text);
  const std::string space(width > has ? width - has : 0, ' ');
  return right ? space + text : text + space;
}

}  // namespace

bool OutputHasColour() {
  return WantsColour(STDOUT_FILENO);
}

bool ErrorHasColour() {
  return WantsColour(STDERR_FILENO);
}

std::string Coloured(std::string_view text, Colour colour, bool on) {
  if (!on) {
    return std::string(text);
  }
  const char* code = "";
  switch (colour) {
    case Colour::kRed:
      code = "31";
      break;
    case Colour::kGreen:
      code = "32";
      break;
    case Colour::kYellow:
      code = "33";
      break;
    case Colour::kDim:
      code = "2";
      break;
    case Colour::kBold:
      code = "1";
      break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Table::Table(std::vector<std::string> columns) {
  for (std::string& column : columns) {
    const bool right = column.starts_with('>');
    right_.push_back(right);
    names_.push_back(right ? column.substr(1) : std::move(column));
  }
}

void Table::Row(std::vector<std::string> cells) {
  SEGUE_CHECK(cells.size() == names_.size());
  for (std::string& cell : cells) {
    cell = Visible(cell);
  }
  rows_.push_back(std::move(cells));
}

std::string Table::Text() const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < names_.size(); ++column) {
    std::size_t width = DisplayWidth(names_[column]);
    for (const auto& row : rows_) {
      width = std::max(width, DisplayWidth(row[column]));
    }
    widths.push_back(width);
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t column = 0; column < cells.size(); ++column) {
      text += (column == 0 ? "" : "  ") + Padded(cells[column], widths[column], right_[column]);
    }
    return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  };
  std::string text = line(names_);
  for (const auto& row : rows_) {
    text += line(row);
  }
  return text;
}

std::string Table::Markdown() const {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const std::string& cell : cells) {
      std::string plain(Trim(cell));
      for (std::size_t at = 0; (at = plain.find('|', at)) != std::string::npos; at += 2) {
        plain.insert(at, "\\");
      }
      text += " " + plain + " |";
    }
    return text + "\n";
  };
  std::string text = line(names_) + "|";
  for (const bool right : right_) {
    text += right ? " ---: |" : " --- |";
  }
  text += "\n";
  for (const auto& row : rows_) {
    text += line(row);
  }
  return text;
}

void Sheet::Heading(std::string_view text) {
  if (!text_.empty()) {
    text_ += '\n';
  }
  text_.append(markdown_ ? "## " : "").append(Visible(text)).append(markdown_ ? "\n\n" : "\n");
}

void Sheet::Line(std::string_view text) {
  text_.append(Visible(text)).append(markdown_ ? "\n\n" : "\n");
}

void Sheet::Add(const Table& table) {
  text_ += markdown_ ? table.Markdown() + "\n" : table.Text();
}

void Sheet::AddApart(const Table& table) {
  text_ += markdown_ ? "" : "\n";
  Add(table);
  text_ += markdown_ ? "" : "\n";
}

std::string Grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, " ");
  }
  return digits;
}

std::string Counted(std::int64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}{}", Grouped(number), number == 1 || many.empty() ? one : many,
                     number == 1 || !many.empty() ? "" : "s");
}

std::string Percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string Bar(double share, int width) {
  const int eighths = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * width * 8));
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) {
    bar += "█";
  }
  constexpr const char* kParts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  return bar + kParts[eighths % 8];
}

HeldOutput::HeldOutput() : output_(stdout) {
  std::FILE* const held = open_memstream(&text_, &size_);
  if (held == nullptr) {
    throw std::bad_alloc();
  }
  stdout = held;
}

HeldOutput::~HeldOutput() {
  std::fclose(stdout);
  stdout = output_;
  std::fwrite(text_, 1, size_, stdout);
  std::free(text_);  // NOLINT(cppcoreguidelines-no-malloc): as open_memstream wants it.
}

ProgressLine::ProgressLine(bool lines) : terminal_(isatty(STDERR_FILENO) == 1), lines_(lines) {}

ProgressLine::~ProgressLine() {
  Finish();
}

void ProgressLine::Show(std::string_view what, std::int64_t done, std::int64_t all) {
  const double share = all <= 0 ? 0 : static_cast<double>(done) / static_cast<double>(all);
  last_ = fmt::format("{} {:3.0f} %", what, 100 * share);
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{:<24} {}", last_, Bar(share, 30));
    std::fflush(stderr);
    drawn_ = true;
  } else if (const int tenths = static_cast<int>(10 * share); lines_ && tenths != tenths_) {
    fmt::print(stderr, "{}\n", last_);
    tenths_ = tenths;
  }
}

void ProgressLine::Finish() {
  if (drawn_) {
    fmt::print(stderr, "\r\x1b[K");
    drawn_ = false;
  }
}

}  // namespace segue
