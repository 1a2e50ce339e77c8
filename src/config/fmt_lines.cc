#include "config/fmt_lines.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "config/fmt.h"
#include "config/yaml.h"

namespace segue {
namespace {

// Comments behind a line stand here (from 0), or this far behind a longer one.
constexpr std::size_t kCommentColumn = 35;
constexpr std::size_t kCommentGap = 4;

}  // namespace

FormattedLines::Line& FormattedLines::Add(Line::Kind kind) {
  Line& line = lines_.emplace_back();
  line.kind = kind;
  line.blank_before = std::exchange(blank_, false);
  no_blank_ = false;
  return line;
}

void FormattedLines::Comment(int column, std::string text) {
  Line& line = Add(Line::Kind::kComment);
  line.column = column;
  line.head = std::string(static_cast<std::size_t>(column), ' ') + std::move(text);
}

void FormattedLines::Raw(std::string text) {
  Add(Line::Kind::kRaw).head = std::move(text);
}

void FormattedLines::Begin(int column) {
  Line& line = Add(Line::Kind::kPieces);
  line.column = column;
  line.head.assign(static_cast<std::size_t>(column - pending_), ' ');
  for (; pending_ > 0; pending_ -= 2) {
    line.head += "- ";
  }
}

void FormattedLines::Piece(std::string text, int source_column, bool padded) {
  lines_.back().pieces.push_back({std::move(text), source_column, padded, 1});
}

void FormattedLines::Trailing(std::string text, std::size_t source_column) {
  lines_.back().comment = std::move(text);
  lines_.back().comment_source = source_column;
}

// The column at which a piece begins with the gaps as they are.
std::size_t FormattedLines::Start(const Line& line, std::size_t piece) {
  std::size_t at = static_cast<std::size_t>(line.column);
  for (std::size_t i = 0; i <= piece; ++i) {
    at += i > 0 ? line.pieces[i].gap : 0;
    at += i < piece ? DisplayWidth(line.pieces[i].text) : 0;
  }
  return at;
}

std::size_t FormattedLines::Width(const Line& line) {
  return line.pieces.empty()
             ? static_cast<std::size_t>(line.column)
             : Start(line, line.pieces.size() - 1) + DisplayWidth(line.pieces.back().text);
}

// Pieces of several lines that began in one column, one of them behind spaces that were not
// needed, were lined up on purpose.
void FormattedLines::AlignPieces(std::vector<Line*>& run) {
  std::set<int> columns;
  for (const Line* line : run) {
    for (const OnePiece& piece : line->pieces) {
      columns.insert(piece.source_column);
    }
  }
  columns.erase(0);
  for (const int column : columns) {
    std::vector<std::pair<Line*, std::size_t>> group;
    bool padded = false;
    for (Line* line : run) {
      for (std::size_t i = 1; i < line->pieces.size(); ++i) {
        if (line->pieces[i].source_column == column) {
          group.emplace_back(line, i);
          padded |= line->pieces[i].padded;
        }
      }
    }
    if (!padded || group.size() < 2) {
      continue;
    }
    std::size_t target = 0;
    for (const auto& [line, piece] : group) {
      target = std::max(target, Start(*line, piece));
    }
    for (const auto& [line, piece] : group) {
      line->pieces[piece].gap += target - Start(*line, piece);
    }
  }
}

void FormattedLines::AlignComments(std::vector<Line*>& run) {
  const auto natural = [](const Line& line) {
    return std::max(kCommentColumn, Width(line) + kCommentGap);
  };
  for (Line* line : run) {
    for (const Line* other : run) {
      if (!line->comment.empty() && !other->comment.empty() &&
          other->comment_source == line->comment_source) {
        line->comment_column = std::max(line->comment_column, natural(*other));
      }
    }
  }
}

std::string FormattedLines::Take() {
  std::vector<Line*> run, block;
  const auto end_run = [&] {
    AlignPieces(run);
    run.clear();
  };
  const auto end_block = [&] {
    end_run();
    AlignComments(block);
    block.clear();
  };
  for (Line& line : lines_) {
    if (line.blank_before) {
      end_block();
    }
    if (line.kind == Line::Kind::kPieces) {
      if (!run.empty() && run.back()->column != line.column) {
        end_run();
      }
      run.push_back(&line);
      block.push_back(&line);
    } else if (line.kind == Line::Kind::kRaw) {
      end_run();
    }
  }
  end_block();
  std::string out;
  for (const Line& line : lines_) {
    out += line.blank_before ? "\n" : "";
    std::string text = line.head;
    for (std::size_t i = 0; i < line.pieces.size(); ++i) {
      text.append(i > 0 ? line.pieces[i].gap : 0, ' ').append(line.pieces[i].text);
    }
    if (!line.comment.empty()) {
      text.append(line.comment_column - Width(line), ' ').append(line.comment);
    }
    if (line.kind == Line::Kind::kPieces) {
      text.erase(text.find_last_not_of(' ') + 1);
    }
    out += text + "\n";
  }
  lines_.clear();
  return out;
}

std::string ShortDiff(std::string_view before, std::string_view after, std::size_t most) {
  const std::vector<std::string_view> a = Lines(before);
  const std::vector<std::string_view> b = Lines(after);
  std::size_t head = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) {
    ++head;
  }
  std::size_t tail = 0;
  while (tail < a.size() - head && tail < b.size() - head &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) {
    ++tail;
  }
  const std::size_t n = a.size() - head - tail;
  const std::size_t m = b.size() - head - tail;
  constexpr std::size_t kCellsMax = 4'000'000;
  if ((n + 1) * (m + 1) > kCellsMax) {
    return fmt::format("  lines {} to {} differ\n", head + 1, a.size() - tail);
  }
  // Longest common subsequence, from the end.
  std::vector<std::uint32_t> common((n + 1) * (m + 1));
  const auto cell = [&](std::size_t i, std::size_t j) -> std::uint32_t& {
    return common[i * (m + 1) + j];
  };
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = m; j-- > 0;) {
      cell(i, j) = a[head + i] == b[head + j] ? cell(i + 1, j + 1) + 1
                                              : std::max(cell(i + 1, j), cell(i, j + 1));
    }
  }
  std::string out;
  std::size_t shown = 0, hidden = 0;
  const auto add = [&](std::size_t line, char sign, std::string_view text) {
    if (shown < most) {
      out += fmt::format("  {:>4} {} {}\n", line, sign, text);
      ++shown;
    } else {
      ++hidden;
    }
  };
  for (std::size_t i = 0, j = 0; i < n || j < m;) {
    if (i < n && j < m && a[head + i] == b[head + j]) {
      ++i, ++j;
    } else if (i < n && (j == m || cell(i + 1, j) >= cell(i, j + 1))) {
      add(head + i + 1, '-', a[head + i]);
      ++i;
    } else {
      add(head + j + 1, '+', b[head + j]);
      ++j;
    }
  }
  return out + (hidden > 0 ? fmt::format("       … and {} lines more\n", hidden) : "");
}

}  // namespace segue
