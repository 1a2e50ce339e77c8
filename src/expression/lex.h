// The words of an expression, in order.  Internal to expression/.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/variant2/variant.hpp>

#include "expression/parse.h"

namespace segue {

struct Token {
  enum class Kind : std::uint8_t {
    kNumber,    // text: "12", "0.5", "15%"
    kMoney,     // text: "9.90 EUR", with one space
    kDuration,  // text: "30d"
    kText,      // text: what stands between the quotes
    kWord,      // text: a name, dotted or not, or a keyword
    kSymbol,    // text: one of ( ) [ ] , .. + - * / < <= > >= == !=
    kEnd,
  };

  Kind kind = Kind::kEnd;
  std::string text;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// Ends with a kEnd token, or is the first error.
boost::variant2::variant<std::vector<Token>, ExpressionError> LexExpression(std::string_view text);

}  // namespace segue
