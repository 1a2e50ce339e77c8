// Reads ahead by pieces; counts lines and keeps the fingerprint as rows are used up.

#include "sources/csv_stream.h"

#include <algorithm>
#include <array>
#include <utility>

namespace segue {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::size_t kCutKeptBytes = 4 * 1024;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::uint64_t kBase = 0x9e3779b97f4a7c15U;
constexpr std::size_t kDigitsAtOnce = 8;

// The powers of the base, the highest first.
constexpr std::array<std::uint64_t, kDigitsAtOnce + 1> kPowers = [] {
  std::array<std::uint64_t, kDigitsAtOnce + 1> powers{};
  powers.back() = 1;
  for (std::size_t i = kDigitsAtOnce; i-- > 0;) {
    powers[i] = powers[i + 1] * kBase;
  }
  return powers;
}();

}  // namespace

std::uint64_t Fingerprint(std::uint64_t before, std::string_view bytes) {
  const char* const from = bytes.data();
  const auto digit = [from](std::size_t at) {
    return std::uint64_t{static_cast<unsigned char>(from[at])} + 1;
  };
  std::size_t at = 0;
  // Several at once wait for the number before them only once.
  for (; at + kDigitsAtOnce <= bytes.size(); at += kDigitsAtOnce) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kDigitsAtOnce; ++i) {
      sum += digit(at + i) * kPowers[i + 1];
    }
    before = before * kPowers[0] + sum;
  }
  for (; at < bytes.size(); ++at) {
    before = before * kBase + digit(at);
  }
  return before;
}

Result<bool> CsvStream::Next() {
  do {
    Result<bool> read = ReadRow();
    if (!read || !*read) {
      return read;
    }
    here_ = next_;
    ended_ = row().ended;
    const bool cut = row().cut;
    if (cut) {
      cut_raw_ = row().raw.substr(0, kCutKeptBytes);
    }
    Consume(row().bytes, row().lines);
    if (cut) {
      const Result<bool> skipped = SkipLine();
      if (!skipped) {
        return skipped.error();
      }
      ended_ = *skipped;
    }
  } while (row().fields.empty() && row().problem.empty());
  return true;
}

// False at the end of the file.
Result<bool> CsvStream::ReadRow() {
  for (;;) {
    const std::string_view rest = std::string_view(text_).substr(used_);
    if (!rest.empty() && parser_.Next(rest, at_end_)) {
      return true;
    }
    if (at_end_) {
      return false;
    }
    const Result<bool> more = ReadMore();
    if (!more) {
      return more.error();
    }
  }
}

// Goes on to the next line.  False: the file ended first.
Result<bool> CsvStream::SkipLine() {
  for (;;) {
    const std::string_view rest = std::string_view(text_).substr(used_);
    const std::size_t end = rest.find('\n');
    if (end != std::string_view::npos) {
      Consume(end + 1, 1);
      return true;
    }
    Consume(rest.size(), 0);
    if (at_end_) {
      return false;
    }
    const Result<bool> more = ReadMore();
    if (!more) {
      return more.error();
    }
  }
}

Result<bool> CsvStream::ReadMore() {
  text_.erase(0, used_);
  used_ = 0;
  Result<std::string> piece = files_.Read(path_, next_.at + text_.size(), kPieceBytes);
  if (!piece) {
    return piece.error();
  }
  at_end_ = piece->empty();
  text_ += *piece;
  if (next_.at == 0 && std::string_view(text_).substr(0, 3) == kByteOrderMark) {
    Consume(kByteOrderMark.size(), 0);
  }
  return !at_end_;
}

void CsvStream::Consume(std::size_t bytes, std::int64_t lines) {
  next_.fingerprint = Fingerprint(next_.fingerprint, std::string_view(text_).substr(used_, bytes));
  next_.at += bytes;
  next_.line += lines;
  used_ += bytes;
}

Result<bool> CsvStream::StillThere(FileReader& files, std::string_view path,
                                   const CsvPosition& position) {
  std::uint64_t fingerprint = kFingerprintStart;
  for (std::uint64_t at = 0; at < position.at;) {
    const std::uint64_t wanted = std::min<std::uint64_t>(kPieceBytes, position.at - at);
    const Result<std::string> piece = files.Read(path, at, wanted);
    if (!piece) {
      return piece.error();
    }
    if (piece->empty()) {
      return false;
    }
    fingerprint = Fingerprint(fingerprint, *piece);
    at += piece->size();
  }
  return fingerprint == position.fingerprint;
}

}  // namespace segue
