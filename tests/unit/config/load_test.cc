// What compiled documents say, and that every document of the example loads.

#include "config/load.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "config/document.h"
#include "example.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kPlaybook = R"(playbook: win_back
title: Win back
purpose: marketing
topic: news
priority: 70
on: {model: rfm, from: [good, none], to: fading, for: 2d}
when:
  - exists(customer.email)
  - customer.plan is not 'business'
do:
  - send: hello
  - wait: 6d
    until: did(order_placed)
    met: stop
  - wait: {until_local: "09:00", on: [mon..wed, fri]}
  - if: rfm.f >= 2
    then:
      - task: {title: "Call {{ customer.first_name | default: 'them' }}", for: customer.csm, due: 3d, priority: high, unless_open: yes}
    else:
      - task: {title: "Look", for: desk, due: 1d}
      - id: bye
        stop: nothing more to do
  - set: {level: "{{ rfm.f }}"}
  - track: won
exit: rfm is not 'fading'
goal: {event: order_placed, where: amount > 10 EUR, value: amount, within: 30d, expect: 5%..7.5%, ends_run: no}
limits: {reenter: after 60d}
)";

Loaded LoadSmall(std::string_view extra) {
  Loaded loaded = Load(SmallFiles(extra));
  INFO(FormatDiagnostics(loaded.diagnostics, loaded.files, false));
  REQUIRE(loaded.workspace != nullptr);
  return loaded;
}

TEST_CASE(
    "the example has 139 documents of the kinds that the language page counts, and all of them "
    "load") {
  const auto folder = Shared("example");
  if (!folder) {
    return;
  }
  const std::vector<SourceFile> files = ExampleFiles(*folder);
  Diagnostics diagnostics;
  Report report(diagnostics);
  Names names;
  std::map<DocumentKind, int> count;
  for (const Document& document : ReadDocuments(files, report, names)) {
    ++count[document.kind];
  }
  CHECK(diagnostics.empty());
  CHECK(count == std::map<DocumentKind, int>{{DocumentKind::kWorkspace, 1},
                                             {DocumentKind::kConnector, 13},
                                             {DocumentKind::kSource, 6},
                                             {DocumentKind::kModel, 8},
                                             {DocumentKind::kFunnel, 1},
                                             {DocumentKind::kInsight, 1},
                                             {DocumentKind::kPlaybook, 42},
                                             {DocumentKind::kOffer, 7},
                                             {DocumentKind::kPolicy, 5},
                                             {DocumentKind::kTemplate, 52},
                                             {DocumentKind::kLayout, 1},
                                             {DocumentKind::kTest, 2}});
  const Loaded loaded = Load(files, true);
  REQUIRE(loaded.workspace != nullptr);
  CHECK(loaded.workspace->models.size() == 8);
  CHECK(loaded.workspace->playbooks.size() == 42);
  for (const Diagnostic& diagnostic : Problems(loaded)) {
    CHECK(diagnostic.code == "SG099");
  }
}

TEST_CASE("the shipped library loads without a complaint") {
  const Loaded loaded = Load(ExampleFiles(SEGUE_SOURCE_DIR));
  INFO(FormatDiagnostics(Problems(loaded), loaded.files, false));
  CHECK(loaded.workspace != nullptr);
  CHECK(Problems(loaded).empty());
}

TEST_CASE("a playbook's words become indexes, durations and minutes") {
  const Loaded loaded = LoadSmall(kPlaybook);
  const Playbook& playbook = loaded.workspace->playbooks.at(0);
  CHECK(playbook.title == "Win back");
  CHECK(playbook.topic == "news");
  CHECK(playbook.priority == 70);
  CHECK(playbook.lane == "win_back");
  CHECK(playbook.on.model == 0);
  CHECK(playbook.on.from == std::vector<SegmentIndex>{0, kNoSegment});
  CHECK(playbook.on.to == std::vector<SegmentIndex>{1});
  CHECK(playbook.on.stay == 2 * kDay);
  CHECK(playbook.when.size() == 2);
  CHECK(playbook.exit->text == "rfm is not 'fading'");
  CHECK(playbook.reenter.kind == Reenter::Kind::kAfter);
  CHECK(playbook.reenter.after == 60 * kDay);
  CHECK(playbook.goal->event == 1);
  CHECK(playbook.goal->value_field == 1);
  CHECK(playbook.goal->where.has_value());
  CHECK(playbook.goal->within == 30 * kDay);
  CHECK(*playbook.goal->expect == std::pair(5.0, 7.5));
  CHECK_FALSE(playbook.goal->ends_run);
  CHECK(playbook.hash.size() == 16);
}

TEST_CASE("steps carry their place as id, or their own") {
  const Loaded loaded = LoadSmall(kPlaybook);
  const std::vector<Step>& steps = loaded.workspace->playbooks.at(0).steps;
  REQUIRE(steps.size() == 6);
  CHECK(steps[0].id == "0");
  CHECK(steps[0].send == "hello");
  CHECK(steps[1].wait == 6 * kDay);
  CHECK(steps[1].until.has_value());
  CHECK(steps[1].met_stops);
  CHECK_FALSE(steps[1].unmet_stops);
  CHECK(steps[2].until_local_minute == 9 * 60);
  CHECK(steps[2].wait_weekdays == 0x17);
  CHECK(steps[3].condition.has_value());
  const Step& task = steps[3].then_steps.at(0);
  CHECK(task.id == "3.then.0");
  CHECK(task.assignee_trait.has_value());
  CHECK(task.due == 3 * kDay);
  CHECK(task.priority == "high");
  CHECK(task.unless_open);
  CHECK(task.title.place.line == 18);
  CHECK(task.title.place.column == 24);
  CHECK(steps[3].else_steps.at(0).assignee == "desk@shop.example");
  CHECK(steps[3].else_steps.at(1).id == "bye");
  CHECK(steps[3].else_steps.at(1).stop_reason == "nothing more to do");
  CHECK(steps[4].set.at(0).first == "level");
  CHECK(steps[5].track == "won");
}

TEST_CASE("a model's lines are in the unit of the value, and fifths take the better side") {
  const Loaded loaded = LoadSmall(R"yaml(model: m
title: Money
every: week on mon at 05:30
timezone: America/Sao_Paulo
refit: quarterly
features:
  spent: sum(order_placed.amount)
  silence: since(last(order_placed))
  orders: count(order_placed)
scores:
  m: {from: spent, best: high, cuts: [50 EUR, 150.50 EUR]}
  s: {from: silence, best: low, fifths: yes}
  o: {from: orders, best: high, fifths: {of: rank, ties: by_key, lines: equal_width, closed: right, add: 1}, refit: every run}
  both: {from: "round(mean(m, s))", range: 1..5}
  extra: {range: 0..100, points: [{when: rfm is 'good', add: 35}, {when: orders > 3, add: -5}]}
grid: [m, s]
segments:
  - {id: top, cells: [35, 34]}
  - {id: rest, name: The rest, when: otherwise}
flags:
  rich: {on: spent > 100 EUR, off: spent < 80 EUR}
rank: [rest, top]
settle: {hold: 2d, margin: 2.5%}
)yaml");
  const Workspace& workspace = *loaded.workspace;
  // The one that is read comes first.
  CHECK(workspace.FindModel("rfm") == 0);
  const Model& model = workspace.models.at(1);
  CHECK(model.every.kind == Schedule::Kind::kWeekly);
  CHECK(model.timezone.name() == "America/Sao_Paulo");
  CHECK(model.scores[0].cuts == std::vector<double>{5000, 15050});
  CHECK(model.scores[0].margin_applies);
  CHECK(model.scores[0].closed_left());
  CHECK(model.scores[1].fifths->closed_left == false);
  CHECK(model.scores[1].refit == Refit::kQuarterly);
  CHECK(model.scores[2].fifths->of_rank);
  CHECK(model.scores[2].fifths->ties_by_key);
  CHECK(model.scores[2].fifths->equal_width);
  CHECK(model.scores[2].fifths->add == 1);
  CHECK(model.scores[2].refit == Refit::kEveryRun);
  CHECK_FALSE(model.scores[2].margin_applies);
  CHECK(model.scores[3].range == std::pair(1.0, 5.0));
  CHECK(model.scores[3].steps() == 0);
  CHECK(model.scores[4].points.at(1).add == -5);
  CHECK(model.grid == std::vector<int>{0, 1});
  CHECK(model.segments[0].cells == std::vector<std::vector<int>>{{3, 5}, {3, 4}});
  CHECK(model.segments[1].otherwise);
  CHECK(model.segments[1].name == "The rest");
  CHECK(model.rank == std::vector<int>{1, 0});
  CHECK(model.hold.time == 2 * kDay);
  CHECK(model.margin_percent == 2.5);
  CHECK(workspace.model_names[1].flags.at(0).name == "rich");
  CHECK(workspace.models[0].scores[0].cuts == std::vector<double>{14 * 86400e6, 45 * 86400e6});
}

TEST_CASE("the workspace knows its schema, channels, consent and refunds") {
  const Loaded loaded = LoadSmall("");
  const Workspace& workspace = *loaded.workspace;
  CHECK(workspace.id == "shop");
  CHECK(workspace.schema.timezone.name() == "Europe/Lisbon");
  CHECK(workspace.sender_reply_to == "Shop <shop@shop.example>");
  CHECK(workspace.email_trait == 0);
  CHECK(workspace.timezone_trait == 2);
  CHECK(workspace.schema.customer_traits[5].choices ==
        std::vector<std::string>{"free", "team", "business"});
  const EventSpec& refund = workspace.schema.events.at(2);
  CHECK(refund.reverses == 1);
  CHECK(refund.by_field == 0);
  CHECK(refund.by_original_field == 0);
  CHECK(refund.fields.size() == 2);
  CHECK(workspace.consent.at("email") == 7);
  CHECK(workspace.topic_consent.at("news") == 8);
  CHECK(workspace.sign_secret == "cred:link_key");
  CHECK(workspace.FindConnector("tasks")->dedupe == Dedupe::kKey);
  CHECK(workspace.FindConnector("mail")->dedupe == Dedupe::kNone);
  CHECK(workspace.FindTemplate("hello")->layout == "default");
  CHECK(workspace.FindTemplate("hello")->body.body.place.line == 38);
  CHECK(workspace.FindTemplate("hello")->body.body.indent == 2);
  CHECK(workspace.aggregates.all().size() == 3);
}

TEST_CASE("a source maps columns to fields, and a connector keeps the names of its secrets") {
  const Loaded loaded = LoadSmall(R"(source: orders
type: csv
path: inbox/orders-*.csv
every: 1h
emits: order_placed
time: paid_on
timezone: UTC
currency: code
dedupe: order_id
version: changed
map: {customer_id: cust, order_id: no, amount: cents / 100}
late_events: 2d
bad_rows: stop
---
connector: hook
type: webhook
auth: {url: env:HOOK_URL, sign: cred:hook}
rate: 20 per 10s
dedupe: key
timeout: 5s
retry: {for: 2h, first: 10s}
dry_run: yes
)");
  const Source& source = loaded.workspace->sources.at(0);
  CHECK(source.emits_event == 1);
  CHECK(source.currency.empty());
  CHECK(source.currency_column == "code");
  CHECK(source.timezone.name() == "UTC");
  CHECK(source.map.at(2).target == "amount");
  CHECK(source.map.at(2).expression == "cents / 100");
  CHECK(source.dedupe == std::vector<std::string>{"order_id"});
  CHECK(source.late_events == 2 * kDay);
  CHECK(source.stop_on_bad_rows);
  const ConnectorSettings& hook = *loaded.workspace->FindConnector("hook");
  CHECK(hook.auth.at("sign") == "cred:hook");
  CHECK(hook.rate_calls == 20);
  CHECK(hook.rate_per == std::chrono::seconds(10));
  CHECK(hook.dedupe == Dedupe::kKey);
  CHECK(hook.timeout == std::chrono::seconds(5));
  CHECK(hook.retry.give_up_after == 2 * kHour);
  CHECK(hook.retry.most == kHour);
  CHECK(hook.dry_run);
}

TEST_CASE("a hash changes with what decides and not with titles, tags, comments and layout") {
  const auto hashes = [](std::string_view from, std::string_view to) {
    std::string workspace(kSmallWorkspace);
    if (!from.empty()) {
      workspace.replace(workspace.find(from), from.size(), to);
    }
    const Loaded loaded = Load({SourceFile{"config/segue.yaml", workspace},
                                SourceFile{"rules/p.yaml", std::string(kPlaybook)}});
    REQUIRE(loaded.workspace != nullptr);
    return loaded.workspace->models.at(0).hash;
  };
  const std::string hash = hashes("", "");
  CHECK(hash.size() == 16 + 1 + 8);  // Of the document, and of what the tracking plan says of it.
  CHECK(hashes("model: rfm\n", "model: rfm   # comment\ntitle: Another title\ntags: [x]\n") ==
        hash);
  CHECK(hashes("cuts: [14d, 45d]", "cuts:  [2w,  45d]") == hash);
  CHECK(hashes("{id: good, when", "{id: good, name: Good, when") == hash);
  CHECK(hashes("cuts: [14d, 45d]", "cuts: [15d, 45d]") != hash);
  CHECK(hashes("when: f >= 2}", "when: f > 2}") != hash);
  CHECK(hashes("day at 04:00", "day at 05:00") != hash);
  // The tracking plan decides too, as far as the model looks at it.
  CHECK(hashes(", reverses: order_placed, by: order_id", "") != hash);
  CHECK(hashes("items: number}", "items: number, colour: text}") == hash);
  CHECK(hashes("first_name: text, ", "first_name: text, nick: text, ") == hash);
}

TEST_CASE("two layouts of the same words have one normalised text") {
  const std::vector<SourceFile> one = {
      {"rules/a.yaml",
       "policy: p\nwhen: customer.plan == 'free'   # free only\ndeny: [task]\nwhy: x\n---\n"
       "policy: q\nwhen: yes\ndeny: [send]\nwhy: y\n"}};
  const std::vector<SourceFile> other = {
      {"rules/b.yaml", "policy: q\r\nwhen: [yes]\r\ndeny:\r\n  - send\r\nwhy: \"y\"\r\n"},
      {"rules/c.yaml", "policy: p\nwhy: x\ndeny: [task]\nwhen: ((customer.plan)  is 'free')\n"}};
  CHECK(NormalisedText(one) == NormalisedText(other));
  CHECK(NormalisedText(one) ==
        "---\npolicy: p\nwhen:\n  - customer.plan is 'free'\ndeny:\n  - task\nwhy: \"x\"\n"
        "---\npolicy: q\nwhen:\n  - yes\ndeny:\n  - send\nwhy: \"y\"\n");
}

TEST_CASE("one broken document is one problem, however often others name it") {
  std::string workspace(kSmallWorkspace);
  workspace.replace(workspace.find("cuts: [14d, 45d]"), 16, "cuts: [14d, 45d");
  const Loaded loaded = Load({SourceFile{"config/segue.yaml", workspace},
                              SourceFile{"rules/p.yaml", std::string(kPlaybook)}});
  CHECK(loaded.workspace == nullptr);
  CHECK(Problems(loaded).size() == 1);
}

TEST_CASE("a mistake in a name or a currency is said once, whatever hangs on it") {
  const auto problems = [](std::string_view was, std::string_view is) {
    std::string files(kSmallWorkspace);
    files.replace(files.find(was), was.size(), is);
    return Problems(Load({SourceFile{"config/segue.yaml", files},
                          SourceFile{"rules/p.yaml", std::string(kPlaybook)},
                          SourceFile{"rules/q.yaml",
                                     "policy: q\nwhy: x\ndeny: [task]\nwhen: "
                                     "sum(order_placed.amount) > 5 EUR\n"}}));
  };
  const Diagnostics currency = problems("currency: EUR", "currency: eur");
  REQUIRE(currency.size() == 1);
  CHECK(currency[0].help == "did you mean `EUR`?");
  CHECK(problems("workspace: shop", "workspace: \"the shop\"").size() == 1);
  CHECK(problems("model: rfm", "model: rfm: x").size() == 1);
}

TEST_CASE("a workspace without its document, or with two, says so") {
  CHECK(Load({}).diagnostics.at(0).message == "no file has a `workspace:` document");
  CHECK(Load({}).workspace == nullptr);
  const Loaded two = Load(SmallFiles("workspace: other\ncurrency: EUR\n"));
  CHECK(two.workspace == nullptr);
  CHECK(Problems(two).at(0).code == "SG007");
}

TEST_CASE("files are read from the three folders, sorted, and only the kinds that count") {
  const TempDir folder;
  folder.Write("rules/b.yaml", "b");
  folder.Write("rules/a/z.yml", "z");
  folder.Write("rules/notes.md", "no template");
  folder.Write("templates/t.md", "t");
  folder.Write("config/segue.yaml", "");
  folder.Write("other/x.yaml", "x");
  Diagnostics diagnostics;
  std::vector<std::string> paths;
  for (const SourceFile& file : ReadWorkspaceFiles(folder.path(), diagnostics)) {
    paths.push_back(file.path);
  }
  CHECK(diagnostics.empty());
  CHECK(paths == std::vector<std::string>{"config/segue.yaml", "rules/a/z.yml", "rules/b.yaml",
                                          "templates/t.md"});
}

// What reading a folder with one rule beside this says.
std::string SaidAbout(const TempDir& folder) {
  Diagnostics diagnostics;
  const std::vector<SourceFile> files = ReadWorkspaceFiles(folder.path(), diagnostics);
  CHECK(files.size() == 1);
  return FormatDiagnostics(diagnostics, {}, false);
}

bool SaysOf(const TempDir& folder, const std::string& words) {
  return SaidAbout(folder).find(words) != std::string::npos;
}

TEST_CASE("load: what cannot be read is an error with its path, never passed over") {
  TempDir folder;
  folder.Write("config/segue.yaml", "workspace: w");
  std::filesystem::create_directories(folder / "rules");
  const auto link = [&](const std::string& to, const std::string& name) {
    std::filesystem::create_symlink(to, folder / name);
  };
  SUBCASE("a link that leads nowhere") {
    link("gone.yaml", "rules/a.yaml");
    CHECK(SaidAbout(folder) ==
          "error SG000: rules/a.yaml: is a link that leads nowhere: No such file or directory\n"
          "    = help: mend the link, or remove it if what it stood for is to be gone\n");
  }
  SUBCASE("a link to a folder that is not mounted") {
    link("/gone/rules", "rules/shared");
    CHECK(SaysOf(folder, "rules/shared: is a link that leads nowhere"));
  }
  SUBCASE("a link to itself") {
    link("a.yaml", "rules/a.yaml");
    CHECK(SaysOf(folder, "rules/a.yaml: is a link that leads nowhere: Too many"));
  }
  SUBCASE("a link to a folder") {
    folder.Write("other/b.yaml", "model: b");
    link("../other", "rules/shared");
    CHECK(SaysOf(folder, "rules/shared: is a link to a folder"));
  }
  SUBCASE("rules as a whole") {
    std::filesystem::remove(folder / "rules");
    link("/gone/rules", "rules");
    CHECK(SaysOf(folder, "rules: No such file or directory"));
  }
  SUBCASE("a name in capitals") {
    folder.Write("rules/A.YAML", "model: a");
    CHECK(SaidAbout(folder) ==
          "error SG000: rules/A.YAML: is not read, since its name ends in .YAML\n"
          "    = help: rename it: .yaml\n");
  }
  SUBCASE("what is no file") {
    REQUIRE(mkfifo((folder / "rules/a.yaml").c_str(), 0600) == 0);
    CHECK(SaysOf(folder, "rules/a.yaml: is no plain file"));
  }
}

TEST_CASE("load: links to files are files, and an editor's lock is none") {
  TempDir folder;
  folder.Write("other/a.yaml", "workspace: w");
  std::filesystem::create_directories(folder / "config");
  std::filesystem::create_symlink("../other/a.yaml", folder / "config/a.yaml");
  std::filesystem::create_symlink("ann@desk.1234:5", folder / "config/.#a.yaml");
  CHECK(SaidAbout(folder).empty());
}

}  // namespace
}  // namespace segue
