// The scanner of a source's SELECT, and what sources of type sql, jsonl, mixpanel and amplitude
// must say.

#include "config/sql_text.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "example.h"

namespace segue {
namespace {

// The parts with <> between them, or the error.
std::string Split(const std::string& text) {
  const Result<std::vector<std::string>> parts = SplitQuery(text);
  if (!parts) {
    return "error: " + parts.error().message();
  }
  std::string all;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    all += (i == 0 ? "" : "<>") + (*parts)[i];
  }
  return all;
}

TEST_CASE("one SELECT is taken, without its semicolon, and parted at :since") {
  CHECK(Split("select 1") == "select 1");
  CHECK(Split("  -- all\nSELECT 1 ; -- end\n /* x */ ") == "  -- all\nSELECT 1 ");
  CHECK(Split("with a as (select 1) select * from a") == "with a as (select 1) select * from a");
  CHECK(Split("select * from t where a >= :since and b < :since") ==
        "select * from t where a >= <> and b < <>");
  CHECK(
      Split(
          "select ':since', \":since\", a::since, :sincere, $$:since$$, $t$;:since$t$ -- :since") ==
      "select ':since', \":since\", a::since, :sincere, $$:since$$, $t$;:since$t$ -- :since");
  CHECK(Split("select 'it''s; :since', E'a\\';''\\\\' /* ; /* ' */ */, a:since") ==
        "select 'it''s; :since', E'a\\';''\\\\' /* ; /* ' */ */, a<>");
}

TEST_CASE("anything but one whole SELECT is refused") {
  CHECK(Split(" -- nothing\n") == "error: the query is empty");
  CHECK(Split("delete from t") ==
        "error: the query begins with \"delete\", and only a SELECT is run");
  CHECK(Split("select 1; select 2") == "error: the query has more than one statement");
  CHECK(Split("select 1) as a, (select 2") ==
        "error: the query closes a bracket that it did not open");
  CHECK(Split("select (1") == "error: the query has a bracket that is not closed");
  CHECK(Split("select 'a") == "error: the query has a quote that is not closed");
  CHECK(Split("select $a$ 'a") == "error: the query has a quote that is not closed");
  CHECK(Split("select /* a") == "error: the query has a comment that is not closed");
  CHECK(Split("select $1") == "error: the query has a parameter with $; only :since is given");
  CHECK(Split(std::string("select \0", 8)) == "error: the query has a zero byte");
  CHECK(Split("select '\xff'") == "error: the query is not UTF-8 text");
  CHECK(Split("select " + std::string(70'000, ' ')) == "error: the query is longer than 64 KB");
}

// "CODE line: message" for each problem of the source.
std::string Found(const std::string& source, const std::string& query = "select 1") {
  std::vector<SourceFile> files = SmallFiles(source);
  files.push_back({"config/sql/q.sql", query});
  const Loaded loaded = Load(std::move(files));
  std::string text;
  for (const Diagnostic& problem : Problems(loaded)) {
    text += std::string(problem.code) + " " + std::to_string(problem.place.line) + ": " +
            problem.message + "\n";
  }
  return text;
}

const char* const kSql =
    "source: s\ntype: sql\nevery: 1h\nauth: {url: env:DB}\nquery: sql/q.sql\nemits: order_placed\n"
    "time: at\ncurrency: EUR\n";

TEST_CASE("a sql source names its address, its file and what goes with a cursor") {
  CHECK(Found(kSql).empty());
  CHECK(Found(std::string(kSql) + "cursor: id\noverlap: 5000\ntimeout: 30s\n",
              "select * from t where id > :since")
            .empty());
  CHECK(Found(std::string(kSql) + "cursor: \"Updated At\"\noverlap: 10m\n").empty());
  CHECK(Found(std::string(kSql) + "overlap: 10m\n") ==
        "SG005 9: `overlap` is a key of sources with a `cursor`\n");
  CHECK(Found(std::string(kSql) + "cursor: id\noverlap: soon\n") ==
        "SG005 10: `overlap` wants a duration such as 10m, or a whole number such as 10000, not "
        "`soon`\n");
  CHECK(Found(std::string(kSql) + "timeout: 0s\n") ==
        "SG005 9: `timeout` is longer than nothing\n");
  CHECK(Found(std::string(kSql) + "path: a.csv\n") ==
        "SG005 9: `path` is a key of sources of type csv and jsonl\n");
  CHECK(Found(kSql, "select :since") ==
        "SG006 1: `cursor` is missing: the query says :since, which is the largest value of that "
        "column\n");
  CHECK(Found(kSql, "drop table t") ==
        "SG005 5: config/sql/q.sql: the query begins with \"drop\", and only a SELECT is run\n");
  std::string source = kSql;
  source.replace(source.find("url: env:DB"), 11, "url: env:DB, tunnel: cred:ssh");
  CHECK(Found(source).empty());
  source = kSql;
  source.replace(source.find("sql/q.sql"), 9, "sql/p.sql");
  CHECK(Found(source) == "SG002 5: there is no file config/sql/p.sql with a SELECT\n");
  source = kSql;
  source.replace(source.find("url: env:DB"), 11, "uri: env:DB");
  CHECK(Found(source) ==
        "SG001 4: `auth` of type sql has no key `uri`\n"
        "SG006 1: `auth.url` is missing: it says where the database is\n");
}

TEST_CASE("an export needs its secret, and no currency; what it cannot have is refused") {
  const std::string mixpanel = "source: s\ntype: mixpanel\nevery: 1h\nauth: {token: env:T}\n";
  const std::string amplitude = "source: s\ntype: amplitude\nevery: 1h\nauth: {token: env:T}\n";
  CHECK(Found(mixpanel).empty());
  CHECK(Found(amplitude).empty());
  CHECK(Found(mixpanel +
              "history: 400d\noverlap: 5d\ntimeout: 10m\ntimezone: Asia/Tokyo\ncurrency: price_in\n"
              "map: {order_placed: Completed Order, order_placed.amount: cents / 100}\n")
            .empty());
  CHECK(Found("source: s\ntype: mixpanel\nevery: 1h\n") ==
        "SG006 1: `auth.token` is missing: it is the project's secret, or a service account as "
        "USER:SECRET\n");
  CHECK(Found("source: s\ntype: amplitude\nevery: 1h\nauth: {token: env:T, project: env:P}\n") ==
        "SG001 4: `auth` of type amplitude has no key `project`\n");
  CHECK(Found(mixpanel + "overlap: 31d\n") ==
        "SG005 5: `overlap` of an export is a duration of at most 30d\n");
  CHECK(Found(mixpanel + "overlap: 5000\n") ==
        "SG005 5: `overlap` of an export is a duration of at most 30d\n");
  CHECK(Found(mixpanel + "timeout: 0s\n") == "SG005 5: `timeout` is longer than nothing\n");
  CHECK(Found(mixpanel + "dedupe: order_id\n")
            .find("SG005 5: `dedupe` is a key of sources of rows") == 0);
  CHECK(Found(amplitude + "timezone: Asia/Tokyo\n") ==
        "SG005 5: `timezone` is a key of other sources: Amplitude exports in UTC\n");
  CHECK(Found(mixpanel + "map: {order_placd: x}\n").find("SG002 5: no event") == 0);
  CHECK(Found(std::string(kSql) + "history: 5d\n") ==
        "SG005 9: `history` is a key of sources of type mixpanel and amplitude\n");
}

TEST_CASE("a jsonl source is rows with emits, and calls in the Segment shape without") {
  const std::string lines = "source: s\ntype: jsonl\nevery: 1h\npath: in/*.jsonl\ncurrency: EUR\n";
  CHECK(Found(lines).empty());
  CHECK(Found(lines +
              "map: {order_placed: Completed Order - web, order_placed.amount: cents / 100, "
              "customer.email: mail}\n")
            .empty());
  CHECK(Found(lines + "map: {order_placd: x}\n")
            .find("SG002 6: no event, EVENT.FIELD, "
                  "customer.TRAIT or account.TRAIT is called `order_placd`") == 0);
  CHECK(
      Found(lines + "map: {order_placed.amount: f(x)}\n").find("SG005 6: `order_placed.amount`") ==
      0);
  CHECK(Found(lines + "time: at\ndedupe: id\n").find("SG005 6: `time` is a key of rows") == 0);
  CHECK(Found(lines + "query: sql/q.sql\n") ==
        "SG005 6: `query` is a key of sources of type sql\n");
  CHECK(Found(lines + "emits: order_placed\ntime: at\ndedupe: order_id\nmap: {amount: total}\n")
            .empty());
  CHECK(Found("source: s\ntype: jsonl\nevery: 1h\npath: in/*.jsonl\n") ==
        "SG006 1: `currency` is missing: amounts are read, and each has one\n");
}

}  // namespace
}  // namespace segue
