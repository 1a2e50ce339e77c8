// Helpers for text.

#include "base/text.h"

#include <doctest/doctest.h>

#include "base/visible.h"

namespace segue {
namespace {

TEST_CASE("trim, split, join and lower case do what they say") {
  CHECK(Trim(" \t a b\r\n") == "a b");
  CHECK(Trim(" \n").empty());
  CHECK(Split("a,,b", ',') == std::vector<std::string_view>{"a", "", "b"});
  CHECK(Split("", ',') == std::vector<std::string_view>{""});
  CHECK(Split("a,", ',') == std::vector<std::string_view>{"a", ""});
  CHECK(Join(std::vector<std::string>{"a", "", "b"}, ", ") == "a, , b");
  CHECK(ToLower("ÀBcZ9") == "Àbcz9");
}

TEST_CASE("UTF-8 is well-formed or it is not") {
  for (const char* good : {"", "plain", "\u00E9", "\u20AC", "\U0001F600", "\xF4\x8F\xBF\xBF"}) {
    CAPTURE(good);
    CHECK(IsUtf8(good));
  }
  CHECK(IsUtf8(std::string_view("a\0b", 3)));
  for (const char* bad :
       {"\x80", "\xC3", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF0\x80\x80\xAF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xE2\x82g", "caf\xE9", "\xFF\xFE"}) {
    CAPTURE(bad);
    CHECK_FALSE(IsUtf8(bad));
  }
}

TEST_CASE("the width on a terminal counts characters, wide ones twice") {
  CHECK(DisplayWidth("abc") == 3);
  CHECK(DisplayWidth("\u00E9\u20AC") == 2);
  CHECK(DisplayWidth("e\u0301") == 1);
  CHECK(DisplayWidth("\u65E5\u672C") == 4);
  CHECK(DisplayWidth("\uFF21") == 2);
  CHECK(DisplayWidth("a\xFF") == 2);
}

TEST_CASE("a long text is shortened between two characters, and a short one is left alone") {
  CHECK(Shortened("söft", 4) == "söft");
  CHECK(Shortened("söfter", 4) == "söf…");
  CHECK(Shortened("", 4).empty());
  CHECK(Shortened("\xFF\xFE\xFF", 2) == "\xFF…");
}

TEST_CASE("what could move a terminal's cursor or turn its writing is written out") {
  CHECK(Visible("Zoë 長 ok") == "Zoë 長 ok");
  CHECK(Visible("a\x1b[31mb\n\tc\x7f") == "a\\x1b[31mb\\n\\tc\\x7f");
  CHECK(Visible("\xC2\x9B 1m \xE2\x80\xAE \xFF") == "\\x9b 1m \\u202e \\xff");
}

TEST_CASE("the nearest name is found when it is near enough to be meant") {
  const std::vector<std::string> names = {"exit",         "goal",   "plan_upgraded",
                                          "order_placed", "amount", "Email"};
  CHECK(Nearest("exits", names) == "exit");
  CHECK(Nearest("gaol", names) == "goal");
  CHECK(Nearest("plan_upgrade", names) == "plan_upgraded");
  CHECK(Nearest("orders_place", names) == "order_placed");
  CHECK(Nearest("amuont", names) == "amount");
  CHECK(Nearest("email", names) == "Email");
  CHECK_FALSE(Nearest("refund", names));
  CHECK_FALSE(Nearest("x", names));
  CHECK_FALSE(Nearest("", names));
  CHECK_FALSE(Nearest(std::string(1'000'000, 'a'), names));
  // Of two equally near, the first.
  CHECK(Nearest("cat", std::vector<std::string>{"dog", "bat", "hat"}) == "bat");
}

TEST_CASE("texts are escaped for addresses and for HTML") {
  CHECK(UrlEncode("a b/\u00E9~.-_?&=+") == "a%20b%2F%C3%A9~.-_%3F%26%3D%2B");
  CHECK(HtmlEscape("<a href=\"x\">'&'</a>") ==
        "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

TEST_CASE("an address is read as it was written, and half an escape is none") {
  const std::string text = "a b/\u00E9~%+\n";
  CHECK(UrlDecode(UrlEncode(text)) == text);
  CHECK(UrlDecode("a+b%2f") == "a+b/");
  for (const std::string none : {"%", "%2", "%zz", "%-1", "a%2"}) {
    INFO(none);
    CHECK(!UrlDecode(none));
  }
}

}  // namespace
}  // namespace segue
