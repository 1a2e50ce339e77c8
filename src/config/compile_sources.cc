// Sources and connectors.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "config/compile.h"
#include "config/connector_types.h"
#include "config/forms.h"
#include "config/sql_text.h"
#include "expression/parse.h"

namespace segue {
namespace {

SourceType TypeOf(std::string_view name) {
  return name == "csv"                                            ? SourceType::kCsv
         : name == "sql"                                          ? SourceType::kSql
         : name == "jsonl" || name == "http" || name == "webhook" ? SourceType::kJsonLines
         : name == "mixpanel"                                     ? SourceType::kMixpanel
         : name == "amplitude"                                    ? SourceType::kAmplitude
                                                                  : SourceType::kOther;
}

// Only columns, numbers and + - * /.
bool IsArithmetic(const Syntax& syntax) {
  const bool leaf = syntax.kind == Syntax::Kind::kName || syntax.kind == Syntax::Kind::kNumber;
  const bool sign = syntax.kind == Syntax::Kind::kUnary && syntax.text == "-";
  const bool sum = syntax.kind == Syntax::Kind::kBinary && syntax.text.size() == 1 &&
                   std::string_view("+-*/").find(syntax.text[0]) != std::string_view::npos;
  return leaf ||
         ((sign || sum) && std::all_of(syntax.args.begin(), syntax.args.end(), IsArithmetic));
}

bool IsColumns(std::string_view text) {
  const bool arithmetic = text.find_first_of("()*/") != std::string_view::npos ||
                          text.find(" + ") != std::string_view::npos ||
                          text.find(" - ") != std::string_view::npos;
  if (!arithmetic) {
    return true;
  }
  const auto parsed = ParseExpression(text);
  const Syntax* syntax = boost::variant2::get_if<0>(&parsed);
  return syntax != nullptr && IsArithmetic(*syntax);
}

std::vector<std::string> NamesOf(const std::vector<FieldSpec>& fields,
                                 const std::vector<std::string>& more) {
  std::vector<std::string> names = more;
  for (const FieldSpec& field : fields) {
    names.push_back(field.name);
  }
  return names;
}

}  // namespace

void Compiler::SourceOf(const Document& document) {
  const Node& root = document.root;
  Source source;
  source.id = document.id;
  source.place = document.place;
  source.type_name = TextAt(root, "type");
  source.type = TypeOf(source.type_name);
  source.path = TextAt(root, "path");
  source.time_column = TextAt(root, "time");
  source.version_column = TextAt(root, "version");
  source.timezone = workspace_.schema.timezone;
  if (const Node* zone = document.Find("timezone")) {
    source.timezone = *Zone::Find(zone->text);
  }
  source.every = ParseSchedule(TextAt(root, "every")).value_or(source.every);
  source.late_events = ParseDuration(TextAt(root, "late_events")).value_or(source.late_events);
  source.stop_on_bad_rows = TextAt(root, "bad_rows") == "stop";
  const std::string emits = TextAt(root, "emits");
  source.emits_customer = emits == "customer";
  source.emits_account = emits == "account";
  source.emits_event = source.emits_customer || source.emits_account
                           ? std::nullopt
                           : workspace_.schema.FindEvent(emits);
  const std::string currency = TextAt(root, "currency");
  (CurrencyDecimals(currency) ? source.currency : source.currency_column) = currency;

  const bool pushed = source.type_name == "http" || source.type_name == "webhook";
  const bool file =
      !pushed && (source.type == SourceType::kCsv || source.type == SourceType::kJsonLines);
  const bool rows = file || pushed || source.type == SourceType::kSql;
  if (!pushed && !source.type_name.empty()) {
    Missing(root, "every", "it says how often to fetch");
  }
  if (pushed) {
    PushedOf(document, source);
  }
  if (file) {
    Missing(root, "path", "it says which files are read");
    Misplaced(document, {"auth", "query", "cursor", "overlap", "timeout"}, "sources of type sql");
  }
  if (rows) {
    Misplaced(document, {"history"}, "sources of type mixpanel and amplitude");
  }
  if (source.type == SourceType::kSql) {
    Misplaced(document, {"path"}, "sources of type csv and jsonl");
    SqlOf(document, source);
  }
  if (source.is_export()) {
    ExportOf(document, source);
  } else if (source.type == SourceType::kJsonLines && root.Find("emits") == nullptr &&
             source.type_name != "webhook") {
    Misplaced(document, {"time", "dedupe", "version"},
              "rows (`emits`); a line in the Segment shape has its timestamp and messageId");
    SegmentMap(document, source);
  } else if (rows) {
    Missing(root, "emits", "it says what a row is");
    if (emits != "customer" && emits != "account") {
      Missing(root, "time", "it names the column with the time of the event");
    }
    SourceColumns(document, source);
  }
  workspace_.sources.push_back(std::move(source));
}

// Reports keys that this source does not have.
void Compiler::Misplaced(const Document& document, const std::vector<std::string_view>& keys,
                         std::string_view whose) {
  for (const Node& key : document.root.keys) {
    if (std::find(keys.begin(), keys.end(), key.text) != keys.end()) {
      Wrong(key, fmt::format("`{}` is a key of {}", key.text, whose), "take it out");
    }
  }
}

// What is pushed in is written down before it is answered, and read from there.
void Compiler::PushedOf(const Document& document, Source& source) {
  const bool calls = source.type_name == "http";
  const std::string_view secret = calls ? "token" : "sign";
  Misplaced(document, {"every", "path", "query", "cursor", "overlap", "timeout"},
            "sources that are read; what comes by itself has no schedule and no place");
  if (calls) {
    Misplaced(document, {"emits"}, "rows; calls say themselves what they are (`type: webhook`)");
  }
  if (calls && document.Find("currency") == nullptr) {
    source.currency = workspace_.schema.currency;
    source.currency_column = "currency";
  }
  source.path = fmt::format("{}/{}/*.jsonl", kSpoolFolder, source.id);
  source.every = {.kind = Schedule::Kind::kInterval, .interval = kDay};
  const Node* auth = document.Find("auth");
  for (std::size_t i = 0; auth != nullptr && i < auth->keys.size(); ++i) {
    const Node& key = auth->keys[i];
    if (key.text == secret) {
      source.push_secret = auth->items[i].text;
    } else {
      report_.Error("SG001", key.place,
                    fmt::format("`auth` of type {} has no key `{}`", source.type_name, key.text),
                    {}, fmt::format("it has `{}`", secret));
    }
  }
  if (auth == nullptr || auth->Find(secret) == nullptr) {
    report_.Error("SG006", document.place,
                  fmt::format("`auth.{}` is missing: {}", secret,
                              calls ? "who sends says it with every call"
                                    : "who sends signs every call with it"),
                  {}, fmt::format("add `auth: {{{}: env:NAME}}`", secret));
  }
}

void Compiler::ExportOf(const Document& document, Source& source) {
  const Node& root = document.root;
  const bool mixpanel = source.type == SourceType::kMixpanel;
  Misplaced(document, {"path", "query", "cursor", "emits", "time", "dedupe", "version"},
            "sources of rows; an event of an export says itself what, when and which it is");
  const Node* auth = document.Find("auth");
  for (std::size_t i = 0; auth != nullptr && i < auth->keys.size(); ++i) {
    const Node& key = auth->keys[i];
    if (key.text != "token" && key.text != "url" && (key.text != "project" || !mixpanel)) {
      report_.Error("SG001", key.place,
                    fmt::format("`auth` of type {} has no key `{}`", source.type_name, key.text),
                    {}, mixpanel ? "it has `token`, `project`, `url`" : "it has `token`, `url`");
    }
    source.exports.auth[key.text] = auth->items[i].text;
  }
  if (source.exports.auth.count("token") == 0) {
    report_.Error("SG006", document.place,
                  fmt::format("`auth.token` is missing: it is {}",
                              mixpanel ? "the project's secret, or a service account as USER:SECRET"
                                       : "the project's two keys, as KEY:SECRET"),
                  {}, "add `auth: {token: env:NAME}`");
  }
  constexpr Duration kOverlapMost = 30 * kDay;
  source.exports.overlap = mixpanel ? 3 * kDay : 6 * kHour;
  if (const Node* overlap = document.Find("overlap")) {
    const std::optional<Duration> time = ParsePlainDuration(overlap->text);
    if (!time || *time > kOverlapMost) {
      Wrong(*overlap, "`overlap` of an export is a duration of at most 30d");
    }
    source.exports.overlap = time.value_or(source.exports.overlap);
  }
  source.exports.history = ParseDuration(TextAt(root, "history")).value_or(source.exports.history);
  source.exports.timeout = ParseDuration(TextAt(root, "timeout")).value_or(source.exports.timeout);
  if (source.exports.timeout <= Duration::zero()) {
    Wrong(*document.Find("timeout"), "`timeout` is longer than nothing");
  }
  if (!mixpanel) {
    Misplaced(document, {"timezone"}, "other sources: Amplitude exports in UTC");
  }
  if (!mixpanel || document.Find("timezone") == nullptr) {
    source.timezone = Zone();
  }
  if (document.Find("currency") == nullptr) {
    source.currency = workspace_.schema.currency;
    source.currency_column.clear();
  }
  SegmentMap(document, source);
}

void Compiler::SqlOf(const Document& document, Source& source) {
  const Node& root = document.root;
  const Node* auth = document.Find("auth");
  for (std::size_t i = 0; auth != nullptr && i < auth->keys.size(); ++i) {
    const Node& key = auth->keys[i];
    if (key.text == "url") {
      source.sql.url = auth->items[i].text;
    } else if (key.text == "tunnel") {
      source.sql.tunnel = auth->items[i].text;
    } else {
      report_.Error("SG001", key.place, fmt::format("`auth` of type sql has no key `{}`", key.text),
                    {}, "it has `url` and `tunnel`");
    }
  }
  if (auth == nullptr || auth->Find("url") == nullptr) {
    report_.Error("SG006", document.place, "`auth.url` is missing: it says where the database is",
                  {}, "add `auth: {url: env:NAME}`");
  }
  Missing(root, "query", "it names the file with the SELECT");
  source.sql.cursor = TextAt(root, "cursor");
  const std::string overlap = TextAt(root, "overlap");
  source.sql.overlap_time = ParsePlainDuration(overlap);
  source.sql.overlap_count = ParseCount(overlap);
  source.sql.timeout = ParseDuration(TextAt(root, "timeout")).value_or(source.sql.timeout);
  if (source.sql.timeout <= Duration::zero()) {
    Wrong(*document.Find("timeout"), "`timeout` is longer than nothing");
  }
  if (source.sql.cursor.empty()) {
    Misplaced(document, {"overlap"}, "sources with a `cursor`");
  }
  const Node* query = document.Find("query");
  if (query == nullptr) {
    return;
  }
  source.sql.query_path = query->text;
  const auto file = std::find_if(files_.begin(), files_.end(), [&](const SourceFile& one) {
    return one.path == "config/" + query->text;
  });
  if (file == files_.end() || !query->text.ends_with(".sql")) {
    report_.Error("SG002", query->place,
                  fmt::format("there is no file config/{} with a SELECT", query->text), {},
                  "write it there, with a name that ends with .sql");
    return;
  }
  Result<std::vector<std::string>> parts = SplitQuery(file->text);
  if (!parts) {
    Wrong(*query, fmt::format("config/{}: {}", query->text, parts.error().message()),
          "one SELECT stands there; it may say :since for the cursor's value");
    return;
  }
  if (parts->size() > 1 && source.sql.cursor.empty()) {
    Missing(root, "cursor", "the query says :since, which is the largest value of that column");
  }
  source.sql.query = std::move(*parts);
}

// `map` of lines in the Segment shape: an event, EVENT.FIELD, customer.TRAIT or account.TRAIT on
// the left.
void Compiler::SegmentMap(const Document& document, Source& source) {
  const struct Schema& schema = workspace_.schema;
  std::vector<std::string> events, known;
  bool money = false;
  const auto add = [&](const std::string& prefix, const std::vector<FieldSpec>& fields) {
    for (const FieldSpec& field : fields) {
      known.push_back(prefix + "." + field.name);
      money = money || field.type == Type::kMoney;
    }
  };
  for (const EventSpec& event : schema.events) {
    events.push_back(event.name);
    add(event.name, event.fields);
  }
  add("customer", schema.customer_traits);
  add("account", schema.account_traits);
  known.insert(known.end(), events.begin(), events.end());
  const Node* map = document.Find("map");
  for (std::size_t i = 0; map != nullptr && i < map->keys.size(); ++i) {
    const Node& key = map->keys[i];
    const Node& value = map->items[i];
    const bool event = std::find(events.begin(), events.end(), key.text) != events.end();
    if (std::find(known.begin(), known.end(), key.text) == known.end()) {
      Unknown(key, "event, EVENT.FIELD, customer.TRAIT or account.TRAIT", key.text, known);
    } else if (!event && !value.bad && !IsColumns(value.text)) {
      Wrong(value, fmt::format("`{}` wants a name, or names and numbers with + - * /", key.text));
    } else {
      source.map.push_back(ColumnMap{key.text, value.text, value.place});
    }
  }
  if (money && source.currency.empty() && source.currency_column.empty()) {
    Missing(document.root, "currency", "amounts are read, and each has one");
  }
}

void Compiler::SourceColumns(const Document& document, Source& source) {
  const struct Schema& schema = workspace_.schema;
  static const std::vector<FieldSpec> kNone;
  const std::vector<FieldSpec>& fields =
      source.emits_event      ? schema.events[static_cast<std::size_t>(*source.emits_event)].fields
      : source.emits_customer ? schema.customer_traits
      : source.emits_account  ? schema.account_traits
                              : kNone;
  if (document.Find("emits") == nullptr) {
    return;
  }
  const std::vector<std::string> known =
      NamesOf(fields, {workspace_.customer_key, workspace_.account_key});
  const auto is_known = [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  const std::string_view what = source.emits_event ? "field or key" : "trait or key";
  const Node* map = document.Find("map");
  for (std::size_t i = 0; map != nullptr && i < map->keys.size(); ++i) {
    const Node& key = map->keys[i];
    const Node& value = map->items[i];
    if (!is_known(key.text)) {
      Unknown(key, what, key.text, known);
    } else if (!value.bad && !IsColumns(value.text)) {
      Wrong(value,
            fmt::format("`{}` wants a column, or columns and numbers with + - * /", key.text));
    } else {
      source.map.push_back(ColumnMap{key.text, value.text, value.place});
    }
  }
  const Node* dedupe = document.Find("dedupe");
  const auto add = [&](const Node& field) {
    if (!is_known(field.text)) {
      Unknown(field, what, field.text, known);
    }
    source.dedupe.push_back(field.text);
  };
  if (dedupe != nullptr && dedupe->kind == Node::Kind::kList) {
    std::for_each(dedupe->items.begin(), dedupe->items.end(), add);
  } else if (dedupe != nullptr) {
    add(*dedupe);
  }
  const bool money = std::any_of(fields.begin(), fields.end(),
                                 [](const FieldSpec& field) { return field.type == Type::kMoney; });
  if (money) {
    Missing(document.root, "currency", "amounts are read, and each has one");
  }
}

namespace {

// Vendors that tell of their own accord who has left, and whose connectors understand it.
constexpr std::array<std::string_view, 3> kWithHooks = {"activecampaign", "intercom", "mailchimp"};
constexpr std::string_view kHooks = "/hooks/";

bool IsHookPath(std::string_view path) {
  return path.starts_with(kHooks) && path.size() > kHooks.size() &&
         path.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
             "-_/") == std::string_view::npos;
}

bool IsHeaderName(std::string_view name) {
  return name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
         std::string_view::npos;
}

// A file is looked at before it is written; mail and hooks have no key unless the file says so.
Dedupe StandardDedupe(std::string_view type) {
  constexpr std::array<std::string_view, 4> kKeyed = {"file", "salesforce", "mixpanel",
                                                      "amplitude"};
  return std::find(kKeyed.begin(), kKeyed.end(), type) != kKeyed.end() ? Dedupe::kKey
         : type == "hubspot" || type == "activecampaign"               ? Dedupe::kLookup
                                                                       : Dedupe::kNone;
}

}  // namespace

// Where the vendor's hooks arrive.  Their secret is resolved with the others.
void Compiler::InboundOf(const Document& document, ConnectorSettings& settings) {
  const Node* inbound = document.Find("inbound");
  if (inbound == nullptr || settings.type.empty()) {
    return;
  }
  if (std::find(kWithHooks.begin(), kWithHooks.end(), settings.type) == kWithHooks.end()) {
    report_.Error("SG005", inbound->place,
                  fmt::format("connectors of type {} have no `inbound`: no hooks of theirs are "
                              "understood",
                              settings.type),
                  {}, "take it out; activecampaign, intercom and mailchimp have it");
    return;
  }
  settings.text["inbound.path"] = TextAt(*inbound, "path");
  settings.auth["inbound.secret"] = TextAt(*inbound, "secret");
  const Node* path = Good(*inbound, "path");
  if (path == nullptr) {
    return;
  }
  if (!IsHookPath(path->text)) {
    Wrong(*path, "`inbound.path` wants a path below /hooks/ of letters, digits, - and _",
          fmt::format("write `{}{}`", kHooks, settings.id));
  }
  for (const ConnectorSettings& other : workspace_.connectors) {
    const auto taken = other.text.find("inbound.path");
    if (taken != other.text.end() && taken->second == path->text) {
      report_.Error("SG007", path->place,
                    fmt::format("connector {} has its hooks at {} already", other.id, path->text),
                    {}, "give each connector a path of its own");
    }
  }
}

// Not every tool can be told of an account, and some find it in one way only.
void Compiler::MatchedAccount(const Document& document, const std::string& type) {
  const Node* match = document.Find("match");
  const Node* account = match == nullptr ? nullptr : Good(*match, "account");
  if (account == nullptr || type.empty()) {
    return;
  }
  const std::optional<std::string_view> field = AccountFieldOf(type);
  if (!field) {
    report_.Error("SG005", account->place,
                  fmt::format("connectors of type {} are told of customers only, and find no "
                              "accounts",
                              type),
                  {},
                  "take it out: what is an account's is then told of its contact, and its moves of "
                  "all who belong to it");
  } else if (!field->empty() && account->text != *field) {
    report_.Error("SG005", account->place,
                  fmt::format("connectors of type {} find accounts by `{}` only", type, *field), {},
                  fmt::format("write `account: {}`", *field));
  }
}

// What a type cannot do without.
void Compiler::ConnectorNeeds(const Document& document, const ConnectorSettings& settings) {
  const Node& root = document.root;
  if (settings.type == "smtp") {
    Missing(root, "server", "it says where mail is handed in");
  }
  if (settings.type == "file") {
    Missing(root, "path", "it says where the lines go");
  }
  if (const Node* header = document.Find("header");
      header != nullptr && !IsHeaderName(header->text)) {
    Wrong(*header, "`header` wants the name of a header: letters, digits and -");
  }
  if (settings.type == "mailchimp") {
    Missing(root, "list", "it names the audience there");
  }
  MatchedAccount(document, settings.type);
  std::vector<std::string> known;
  for (const AuthKey& key : AuthKeys()) {
    if (key.type != settings.type) {
      continue;
    }
    known.emplace_back(key.name);
    if (key.required && settings.auth.count(known.back()) == 0) {
      report_.Error("SG006", document.place,
                    fmt::format("`auth.{}` is missing: it {}", key.name, key.meaning), {},
                    fmt::format("add `auth: {{{}: env:NAME}}`", key.name));
    }
  }
  const Node* auth = document.Find("auth");
  for (std::size_t i = 0; auth != nullptr && !known.empty() && i < auth->keys.size(); ++i) {
    const Node& key = auth->keys[i];
    if (std::find(known.begin(), known.end(), key.text) == known.end()) {
      const std::optional<std::string> meant = Nearest(key.text, known);
      report_.Error(
          "SG001", key.place,
          fmt::format("connectors of type {} have no secret `auth.{}`", settings.type, key.text),
          {},
          meant ? fmt::format("did you mean `{}`?", *meant)
                : fmt::format("they have {}", Join(known, ", ")));
    }
  }
}

void Compiler::ConnectorOf(const Document& document) {
  const Node& root = document.root;
  ConnectorSettings settings;
  settings.id = document.id;
  settings.place = document.place;
  settings.type = TextAt(root, "type");
  if (const Node* auth = document.Find("auth")) {
    for (std::size_t i = 0; i < auth->keys.size(); ++i) {
      settings.auth[auth->keys[i].text] = auth->items[i].text;
    }
  }
  for (std::string_view key :
       {"server", "path", "list", "new_members", "events", "version", "message_type", "header"}) {
    if (std::string text = TextAt(root, key); !text.empty()) {
      settings.text[std::string(key)] = std::move(text);
    }
  }
  if (const Node* match = document.Find("match")) {
    for (std::string_view what : {"contact", "account", "task"}) {
      if (std::string text = TextAt(*match, what); !text.empty()) {
        settings.text["match." + std::string(what)] = std::move(text);
      }
    }
  }
  if (const Node* writes = document.Find("writes")) {
    for (const Node& field : writes->items) {
      settings.writes.push_back(field.text);
    }
  }
  if (const auto rate = ParseRate(TextAt(root, "rate"))) {
    settings.rate_calls = rate->first;
    settings.rate_per = rate->second;
  } else if (settings.type == "activecampaign") {
    settings.rate_calls = 5;  // All that an account has, for everybody who calls it.
  } else if (settings.type == "slack") {
    settings.rate_calls = 1;  // Of one webhook.
  }
  settings.parallel = std::max(ParseCount(TextAt(root, "parallel")).value_or(settings.parallel), 1);
  settings.daily = ParseCount(TextAt(root, "daily"));
  settings.timeout = ParseDuration(TextAt(root, "timeout")).value_or(settings.timeout);
  if (const Node* retry = document.Find("retry")) {
    settings.retry.give_up_after =
        ParseDuration(TextAt(*retry, "for")).value_or(settings.retry.give_up_after);
    settings.retry.first = ParseDuration(TextAt(*retry, "first")).value_or(settings.retry.first);
    settings.retry.most = ParseDuration(TextAt(*retry, "most")).value_or(settings.retry.most);
  }
  const std::string dedupe = TextAt(root, "dedupe");
  settings.dedupe = dedupe.empty()       ? StandardDedupe(settings.type)
                    : dedupe == "key"    ? Dedupe::kKey
                    : dedupe == "lookup" ? Dedupe::kLookup
                                         : Dedupe::kNone;
  settings.dry_run = IsYes(root, "dry_run");
  InboundOf(document, settings);
  ConnectorNeeds(document, settings);
  workspace_.connectors.push_back(std::move(settings));
}

}  // namespace segue
