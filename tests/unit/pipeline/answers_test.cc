// What people say to us themselves: it holds at once, and against every file.

#include "pipeline/answers.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/links.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kAnswerShop = R"(workspace: shop
currency: EUR
timezone: UTC
sender: {from: "Shop <shop@example.com>", postal: "1 Street"}
traits: {customer: {email: text, mail_ok: yes_no}}
events: {link_clicked: {link: text, template: text}}
channels: {email: out}
consent: {email: customer.mail_ok}
serve: {url: "https://segue.example", sign: env:SIGN}
links: {base: "https://shop.example", paths: {book: /book}}
---
connector: out
type: webhook
auth: {url: env:URL}
---
source: people
type: csv
path: inbox/*.csv
every: 1h
emits: customer
time: at
---
playbook: thank
purpose: marketing
on: {event: link_clicked, where: link is 'book'}
do: [{send: thanks}]
limits: {reenter: always}
---
template: thanks
channel: email
subject: Thank you
body: "See {{ links.book }}?from=mail"
---
layout: default
html: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
text: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
)";

std::string With(std::string_view more) {
  std::string text(kAnswerShop);
  text.insert(text.find("---"), more);
  return text;
}

// From which byte on files were read.
class FirstRead final : public FileReader {
 public:
  explicit FirstRead(FileReader& files) : files_(files) {}

  std::vector<Info> List(std::string_view pattern) override { return files_.List(pattern); }

  Result<std::string> Read(std::string_view path, std::uint64_t offset, std::size_t most) override {
    first = std::min<std::size_t>(first, offset);
    return files_.Read(path, offset, most);
  }

  std::size_t first = 0;

 private:
  FileReader& files_;
};

struct AnswerBench {
  // `more`: keys of the workspace.
  explicit AnswerBench(std::string_view more = "")
      : checked(CheckWorkspace({{"config/segue.yaml", With(more)}})) {
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
  }

  void Says(const OwnAnswer& answer) {
    said += FormatAnswer(answer) + "\n";
    dir.Write("spool/own-answers/2026-03-02.jsonl", said);
  }

  void Consents(TimePoint at, bool yes, bool on_page = true) {
    Says({.at = at, .customer = "ann", .what = "mail_ok", .yes = yes, .on_page = on_page});
  }

  std::string Consent(State& state, std::string_view key) const {
    const TraitState* trait = state.ledger().Trait(*state.ledger().FindCustomer(key), 1);
    const auto* value = trait == nullptr ? nullptr : std::get_if<std::int64_t>(&trait->value);
    return value == nullptr ? "-" : (*value == 1 ? "yes, " : "no, ") + trait->source;
  }

  Checked checked;
  TempDir dir;
  std::string said;
  TimePoint now = *ParseTime("2026-03-02T09:00:00Z", Zone());
};

}  // namespace

TEST_CASE("a no that somebody said to us stands against every file until they say yes to us") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  Cycle cycle(state, files.get());
  const auto pull = [&] {
    CycleReport report;
    cycle.Pull(bench.now, true, {}, report);
    CHECK(report.warnings.empty());
  };
  const std::string header = "customer_id,at,email,mail_ok\n";
  bench.dir.Write("inbox/a.csv", header + "ann,2026-03-01,ann@example.org,yes\n" +
                                     "bob,2026-03-01,Ann@Example.org,yes\n");
  pull();
  CHECK(bench.Consent(state, "ann") == "yes, people");
  bench.Says({.at = bench.now, .customer = "ann", .what = "mail_ok", .yes = false});
  pull();
  CHECK(bench.Consent(state, "ann") == "no, own answer");
  CHECK(bench.Consent(state, "bob") == "yes, people");
  // An export that was made later, and one that says the same no, change nothing.
  bench.dir.Write("inbox/b.csv", header + "ann,2026-03-02T12:00:00Z,ann@example.org,no\n" +
                                     "ann,2026-03-03,ann@example.org,yes\n");
  bench.now += 48 * kHour;
  pull();
  CHECK(bench.Consent(state, "ann") == "no, own answer");
  // Nor does it matter that the file was read first and names a later time.
  bench.dir.Write("inbox/c.csv", header + "carl,2026-03-04,carl@example.org,yes\n");
  pull();
  bench.Says({.at = bench.now - 24 * kHour, .customer = "carl", .what = "mail_ok", .yes = false});
  pull();
  CHECK(bench.Consent(state, "carl") == "no, own answer");
  bench.Says({.at = bench.now, .customer = "ann", .what = "mail_ok", .yes = true});
  pull();
  CHECK(bench.Consent(state, "ann") == "yes, own answer");
  bench.dir.Write("inbox/d.csv", header + "ann,2026-03-05,ann@example.org,no\n");
  bench.now += 48 * kHour;
  pull();
  CHECK(bench.Consent(state, "ann") == "no, people");
  // A vendor knows only the address, whoever has it; nobody of whom nothing is known is made.
  bench.Says({.at = bench.now, .address = "ann@example.ORG", .what = "mail_ok", .yes = false});
  bench.Says({.at = bench.now, .customer = "nobody", .what = "mail_ok", .yes = false});
  pull();
  CHECK(bench.Consent(state, "bob") == "no, own answer");
  CHECK(state.ledger().customer_count() == 3);
}

TEST_CASE("a no that somebody said to us stands when a file's yes takes effect at a start") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  {
    State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
    const auto files = MakeDiskReader(bench.dir.path());
    Cycle cycle(state, files.get());
    const auto pull = [&] {
      CycleReport report;
      cycle.Pull(bench.now, true, {}, report);
      CHECK(report.warnings.empty());
    };
    bench.dir.Write("inbox/a.csv",
                    "customer_id,at,email,mail_ok\nann,2026-03-01,ann@example.org,no\n"
                    "ann,2026-03-05,ann@example.com,yes\n");
    pull();
    bench.Says({.at = bench.now, .customer = "ann", .what = "mail_ok", .yes = false});
    pull();
    CHECK(bench.Consent(state, "ann") == "no, own answer");
  }
  bench.now += 4 * kDay;
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const TraitState* email = state.ledger().Trait(0, 0);
  REQUIRE(email != nullptr);
  CHECK(std::get<std::string>(email->value) == "ann@example.com");
  CHECK(bench.Consent(state, "ann") == "no, own answer");
}

TEST_CASE(
    "what is in force for a person is what they or others said last, under each of their keys") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  Cycle cycle(state, files.get());
  bench.dir.Write("inbox/a.csv",
                  "customer_id,at,email,mail_ok\nann,2026-03-01,Ann@example.org,yes\n"
                  "bob,2026-03-01,bob@example.org,\ncem,2026-03-01,cem@example.org,no\n");
  const auto pull = [&] {
    CycleReport report;
    cycle.Pull(bench.now, true, {}, report);
  };
  pull();
  const auto answer = [&](std::string_view key) -> std::string {
    const InForce in_force = InForceFor(state, key);
    const auto found = in_force.answers.find("mail_ok");
    CHECK(in_force.answers.size() == (found == in_force.answers.end() ? 0 : 1));
    return (found == in_force.answers.end() ? "-"
            : found->second                 ? "yes"
                                            : "no") +
           std::string(in_force.stopped ? ", stopped" : "");
  };
  CHECK(answer("ann") == "yes");
  CHECK(answer("bob") == "-");
  CHECK(answer("cem") == "no");
  CHECK(answer("nobody") == "-");
  bench.Says({.at = bench.now, .customer = "ann", .what = "mail_ok", .yes = false});
  bench.Says({.kind = OwnAnswer::Kind::kSuppress,
              .at = bench.now,
              .customer = "bob",
              .what = "unsubscribed"});
  bench.Says({.kind = OwnAnswer::Kind::kSuppress,
              .at = bench.now,
              .address = "CEM@example.org",
              .what = "bounced"});
  pull();
  CHECK(answer("ann") == "no");
  CHECK(answer("bob") == "-, stopped");
  CHECK(answer("cem") == "no, stopped");
  CycleReport report;
  const std::vector<Fact> merged = {Merge{"ann", "dea", bench.now}};
  cycle.Ingest(merged, "test", 72 * kHour, bench.now, report);
  CHECK(answer("dea") == "no");
}

TEST_CASE("after a merge the no that was said to us stands, whichever of the two said it") {
  for (const bool survivor_said : {true, false}) {
    AnswerBench bench;
    Database db = Database::Open(bench.dir / "segue.db");
    State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
    const std::vector<Fact> facts = {TraitChange{"ann", 1, std::int64_t{1}, bench.now - 3 * kHour},
                                     TraitChange{"bob", 1, std::int64_t{0}, bench.now - 1 * kHour}};
    state.ledger().Append(facts, "people", bench.now, kDay);
    const std::vector<Fact> own = {
        TraitChange{survivor_said ? "ann" : "bob", 1, std::int64_t{0}, bench.now - 2 * kHour}};
    state.ledger().Append(own, kOwnAnswer, bench.now, kDay);
    const std::vector<Fact> merge = {Merge{"ann", "bob", bench.now}};
    state.ledger().Append(merge, "people", bench.now, kDay);
    CHECK(bench.Consent(state, "ann") == "no, own answer");
  }
}

TEST_CASE(
    "a followed link is an event, and a message that goes out has links that can be followed") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now,
              {.links_key = "key"});
  const auto files = MakeDiskReader(bench.dir.path());
  Cycle cycle(state, files.get());
  CycleReport report;
  bench.dir.Write("inbox/a.csv",
                  "customer_id,at,email,mail_ok\nann,2026-03-01,ann@example.org,yes\n");
  cycle.Pull(bench.now, true, {}, report);
  cycle.Decide(bench.now, report);
  bench.now += kHour;
  bench.Says({.kind = OwnAnswer::Kind::kClick,
              .at = bench.now - kHour / 2,
              .customer = "ann",
              .what = "book",
              .template_id = "old"});
  bench.Says(
      {.kind = OwnAnswer::Kind::kClick, .at = bench.now, .customer = "gone", .what = "book"});
  cycle.Pull(bench.now, true, {}, report);
  cycle.Decide(bench.now, report);
  const std::vector<Delivery> all = state.outbox().List(OutboxFilter());
  REQUIRE(all.size() == 1);
  const std::string& text = all.front().payload.text;
  const std::string begin = "https://segue.example/l/";
  const std::size_t at = text.find(begin) + begin.size();
  std::string rest;
  const auto link =
      TrackedOfPath({"key", "shop"}, text.substr(at, text.find_first_of(" \n", at) - at), &rest);
  REQUIRE(link);
  CHECK(link->link == "book");
  CHECK(link->template_id == "thanks");
  CHECK(link->customer == "ann");
  CHECK(rest == "?from=mail");
}

TEST_CASE("half a line at the end of a day keeps no answer of a later day from being read") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  bench.dir.Write("spool/own-answers/2026-03-01.jsonl", "{\"at\":\"2026");
  bench.Consents(bench.now, false);
  for (int look = 0; look < 3; ++look) {
    CycleReport report;
    CHECK(TakeAnswers(state, *files, bench.now, report));
  }
  CHECK(bench.Consent(state, "ann") == "no, own answer");
}

TEST_CASE("a last answer that is only half written is read when it is whole") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  bench.Consents(bench.now, true);
  const std::string no =
      FormatAnswer({.at = bench.now, .customer = "ann", .what = "mail_ok", .on_page = true});
  for (const std::string& end : {no.substr(0, 20), no.substr(0, 20), no + "\n"}) {
    bench.dir.Write("spool/own-answers/2026-03-02.jsonl", bench.said + end);
    for (int look = 0; look < 3; ++look) {
      CycleReport report;
      CHECK(TakeAnswers(state, *files, bench.now, report));
    }
  }
  CHECK(bench.Consent(state, "ann") == "no, own answer");
}

TEST_CASE("a day of answers that grows is read from where it ended and not from its start") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto disk = MakeDiskReader(bench.dir.path());
  FirstRead files(*disk);
  std::size_t before = 0;
  for (const bool yes : {true, false, true}) {
    before = bench.said.size();
    bench.Consents(bench.now, yes);
    files.first = bench.said.size();
    CycleReport report;
    CHECK(TakeAnswers(state, files, bench.now, report));
    CHECK(files.first == before);
    CHECK(bench.Consent(state, "ann") == (yes ? "yes, own answer" : "no, own answer"));
  }
}

TEST_CASE("a spool that cannot be read is none in which nobody said anything") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  const TempDir elsewhere;
  const auto read = [&] {
    CycleReport report;
    const bool whole = TakeAnswers(state, *files, bench.now, report);
    CHECK(whole == report.warnings.empty());
    return whole;
  };
  CHECK(read());
  std::filesystem::create_symlink(bench.dir / "nowhere", bench.dir / "spool");
  CHECK(!read());
  std::filesystem::remove(bench.dir / "spool");
  elsewhere.Write("own-answers/2026-03-02.jsonl", "");
  std::filesystem::create_symlink(elsewhere.path(), bench.dir / "spool");
  CHECK(!read());
  std::filesystem::remove(bench.dir / "spool");
  std::filesystem::create_directories(bench.dir / "spool/own-answers");
  CHECK(read());
}

TEST_CASE("what others repeat of an own yes makes it no newer than a no that comes late") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  const auto take = [&] {
    CycleReport report;
    CHECK(TakeAnswers(state, *files, bench.now, report));
  };
  const std::vector<Fact> first = {TraitChange{"ann", 1, std::int64_t{1}, bench.now - kDay}};
  state.ledger().Append(first, "people", bench.now, kDay);
  bench.Consents(bench.now - 3 * kHour, true);
  take();
  const std::vector<Fact> again = {TraitChange{"ann", 1, std::int64_t{1}, bench.now - kHour}};
  state.ledger().Append(again, "people", bench.now, kDay);
  // A hook's no before the yes is old; one after it is not, whenever it comes.
  bench.Consents(bench.now - 4 * kHour, false, false);
  take();
  CHECK(bench.Consent(state, "ann") == "yes, own answer");
  bench.Consents(bench.now - 2 * kHour, false, false);
  take();
  CHECK(bench.Consent(state, "ann") == "no, own answer");
}

TEST_CASE("on our own pages the last word is the last, whatever the clock was set to") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  for (const bool yes : {true, false, true, false}) {
    bench.Consents(bench.now, yes);
    CycleReport report;
    CHECK(TakeAnswers(state, *files, bench.now, report));
    CHECK(bench.Consent(state, "ann") == (yes ? "yes, own answer" : "no, own answer"));
    bench.now -= 5 * kHour;  // The clock was ahead, and is put right.
  }
}

TEST_CASE("a no on our pages holds for whom a restored state does not know, unless erased") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  Cycle cycle(state, files.get());
  const std::vector<Fact> first = {TraitChange{"bob", 1, std::int64_t{1}, bench.now - kDay}};
  state.ledger().Append(first, "people", bench.now, kDay);
  cycle.EraseAtOnce("bob", bench.now);
  bench.Consents(bench.now, false);
  bench.Says({.at = bench.now, .customer = "bob", .what = "mail_ok", .on_page = true});
  bench.Says({.kind = OwnAnswer::Kind::kSuppress,
              .at = bench.now,
              .customer = "bob",
              .what = "unsubscribed",
              .on_page = true});
  CycleReport report;
  cycle.TakeAnswers(bench.now, report);
  CHECK(bench.Consent(state, "ann") == "no, own answer");
  CHECK(!state.ledger().FindCustomer("bob"));
  CHECK(!db.Prepare("SELECT 1 FROM suppression").Step());
  bench.dir.Write("inbox/a.csv",
                  "customer_id,at,email,mail_ok\nann,2026-03-01,ann@example.org,yes\n");
  cycle.Pull(bench.now, true, {}, report);
  CHECK(bench.Consent(state, "ann") == "no, own answer");
}

TEST_CASE("an answer finds its trait although that has another name by now") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  CHECK(AboutOf(*bench.checked.workspace, 1) == "channel email");
  bench.Says({.at = bench.now,
              .customer = "ann",
              .what = "its_old_name",
              .about = "channel email",
              .on_page = true});
  CycleReport report;
  TakeAnswers(state, *files, bench.now, report);
  CHECK(bench.Consent(state, "ann") == "no, own answer");
}

TEST_CASE("who signs off through a vendor that names key and address is let go as a person") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  const std::vector<Fact> first = {TraitChange{"ann", 1, std::int64_t{1}, bench.now - kDay}};
  state.ledger().Append(first, "people", bench.now, kDay);
  for (const std::string reason : {"unsubscribed", "bounce"}) {
    bench.Says({.kind = OwnAnswer::Kind::kSuppress,
                .at = bench.now,
                .customer = "ann",
                .address = reason + "@example.org",
                .what = reason});
  }
  CycleReport report;
  TakeAnswers(state, *files, bench.now, report);
  Statement all =
      db.Prepare("SELECT group_concat(who, ' ') FROM (SELECT * FROM suppression ORDER BY who)");
  REQUIRE(all.Step());
  CHECK(all.Text(0) == "ann bounce@example.org unsubscribed@example.org");
}

TEST_CASE("while a brake holds a cycle, sources are read and a no in them holds") {
  AnswerBench bench("safety: {max_sends_per_run: 1}\n");
  Database db = Database::Open(bench.dir / "segue.db");
  const auto files = MakeDiskReader(bench.dir.path());
  const std::string header = "customer_id,at,email,mail_ok\n";
  for (const char* name : {"ann", "bob"}) {
    bench.dir.Write(fmt::format("inbox/{}.csv", name),
                    header + fmt::format("{0},2026-03-01,{0}@example.org,yes\n", name));
    bench.Says({.kind = OwnAnswer::Kind::kClick,
                .at = bench.now + kHour,
                .customer = name,
                .what = "book"});
  }
  const auto live = [&](bool held) {
    State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now,
                {.links_key = "key"});
    Cycle cycle(state, files.get());
    CycleReport report;
    cycle.Pull(bench.now, true, {}, report);
    if (held) {
      CHECK_THROWS_AS(cycle.Decide(bench.now, report), BrakePulled);
    } else {
      cycle.Decide(bench.now, report);
    }
    return bench.Consent(state, "ann") + " " +
           std::to_string(state.outbox().List(OutboxFilter()).size());
  };
  std::filesystem::rename(bench.dir / "spool", bench.dir / "later");
  CHECK(live(false) == "yes, people 0");
  std::filesystem::rename(bench.dir / "later", bench.dir / "spool");
  bench.now += 2 * kHour;
  CHECK(live(true) == "yes, people 0");
  bench.dir.Write("inbox/no.csv", header + "ann,2026-03-02T10:00:00Z,ann@example.org,no\n");
  bench.now += kHour;
  CHECK(live(false) == "no, people 1");
}

TEST_CASE("whom a vendor reports as unreachable hears nothing any more") {
  AnswerBench bench;
  Database db = Database::Open(bench.dir / "segue.db");
  State state(db, *bench.checked.workspace, *bench.checked.templates, bench.now);
  const auto files = MakeDiskReader(bench.dir.path());
  bench.Says({.kind = OwnAnswer::Kind::kSuppress,
              .at = bench.now,
              .address = "Ann@example.org",
              .what = "bounce"});
  // Half a line at the end is left alone, and nothing is taken in twice.
  bench.dir.Write("spool/own-answers/2026-03-02.jsonl", bench.said + "{\"at\":\"2026");
  CycleReport report;
  TakeAnswers(state, *files, bench.now, report);
  TakeAnswers(state, *files, bench.now, report);
  Statement all = db.Prepare("SELECT who, reason FROM suppression");
  REQUIRE(all.Step());
  CHECK(all.Text(0) == "ann@example.org");
  CHECK(all.Text(1) == "bounce");
  CHECK(!all.Step());
}

}  // namespace segue
