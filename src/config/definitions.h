// What the files of a workspace say, compiled: names resolved, expressions typed, defaults filled
// in.
//
// One struct per kind of document (docs/language.md lists the keys).  A loaded Workspace is never
// changed; a reload makes a new one.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "base/zone.h"
#include "config/diagnostic.h"
#include "config/rates.h"
#include "domain/move.h"
#include "domain/schema.h"
#include "domain/text_pool.h"
#include "expression/check.h"
#include "expression/expr.h"

namespace segue {

// An expression with the text and the place that it came from.
struct Condition {
  Expr expr;
  std::string text;
  Place place;
};

// `15m`: every so often, counted from midnight.  `day at 04:00`, `week on mon at 05:30`, `month on
// 1 at 06:00`.
struct Schedule {
  enum class Kind : std::uint8_t { kInterval, kDaily, kWeekly, kMonthly };

  Kind kind = Kind::kDaily;
  Duration interval = Duration::zero();
  int minute_of_day = 0;
  int weekday = 1;    // 1 Monday to 7 Sunday
  int month_day = 1;  // 1 to 28; a later day is refused, since some months lack it

  // The largest slot at or before `now`.
  TimePoint SlotAtOrBefore(TimePoint now, const Zone& zone) const;
  // The smallest slot after `now`.
  TimePoint SlotAfter(TimePoint now, const Zone& zone) const;
  // Slots in (after, until].
  int CountSlots(TimePoint after, TimePoint until, const Zone& zone) const;
};

enum class Refit : std::uint8_t { kEveryRun, kMonthly, kQuarterly, kNever };
enum class Subject : std::uint8_t { kCustomer, kAccount };

struct Fifths {
  bool of_rank = false;  // Else of the values.
  bool ties_by_key =
      false;  // Rank: equal values in order of customer key, else they share the smallest rank.
  bool equal_width = false;  // Else quantiles (linear, "type 7") at 20, 40, 60, 80 %.
  bool closed_left =
      true;        // A value on a line belongs to the interval above it; else to the one below.
  double add = 0;  // Added to each line, in the feature's unit.
};

struct Points {
  Condition when;
  double add = 0;
};

struct Score {
  std::string name;
  std::optional<Condition> from;  // Over own features and the scores before this one.
  bool best_low = false;
  std::vector<double> cuts;  // Ascending, in the unit of `from`.
  std::optional<Fifths> fifths;
  std::vector<Points> points;
  Refit refit = Refit::kMonthly;
  std::optional<std::pair<double, double>> range;  // Both ends included.
  bool margin_applies =
      false;  // Cuts or fifths over a duration, money or a number that is not whole.
  Place place;

  bool learned() const { return fifths.has_value(); }

  // 1 to this for cuts and fifths; 0 for scores of `from` alone and of points.
  int steps() const { return fifths ? 5 : cuts.empty() ? 0 : static_cast<int>(cuts.size()) + 1; }

  // Whether a value on a line belongs to the interval above it.
  bool closed_left() const { return fifths ? fifths->closed_left : !best_low; }
};

struct Feature {
  std::string name;
  Condition value;
};

struct Segment {
  std::string id;
  std::string name;
  std::optional<Condition> when;  // Absent for `otherwise` and for cells.
  bool otherwise = false;
  std::vector<std::vector<int>> cells;  // Each one score per name of Model::grid.
  Place place;
};

struct Flag {
  std::string name;
  Condition on;
  std::optional<Condition> off;  // Absent: `not on`.
};

struct Hold {
  int runs = 1;                      // The same answer in that many slots …
  Duration time = Duration::zero();  // … or for that long, when it is not zero.
};

struct Model {
  std::string id, title;
  bool draft = false;
  Subject of = Subject::kCustomer;
  Schedule every;
  Zone timezone;
  std::optional<Condition> who;
  Refit refit = Refit::kMonthly;
  std::vector<Feature> features;
  std::vector<Score> scores;
  std::vector<int> grid;  // Indexes of scores.
  std::vector<Segment> segments;
  std::vector<Flag> flags;
  std::vector<int> rank;  // Indexes of segments, worst first; empty when not given.
  Hold hold;
  double margin_percent = 0;
  std::string hash;  // Of the normalised text of what decides: memberships carry it.
  Place place;
};

// Below the state folder: what was pushed in, in one folder for each source, a file a day.
constexpr std::string_view kSpoolFolder = "spool";

enum class SourceType : std::uint8_t { kCsv, kJsonLines, kSql, kMixpanel, kAmplitude, kOther };

// `total_cents / 100` or a plain column name: arithmetic of columns, on the row's texts.
struct ColumnMap {
  std::string target;      // A field, a trait, or the word of keys.customer.
  std::string expression;  // As written.
  Place place;
};

// What only sources of type sql have.
struct SqlSettings {
  std::string url;                            // The secret's name: "env:NAME" or "cred:NAME".
  std::string tunnel;                         // The same; empty: none.
  std::string query_path;                     // As it is named to people.
  std::vector<std::string> query;             // One SELECT, in parts; `:since` stands between them.
  std::string cursor;                         // A column; empty: everything is read each time.
  std::optional<Duration> overlap_time;       // For a cursor that is a time …
  std::optional<std::int64_t> overlap_count;  // … and for one that is a number.
  Duration timeout = std::chrono::minutes(5);  // Of one statement.
};

// What only sources of type mixpanel and amplitude have.
struct ExportSettings {
  std::map<std::string, std::string> auth;  // Name to secret reference.
  Duration overlap = Duration::zero();      // So far back it is read again: events arrive late.
  Duration history = std::chrono::hours(24 * 365);  // So far back the first reading begins.
  Duration timeout = std::chrono::minutes(5);       // Of one call.
};

struct Source {
  std::string id;
  SourceType type = SourceType::kCsv;
  std::string type_name;
  Schedule every;
  std::string path;  // Relative to the state folder; `*` allowed.
  std::optional<int> emits_event;
  bool emits_customer = false;
  bool emits_account = false;
  std::string time_column;
  Zone timezone;
  // A currency code, or the column that holds it; both: the column where it says something.
  std::string currency;
  std::string currency_column;
  std::vector<ColumnMap> map;
  std::vector<std::string> dedupe;  // Fields; empty: the whole row.
  std::string version_column;
  Duration late_events = std::chrono::hours(72);
  bool stop_on_bad_rows = false;
  SqlSettings sql;
  // `http` and `webhook`: the service takes what is pushed in and writes it as lines below `path`,
  // from where it is read like any other.  The secret's reference; empty for all other types.
  std::string push_secret;
  ExportSettings exports;
  Place place;

  bool pushed() const { return !push_secret.empty(); }

  bool is_export() const { return type == SourceType::kMixpanel || type == SourceType::kAmplitude; }

  // Lines in the Segment shape, each of which says itself what it is.
  bool segment_shape() const {
    return type == SourceType::kJsonLines && !emits_event && !emits_customer && !emits_account;
  }
};

enum class Dedupe : std::uint8_t { kKey, kLookup, kNone };

struct Retry {
  Duration give_up_after = std::chrono::hours(24);
  Duration first = std::chrono::seconds(30);
  Duration most = std::chrono::hours(1);
};

struct ConnectorSettings {
  std::string id;
  std::string type;                         // The name of a ConnectorSpec.
  std::map<std::string, std::string> auth;  // Name to secret reference: "env:NAME" or "cred:NAME".
  std::map<std::string, std::string> text;  // server, path, list …: the plain keys of its type.
  std::vector<std::string> writes;
  std::optional<int> rate_calls;  // `rate: 20 per 1s`
  Duration rate_per = std::chrono::seconds(1);
  int parallel = 4;
  std::optional<int> daily;
  Duration timeout = std::chrono::seconds(30);
  Retry retry;
  Dedupe dedupe = Dedupe::kNone;
  bool dry_run = false;
  Place place;

  // Whether what is the account's is told of the account itself.
  bool tells_accounts() const { return text.contains("match.account"); }

  // Whoever reads it takes it as it is, whatever it is about.
  bool takes_anything() const { return type == "file" || type == "webhook"; }
};

enum class Purpose : std::uint8_t { kMarketing, kProduct, kSuccess, kService };
enum class Status : std::uint8_t { kDraft, kShadow, kLive, kPaused };

std::string_view PurposeName(Purpose purpose);
std::string_view StatusName(Status status);

// Text with `{{ values }}`: kept as written; templates/ compiles it.
struct TextWithValues {
  std::string text;
  Place place;  // Of the first byte of the text; later lines of a block scalar follow at `indent`.
  int indent = 0;
};

struct Step {
  enum class Kind : std::uint8_t { kSend, kTask, kAudience, kSet, kTrack, kWait, kIf, kStop };

  Kind kind = Kind::kSend;
  std::string id;  // As written, or its place: "0", "2.then.1".
  Place place;
  std::string send;  // Template id.
  bool to_everyone = false;
  // task
  TextWithValues title, note;
  std::string assignee;                // An address out of `assignees`, or …
  std::optional<Expr> assignee_trait;  // … a trait that holds one.
  Duration due = Duration::zero();
  std::string priority = "normal";
  std::string via;
  bool unless_open = false;
  // audience
  std::string audience_add, audience_remove;
  // set: field to text
  std::vector<std::pair<std::string, TextWithValues>> set;
  std::string track;
  // wait
  Duration wait = Duration::zero();
  std::optional<int> until_local_minute;  // Minute of the day on the person's wall.
  std::uint8_t wait_weekdays = 0x7f;      // Bit 0 is Monday.
  std::optional<Condition> until;
  bool met_stops = false;
  bool unmet_stops = false;
  // if
  std::optional<Condition> condition;
  std::vector<Step> then_steps, else_steps;
  std::string stop_reason;
};

struct Trigger {
  enum class Kind : std::uint8_t { kMove, kFlag, kEvent, kEvery };

  Kind kind = Kind::kMove;
  int model = -1;                    // Index into Workspace::models.
  std::vector<SegmentIndex> from;    // Empty: any.  kNoSegment is `none`.
  std::vector<SegmentIndex> to;      // Empty: any.
  Duration stay = Duration::zero();  // `for`
  int flag = -1;
  int event = -1;
  std::optional<Condition> where;
  Duration every = Duration::zero();
  std::optional<Condition> while_holds;
  Place place;
};

struct Goal {
  std::optional<int> event;
  std::optional<Condition> where;
  std::optional<Condition> when;
  std::optional<int> value_field;
  Duration within = Duration::zero();
  std::optional<std::pair<double, double>> expect;  // Percentage points: 10 is ten.
  bool ends_run = true;
  Place place;
};

struct Reenter {
  enum class Kind : std::uint8_t { kNever, kAlways, kAfter };

  Kind kind = Kind::kNever;
  Duration after = Duration::zero();
};

struct Playbook {
  std::string id, title;
  // Whom it is about: an account's runs when it starts on a model of accounts, or on a `while` that
  // asks about the account alone.
  Subject of = Subject::kCustomer;
  Purpose purpose = Purpose::kMarketing;
  std::string topic;
  Status status = Status::kLive;
  int priority = 50;
  std::string lane;  // Its own id when not given.
  bool takes_over = false;
  Trigger on;
  std::vector<Condition> when;  // All of them.
  std::string offer;
  std::vector<Step> steps;
  std::optional<Condition> exit;
  std::optional<Goal> goal;
  Reenter reenter;
  std::optional<int> per_day;
  Place reenter_place, per_day_place;   // The playbook's own where the file does not say.
  std::optional<Duration> on_cap_wait;  // Absent: drop.
  double holdout_percent = 0;
  std::vector<std::pair<std::string, double>> variants;
  std::string salt;
  std::string hash;  // Of the normalised document.
  Place place;
};

// A playbook as it once stood in a file: runs that began with it go on with it.
struct PlaybookVersion {
  std::string playbook, hash;
  SourceFile file;  // Its document alone, on the lines where it stood.
  TimePoint since;
};

struct TemplateBody {
  TextWithValues subject, preheader, title, body, button;
  std::string link;
  std::map<std::string, std::string> use;  // Vendor to its thing: the message is there.
};

struct Template {
  std::string id, channel, via, layout;
  std::map<std::string, TextWithValues> values;
  TextWithValues reply_to;
  TemplateBody body;
  std::vector<std::pair<std::string, TemplateBody>> variants;
  Place place;
};

struct Layout {
  std::string id;
  TextWithValues html, text;
  Place place;
};

struct QuietHours {
  int from_minute = 0, to_minute = 0;  // Of the day; may cross midnight.
  bool customer_zone = true;
  std::vector<std::string> channels;  // Empty: all messages.
};

// At most `max` messages of a purpose through a channel to one customer, in any such stretch of
// time.
struct Cap {
  std::optional<Purpose> purpose;  // Absent: any.
  std::string channel;             // Empty: any.
  int max = 1;
  Duration within = Duration::zero();
  Place place;
};

// People who never get a marketing or product message.
struct Holdout {
  double share_percent = 0;
  std::string salt;
  Place place;
};

// Every settled move of a model is written in a field of these connectors.
struct Mirror {
  std::string model;
  std::vector<std::string> to;
  std::string field;
  Place place;
};

// How long a code can be used from the moment it is reserved: to the end of that day.
struct Validity {
  Duration time = Duration::zero();
  int months = 0;
  bool end_of_month = false;
};

struct Offer {
  std::string id;
  std::string terms;         // For people: "20%", "40 EUR", "1 month", or the perk.
  std::string pool_file;     // Relative to the state folder; one code a line.
  std::string pool_pattern;  // "REF-{{8}}"
  std::optional<int> low_stock;
  Validity valid;
  int per_customer = 1;  // So many in any stretch of …
  Duration per_customer_within = Duration::zero();
  std::optional<std::int64_t> budget;  // Minor units in a calendar month.
  std::optional<Condition> cost;       // What one code may cost, in minor units.
  std::optional<int> redeemed;         // An event with a field `code`.
  Place place;

  bool has_pool() const { return !pool_file.empty() || !pool_pattern.empty(); }
};

// A veto: what it names does not go out to those for whom all of `when` holds.
struct Policy {
  std::string id, why;
  std::vector<Condition> when;
  std::vector<std::string> deny;    // send, a purpose, offer, task, audience_add, experiment
  std::vector<std::string> except;  // Playbooks.
  Place place;

  bool Denies(std::string_view what) const;
};

// Stages in order: who is in a later one counts in the earlier ones.
struct FunnelDocument {
  struct Stage {
    std::string id, name;
    Condition when;
  };

  std::string id, title;
  Subject of = Subject::kCustomer;
  std::vector<Stage> stages;
  Place place;
};

// Which early actions go with staying: searched for on a schedule, over people who joined at most
// `joined` ago and long enough for the outcome to be known.
struct Insight {
  struct Action {
    int event = 0;
    std::string words;  // For people: "invite one teammate".
  };

  std::string id, title;
  Schedule every;
  std::optional<Condition> who;
  Duration joined = Duration::zero();
  std::int64_t at_least = 400;  // People; with fewer nothing is looked for.
  std::vector<Action> actions;
  int times_min = 1, times_max = 6;
  std::vector<Duration> within;  // Of joining; ascending.
  bool pairs = false;
  int outcome_event =
      0;  // Staying is doing this from `outcome_from` to `outcome_to` after joining.
  Duration outcome_from = Duration::zero(), outcome_to = Duration::zero();
  std::string rank_by = "lift";
  double check_percent = 30;  // Of the people, kept back to confirm what was found.
  bool correct_for_many = true;
  std::string publish_as;  // NAME of NAME.reached …; empty: nothing is published.
  bool needs_approval = true;
  std::string hash;  // Of what decides what is found.
  Place place;
};

struct Workspace {
  std::string id;
  Schema schema;
  std::string sender_from, sender_reply_to, sender_postal;
  std::string customer_key = "customer_id", account_key = "account_id";
  std::optional<int> email_trait, timezone_trait, joined_trait;  // Of customers.
  std::optional<int> account_trait;  // Of customers: the key of the account they belong to.
  // Of accounts: the key of the customer who gets their messages, and their zone.
  std::optional<int> account_contact_trait, account_timezone_trait;
  std::map<std::string, std::vector<std::string>> channels;  // Channel to connectors.
  std::vector<std::string> tracks;
  std::map<std::string, std::string> audiences, assignees;
  std::map<std::string, int> consent;        // Channel to customer trait.
  std::map<std::string, int> topic_consent;  // Topic to customer trait.
  std::vector<Cap> caps;
  std::optional<QuietHours> quiet_hours;
  std::optional<Holdout> holdout;
  std::optional<int> max_sends_per_run;
  std::optional<double> max_moved_percent;
  int approvals = 0;  // Other people who must approve a plan before it is applied.
  std::vector<Mirror> mirror;
  Duration stale_after = std::chrono::hours(24);
  std::vector<std::string> allow_only;  // Empty: everybody.
  std::optional<Duration> max_data_age;
  std::string links_base;
  std::map<std::string, std::string> links;
  std::string serve_listen;            // host:port; empty: nothing is served.
  std::string serve_url, sign_secret;  // The secret's reference, never its value.
  std::string tls_cert, tls_key;       // References; both or neither.
  Duration keep = std::chrono::hours(24 * 400);
  std::shared_ptr<Rates> rates;  // Null: amounts in other currencies are set aside.

  std::vector<Source> sources;
  std::vector<ConnectorSettings> connectors;
  std::vector<Model> models;
  std::vector<Playbook> playbooks;
  std::vector<Playbook> earlier;  // Versions that runs go on with; their hash tells them apart.
  std::vector<Template> templates;
  std::vector<Layout> layouts;
  std::vector<Offer> offers;
  std::vector<Policy> policies;

  AggregateCatalog aggregates;
  std::vector<ModelNames> model_names;  // Same order as models.
  std::vector<SourceFile> files;
  std::shared_ptr<TextPool> pool;  // Shared with the state that evaluates.
  std::vector<FunnelDocument> funnels;
  std::vector<Insight> insights;

  const Template* FindTemplate(std::string_view id) const;
  const Layout* FindLayout(std::string_view id) const;
  const ConnectorSettings* FindConnector(std::string_view id) const;
  const Offer* FindOffer(std::string_view id) const;
  std::optional<int> FindModel(std::string_view id) const;
  std::optional<int> FindPlaybook(std::string_view id) const;
  const Playbook* FindEarlier(std::string_view id, std::string_view hash) const;
  // Whether a leaf is about the account: a trait of it, or a model of accounts.
  bool IsOfAccount(const Leaf& leaf) const;
  // What leaves of kind kInsight count: the n-th insight that publishes.
  const Insight* Published(int index) const;
};

}  // namespace segue
