// Lines of JSON: what is read of one line, and that a file can be stopped and gone on with
// anywhere.

#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <zlib.h>

#include "unit/sources/jsonl_fixture.h"

namespace segue {
namespace {

// "path=kind:text", sorted by path; or "field: reason".
std::string Parsed(const std::string& line) {
  const RowResult<JsonFields> fields = ParseJsonLine(line);
  if (!fields) {
    return fields.error().column() + ": " + fields.error().reason();
  }
  std::string text;
  for (const auto& [path, field] : *fields) {
    constexpr std::string_view kKinds = "tnyo{";
    text += (text.empty() ? "" : " ") + path + "=" + kKinds[static_cast<std::size_t>(field.kind)] +
            field.text;
  }
  return text;
}

std::string Repeat(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

TEST_CASE("a line gives its values by their path, each as it is written") {
  CHECK(Parsed(R"({})").empty());
  CHECK(Parsed(R"( {"a": "x", "b": -1.50, "c": true, "d": null} )") == "a=tx b=n-1.50 c=ytrue d=o");
  CHECK(Parsed(R"({"a": {"b": {"c": 1}, "d": 2}, "e": 3})") == "a={ a.b={ a.b.c=n1 a.d=n2 e=n3");
  CHECK(Parsed(R"({"a": [1, {"b": 2, "b": 3}, [4]], "c": [], "d": 5})") == "a={ c={ d=n5");
  CHECK(Parsed(R"({"a\"b": "\u00fc\ud83d\ude00\n"})") == "a\"b=tü😀\n");
}

TEST_CASE("numbers keep every digit, and exponents are written out") {
  CHECK(Parsed(R"({"a": 0.1, "b": 12345678901234567890123.10})") ==
        "a=n0.1 b=n12345678901234567890123.10");
  CHECK(Parsed(R"({"a": 1.5e3, "b": -25E-1, "c": 1e+2, "d": 12.345e1, "e": 5e-3, "f": 0e5})") ==
        "a=n1500 b=n-2.5 c=n100 d=n123.45 e=n0.005 f=n000000");
  CHECK(Parsed(R"({"a": 9223372036854775808, "b": 1e400})") == "a=n9223372036854775808 b=n1e400");
}

TEST_CASE("hostile lines are refused with their place") {
  CHECK(Parsed("{\"a\": 1").find(": the line is not JSON: incomplete JSON at byte ") == 0);
  CHECK(Parsed("{\"a\": 1} x").find(": the line is not JSON: extra data at byte 10") == 0);
  CHECK(Parsed("{'a': 1}").find(": the line is not JSON: syntax error at byte ") == 0);
  CHECK(Parsed("{\"a\": 1,}").find(": the line is not JSON: ") == 0);
  CHECK(Parsed("{\"a\": 01}").find(": the line is not JSON: ") == 0);
  CHECK(Parsed("{\"a\": NaN}").find(": the line is not JSON: ") == 0);
  CHECK(Parsed("{\"a\": \"\xff\"}").find(": the line is not JSON: ") == 0);
  CHECK(Parsed(R"({"a": "\ud800"})").find(": the line is not JSON: ") == 0);
  CHECK(Parsed(std::string("{\"a\": \"x\0y\"}", 12)).find(": the line is not JSON: ") == 0);
  CHECK(Parsed(R"({"a": {"b": "x\u0000y"}})") == "a.b: the field has a zero byte");
  CHECK(Parsed(R"({"a": 1, "b": {"c": 1, "c": 2}})") == "b.c: the field stands twice");
  CHECK(Parsed("[1]") == ": the line is not a JSON object");
  CHECK(Parsed("\"text\"") == ": the line is not a JSON object");
  const std::string deep = Repeat("{\"a\":", 33) + "1" + Repeat("}", 33);
  CHECK(Parsed(deep) == ": the line nests deeper than 32 levels");
  CHECK(Parsed("{\"a\":" + Repeat("[", 100'000)) == ": the line nests deeper than 32 levels");
  std::string wide = "{";
  for (int i = 0; i < 5'000; ++i) {
    wide += fmt::format("\"k{}\": 1, ", i);
  }
  CHECK(Parsed(wide + "\"z\": 1}") == "k4096: the line has more than 4096 fields");
  // A name that is too long is no name of ours; nothing within it is kept.
  const std::string name(100'000, 'n');
  CHECK(Parsed("{\"" + name + "\": {\"a\": 1, \"b\": {\"c\": 2}}, \"d\": 3}") == "d=n3");
}

TEST_CASE("names in any usual spelling are the same name in snake case") {
  CHECK(SnakeCase("Order Placed") == "order_placed");
  CHECK(SnakeCase("orderPlaced") == "order_placed");
  CHECK(SnakeCase("order-placed") == "order_placed");
  CHECK(SnakeCase("  ORDER  Placed! ") == "order_placed");
  CHECK(SnakeCase("orderID") == "order_id");
  CHECK(SnakeCase("address.postalCode") == "address_postal_code");
  CHECK(SnakeCase("v2Beta") == "v2_beta");
  CHECK(SnakeCase("日本") == "");
}

TEST_CASE("an object is a row: columns by name or path, numbers exact, what is absent is missing") {
  const Workspace shop = Shop();
  Source source = JsonOrders("a.jsonl");
  CHECK(OneLine(source, shop,
                R"({"customer_id": 7, "day": "2026-03-01", "order_id": "A1", "amount": 12.50,)"
                R"( "items": 3, "channel": "web", "gift": true, "other": {"deep": [1]}})") ==
        "7 2026-03-01T00:00:00Z 'A1' 1250 3000000 'web' - - 1 key A1");
  CHECK(
      OneLine(source, shop,
              R"({"customer_id": "c", "day": "2026-03-01", "order_id": "A1", "amount": 1.25e1})") ==
      "c 2026-03-01T00:00:00Z 'A1' 1250 - - - - - key A1");
  CHECK(OneLine(source, shop,
                R"({"customer_id": "c", "day": "2026-03-01", "order_id": "A1", "amount": null})") ==
        "c 2026-03-01T00:00:00Z 'A1' - - - - - - key A1");
  CHECK(OneLine(source, shop, R"({"customer_id": null, "day": "2026-03-01", "order_id": "A1"})") ==
        "anonymous");
  CHECK(OneLine(source, shop, R"({"customer_id": "c", "order_id": "A1"})") ==
        "bad day: the time is empty");
  CHECK(OneLine(source, shop, R"({"customer_id": "c", "day": "2026-03-01"})") ==
        "bad order_id: the field is empty, and tells which event it is (dedupe)");
  CHECK(OneLine(source, shop, R"({"customer_id": "c", "day": "2026-03-01", "order_id": ["A1"]})") ==
        "bad order_id: the field holds a list or an object, not a value");
  CHECK(OneLine(source, shop,
                R"({"customer_id": "c", "day": "2026-03-01", "order_id": "A1", "amount": 1e300})")
            .find("bad amount: ") == 0);
  CHECK(OneLine(source, shop,
                R"({"customer_id": "c", "day": "2026-03-01", "order_id": "A1", "amount": true})")
            .find("bad amount: \"true\" is not a number") == 0);

  source.map = {{.target = "customer_id", .expression = "buyer.id", .place = {}},
                {.target = "order_id", .expression = "Order No", .place = {}},
                {.target = "amount", .expression = "sum.cents / 100", .place = {}}};
  CHECK(OneLine(source, shop,
                R"({"buyer": {"id": "c"}, "day": "2026-03-01", "Order No": "A1",)"
                R"( "sum": {"cents": 1999}})") ==
        "c 2026-03-01T00:00:00Z 'A1' 1999 - - - - - key A1");
}

TEST_CASE(
    "a trait that a line does not have is left as it is; null and an empty text take it away") {
  Source source = Lines("a.jsonl");
  source.emits_customer = true;
  source.time_column = "at";
  CHECK(OneLine(source, Shop(),
                R"({"customer_id": "c", "at": "2026-03-01", "email_consent": false})") ==
        "c 2026-03-01T00:00:00Z trait 1 = 0");
  CHECK(OneLine(source, Shop(),
                R"({"customer_id": "c", "at": "2026-03-01", "email": null, "credit": ""})") ==
        "c 2026-03-01T00:00:00Z trait 0 = -; c 2026-03-01T00:00:00Z trait 2 = -");
  CHECK(OneLine(source, Shop(), R"({"customer_id": "c", "at": "2026-03-01"})").empty());
}

TEST_CASE("a no is heard although another value of the line cannot be read") {
  Source source = Lines("a.jsonl");
  source.emits_customer = true;
  source.time_column = "at";
  Workspace workspace = Shop();
  workspace.consent = {{"email", 1}};
  const std::string begin = R"({"customer_id": "c", "at": "2026-03-01", "email_consent": )";
  CHECK(OneLine(source, workspace, begin + R"(false, "email": ["a", "b"]})") ==
        "c 2026-03-01T00:00:00Z trait 1 = 0; bad email: the field holds a list or an object, not a "
        "value");
  CHECK(OneLine(source, workspace, begin + R"(false, "credit": "x"})")
            .starts_with("c 2026-03-01T00:00:00Z trait 1 = 0; bad credit: "));
  CHECK(OneLine(source, workspace, begin + R"(true, "credit": "x"})").starts_with("bad credit: "));
}

const char* const kFile =
    "\xEF\xBB\xBF{\"customer_id\": \"c1\", \"order_id\": \"A1\", \"day\": \"2026-03-01\"}\n"
    "\n  \t\r\n"
    "{\"customer_id\": \"c1\", \"order_id\": \"A\\n2\", \"day\": \"2026-03-01\"}\r\n"
    "{\"customer_id\": \"c1\", \"order_id\": \"A3\", \"day\": \"never\"}\n"
    "not json \xff\n"
    "{\"order_id\": \"A4\", \"day\": \"2026-03-01\"}\n"
    "{\"customer_id\": \"\xC3\xBC\", \"order_id\": \"A5\", \"day\": \"2026-03-01\"}";

TEST_CASE("stopped and gone on after any line, by any number of lines, the facts are the same") {
  const TempDir dir;
  dir.Write("in/a.jsonl", kFile);
  dir.Write("in/b.jsonl", "");
  dir.Write("in/c.jsonl",
            "{\"customer_id\": \"c1\", \"order_id\": \"C1\", \"day\": \"2026-03-01\"}\n");
  const Source source = JsonOrders("in/*.jsonl");
  const Workspace workspace = Shop();
  const auto files = MakeDiskReader(dir.path());
  const ReadLines whole = ReadAll(source, workspace, *files);
  CHECK(whole.facts.size() == 4);
  CHECK(whole.bad.size() == 2);
  CHECK(whole.bad[0].find("5 day: ") == 0);
  CHECK(whole.bad[1].find("6 : the line is not JSON") == 0);
  CHECK(whole.anonymous == 1);
  CHECK(whole.rows == 7);
  for (std::int64_t rows_max = 1; rows_max <= 8; ++rows_max) {
    CAPTURE(rows_max);
    const ReadLines parts = ReadAll(source, workspace, *MakeDiskReader(dir.path()), "", rows_max);
    CHECK(parts.facts == whole.facts);
    CHECK(parts.bad == whole.bad);
    CHECK(parts.rows == whole.rows);
    CHECK(parts.cursor == whole.cursor);
  }
  CHECK(ReadAll(source, workspace, *files, whole.cursor).rows == 0);
}

TEST_CASE("a file that was cut off anywhere and grew later gives the facts of the whole file") {
  const std::string text = kFile;
  const Source source = JsonOrders("a.jsonl");
  const Workspace workspace = Shop();
  const ReadLines whole = ReadText(source, workspace, text + "\n");
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    CAPTURE(cut);
    const TempDir dir;
    const auto files = MakeDiskReader(dir.path());
    dir.Write("a.jsonl", text.substr(0, cut));
    const ReadLines first = ReadAll(source, workspace, *files);
    dir.Write("a.jsonl", text);
    const ReadLines second = ReadAll(source, workspace, *files, first.cursor);
    const ReadLines rest = ReadAll(source, workspace, *files, second.cursor);
    std::vector<std::string> facts = first.facts;
    facts.insert(facts.end(), second.facts.begin(), second.facts.end());
    facts.insert(facts.end(), rest.facts.begin(), rest.facts.end());
    CHECK(facts == whole.facts);
    CHECK(first.rows + second.rows + rest.rows == whole.rows);
  }
}

TEST_CASE(
    "a packed file gives what the plain one gives, and a line of ten megabytes costs one line") {
  const TempDir dir;
  std::string text;
  for (int i = 0; i < 3'000; ++i) {
    text += fmt::format(
        "{{\"customer_id\": \"c\", \"order_id\": \"{}\", \"day\": \"2026-03-01\"}}\n", i);
    if (i == 1'000) {
      text += "{\"x\": \"" + std::string(10'000'000, 'x') + "\"}\n";
    }
  }
  dir.Write("a.jsonl", text);
  gzFile packed = gzopen((dir / "b.jsonl.gz").c_str(), "wb");
  REQUIRE(gzwrite(packed, text.data(), static_cast<unsigned>(text.size())) ==
          static_cast<int>(text.size()));
  gzclose(packed);
  const Workspace workspace = Shop();
  const auto files = MakeDiskReader(dir.path());
  const ReadLines plain = ReadAll(JsonOrders("a.jsonl"), workspace, *files, "", 700);
  const ReadLines unpacked = ReadAll(JsonOrders("b.jsonl.gz"), workspace, *files, "", 700);
  CHECK(plain.rows == 3'001);
  CHECK(plain.facts.size() == 3'000);
  CHECK(plain.bad == std::vector<std::string>{"1002 : the row is longer than 1 MB"});
  CHECK((plain.facts == unpacked.facts));
  CHECK(unpacked.bad == plain.bad);
}

TEST_CASE("what can be said of a file as a whole is said of the file") {
  const Source source = JsonOrders("a.jsonl");
  CHECK(ReadText(source, Shop(), "[{\"a\": 1},\n{\"a\": 2}]\n").error ==
        "a.jsonl: the file is a list of JSON; write one object on each line");
  CHECK(ReadText(source, Shop(), "\xFF\xFE{").error ==
        "a.jsonl: the file is UTF-16 text; save it as UTF-8");
  Source strict = source;
  strict.stop_on_bad_rows = true;
  const ReadLines stopped = ReadText(strict, Shop(), kFile);
  CHECK(stopped.facts.empty());
  CHECK(stopped.error.find("a.jsonl: line 5, column day: ") == 0);
}

}  // namespace
}  // namespace segue
