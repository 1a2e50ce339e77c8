// Columns of texts as bytes; chunk.h describes the forms.

#include <algorithm>
#include <span>
#include <unordered_map>

#include "ledger/chunk.h"
#include "ledger/places.h"

namespace segue {
namespace {

constexpr std::uint8_t kDictionary = 0, kPrefixedNumber = 1, kPlain = 2, kPlaces = 3;
constexpr std::size_t kDigitsMax = 18;  // Ten to this power fits an int64.
// Far above what a block can hold, so that a short damaged input cannot ask for much more than
// itself.
constexpr std::size_t kPrefixBytesMax = 64 * 1024 * 1024;

std::string_view CommonPrefix(std::span<const std::string_view> texts) {
  std::string_view prefix = texts.empty() ? std::string_view() : texts.front();
  for (const std::string_view text : texts) {
    if (prefix.empty()) {
      break;
    }
    const auto [end, ignored] =
        std::mismatch(prefix.begin(), prefix.end(), text.begin(), text.end());
    prefix = prefix.substr(0, static_cast<std::size_t>(end - prefix.begin()));
  }
  return prefix;
}

void WriteDictionary(ByteWriter& out, std::span<const std::string_view> texts) {
  std::vector<std::string_view> distinct;
  std::unordered_map<std::string_view, std::uint64_t> known;
  std::vector<std::uint64_t> indexes;
  for (const std::string_view text : texts) {
    const auto [found, added] = known.emplace(text, distinct.size());
    if (added) {
      distinct.push_back(text);
    }
    indexes.push_back(found->second);
  }
  out.Varint(distinct.size());
  for (const std::string_view text : distinct) {
    out.Text(text);
  }
  WriteIndexes(out, indexes, distinct.size());
}

// Prefix, number of digits (0: free, without leading zeros), numbers.
bool WritePrefixedNumbers(ByteWriter& out, std::span<const std::string_view> texts) {
  std::string_view prefix = CommonPrefix(texts);
  // The prefix may reach into the number.
  while (!prefix.empty() && prefix.back() >= '0' && prefix.back() <= '9') {
    prefix.remove_suffix(1);
  }
  std::size_t digits = texts.empty() ? 0 : texts.front().size() - prefix.size();
  bool zeros = false;
  std::vector<std::int64_t> numbers;
  for (const std::string_view text : texts) {
    const std::string_view suffix = text.substr(prefix.size());
    if (suffix.empty() || suffix.size() > kDigitsMax) {
      return false;
    }
    digits = suffix.size() == digits ? digits : 0;
    zeros = zeros || (suffix.size() > 1 && suffix.front() == '0');
    std::int64_t number = 0;
    for (const char digit : suffix) {
      if (digit < '0' || digit > '9') {
        return false;
      }
      number = number * 10 + (digit - '0');
    }
    numbers.push_back(number);
  }
  if (zeros && digits == 0) {
    return false;
  }
  out.Text(prefix);
  out.Varint(digits);
  WriteDense(out, numbers);
  return true;
}

std::vector<std::string> ReadPrefixedNumbers(ByteReader& in, std::size_t count) {
  const std::string_view prefix = in.Text();
  const std::uint64_t digits = in.Varint();
  std::vector<std::string> texts;
  if (digits > kDigitsMax || prefix.size() > kBlockBytesMax) {
    in.Fail();
    return texts;
  }
  for (const std::int64_t number : ReadDense(in, count)) {
    const std::string suffix = std::to_string(number);
    std::string text(prefix);
    text.append(digits > suffix.size() ? digits - suffix.size() : 0, '0');
    texts.push_back(text + suffix);
  }
  return texts;
}

void WritePlain(ByteWriter& out, std::span<const std::string_view> texts) {
  const std::string_view prefix = CommonPrefix(texts);
  out.Text(prefix);
  std::vector<std::int64_t> lengths;
  for (const std::string_view text : texts) {
    lengths.push_back(static_cast<std::int64_t>(text.size() - prefix.size()));
  }
  WriteDense(out, lengths);
  for (const std::string_view text : texts) {
    out.Raw(text.substr(prefix.size()));
  }
}

std::vector<std::string> ReadPlain(ByteReader& in, std::size_t count) {
  const std::string_view prefix = in.Text();
  std::vector<std::string> texts;
  for (const std::int64_t length : ReadDense(in, count)) {
    if (length < 0 || prefix.size() * count > kPrefixBytesMax) {
      in.Fail();
    }
    if (in.failed()) {
      return {};
    }
    texts.emplace_back(prefix).append(in.Raw(static_cast<std::uint64_t>(length)));
  }
  return texts;
}

// Whether so many of the first texts are different that a list of them all would save nothing.
bool MostlyDifferent(std::span<const std::string_view> texts) {
  constexpr std::size_t kLooked = 64;
  if (texts.size() < kLooked) {
    return false;
  }
  std::vector<std::string_view> first(texts.begin(), texts.begin() + kLooked);
  std::sort(first.begin(), first.end());
  return std::unique(first.begin(), first.end()) - first.begin() >= 60;
}

}  // namespace

void WriteTexts(ByteWriter& out, std::span<const std::string_view> texts) {
  std::vector<bool> present;
  std::vector<std::string_view> dense;
  std::size_t bytes = 0;
  for (const std::string_view text : texts) {
    present.push_back(text.data() != nullptr);
    if (present.back()) {
      dense.push_back(text);
      bytes += text.size();
    }
  }
  WritePresence(out, present.size(), present);
  ByteWriter best;
  bool any = false;
  const auto offer = [&](ByteWriter candidate) {
    if (!any || candidate.size() < best.size()) {
      best = std::move(candidate);
    }
    any = true;
  };
  ByteWriter numbers;
  numbers.Byte(kPrefixedNumber);
  if (!dense.empty() && WritePrefixedNumbers(numbers, dense)) {
    offer(std::move(numbers));
  }
  ByteWriter places;
  places.Byte(kPlaces);
  if (!dense.empty() && WritePlaces(places, dense)) {
    offer(std::move(places));
  }
  if (!MostlyDifferent(dense)) {
    ByteWriter dictionary;
    dictionary.Byte(kDictionary);
    WriteDictionary(dictionary, dense);
    offer(std::move(dictionary));
  }
  // What makes less than half of all the bytes is not beaten by taking out a prefix, but rarely.
  if (!any || best.size() > bytes / 2) {
    ByteWriter plain;
    plain.Byte(kPlain);
    WritePlain(plain, dense);
    offer(std::move(plain));
  }
  out.Raw(best.bytes());
}

TextColumn ReadTexts(ByteReader& in, std::size_t count) {
  TextColumn column;
  const std::vector<bool> present = ReadPresence(in, count);
  const auto some =
      present.empty() ? count
                      : static_cast<std::size_t>(std::count(present.begin(), present.end(), true));
  std::vector<std::uint64_t> indexes;
  const std::uint8_t form = in.Byte();
  if (form == kDictionary) {
    const std::uint64_t size = in.Varint();
    if (size > in.left()) {  // Each takes a byte at least.
      in.Fail();
    }
    for (std::uint64_t i = 0; i < size && !in.failed(); ++i) {
      column.texts.emplace_back(in.Text());
    }
    indexes = ReadIndexes(in, some, column.texts.size());
  } else if (form == kPrefixedNumber || form == kPlain || form == kPlaces) {
    column.texts = form == kPlain    ? ReadPlain(in, some)
                   : form == kPlaces ? ReadPlaces(in, some)
                                     : ReadPrefixedNumbers(in, some);
    for (std::size_t i = 0; i < column.texts.size(); ++i) {
      indexes.push_back(i);
    }
  } else {
    in.Fail();
  }
  column.index.assign(count, TextColumn::kNoText);
  if (indexes.size() != some) {
    in.Fail();
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    if (present.empty() || present[i]) {
      column.index[i] = static_cast<std::uint32_t>(indexes[next++]);
    }
  }
  return column;
}

}  // namespace segue
