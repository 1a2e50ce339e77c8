#include "ledger/places.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace segue {
namespace {

constexpr std::size_t kPlacesMax = 128;  // Longer texts of one length are no ids.
constexpr std::size_t kTextsFetchedAhead = 8;

// Letters that occur at one place or more, and how they are numbered.
struct Letters {
  std::string all;  // Ascending.
  int width = 0;
  std::array<std::uint8_t, 256> number{};
};

// Places next to each other whose numbers fit one word together.
struct Word {
  struct Place {
    std::size_t at = 0;
    const std::uint8_t* number = nullptr;  // Of each letter.
    unsigned shift = 0;
  };

  std::vector<Place> places;
  int width = 0;
};

constexpr int kWordBits = 64;

// Only those places that cost something.
std::vector<Word> WordsOf(const std::vector<Letters>& sets,
                          const std::vector<std::size_t>& set_of) {
  std::vector<Word> words;
  for (std::size_t place = 0; place < set_of.size(); ++place) {
    const Letters& letters = sets[set_of[place]];
    if (letters.width == 0) {
      continue;
    }
    if (words.empty() || words.back().width + letters.width > kWordBits) {
      words.emplace_back();
    }
    words.back().places.push_back(
        {place, letters.number.data(), static_cast<unsigned>(words.back().width)});
    words.back().width += letters.width;
  }
  return words;
}

// The letters' numbers, text by text; the last byte is filled with zeros.
void PackPlaces(ByteWriter& out, std::span<const std::string_view> texts,
                const std::vector<Word>& words) {
  std::uint64_t buffer = 0;
  int used = 0;
  for (const std::string_view text : texts) {
    for (const Word& word : words) {
      std::uint64_t numbers = 0;
      for (const Word::Place& place : word.places) {
        const auto letter = static_cast<unsigned char>(text[place.at]);
        numbers |= std::uint64_t{place.number[letter]} << place.shift;
      }
      buffer |= numbers << static_cast<unsigned>(used);
      used += word.width;
      if (used >= kWordBits) {
        out.Fixed64(buffer);
        used -= kWordBits;
        buffer = used == 0 ? 0 : numbers >> static_cast<unsigned>(word.width - used);
      }
    }
  }
  for (; used > 0; used -= 8) {
    out.Byte(static_cast<std::uint8_t>(buffer));
    buffer >>= 8U;
  }
}

}  // namespace

bool WritePlaces(ByteWriter& out, std::span<const std::string_view> texts) {
  const std::size_t length = texts.front().size();
  if (length == 0 || length > kPlacesMax ||
      std::any_of(texts.begin(), texts.end(),
                  [&](std::string_view text) { return text.size() != length; })) {
    return false;
  }
  std::vector<std::array<bool, 256>> seen(length);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i + kTextsFetchedAhead < texts.size()) {
      __builtin_prefetch(texts[i + kTextsFetchedAhead].data());  // They lie all over a long import.
    }
    const char* text = texts[i].data();
    for (std::size_t place = 0; place < length; ++place) {
      seen[place][static_cast<unsigned char>(text[place])] = true;
    }
  }
  std::vector<Letters> sets;
  std::map<std::string, std::size_t> known;
  std::vector<std::size_t> set_of(length);
  for (std::size_t place = 0; place < length; ++place) {
    Letters letters;
    for (std::size_t letter = 0; letter < seen[place].size(); ++letter) {
      if (seen[place][letter]) {
        letters.number[letter] = static_cast<std::uint8_t>(letters.all.size());
        letters.all.push_back(static_cast<char>(letter));
      }
    }
    letters.width = BitWidth(letters.all.size() - 1);
    const auto [found, added] = known.emplace(letters.all, sets.size());
    if (added) {
      sets.push_back(std::move(letters));
    }
    set_of[place] = found->second;
  }
  out.Varint(length);
  out.Varint(sets.size());
  for (const Letters& letters : sets) {
    out.Text(letters.all);
  }
  for (const std::size_t set : set_of) {
    out.Byte(static_cast<std::uint8_t>(set));
  }
  PackPlaces(out, texts, WordsOf(sets, set_of));
  return true;
}

std::vector<std::string> ReadPlaces(ByteReader& in, std::size_t count) {
  std::vector<std::string> texts;
  const std::uint64_t length = in.Varint();
  const std::uint64_t sets = in.Varint();
  if (length > kPlacesMax || sets > length) {
    in.Fail();
    return texts;
  }
  std::vector<std::string_view> letters;
  for (std::uint64_t i = 0; i < sets; ++i) {
    letters.push_back(in.Text());
    if (letters.back().empty() || letters.back().size() > 256) {
      in.Fail();
      return texts;
    }
  }
  std::vector<std::pair<std::string_view, int>> places;
  std::size_t bits = 0;
  for (std::uint64_t place = 0; place < length; ++place) {
    const std::uint8_t set = in.Byte();
    if (set >= letters.size()) {
      in.Fail();
      return texts;
    }
    places.emplace_back(letters[set], BitWidth(letters[set].size() - 1));
    bits += static_cast<std::size_t>(places.back().second);
  }
  const std::string_view packed = in.Raw((bits * count + 7) / 8);
  if (in.failed()) {
    return texts;
  }
  texts.reserve(count);
  std::uint64_t buffer = 0;
  int have = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::string& text = texts.emplace_back(length, '\0');
    for (std::size_t place = 0; place < length; ++place) {
      const auto& [all, width] = places[place];
      for (; have < width; have += 8) {
        buffer |= std::uint64_t{static_cast<unsigned char>(packed[next++])}
                  << static_cast<unsigned>(have);
      }
      const std::uint64_t number =
          buffer & ((std::uint64_t{1} << static_cast<unsigned>(width)) - 1);
      buffer >>= static_cast<unsigned>(width);
      have -= width;
      if (number >= all.size()) {
        in.Fail();
        return {};
      }
      text[place] = all[number];
    }
  }
  return texts;
}

}  // namespace segue
