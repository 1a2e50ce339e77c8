// Text to syntax tree: the grammar of docs/language.md, "Expressions".
//
// The tree says what was written, not what it means: check.h gives it types.  `fmt` prints it, and
// two texts with the same printed tree are the same expression.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/variant2/variant.hpp>

namespace segue {

// Limits: a person writes neither; a hostile file does.  The depth bounds brackets as well as the
// tree.
constexpr std::size_t kExpressionBytesMax = 16 * 1024;
constexpr int kExpressionDepthMax = 64;

struct ExpressionError {
  std::string code;       // SG000 for syntax, else of docs/diagnostics.md.
  std::size_t begin = 0;  // Bytes of the text to underline.
  std::size_t end = 0;
  std::string message;
  std::string note;  // Beside the caret; may be empty.
  std::string help;  // What to do; may be empty.
};

struct Syntax {
  enum class Kind : std::uint8_t {
    kNumber,    // text: as written; percent too ("15%")
    kMoney,     // text: "9.90 EUR"
    kDuration,  // text: "30d"
    kText,      // text: without its quotes
    kYesNo,     // text: yes or no
    kName,      // text: dotted name
    kCall,      // text: function; args, of which a kWhere and a kBefore may be one
    kWhere,     // args: event or E.F name, condition
    kBefore,    // args: duration
    kUnary,     // text: - or not
    kBinary,    // text: + - * / is `is not` < <= > >= and or; `and`, `or` take all their terms as
                // args, never nested
    kIn,        // text: in or `not in`; args: value, then the list
    kInRange,   // text: in or `not in`; args: value, low, high
  };

  Kind kind = Kind::kName;
  std::string text;
  std::vector<Syntax> args;
  std::size_t begin = 0;
  std::size_t end = 0;
  // Of kUnary, kBinary, kIn and kInRange: the operator (the first, of several) within the text.
  std::size_t op_begin = 0;
  std::size_t op_end = 0;
};

// Either the tree, or the first error.
boost::variant2::variant<Syntax, ExpressionError> ParseExpression(std::string_view text);

// The one canonical way to write it: `==` becomes `is`, single spaces, only the brackets that are
// needed.
std::string PrintSyntax(const Syntax& syntax);

}  // namespace segue
