// What is sent, for a source with a cursor column:
//
//   BEGIN READ ONLY, REPEATABLE READ; settings for this transaction
//   prepare the query once, to learn the type of the column
//   SELECT the value where the reading begins: the largest one seen, less the overlap
//   DECLARE CURSOR FOR SELECT rows.*, least(column, now), column > largest FROM (the query) AS rows
//     WHERE column >= begin ORDER BY column
//   FETCH again and again; ROLLBACK
//
// A value beyond the database's own clock never becomes the largest one: a single slip of a year
// would hide everything that comes after it.  Neither does a number that none is larger than: NaN
// and Infinity, which come last in every reading.

#include "daemon/postgres.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <libpq-fe.h>
#include <optional>
#include <poll.h>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/tunnel.h"

namespace segue {
namespace {

constexpr std::size_t kWordsBytesMax = 400;  // Of the database's own words.
constexpr std::string_view kDefaultOverlapTime = "600 seconds";
constexpr std::string_view kDefaultOverlapCount = "10000";
// Between two fetches lies one commit of ours; a database must not keep a snapshot for a program
// that hangs.
constexpr std::string_view kIdleMillisMax = "300000";
// How often whoever waits for an answer looks whether it is to go on waiting, and how long an
// answer may be on the way after the database would have given a statement up.
constexpr int kLookMillis = 1000;
constexpr Duration kOnTheWay = std::chrono::seconds(60);
constexpr Oid kTimestamp = 1114;
constexpr Oid kBool = 16;  // Prints as t and f; catalog/pg_type.dat has the numbers.

// How values of the cursor column's type are compared and moved back.
struct CursorType {
  Oid type;
  std::string_view name;      // To cast to.
  std::string_view smallest;  // What `:since` is before anything was seen.
  bool is_time;
  std::string_view now;     // SQL; {} stands for the name of the source's zone.
  bool has_no_end = false;  // NaN and Infinity are among its numbers.
};

constexpr std::array kCursorTypes = {
    CursorType{21, "int8", "-32768", false, ""},
    CursorType{23, "int8", "-2147483648", false, ""},
    CursorType{20, "int8", "-9223372036854775808", false, ""},
    CursorType{1700, "numeric", "-Infinity", false, "", true},
    CursorType{700, "float8", "-Infinity", false, "", true},
    CursorType{701, "float8", "-Infinity", false, "", true},
    CursorType{1082, "date", "-infinity", true, "(now() AT TIME ZONE {})::date"},
    CursorType{kTimestamp, "timestamp", "-infinity", true, "now() AT TIME ZONE {}"},
    CursorType{1184, "timestamptz", "-infinity", true, "now()"},
};

// Where a reading begins: $1 is the largest value, $2 the overlap.
constexpr std::string_view kNumberLess = "SELECT ($1::{0} - $2::{0})::text";
// The smallest number has nothing before it.
constexpr std::string_view kWholeLess =
    "SELECT greatest($1::numeric - $2::numeric, -9223372036854775808)::text";
constexpr std::string_view kTimeLess = "SELECT (($1::{0} - $2::interval)::{0})::text";
// A clock on the wall goes back once a year: what it showed again after the largest value was given
// out is not behind us.  The hours behind the first moment at which it showed that value are looked
// through by the minute.
constexpr std::string_view kWallLess = R"(
SELECT (least($1::timestamp, min((date_trunc('minute', first) + n * interval '1 minute')
                                 AT TIME ZONE {0})) - $2::interval)::text
FROM (SELECT min(at - back) AS first
      FROM (SELECT $1::timestamp AT TIME ZONE {0} AS at) AS last,
           unnest('{{0,"30 min","1 hour","2 hours"}}'::interval[]) AS back
      WHERE (at - back) AT TIME ZONE {0} = $1::timestamp) AS shown,
     generate_series(1, 180) AS n)";

const CursorType* FindCursorType(Oid type) {
  const auto found = std::find_if(kCursorTypes.begin(), kCursorTypes.end(),
                                  [type](const CursorType& one) { return one.type == type; });
  return found == kCursorTypes.end() ? nullptr : &*found;
}

struct CloseConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};

struct ClearReply {
  void operator()(PGresult* reply) const { PQclear(reply); }
};

using Answer = std::unique_ptr<PGresult, ClearReply>;
using Values = std::span<const std::optional<std::string>>;

// A name as SQL writes it.
std::string Quoted(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    text += c == '"' ? "\"\"" : std::string(1, c);
  }
  return text + "\"";
}

std::string QuotedText(std::string_view value) {
  std::string text = "'";
  for (const char c : value) {
    text += c == '\'' ? "''" : std::string(1, c);
  }
  return text + "'";
}

void ReplaceAll(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); !what.empty() && at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

// How an answer is waited for.
struct Patience {
  Duration most;   // The database itself ends a statement before that.
  GoesOn goes_on;  // May be none.
};

// An open connection.  Its texts never hold the address's password.
class Connection {
 public:
  // `tunnel`: see daemon/tunnel.h; empty: the database is reached as it is.
  // Error: not an address, or the database cannot be reached.
  static Result<Connection> Open(const std::string& address, const std::string& tunnel,
                                 Patience patience) {
    Connection connection;
    connection.patience_ = std::move(patience);
    char* words = nullptr;
    PQconninfoOption* options = PQconninfoParse(address.c_str(), &words);
    // libpq's words would repeat the address.
    PQfreemem(words);
    if (options == nullptr) {
      return Error(
          "auth.url is not the address of a database; write "
          "postgresql://user:password@host:5432/database behind its name");
    }
    std::vector<std::string> given;
    Place place;
    for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
      const std::string_view keyword = option->keyword;
      if (option->val != nullptr && option->val[0] != '\0') {
        given.emplace_back(keyword);
        (keyword == "host"       ? place.host
         : keyword == "hostaddr" ? place.address
         : keyword == "port"     ? place.port
                                 : place.other) = option->val;
        if (keyword == "password" || keyword == "sslpassword") {
          connection.secrets_.emplace_back(option->val);
          connection.secrets_.push_back(UrlEncode(option->val));
        }
      }
    }
    PQconninfoFree(options);
    connection.secrets_.push_back(address);
    if (!tunnel.empty()) {
      Result<std::unique_ptr<Tunnel>> open =
          Tunnel::Open(tunnel, place.address.empty() ? place.host : place.address,
                       place.port.empty() ? "5432" : place.port);
      if (!open) {
        return open.error();
      }
      connection.tunnel_ = std::move(*open);
    }
    connection.Connect(address, given);
    if (PQstatus(connection.get()) != CONNECTION_OK) {
      const std::string trouble = connection.tunnel_ ? connection.tunnel_->Trouble() : "";
      return Error(
          trouble.empty()
              ? fmt::format("the database cannot be reached: {}; check auth.url, the network "
                            "and who may log in",
                            connection.Words(PQerrorMessage(connection.get())))
              : fmt::format("the SSH host of auth.tunnel cannot reach the database: {}; check the "
                            "host and port of auth.url, as they are seen from there",
                            connection.Words(trouble.c_str())));
    }
    return connection;
  }

  PGconn* get() const { return connection_.get(); }

  Result<Answer> Run(const std::string& text, Values values = {}) const {
    std::vector<const char*> pointers;
    for (const std::optional<std::string>& value : values) {
      pointers.push_back(value ? value->c_str() : nullptr);
    }
    // With parameters only one statement is taken, whatever the text says.
    return Await(PQsendQueryParams(get(), text.c_str(), static_cast<int>(pointers.size()), nullptr,
                                   pointers.data(), nullptr, nullptr, 0));
  }

  // Requires: values are bound to no type yet.
  Result<Answer> Prepare(const std::string& text) const {
    const Result<Answer> prepared = Await(PQsendPrepare(get(), "", text.c_str(), 0, nullptr));
    return prepared ? Await(PQsendDescribePrepared(get(), "")) : prepared.error();
  }

 private:
  // Where the address says that the database is.
  struct Place {
    std::string host, address, port, other;
  };

  // The answer to what was sent just now, if it was.
  Result<Answer> Await(int sent) const {
    const Duration end = MonotonicNow() + patience_.most;
    Answer answer;
    while (sent == 1) {
      if (PQisBusy(get()) == 0) {
        Answer next(PQgetResult(get()));
        if (next == nullptr) {
          break;
        }
        answer = std::move(next);
        continue;
      }
      pollfd watched{PQsocket(get()), POLLIN, 0};
      poll(&watched, 1, kLookMillis);
      if (patience_.goes_on && !patience_.goes_on()) {
        Cancel();
        throw StopAsked();
      }
      if (MonotonicNow() > end) {
        return Error("the database does not answer any more; check the network");
      }
      if (PQconsumeInput(get()) == 0) {
        break;
      }
    }
    return Checked(std::move(answer));
  }

  // The database would go on for nobody.
  void Cancel() const {
    PGcancel* cancel = PQgetCancel(get());
    std::array<char, 256> words = {};
    PQcancel(cancel, words.data(), static_cast<int>(words.size()));
    PQfreeCancel(cancel);
  }

  Result<Answer> Checked(Answer answer) const {
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      return answer;
    }
    const char* code = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE);
    const std::string_view state = code == nullptr ? "" : code;
    const std::string words = Words(PQerrorMessage(get()));
    if (state == "57014") {
      return Error(
          fmt::format("the database took too long: {}; give the cursor column an index, or "
                      "the source a longer `timeout`",
                      words));
    }
    return Error(fmt::format("the database says: {}", words));
  }

  void Connect(const std::string& address, const std::vector<std::string>& given) {
    // What the address says comes first, save for the name.
    std::vector<const char*> keywords = {"dbname", "application_name", "client_encoding"};
    std::vector<const char*> values = {address.c_str(), "segue", "UTF8"};
    constexpr std::array<std::pair<const char*, const char*>, 3> kUsual = {
        {{"connect_timeout", "10"}, {"keepalives_idle", "30"}, {"tcp_user_timeout", "60000"}}};
    for (const auto& [keyword, value] : kUsual) {
      if (std::find(given.begin(), given.end(), keyword) == given.end()) {
        keywords.push_back(keyword);
        values.push_back(value);
      }
    }
    if (tunnel_) {  // The address's host is still the one whose certificate is wanted.
      keywords.insert(keywords.end(), {"hostaddr", "port"});
      values.insert(values.end(), {"127.0.0.1", tunnel_->port().c_str()});
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    connection_.reset(PQconnectdbParams(keywords.data(), values.data(), 1));
  }

  // One line of UTF-8 without a secret.
  std::string Words(const char* text) const {
    std::string words(Trim(text == nullptr ? "" : text));
    for (const std::string& secret : secrets_) {
      ReplaceAll(words, secret, "[secret]");
    }
    std::replace_if(
        words.begin(), words.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; },
        ' ');
    words.resize(std::min(words.size(), kWordsBytesMax));
    while (!words.empty() && !IsUtf8(words)) {
      words.pop_back();
    }
    return words.starts_with("ERROR:") ? std::string(Trim(words.substr(6))) : words;
  }

  std::unique_ptr<Tunnel> tunnel_;  // Outlives the connection through it.
  std::unique_ptr<PGconn, CloseConnection> connection_;
  std::vector<std::string> secrets_;
  Patience patience_;
};

class PostgresRows final : public SqlRows {
 public:
  PostgresRows(Connection connection, const Source& source)
      : connection_(std::move(connection)), source_(source) {}

  std::optional<Error> Begin(const std::optional<SqlPlace>& after) {
    for (auto step : {&PostgresRows::BeginTransaction, &PostgresRows::Describe}) {
      if (std::optional<Error> error = (this->*step)()) {
        return error;
      }
    }
    // That it was reached says nothing of what lies before it.
    const bool knows_where =
        after && cursor_type_ != nullptr &&
        (after->type.empty() || after->type == cursor_type_->name) &&
        (!cursor_type_->has_no_end || (after->value != "NaN" && after->value != "Infinity"));
    if (!knows_where) {
      return Declare(std::nullopt);
    }
    if (std::optional<Error> error = FindBegin(after->value)) {
      return error;
    }
    return Declare(after->value);
  }

  const std::vector<std::string>& columns() const override { return columns_; }

  std::string_view cursor_type() const override {
    return cursor_type_ == nullptr ? "" : cursor_type_->name;
  }

  Result<std::vector<SqlRow>> Fetch(std::int64_t most) override {
    Result<Answer> answer =
        connection_.Run(fmt::format("FETCH FORWARD {} FROM segue_reading", most));
    if (!answer) {
      return answer.error();
    }
    std::vector<SqlRow> rows(static_cast<std::size_t>(PQntuples(answer->get())));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<int>(i);
      for (std::size_t k = 0; k < columns_.size(); ++k) {
        rows[i].values.push_back(ValueOf(answer->get(), row, static_cast<int>(k)));
      }
      if (cursor_type_ != nullptr) {
        const auto behind = static_cast<int>(columns_.size());
        rows[i].cursor = ValueOf(answer->get(), row, behind);
        rows[i].is_newer = ValueOf(answer->get(), row, behind + 1) == "true";
      }
    }
    return rows;
  }

 private:
  std::optional<Error> BeginTransaction() {
    const std::string timeout = std::to_string(
        std::chrono::duration_cast<std::chrono::milliseconds>(source_.sql.timeout).count());
    const std::array<std::string, 7> statements = {
        "SET default_transaction_read_only = on",
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "SET LOCAL statement_timeout = " + timeout,
        fmt::format("SET LOCAL idle_in_transaction_session_timeout = {}", kIdleMillisMax),
        "SET LOCAL TimeZone = 'UTC'",
        "SET LOCAL DateStyle = 'ISO'",
        "SET LOCAL extra_float_digits = 1",
    };
    for (const std::string& statement : statements) {
      const Result<Answer> answer = connection_.Run(statement);
      if (!answer) {
        return answer.error();
      }
    }
    return std::nullopt;
  }

  std::string Query(std::string_view since) const {
    std::string query;
    for (std::size_t i = 0; i < source_.sql.query.size(); ++i) {
      query += i == 0 ? "" : std::string(since);
      query += source_.sql.query[i];
    }
    // The query may end with a comment.
    return "(\n" + query + "\n) AS segue_rows";
  }

  bool HasSince() const { return source_.sql.query.size() > 1; }

  // The columns' names, the type of the cursor column and that of `:since`.
  std::optional<Error> Describe() {
    const std::string text = "SELECT * FROM " + Query("$1");
    const Result<Answer> answer = connection_.Prepare(text);
    if (!answer) {
      return answer.error();
    }
    const std::string& cursor = source_.sql.cursor;
    for (int i = 0; i < PQnfields(answer->get()); ++i) {
      columns_.emplace_back(PQfname(answer->get(), i));
      if (columns_.back() == cursor) {
        cursor_type_ = FindCursorType(PQftype(answer->get(), i));
        if (cursor_type_ == nullptr) {
          return Error(
              fmt::format("the cursor column {} is neither a time nor a number; name one "
                          "that is",
                          cursor));
        }
      }
    }
    if (!cursor.empty() && cursor_type_ == nullptr) {
      const std::optional<std::string> near = Nearest(cursor, columns_);
      return Error(fmt::format("the query has no column {:?} (cursor){}", cursor,
                               near ? fmt::format("; did you mean {:?}?", *near) : ""));
    }
    if (HasSince()) {
      const CursorType* type = FindCursorType(PQparamtype(answer->get(), 0));
      if (type == nullptr) {
        return Error(
            "the query compares :since with neither a time nor a number; write its type "
            "behind it, such as :since::timestamptz");
      }
      begin_ = type->smallest;
    }
    return std::nullopt;
  }

  std::string Now() const {
    return cursor_type_->now.empty()
               ? ""
               : fmt::format(fmt::runtime(cursor_type_->now), QuotedText(source_.timezone.name()));
  }

  std::string LessOverlap() const {
    if (cursor_type_->type == kTimestamp) {
      return fmt::format(fmt::runtime(kWallLess), QuotedText(source_.timezone.name()));
    }
    return fmt::format(fmt::runtime(cursor_type_->is_time      ? kTimeLess
                                    : cursor_type_->has_no_end ? kNumberLess
                                                               : kWholeLess),
                       cursor_type_->name);
  }

  // The largest value seen, less the overlap.
  std::optional<Error> FindBegin(const std::string& after) {
    const SqlSettings& sql = source_.sql;
    if (cursor_type_->is_time ? sql.overlap_count.has_value() : sql.overlap_time.has_value()) {
      return Error(
          fmt::format("the cursor column {} is a {}, so `overlap` is {}", sql.cursor,
                      cursor_type_->is_time ? "time" : "number",
                      cursor_type_->is_time ? "a duration such as 10m" : "a number such as 10000"));
    }
    std::string overlap(cursor_type_->is_time ? kDefaultOverlapTime : kDefaultOverlapCount);
    if (sql.overlap_time) {
      overlap =
          fmt::format("{} seconds",
                      std::chrono::duration_cast<std::chrono::seconds>(*sql.overlap_time).count());
    } else if (sql.overlap_count) {
      overlap = std::to_string(*sql.overlap_count);
    }
    const std::array<std::optional<std::string>, 2> values = {after, overlap};
    const Result<Answer> answer = connection_.Run(LessOverlap(), values);
    if (!answer) {
      return answer.error();
    }
    begin_ = PQgetvalue(answer->get(), 0, 0);
    return std::nullopt;
  }

  std::optional<Error> Declare(const std::optional<std::string>& after) {
    std::vector<std::optional<std::string>> values;
    const auto parameter = [&](std::string value) {
      values.emplace_back(std::move(value));
      return fmt::format("${}", values.size());
    };
    const std::string rows = Query(HasSince() ? parameter(begin_) : "");
    std::string text = "SELECT segue_rows.* FROM " + rows;
    if (cursor_type_ != nullptr) {
      const std::string column =
          fmt::format("(segue_rows.{})::{}", Quoted(source_.sql.cursor), cursor_type_->name);
      const std::string plain = "segue_rows." + Quoted(source_.sql.cursor);
      const std::string seen =
          cursor_type_->is_time ? fmt::format("least({}, {})", column, Now()) : column;
      std::string newer =
          after ? fmt::format("{} > {}::{}", seen, parameter(*after), cursor_type_->name) : "true";
      if (cursor_type_->has_no_end) {
        newer += fmt::format(" AND {} < 'Infinity'", seen);
      }
      // least() leaves NULL out; a row without a value has none.
      text = fmt::format(
          "SELECT segue_rows.*, CASE WHEN {0} IS NOT NULL THEN ({1})::text END, {2} "
          "FROM {3}",
          plain, seen, newer, rows);
      if (after) {
        text += fmt::format(" WHERE {} >= {}::{}", plain, parameter(begin_), cursor_type_->name);
      }
      text += fmt::format(" ORDER BY {}", plain);
    }
    const Result<Answer> answer =
        connection_.Run("DECLARE segue_reading NO SCROLL CURSOR FOR " + text, values);
    return answer ? std::nullopt : std::optional(answer.error());
  }

  static std::optional<std::string> ValueOf(const PGresult* answer, int row, int column) {
    if (PQgetisnull(answer, row, column) != 0) {
      return std::nullopt;
    }
    const std::string_view text(PQgetvalue(answer, row, column),
                                static_cast<std::size_t>(PQgetlength(answer, row, column)));
    if (PQftype(answer, column) == kBool) {
      return text == "t" ? "true" : "false";
    }
    return std::string(text);
  }

  Connection connection_;
  const Source& source_;
  std::vector<std::string> columns_;
  const CursorType* cursor_type_ = nullptr;  // Null: everything is read.
  std::string begin_;                        // Where the reading begins.
};

class PostgresReader final : public SqlReader {
 public:
  PostgresReader(std::function<Result<std::string>(const std::string&)> resolve, GoesOn goes_on)
      : resolve_(std::move(resolve)), goes_on_(std::move(goes_on)) {}

  Result<std::unique_ptr<SqlRows>> Open(const Source& source,
                                        const std::optional<SqlPlace>& after) override {
    const Result<std::string> address = resolve_(source.sql.url);
    if (!address) {
      return Error("auth.url: " + address.error().message());
    }
    const Result<std::string> tunnel =
        source.sql.tunnel.empty() ? Result<std::string>("") : resolve_(source.sql.tunnel);
    if (!tunnel) {
      return Error("auth.tunnel: " + tunnel.error().message());
    }
    if (!source.sql.tunnel.empty() && tunnel->empty()) {
      return Error("auth.tunnel is empty");
    }
    Result<Connection> connection =
        Connection::Open(*address, *tunnel, {source.sql.timeout + kOnTheWay, goes_on_});
    if (!connection) {
      return connection.error();
    }
    auto rows = std::make_unique<PostgresRows>(std::move(*connection), source);
    if (const std::optional<Error> error = rows->Begin(after)) {
      return *error;
    }
    return std::unique_ptr<SqlRows>(std::move(rows));
  }

 private:
  std::function<Result<std::string>(const std::string&)> resolve_;
  GoesOn goes_on_;
};

}  // namespace

std::unique_ptr<SqlReader> MakePostgresReader(
    std::function<Result<std::string>(const std::string&)> resolve, GoesOn goes_on) {
  return std::make_unique<PostgresReader>(std::move(resolve), std::move(goes_on));
}

}  // namespace segue
