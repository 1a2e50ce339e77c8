// Cuts an expression's text into tokens.

#include "expression/lex.h"

#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace segue {
namespace {

// Bounds every number well below 2^53, up to which doubles hold whole numbers exactly.
constexpr std::size_t kDigitsMax = 15;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsCapital(char c) {
  return c >= 'A' && c <= 'Z';
}

bool IsWordStart(char c) {
  return (c >= 'a' && c <= 'z') || IsCapital(c) || c == '_';
}

bool IsWordPart(char c) {
  return IsWordStart(c) || IsDigit(c);
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Bytes of the character that begins at `at`, so that an error underlines all of it.
std::size_t CharacterLength(std::string_view text, std::size_t at) {
  std::size_t length = 1;
  while (at + length < text.size() &&
         (static_cast<unsigned char>(text[at + length]) & 0xC0U) == 0x80U) {
    ++length;
  }
  return length;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  boost::variant2::variant<std::vector<Token>, ExpressionError> Run() {
    while (!error_) {
      while (at_ < text_.size() && IsSpace(text_[at_])) {
        ++at_;
      }
      if (at_ == text_.size()) {
        break;
      }
      Next();
    }
    if (error_) {
      return *std::move(error_);
    }
    tokens_.push_back({Token::Kind::kEnd, "", text_.size(), text_.size()});
    return std::move(tokens_);
  }

 private:
  char Peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void Next() {
    const char c = Peek();
    if (IsDigit(c)) {
      Number();
    } else if (IsWordStart(c)) {
      Word();
    } else if (c == '\'' || c == '"') {
      Quoted(c);
    } else {
      Symbol();
    }
  }

  void Add(Token::Kind kind, std::string text, std::size_t begin) {
    tokens_.push_back({kind, std::move(text), begin, at_});
  }

  void Fail(std::size_t begin, std::size_t end, std::string message, std::string help) {
    error_ = ExpressionError{"SG000", begin, end, std::move(message), "", std::move(help)};
  }

  void SkipDigits() {
    while (IsDigit(Peek())) {
      ++at_;
    }
  }

  void Number() {
    const std::size_t begin = at_;
    SkipDigits();
    std::size_t decimals = 0;
    if (Peek() == '.' && IsDigit(Peek(1))) {
      const std::size_t point = at_++;
      SkipDigits();
      decimals = at_ - point - 1;
    }
    const std::string digits(text_.substr(begin, at_ - begin));
    if (digits.size() > kDigitsMax) {
      return Fail(begin, at_, "this number has too many digits",
                  fmt::format("write at most {} digits", kDigitsMax));
    }
    if (Peek() == '%') {
      ++at_;
      if (decimals > 2) {
        return Fail(begin, at_, "a percentage has two decimals at most", "");
      }
      return Add(Token::Kind::kNumber, digits + "%", begin);
    }
    if (IsWordPart(Peek())) {
      return Unit(begin, digits, decimals);
    }
    if (const auto currency = CurrencyAhead()) {
      return Add(Token::Kind::kMoney, digits + " " + *currency, begin);
    }
    Add(Token::Kind::kNumber, digits, begin);
  }

  // After digits: the letters that touch them must be a unit of time.
  void Unit(std::size_t begin, const std::string& digits, std::size_t decimals) {
    const std::size_t unit_begin = at_;
    while (IsWordPart(Peek())) {
      ++at_;
    }
    const std::string unit(text_.substr(unit_begin, at_ - unit_begin));
    if (unit == "m" || unit == "h" || unit == "d" || unit == "w") {
      if (decimals > 0) {
        return Fail(begin, at_, "a duration is a whole number and a unit",
                    "write a smaller unit, such as 36h for one day and a half");
      }
      return Add(Token::Kind::kDuration, digits + unit, begin);
    }
    if (unit.size() == 3 && IsCapital(unit[0]) && IsCapital(unit[1]) && IsCapital(unit[2])) {
      return Fail(begin, at_, "an amount needs a space before its currency",
                  fmt::format("write {} {}", digits, unit));
    }
    Fail(begin, at_, fmt::format("unknown unit {}", unit),
         "durations are written in m, h, d or w: 90m, 6h, 3d, 2w");
  }

  // " EUR" behind a number; moves past it.
  std::optional<std::string> CurrencyAhead() {
    std::size_t ahead = 0;
    while (IsSpace(Peek(ahead))) {
      ++ahead;
    }
    if (ahead == 0 || !IsCapital(Peek(ahead)) || !IsCapital(Peek(ahead + 1)) ||
        !IsCapital(Peek(ahead + 2)) || IsWordPart(Peek(ahead + 3))) {
      return std::nullopt;
    }
    std::string currency(text_.substr(at_ + ahead, 3));
    at_ += ahead + 3;
    return currency;
  }

  void Word() {
    const std::size_t begin = at_;
    while (IsWordPart(Peek()) || (Peek() == '.' && IsWordStart(Peek(1)))) {
      ++at_;
    }
    Add(Token::Kind::kWord, std::string(text_.substr(begin, at_ - begin)), begin);
  }

  void Quoted(char quote) {
    const std::size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n') {
      ++at_;
    }
    if (Peek() != quote) {
      return Fail(begin, at_, "this quote is never closed",
                  "a text stands between two quotes of one kind, on one line");
    }
    ++at_;
    Add(Token::Kind::kText, std::string(text_.substr(begin + 1, at_ - begin - 2)), begin);
  }

  void Symbol() {
    // Longer ones first.
    static constexpr std::array<std::string_view, 16> kSymbols = {
        "..", "<=", ">=", "==", "!=", "(", ")", "[", "]", ",", "+", "-", "*", "/", "<", ">"};

    struct Foreign {
      std::string_view text;
      std::string_view help;
    };

    static constexpr std::array<Foreign, 7> kForeign = {{{"<>", "write `is not`"},
                                                         {"&&", "write `and`"},
                                                         {"||", "write `or`"},
                                                         {"=", "write `is`"},
                                                         {"!", "write `not`"},
                                                         {"&", "write `and`"},
                                                         {"|", "write `or`"}}};
    const std::string_view rest = text_.substr(at_);
    for (const Foreign& foreign : kForeign) {
      if (rest.starts_with(foreign.text) && !rest.starts_with("==") && !rest.starts_with("!=")) {
        return Fail(at_, at_ + foreign.text.size(),
                    fmt::format("`{}` is not a word here", foreign.text),
                    std::string(foreign.help));
      }
    }
    for (const std::string_view symbol : kSymbols) {
      if (rest.starts_with(symbol)) {
        const std::size_t begin = at_;
        at_ += symbol.size();
        return Add(Token::Kind::kSymbol, std::string(symbol), begin);
      }
    }
    const std::size_t length = CharacterLength(text_, at_);
    const bool printable = static_cast<unsigned char>(rest[0]) > 0x20U && rest[0] != 0x7F;
    Fail(at_, at_ + length,
         printable ? fmt::format("unexpected `{}`", rest.substr(0, length))
                   : "unexpected control character",
         rest[0] == '.' && IsDigit(Peek(1)) ? "write a digit before the point, such as 0.5" : "");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
  std::optional<ExpressionError> error_;
};

}  // namespace

boost::variant2::variant<std::vector<Token>, ExpressionError> LexExpression(std::string_view text) {
  return Lexer(text).Run();
}

}  // namespace segue
