// What a person sees: aligned tables, bars, progress, and colour only on a terminal.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace segue {

enum class Colour { kRed, kGreen, kYellow, kDim, kBold };

// Whether standard output (or error) is a terminal that wants colour: not with NO_COLOR set.
bool OutputHasColour();
bool ErrorHasColour();
std::string Coloured(std::string_view text, Colour colour, bool on);

// Columns as wide as their widest cell, two spaces apart; numbers to the right.  Cells and lines
// may hold what came from anywhere: control characters in them are written out (Visible).
class Table {
 public:
  // A name that begins with '>' is a column of numbers.
  explicit Table(std::vector<std::string> columns);
  void Row(std::vector<std::string> cells);
  std::string Text() const;
  std::string Markdown() const;

 private:
  std::vector<std::string> names_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

// Headings, sentences and tables, for a terminal or as Markdown.
class Sheet {
 public:
  explicit Sheet(bool markdown) : markdown_(markdown) {}

  void Heading(std::string_view text);
  void Line(std::string_view text);
  void Add(const Table& table);
  // The same with an empty line before and after it, among sentences.
  void AddApart(const Table& table);

  const std::string& text() const { return text_; }

 private:
  bool markdown_;
  std::string text_;
};

// "1 error", "12 345 errors"; `many` where an s will not do.
std::string Counted(std::int64_t number, std::string_view one, std::string_view many = {});
// "12 345"
std::string Grouped(std::int64_t number);
// "12.3 %"
std::string Percent(double share);
// A bar of at most `width` columns for a share of 1.
std::string Bar(double share, int width);

// What is printed while it lives goes to standard output when it ends: a pager takes its time, and
// whoever prints may hold what others wait for.
class HeldOutput {
 public:
  HeldOutput();
  ~HeldOutput();
  HeldOutput(const HeldOutput&) = delete;
  HeldOutput& operator=(const HeldOutput&) = delete;

 private:
  std::FILE* output_;
  char* text_ = nullptr;
  std::size_t size_ = 0;
};

// One line on standard error that is drawn over; silent where that is no terminal, but for a line
// at the end of each piece of work.
class ProgressLine {
 public:
  // With `lines`, for work that takes minutes: where there is no terminal, a line for each tenth.
  explicit ProgressLine(bool lines = false);
  ~ProgressLine();
  void Show(std::string_view what, std::int64_t done, std::int64_t all);
  void Finish();

 private:
  bool terminal_;
  bool lines_;
  int tenths_ = 0;
  bool drawn_ = false;
  std::string last_;
};

}  // namespace segue
