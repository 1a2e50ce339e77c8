// Lines as `segue fmt` writes them: pieces with single spaces between them, columns that the author
// lined up lined up again.  Internal to this folder.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace segue {

class FormattedLines {
 public:
  // A line of its own.
  void Comment(int column, std::string text);

  // One empty line before the next.
  void Blank() { blank_ = !no_blank_; }

  // None there: an empty line would belong to the text above.
  void NoBlank() { no_blank_ = true; }

  void Raw(std::string text);

  // The next line begins with one more dash.
  void Dash() { pending_ += 2; }

  int pending() const { return pending_; }

  // A line whose first piece stands behind `column` spaces and dashes.
  void Begin(int column);
  // `source_column`: where it stood, from 1; 0 takes part in no alignment.  `padded`: behind more
  // than one space.
  void Piece(std::string text, int source_column, bool padded);

  // More of the last piece.
  void Append(std::string_view text) { lines_.back().pieces.back().text += text; }

  // A comment behind the line; `source_column` from 0.
  void Trailing(std::string text, std::size_t source_column);

  std::string Take();

 private:
  struct OnePiece {
    std::string text;
    int source_column = 0;
    bool padded = false;
    std::size_t gap = 1;  // Spaces before it.
  };

  struct Line {
    enum class Kind { kPieces, kComment, kRaw };

    Kind kind = Kind::kPieces;
    bool blank_before = false;
    int column = 0;
    std::string head;
    std::vector<OnePiece> pieces;
    std::string comment;
    std::size_t comment_source = 0;
    std::size_t comment_column = 0;
  };

  Line& Add(Line::Kind kind);
  static std::size_t Start(const Line& line, std::size_t piece);
  static std::size_t Width(const Line& line);
  void AlignPieces(std::vector<Line*>& run);
  void AlignComments(std::vector<Line*>& run);

  std::vector<Line> lines_;
  int pending_ = 0;
  bool blank_ = false;
  bool no_blank_ = false;
};

}  // namespace segue
